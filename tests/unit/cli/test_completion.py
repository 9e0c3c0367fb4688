"""Completion as the shells themselves do it."""

from __future__ import annotations

import os
import select
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from exporter import registry
from tests.unit.cli.program import BIN, ENVIRONMENT, SECONDS, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("wat",), {"watch"}),
        (("",), {"list", "watch", "completion", "version"}),
        (("list", "met"), {"metric"}),
        (("list", "--j"), {"--json"}),
        (("watch", "--to"), {"--token-file"}),
        (("watch", "-s", ""), set()),
        (("watch", "--json", "--names"), {"--namespace"}),
        (("completion", ""), {"-h", "--help", "bash", "zsh"}),
        (("nothing", ""), set()),
    ],
)
def test_bash_offers_what_the_parser_accepts(typed: tuple[str, ...], offered: set[str]) -> None:
    assert set(_bash(*typed)) >= offered
    assert offered or _bash(*typed) == []


def test_bash_offers_files_and_types_of_events(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    assert _bash("watch", "--token-file", f"{tmp_path}/t") == [f"{tmp_path}/token"]
    names = {name for each in registry.load().events() for name in each.all_names()}
    assert set(_bash("watch", "--type", "")) == names


def _bash(*typed: str) -> list[str]:
    script = (
        f'source <("{BIN}/inspector" completion bash); COMP_WORDS=(inspector "$@"); COMP_CWORD=$#; _inspector'
        '; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-uc", script, "bash", *typed], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_zsh_completes_commands_options_and_values(tmp_path: Path) -> None:
    script = tmp_path / "completion"
    script.write_text(run("completion", "zsh", program="inspector")[1])
    with _zsh(tmp_path) as typed:
        typed(f"autoload -U compinit; compinit -u -D; source {script}; unsetopt beep; echo lo''aded\n", "loaded")
        typed("inspector wat\t", "inspector watch ")
        typed("--namesp\t", "--namespace ")
        typed("shop --token-f\t", "--token-file ")
        typed(f"{tmp_path}/compl\t", "ompletion")
        typed("\x15inspector list ent\t", "list entity")
        typed("\x15inspector completion b\t", "completion bash")


@contextmanager
def _zsh(folder: Path) -> Iterator[Callable[[str, str], None]]:
    """An interactive one on a terminal; type something, and see something."""
    mine, its = os.openpty()
    environment = ENVIRONMENT | {"TERM": "dumb", "ZDOTDIR": str(folder), "HOME": str(folder)}
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"],
        stdin=its,
        stdout=its,
        stderr=its,
        env=environment,
        start_new_session=True,
    )
    os.close(its)

    def typed(text: str, expected: str) -> None:
        os.write(mine, text.encode())
        shown = b""
        while expected.encode() not in shown:
            ready, _, _ = select.select([mine], [], [], SECONDS)
            assert ready, shown
            shown += os.read(mine, 65536)

    try:
        yield typed
    finally:
        shell.kill()
        shell.wait()
        os.close(mine)
