"""What the loader says is missing when the kernel refuses."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from exporter.bpf import loader

if TYPE_CHECKING:
    from pathlib import Path

ADMIN, RESOURCE, PERFMON, BPF = (1 << bit for bit in (21, 24, 38, 39))


@pytest.mark.parametrize(
    ("release", "held", "missing"),
    [
        ("6.1.0-9-amd64", 0, ["CAP_BPF", "CAP_PERFMON"]),
        ("6.1.0-9-amd64", BPF, ["CAP_PERFMON"]),
        ("6.1.0-9-amd64", ADMIN, []),
        ("5.11.0", BPF | PERFMON, []),
        ("5.10.0-46-cloud-amd64", BPF | PERFMON, ["CAP_SYS_RESOURCE"]),  # maps are locked memory there
        ("5.10.0-46-cloud-amd64", ADMIN, ["CAP_SYS_RESOURCE"]),
        ("5.10.0-46-cloud-amd64", ADMIN | RESOURCE, []),
    ],
)
def test_missing_capabilities_are_those_of_this_kernel(
    release: str, held: int, missing: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "status").write_text(f"Name:\tx\nCapEff:\t{held:016x}\n")
    monkeypatch.setattr(loader, "_STATUS", str(tmp_path / "status"))
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))
    assert loader._missing_capabilities() == missing


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("invalid func unknown#184", "it lacks a helper that the program calls"),
        ("<invalid CO-RE relocation>", "it lacks a type or member that the program reads"),
        ("BPF_STX uses reserved fields", "atomic operations that give the old value came with Linux 5.12"),
        (
            "number of funcs in func_info doesn't match number of subprogs",
            "helpers that call back into the program came with Linux 5.13",
        ),
        ("R1 invalid mem access 'inv'", ""),
    ],
)
def test_a_kernel_that_is_too_old_is_told_from_a_program_that_is_wrong(log: str, words: str) -> None:
    assert loader._lacking(f"some line before\n{log}\nprocessed 0 insns\n") == words
