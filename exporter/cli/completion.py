"""Completion for shells, written from the parser: what it accepts is what is offered."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_FILE: Final = "FILE"  # placeholder of options whose value is a file

_BASH: Final = """\
_{name}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} last=${{COMP_WORDS[COMP_CWORD-1]}} offered=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        offered={commands}
    else
        case ${{COMP_WORDS[1]}}:$last in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$offered" -- "$word"))
}}
complete -F _{name} {program}
"""

_ZSH: Final = """\
#compdef {program}
_{name}() {{
    local -a commands=({commands})
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{cases}
    esac
}}
compdef _{name} {program}
"""


def bash(parser: argparse.ArgumentParser, values: Mapping[str, Iterable[str]]) -> str:
    """A script for bash.

    Args:
        parser: of a program with commands.
        values: what may stand for a placeholder, by placeholder.
    """
    commands, cases = _commands(parser), []
    for command, sub in commands.items():
        for action in _options(sub):
            if _takes_value(action):
                names = "|".join(f"{command}:{option}" for option in action.option_strings)
                files = '\n                COMPREPLY=($(compgen -f -- "$word"))\n                return'
                offer = files if action.metavar == _FILE else f" offered={_quoted(_choices(action, values))}"
                cases.append(f"            {names}){offer} ;;")
        offered = [option for action in _options(sub) for option in action.option_strings]
        offered += [word for action in _positional(sub) for word in _choices(action, values)]
        cases.append(f"            {command}:*) offered={_quoted(offered)} ;;")
    return _BASH.format(**_names(parser), commands=_quoted(commands), cases="\n".join(cases))


def zsh(parser: argparse.ArgumentParser, values: Mapping[str, Iterable[str]]) -> str:
    """A script for zsh, with the help texts; arguments as for bash."""
    commands, cases = _commands(parser), []
    for command, sub in commands.items():
        specs = [*_zsh_options(sub, values), *_zsh_positional(sub, values)]
        lines = "".join(f" \\\n                {shlex.quote(spec)}" for spec in specs)
        cases.append(f"        {command})\n            _arguments{lines} ;;")
    described = " ".join(shlex.quote(f"{name}:{_escaped(sub.description or '')}") for name, sub in commands.items())
    return _ZSH.format(**_names(parser), commands=described, cases="\n".join(cases))


SHELLS: Final[Mapping[str, Callable[[argparse.ArgumentParser, Mapping[str, Iterable[str]]], str]]] = {
    "bash": bash,
    "zsh": zsh,
}


def _zsh_options(parser: argparse.ArgumentParser, values: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for action in _options(parser):
        value = f":{_escaped(_placeholder(action))}:{_zsh_offer(action, values)}" if _takes_value(action) else ""
        told = _escaped((action.help or "") % {"default": action.default})
        for option in action.option_strings:
            yield f"*{option}[{told}]{value}"


def _zsh_positional(parser: argparse.ArgumentParser, values: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for number, action in enumerate(_positional(parser), 1):
        yield f"{number}:{_escaped(_placeholder(action))}:{_zsh_offer(action, values)}"


def _zsh_offer(action: argparse.Action, values: Mapping[str, Iterable[str]]) -> str:
    words = " ".join(_choices(action, values))
    return "_files" if action.metavar == _FILE else f"({words})" if words else " "


def _names(parser: argparse.ArgumentParser) -> dict[str, str]:
    return {"program": parser.prog, "name": parser.prog.replace("-", "_")}


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001 - argparse offers no list
    return dict(groups[0].choices)


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.option_strings]  # noqa: SLF001 - as above


def _positional(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if not action.option_strings]  # noqa: SLF001 - as above


def _takes_value(action: argparse.Action) -> bool:
    return action.nargs != 0


def _placeholder(action: argparse.Action) -> str:
    return str(action.metavar or action.dest)


def _choices(action: argparse.Action, values: Mapping[str, Iterable[str]]) -> list[str]:
    return [str(each) for each in action.choices or values.get(_placeholder(action), ())]


def _quoted(words: Iterable[str]) -> str:
    return shlex.quote(" ".join(words))


def _escaped(text: str) -> str:
    """For zsh, which takes brackets and colons for its own."""
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
