"""`net-exporter config`: what a configuration says, whether it can be used, and how it reads in our shape."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from exporter import config
from exporter.cli.config_file import LISTS, entries, written
from exporter.settings.faults import Faults, FaultsError
from exporter.settings.resolve import resolve

if TYPE_CHECKING:
    from argparse import Namespace

    from exporter.cli.arguments import Parser
    from exporter.registry import Registry
    from exporter.settings.faults import Fault

ACTIONS = {
    "show": "Print the value of each setting and who gave it.",
    "check": "Say everything that is wrong with a configuration; exit code 0 when nothing is, else 2.",
    "migrate": "Print a kubeskoop-config or inspector-config in our shape.",
}


def add_actions(parser: Parser) -> None:
    """Give the command its own commands."""
    group = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=type(parser))
    for name, text in ACTIONS.items():
        action = group.add_parser(name, help=text, description=text)
        action.add_argument(
            "config", metavar="FILE", nargs="?" if name == "show" else None, help="configuration (YAML)"
        )
        action.set_defaults(action=name, parser=action)
        if name != "migrate":
            action.add_argument("--json", action="store_true", help="print JSON")
            add_set(action)


def add_set(parser: Parser) -> None:
    """The option that overrides any setting."""
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="chosen",
        action="append",
        default=[],
        help="override a setting, for example metrics.interval=10; may be repeated",
    )


def execute(options: Namespace, known: Registry) -> None:
    """Do it. Raises FaultsError."""
    _ACTIONS[options.action](options, known)


def _show(options: Namespace, known: Registry) -> None:
    faults = Faults()
    found = config.settle(options.config, chosen=options.chosen, faults=faults)
    meant = config.interpret(known, found, faults)
    faults.check()
    rows = [
        {"key": key, "value": entries(key, meant) if key in LISTS else each.value, "from": str(each.place)}
        for key, each in found.values.items()
    ]
    if options.json:
        _print(rows)
        return
    texts = [(row["key"], json.dumps(row["value"], ensure_ascii=False), row["from"]) for row in rows]
    widths = [max(len(text[column]) for text in texts) for column in range(2)]
    for key, value, place in texts:
        print(f"{key:<{widths[0]}}  {value:<{min(widths[1], 40)}}  {place}")
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)


def _check(options: Namespace, known: Registry) -> None:
    try:
        notes = config.load(known, options.config, chosen=options.chosen).notes
    except FaultsError as error:
        if options.json:
            _print({"valid": False, "faults": list(map(_plain, error.faults)), "notes": []})
        raise
    if options.json:
        _print({"valid": True, "faults": [], "notes": notes})
        return
    for note in notes:
        print(f"note: {note}")
    print(f"{options.config}: can be used")


def _plain(fault: Fault) -> dict[str, Any]:
    return {
        "source": fault.place.source,
        "line": fault.place.line,
        "column": fault.place.column,
        "key": fault.key,
        "text": fault.text,
        "nearest": fault.nearest,
    }


def _migrate(options: Namespace, known: Registry) -> None:
    faults = Faults()
    found = resolve(options.config, {}, (), faults)  # what is in the file, wherever it will be used
    meant = config.interpret(known, found, faults)
    faults.check()
    print(written(found, meant), end="")


def _print(content: object) -> None:
    print(json.dumps(content, indent=1, ensure_ascii=False))


_ACTIONS = {"show": _show, "check": _check, "migrate": _migrate}
