"""Where the commands begin."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from exporter import entry

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]


def test_nothing_of_the_exporter_is_imported_before_ctrl_c_is_taken_care_of() -> None:
    code = "import sys, exporter.entry; print(sorted(each for each in sys.modules if each.startswith('exporter')))"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed == "['exporter', 'exporter.entry']\n"


def test_ctrl_c_while_a_command_is_still_being_imported_ends_it_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "interrupted_while_imported.py").write_text("raise KeyboardInterrupt\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert entry._begin("interrupted_while_imported") == 130
    assert capfd.readouterr() == ("", "")


def test_both_commands_begin_here_and_give_their_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"net-exporter": "exporter.entry:net_exporter", "inspector": "exporter.entry:inspector"}
    for program, target in scripts.items():
        module, _, function = target.partition(":")
        monkeypatch.setattr(sys, "argv", [program, "no-such-command"])
        assert getattr(import_module(module), function)() == 2
        assert f"{program}: " in capsys.readouterr().err
