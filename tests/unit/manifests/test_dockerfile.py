"""The Dockerfile: linted, and the steps of its build stage done here, as far as they are not Debian's."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter import __version__
from exporter.model.settings import SETTINGS
from scrape.model import PORT

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
TEXT = (ROOT / "Dockerfile").read_text("utf-8")


def steps(stage: str) -> list[str]:
    """Commands of the RUN lines of a stage, each on one line."""
    joined = re.sub(r"\\\n\s*", " ", stage)
    return re.findall(r"^RUN (.*)$", joined, re.MULTILINE)


BUILD, FINAL = TEXT.split("\nFROM ")[1:]


def test_hadolint_objects_to_nothing() -> None:
    done = subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_object(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /tmp\n")
    done = subprocess.run([BIN / "hadolint", tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DL3006" in done.stdout


def test_it_exposes_the_ports_that_are_declared() -> None:
    (events,) = (setting.default for setting in SETTINGS if setting.key == "event.port")
    assert re.findall(r"^EXPOSE (.*)$", FINAL, re.MULTILINE) == [f"{PORT} {events}"]


def test_compilers_stay_in_the_build_stage() -> None:
    for word in ("clang", "llvm", "make", "libbpf-dev", "pip"):
        assert word in steps(BUILD)[0]
        assert not any(word in step for step in steps(FINAL))
    assert "libbpf1" in steps(FINAL)[0]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that the final stage copies, built from what .dockerignore lets through."""
    if shutil.which("clang") is None:
        pytest.skip("there is no clang to compile programs with")
    place = tmp_path_factory.mktemp("image")
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        path = line.removeprefix("!")
        if path != line:
            (place / "src" / path).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / path).is_dir() else shutil.copy
            copy(ROOT / path, place / "src" / path)
    shutil.rmtree(place / "src" / "bpf" / "build", ignore_errors=True)
    path = f"{BIN}:{os.environ['PATH']}"
    for step in steps(BUILD)[1:]:
        command = step.replace("/opt/", f"{place}/opt/").replace(" /src", f" {place}/src")
        done = subprocess.run(
            ["sh", "-euc", command],
            cwd=place / "src",
            env={"PATH": path, "HOME": str(place)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(place / "src")
    yield place / "opt" / "net-exporter"
    shutil.rmtree(place)


def run(installed: Path, *words: str) -> str:
    done = subprocess.run(
        [installed / "bin" / words[0], *words[1:]], cwd="/", env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_built_runs_without_the_sources(installed: Path) -> None:
    assert run(installed, "net-exporter", "--version") == f"net-exporter {__version__}\n"
    assert run(installed, "python", "-c", "import exporter; print(exporter.__file__)").startswith(str(installed))
    assert "kubeskoop_tcp_retranssegs" in run(installed, "net-exporter", "list")
    assert "NetTcpRetransmitRatioHigh" in run(installed, "net-exporter", "explain", "kubeskoop_tcp_retranssegs")


def test_it_carries_every_program_and_no_installer(installed: Path) -> None:
    names = {path.name.removesuffix(".c") + ".o" for path in ROOT.glob("bpf/*.bpf.c")}
    (folder,) = installed.glob(f"lib/python3.*/site-packages/exporter/_bpf/{platform.machine()}")
    assert names <= {path.name for path in folder.iterdir()}
    assert not list(installed.glob("bin/pip*"))
