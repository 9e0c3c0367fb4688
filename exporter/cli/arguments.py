"""Command-line parsing whose errors are one line and name what was probably meant."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

from exporter.errors import UsageError
from exporter.registry import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError instead of printing its usage and exiting."""

    def error(self, message: str) -> NoReturn:
        """Turn argparse's complaint into ours."""
        raise UsageError(f"{message}; see {self.prog} --help")

    def parse(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """Parse all of the command line. Raises UsageError with the nearest option for an unknown one."""
        parsed, unknown = self.parse_known_args(arguments)
        if unknown:
            chosen: argparse.ArgumentParser = getattr(parsed, "parser", self)
            word = unknown[0].partition("=")[0]
            known = [option for action in chosen._actions for option in action.option_strings]  # noqa: SLF001 - argparse offers no list of its options
            what = "option" if word.startswith("-") else "argument"
            raise UsageError(f"unknown {what} {word!r}{nearest(word, known)}; see {chosen.prog} --help")
        return parsed


def add_commands(parser: Parser, commands: dict[str, str]) -> dict[str, Parser]:
    """Sub-commands by name and help; the parsed result has `command` and `parser`."""
    group = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    made = {name: group.add_parser(name, help=text, description=text) for name, text in commands.items()}
    for name, sub in made.items():
        sub.set_defaults(command=name, parser=sub)
    return made


def check_command(arguments: Sequence[str], commands: Sequence[str]) -> None:
    """Raise UsageError for a first word that is no command, before argparse lists them all."""
    word = next((argument for argument in arguments if not argument.startswith("-")), None)
    if word is not None and word not in commands:
        raise UsageError(f"unknown command {word!r}{nearest(word, commands)}; there are {', '.join(commands)}")
