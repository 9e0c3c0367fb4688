"""The `inspector` command line: look at a running exporter, or at the registry."""

from __future__ import annotations

import json
import sys
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib import error, request

from exporter import __version__, registry
from exporter.cli import btf, reports
from exporter.cli.arguments import Parser, add_commands, check_command
from exporter.cli.command import execute
from exporter.cli.completion import SHELLS
from exporter.cli.watch import add_options, watch
from exporter.errors import StartError
from exporter.model.metric import Naming

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

COMMANDS = {
    "list": "List probes, metrics or events that exist, or entities that a running exporter sees.",
    "watch": "Print events of one or several exporters as they happen.",
    "completion": "Print a script by which a shell completes the words of this program.",
    "btf": "Find the types of the running kernel, which eBPF programs need, or test whether they fit.",
    "version": "Print the version.",
}
_SECONDS = 5.0


def parser() -> Parser:
    """The command line's grammar."""
    top = Parser(prog="inspector", description="Look at a running net-exporter, or at what it can collect.")
    commands = add_commands(top, COMMANDS)
    commands["list"].add_argument("what", choices=("probe", "metric", "event", "entity"), help="what to list")
    commands["list"].add_argument("-s", "--server", default="127.0.0.1:9102", help="exporter (default: %(default)s)")
    commands["list"].add_argument("--json", action="store_true", help="print JSON")
    add_options(commands["watch"])
    commands["completion"].add_argument(
        "shell", choices=tuple(SHELLS), help="source its output in the shell's start file"
    )
    commands["btf"].add_argument("what", choices=("discover", "test"), help="print where they are; load a program")
    commands["btf"].add_argument("--folder", help="further files, <release>.btf, or a BTFHub archive")
    commands["btf"].add_argument("--root", default="/", help="where the node's files are (default: %(default)s)")
    commands["btf"].add_argument("--json", action="store_true", help="print JSON")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns the exit code: 0, 1 when the exporter does not answer, 2 for a wrong call."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    return execute("inspector", lambda: _command(words))


def _command(words: list[str]) -> None:
    check_command(words, tuple(COMMANDS))
    options = parser().parse(words)
    if options.command == "version":
        print(f"inspector {__version__}")
    elif options.command == "completion":
        types = sorted({name for each in registry.load().events() for name in each.all_names()})
        print(SHELLS[options.shell](parser(), {"TYPE": types}), end="")
    elif options.command == "watch":
        watch(options, registry.load().events())
    elif options.command == "btf":
        _btf(options)
    else:
        _list(options)


def _list(options: Namespace) -> None:
    known = registry.load()
    if options.what == "entity":
        pods = _get(options.server, "/pods")
        lines = [("NAMESPACE", "POD", "NETNS"), *((p["namespace"], p["name"], f"ns{p['netns']}") for p in pods)]
        widths = [max(len(line[column]) for line in lines) for column in range(3)]
        text = "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
        print(json.dumps(pods, indent=2) if options.json else text)
        return
    if options.what == "event":
        rows = reports.events(known)
        print(reports.as_json(rows) if options.json else reports.events_text(rows))
        return
    if options.what == "probe":
        names = [spec.name for spec in known.probes]
    else:
        names = sorted(metric.name_in(naming) for metric in known.metrics() for naming in Naming)
    print(json.dumps(names, indent=2) if options.json else "\n".join(dict.fromkeys(names)))


def _btf(options: Namespace) -> None:
    found = btf.find(options)
    if options.what == "test":
        print(btf.test(found))
    elif options.json:
        print(json.dumps(btf.discovered(found), indent=2))
    else:
        print(btf.require(found))


def _get(server: str, path: str) -> Any:  # noqa: ANN401 - whatever JSON the exporter answers
    url = f"http://{server}{path}"
    try:
        with request.urlopen(url, timeout=_SECONDS) as answer:
            return json.load(answer)
    except (OSError, ValueError, HTTPException, error.URLError) as problem:
        reason = getattr(problem, "reason", problem)
        raise StartError(f"no exporter answers at {url} ({reason}); name another with --server") from problem
