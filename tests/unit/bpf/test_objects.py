from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

from exporter.bpf import objects
from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

HERE = platform.machine()


def _make(folder: Path, machine: str, name: str) -> Path:
    path = folder / machine / f"{name}.bpf.o"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_object_of_this_architecture_is_found_in_the_first_folder_that_has_it(tmp_path: Path) -> None:
    installed, built = tmp_path / "installed", tmp_path / "built"
    _make(installed, "another", "b")
    first, second = _make(installed, HERE, "a"), _make(built, HERE, "b")
    _make(built, HERE, "a")
    folders = (installed, built)
    assert (objects.find("a", folders), objects.find("b", folders)) == (first, second)
    assert objects.every(folders) == [first, second]


def test_an_object_that_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=rf"a\.bpf\.o is not built for {HERE} .*and run: make bpf"):
        objects.find("a", (tmp_path,))
    assert objects.every((tmp_path,)) == []
