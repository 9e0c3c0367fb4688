"""The event stream for `inspector watch`: a gRPC server, whose clients each choose what they want to see."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from exporter.errors import StartError, UsageError
from exporter.events.stream_messages import PORT
from exporter.model.probe import Option
from exporter.sinks.context import SinkSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.model.event import Sink
    from exporter.sinks.context import SinkContext


def open_sink(args: Mapping[str, Any], context: SinkContext) -> Sink:
    """Listen. Raises UsageError for contradicting arguments, StartError where there is no gRPC or no such address."""
    if bool(args["certFile"]) != bool(args["keyFile"]):
        raise UsageError("certFile and keyFile belong together; give both or neither")
    if args["clientCaFile"] and not args["certFile"]:
        raise UsageError("clientCaFile needs certFile and keyFile, as only TLS asks clients for certificates")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read on import; what it complains about, we do
    try:
        from exporter.sinks.grpc.server import EventServer  # noqa: PLC0415 - 17 MiB for whoever streams, not for all
    except ImportError as problem:
        raise StartError(
            f"events cannot be streamed without the package grpcio ({problem}); pip install grpcio"
        ) from problem
    return EventServer(args, context)


SINK = SinkSpec(
    name="grpc",
    summary="Stream on which `inspector watch` sees events as they happen.",
    open=open_sink,
    options=(
        Option(name="host", help="Address to listen on.", default="0.0.0.0"),
        Option(name="port", help="Port to listen on.", default=PORT, least=0, most=65535),
        Option(name="clients", help="Clients that may watch at the same time.", default=16, most=256),
        Option(name="queue", help="Events that wait for each client at most.", default=1000, most=100_000),
        Option(name="patience", help="Seconds after which a client that reads nothing is hung up on.", default=30.0),
        Option(name="certFile", help="File with the certificate chain; with `keyFile`, clients need TLS.", default=""),
        Option(name="keyFile", help="File with the private key of `certFile`.", default=""),
        Option(name="clientCaFile", help="File with the authority that clients' certificates need.", default=""),
        Option(name="tokenFile", help="File with a token that clients must present.", default=""),
    ),
    default=True,
)
