"""`inspector btf`: the types of the running kernel, and a file that is of another one."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from exporter.bpf.btf_search import Place, Search
from exporter.bpf.btf_writer import BtfWriter
from exporter.bpf.kernel_btf import VMLINUX
from exporter.cli import btf
from exporter.errors import UnsupportedError
from tests.unit.cli.program import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.usefixtures("as_root"),
    pytest.mark.skipif(not VMLINUX.exists(), reason="this kernel does not tell its types"),
]


def test_the_kernels_own_types_are_found_and_fit() -> None:
    assert run("btf", "discover", program="inspector") == (0, f"{VMLINUX}\n", "")
    code, out, err = run("btf", "test", program="inspector")
    assert (code, err) == (0, "")
    assert out.startswith(f"{VMLINUX} fits Linux {os.uname().release}: a program loaded")


def test_what_was_tried_is_told_to_scripts(tmp_path: Path) -> None:
    code, out, err = run("btf", "discover", "--json", "--folder", str(tmp_path), program="inspector")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "path": str(VMLINUX),
        "tried": [{"kind": "the running kernel", "path": str(VMLINUX), "problem": ""}],
        "advice": "",
    }


def test_a_file_of_the_same_kernel_fits(tmp_path: Path) -> None:
    path = tmp_path / "same.btf"
    path.write_bytes(VMLINUX.read_bytes())
    assert btf.test(Search((Place("/boot", path, ""),), "")).startswith(f"{path} fits Linux")


def test_a_file_of_another_kernel_is_told_from_what_a_program_reads_through_it(tmp_path: Path) -> None:
    path = tmp_path / "other.btf"
    writer = BtfWriter()
    writer.struct("task_struct", 9000, [("tgid", writer.integer(4), 0, 0)])  # where flags of the thread are
    path.write_bytes(writer.content())
    with pytest.raises(UnsupportedError, match=f"{path} is of another kernel: process {os.getpid()} reads as "):
        btf.test(Search((Place("/boot", path, ""),), ""))
