"""What holds for every program in bpf/."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("bpf/*.c"), *ROOT.glob("bpf/include/*.h"), *ROOT.glob("tests/bpf/*.c")])
SPDX = "SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_names_its_licence_first(path: Path) -> None:
    assert SPDX in path.read_text().splitlines()[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_program_prints(path: Path) -> None:
    assert "bpf_printk" not in path.read_text()


def test_a_wheel_carries_every_program(tmp_path: Path) -> None:
    if shutil.which("clang") is None:
        pytest.skip("there is no clang to compile programs with")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if name.startswith("exporter/_bpf/")}
    names = (path.name.removesuffix(".c") for path in ROOT.glob("bpf/*.bpf.c"))
    assert {f"exporter/_bpf/{platform.machine()}/{name}.o" for name in names} <= found
