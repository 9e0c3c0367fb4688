"""`inspector watch`: events of one or several exporters as they happen."""

from __future__ import annotations

import os
import sys
from argparse import RawDescriptionHelpFormatter
from contextlib import closing
from typing import TYPE_CHECKING, Final

from exporter.cli.event_lines import record_line, text_line
from exporter.errors import StartError, UsageError
from exporter.events.selection import Selection, kinds, spellings, words
from exporter.events.stream_messages import PORT, Meta, Reply, Watch, encode_watch

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable

    from exporter.cli.event_client import Streams
    from exporter.model.event import EventType

_EXAMPLES: Final = """\
examples:
  inspector watch                                what happens on this node
  inspector watch -e 10.1.16.255                 on another one
  inspector watch -s 10.1.17.113 -s 10.1.18.14   on two, as it happens
  inspector watch --type PacketLoss --namespace shop --pod 'web-*'
  inspector watch -d -v | jq -r .msg             JSON, for programs

`inspector list event` lists the types. Patterns may hold * and ?. Ctrl-C ends.
"""
_HIGHEST_PORT: Final = 65535
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"


def add_options(parser: ArgumentParser) -> None:
    """The grammar of the command."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    place = {"metavar": "HOST[:PORT]", "action": "append", "dest": "servers"}
    parser.add_argument("-s", "--server", **place, help="exporter to watch; repeat for several (default: 127.0.0.1)")  # type: ignore[arg-type]
    parser.add_argument("-e", "--endpoint", **place, help="the same")  # type: ignore[arg-type]
    parser.add_argument("-p", "--port", type=int, default=PORT, help="port where none is given (default: %(default)s)")
    for what, word in (("type", "TYPE"), ("pod", "PATTERN"), ("namespace", "PATTERN"), ("node", "PATTERN")):
        text = f"only events of this {what}; repeat for several"
        parser.add_argument(f"--{what}", metavar=word, action="append", default=[], help=text)
    parser.add_argument("-d", "--debug", "--json", action="store_true", dest="json", help="print JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="print time and stack, too; JSON has them always")
    parser.add_argument("--ca", metavar="FILE", help="encrypt; certificates of who vouches for the exporter")
    parser.add_argument("--certificate", metavar="FILE", help="our own certificate, where the exporter wants one")
    parser.add_argument("--key", metavar="FILE", help="its key")
    parser.add_argument("--token-file", metavar="FILE", help="holds the token that the exporter wants")


def watch(options: Namespace, known: Iterable[EventType]) -> None:
    """Print events until interrupted. Raises UsageError for a wrong option, StartError when nothing can be watched."""
    types = spellings(kinds(_words(options.type), known))
    wanted = Selection(types, *map(_words, (options.pod, options.namespace, options.node)))
    with closing(_streams(options)) as streams:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        for server, told in streams:
            if isinstance(told, Reply):
                if told.lost:
                    _remark(server, f"{told.lost} events were lost here, as too little was read")
                meta = told.meta
                if wanted.wants(told.name, meta.pod, meta.namespace, meta.node):  # other servers do not select
                    line = text_line(told, verbose=options.verbose, colour=colour)
                    print(record_line(told, server) if options.json else line)
            else:
                _remark(server, told.text)
            if streams.idle:
                sys.stdout.flush()
    raise StartError("no exporter is left to watch")


def _remark(server: str, text: str) -> None:
    sys.stdout.flush()
    print(f"inspector: {server}: {text}", file=sys.stderr, flush=True)


def _streams(options: Namespace) -> Streams:
    servers = [address(server, options.port) for server in options.servers or ["127.0.0.1"]]
    if bool(options.certificate) != bool(options.key) or (options.certificate and not options.ca):
        raise UsageError("--certificate and --key belong together, and need --ca")
    authority = _content("--ca", options.ca)
    certificate, key = _content("--certificate", options.certificate), _content("--key", options.key)
    if options.ca and _CERTIFICATE not in authority:
        raise UsageError(f"{options.ca}: there is no certificate in PEM in it")
    token = _content("--token-file", options.token_file).decode("ascii", "replace").strip()
    lists = (options.type, options.node, options.pod, options.namespace)
    name, *owner = (",".join(_words(each)) for each in lists)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read on import; what it complains about, we do
    try:
        from exporter.cli.event_client import Access, Streams  # noqa: PLC0415 - only who watches needs gRPC
    except ImportError as problem:
        raise StartError(f"events cannot be watched without the package grpcio ({problem}); install it") from problem
    request = encode_watch(Watch(name, Meta(*owner)))
    return Streams(list(dict.fromkeys(servers)), request, Access(authority, certificate, key, token))


def address(server: str, port: int) -> str:
    """HOST:PORT as gRPC takes it. Raises UsageError."""
    host, given = server, str(port)
    if server.startswith("["):
        host, _, rest = server[1:].partition("]")
        given = rest.removeprefix(":") or given
    elif server.count(":") == 1:
        host, _, given = server.partition(":")
    if not host or not given.isdecimal() or not 0 < int(given) <= _HIGHEST_PORT:
        raise UsageError(f"a server must be HOST or HOST:PORT, for example 10.1.16.255:{PORT}, is {server!r}")
    return f"[{host}]:{given}" if ":" in host else f"{host}:{given}"


def _words(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for each in given for word in words(each))


def _content(option: str, path: str | None) -> bytes:
    if path is None:
        return b""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as problem:
        raise UsageError(
            f"{option}: {path} cannot be read ({problem.strerror}); name a file that you may read"
        ) from problem
