"""Every object on the running kernel: each program for which it offers a place is accepted by its verifier."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from exporter.bpf import live_netns, objects
from exporter.bpf.attachable import Attachable
from exporter.bpf.loader import BpfObject
from exporter.errors import CollectError, UnsupportedError

SYS = Path("/sys")
SOURCES = Path(__file__).parents[2] / "bpf"
RUNNING = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
ON_DEMAND = {"list_netns", "list_netns_in_steps", "walk_on"}  # one or the other, see live_netns
UNTYPED = ("raw_tp/", "kprobe/", "kretprobe/")


@pytest.fixture(scope="module")
def kernel() -> Attachable:
    return Attachable(SYS)


def load(path: Path, kernel: Attachable, *, typed: bool) -> None:
    """All programs that may run together, of those for which the kernel has a place."""
    with BpfObject(path) as bpf:
        for program in bpf.programs.keys() - ON_DEMAND:
            section = bpf.section(program)
            fits = not typed or not section.lstrip("?").startswith(UNTYPED)
            bpf.set_autoload(program, wanted=fits and not kernel.lacking(section))
        live_netns.prepare(bpf, kernel)
        if not typed:
            bpf.read_untyped()
        bpf.load()


def since(path: Path) -> tuple[int, int]:
    """From which kernel on the source says that it runs; the name of the object says it where there are several."""
    name, _, older = path.name.removesuffix(".bpf.o").partition("-")
    text = f"Kernel: {older}" if older else (SOURCES / f"{name}.bpf.c").read_text()
    found = re.search(r"Kernel: (\d+)\.(\d+)", text.replace("\n * ", " "))
    assert found, f"{name} does not say from which kernel on it runs"
    return int(found[1]), int(found[2])


@pytest.mark.parametrize("path", objects.every(), ids=lambda path: path.name.removesuffix(".bpf.o"))
def test_all_programs_that_have_a_place_load_from_the_kernel_on_that_their_source_names(
    path: Path,
    kernel: Attachable,
    as_root: None,  # noqa: ARG001 -- skips
) -> None:
    if since(path) > RUNNING:
        with pytest.raises(CollectError):
            load(path, kernel, typed=False)
        return
    load(path, kernel, typed=False)
    with suppress(UnsupportedError):  # then the kernel gets the other one
        load(path, kernel, typed=True)
