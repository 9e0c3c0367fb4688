"""The programs of the tests, compiled as those of the exporter are."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "tests" / platform.machine()


def compile_all() -> subprocess.CompletedProcess[str]:
    """Compile what is not compiled yet of tests/bpf/*.bpf.c; guests then find it so, for whom compiling is slow."""
    command = ["make", "--silent", "-C", str(ROOT / "bpf"), "FROM=../tests/bpf", f"OUT={FOLDER}"]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture(scope="session")
def objects_folder() -> Path:
    """Folder of the compiled tests/bpf/*.bpf.c."""
    if shutil.which("clang") is None:
        pytest.skip("there is no clang to compile programs with")
    done = compile_all()
    assert done.returncode == 0, done.stderr
    return FOLDER


@pytest.fixture(scope="session")
def probe_object(objects_folder: Path) -> Path:
    """The compiled probe.bpf.c."""
    return objects_folder / "probe.bpf.o"


@pytest.fixture
def as_root() -> None:
    """For tests that load programs."""
    if os.geteuid() != 0:
        pytest.skip("only root may load programs")
