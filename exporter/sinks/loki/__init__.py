"""Loki, by its push interface: one stream for each pod and type, each line at the time of its event."""

from __future__ import annotations

import os
import random
import re
import ssl
import time
from typing import TYPE_CHECKING, Any

from exporter.errors import StartError, UsageError
from exporter.model.event import EventNaming
from exporter.sinks.context import SinkContext, SinkSpec
from exporter.sinks.loki import address
from exporter.sinks.loki.backlog import REASONS, Backlog
from exporter.sinks.loki.client import Client, Login
from exporter.sinks.loki.delivery import Delivery
from exporter.sinks.loki.options import OPTIONS
from exporter.sinks.loki.retry import Backoff
from exporter.sinks.loki.sink import LokiSink
from exporter.sinks.loki.spill import Spill
from exporter.sinks.loki.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LABEL = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)=(.+)")
_OWN_LABELS = frozenset({"node", "namespace", "pod", "type"})
_MOST_LABELS = 8  # Loki accepts fifteen for a stream, of which six are ours
_TENANT = re.compile(r"[A-Za-z0-9!_.*'()|-]{0,150}")
_JOBS = {EventNaming.KUBESKOOP: "kubeskoop", EventNaming.ACK: "inspector"}  # as the peer calls itself in each


def open_sink(args: Mapping[str, Any], context: SinkContext) -> LokiSink:
    """Start delivering. Whether Loki is there is found out later, and not its absence but wrong settings are errors.

    Raises UsageError for settings that contradict each other, StartError for files that cannot be used.
    """
    place = address.parse(args["addr"], args["namespace"])
    client = Client(place, _login(args), _tls(args, place), args["timeout"], time.monotonic)
    for reason in REASONS:
        context.lost(reason, 0)  # from the start, so that the first loss is an increase
    spill = Spill(args["spillFolder"], args["spillBytes"]) if args["spillFolder"] else None
    backlog = Backlog(
        args["bufferBytes"], args["batchBytes"], args["batchWait"], clock=time.monotonic, lost=context.lost, spill=spill
    )
    # Not for secrets: the nodes of a cluster are to come back at different times.
    backoff = Backoff(random.random, time.time)
    return LokiSink(
        context.json if args["format"] == "json" else context.text,
        context.type_name,
        streams=Streams(_labels(args["labels"], context), args["maxStreams"], time.monotonic),
        backlog=backlog,
        delivery=Delivery(backlog, client.push, str(place), backoff, time.monotonic),
        client=client,
        clock=time.monotonic,
    )


def _labels(extra: tuple[Any, ...], context: SinkContext) -> dict[str, str]:
    """Labels of every stream: the peer's `job` and `instance`, ours, and those of the configuration."""
    labels = {"job": _JOBS[context.naming], "instance": context.node, "node": context.node}
    if len(extra) > _MOST_LABELS:
        raise UsageError(f"labels has {len(extra)} entries, Loki has room for {_MOST_LABELS}")
    for each in extra:
        match = _LABEL.fullmatch(each) if isinstance(each, str) else None
        if match is None or match[1] in _OWN_LABELS:
            raise UsageError(
                f"labels cannot hold {each!r:.80}: write name=value, the name not one of "
                f"{', '.join(sorted(_OWN_LABELS))}"
            )
        labels[match[1]] = match[2]
    return labels


def _login(args: Mapping[str, Any]) -> Login:
    user, file, variable = args["username"], args["passwordFile"], args["passwordEnv"]
    if bool(user) != bool(file or variable) or (file and variable):
        raise UsageError("`username` goes together with one of `passwordFile` and `passwordEnv`")
    if ":" in user or not user.isprintable():
        raise UsageError(f"username cannot hold a colon or what cannot be printed, is {user!r:.80}")
    if not _TENANT.fullmatch(args["tenant"]):
        raise UsageError(f"tenant can hold letters, digits and !-_.*'()|, is {args['tenant']!r:.80}")
    login = Login(args["tenant"], user, _password(file, variable))
    try:
        login.headers()
    except OSError as error:
        raise StartError(str(error)) from error
    return login


def _password(file: str, variable: str) -> Callable[[], str]:
    """Finds it each time anew; what it raises names the place, never the content."""

    def from_file() -> str:
        try:
            with open(file, encoding="utf-8", errors="surrogateescape") as content:
                return content.read().rstrip("\r\n")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OSError(f"passwordFile {file!r} cannot be read ({reason}): mount the secret there") from None

    def from_environment() -> str:
        if variable not in os.environ:
            raise OSError(f"environment variable {variable!r} is not set: set it from a secret, see passwordEnv")
        return os.environ[variable]

    return from_file if file else from_environment


def _tls(args: Mapping[str, Any], place: address.Address) -> ssl.SSLContext | None:
    if not place.tls:
        if args["caFile"] or args["insecure"]:
            raise UsageError(f"caFile and insecure need an https address, not {place}")
        return None
    try:
        context = ssl.create_default_context(cafile=args["caFile"] or None)
    except (OSError, ValueError) as error:  # OSError: TLS errors too; ValueError: a zero byte
        reason = getattr(error, "strerror", None) or error
        raise StartError(
            f"caFile {args['caFile']!r} cannot be used ({reason}): name a file with certificates in PEM"
        ) from error
    if args["insecure"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


SINK = SinkSpec(
    name="loki",
    summary="Pushes events to Grafana Loki.",
    open=open_sink,
    options=OPTIONS,
)
