from __future__ import annotations

from pathlib import Path

import pytest

from exporter.bpf.features import survey, tracepoints
from exporter.bpf.kernel_btf import VMLINUX
from exporter.cli.reports import features_text


def test_tracepoints_are_those_that_programs_name(probe_object: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.bpf.o"
    broken.write_bytes(b"?")
    assert tracepoints([broken, probe_object]) == {"no_such_tracepoint": ["probe"], "task_rename": ["probe"]}


def test_what_the_kernel_lacks_has_a_reason(probe_object: Path, tmp_path: Path) -> None:
    if not VMLINUX.exists():
        pytest.skip("this kernel has no BTF")
    found = dict(survey(tmp_path, [probe_object]))
    assert (found["BTF"], found["tracepoint task_rename"]) == ("", "")
    assert found["tracepoint no_such_tracepoint"] == f"not in {VMLINUX}: needs a newer kernel, for probe"
    assert found["kprobes"].endswith(
        "bus/event_source/devices/kprobe does not exist: needs a kernel with CONFIG_KPROBES"
    )
    assert set(found) >= {"libbpf", "raw tracepoints", "fentry", "syscall programs", "ring buffers"}


def test_without_libbpf_and_btf_there_is_one_reason_for_each(tmp_path: Path) -> None:
    found = dict(survey(Path("/sys"), [], btf=tmp_path / "vmlinux", library_name="libnothing.so"))
    assert {name for name in found if "bcc" not in name} == {"libbpf", "kprobes", "BTF"}
    assert found["bcc"] == "" or "nothing needs it" in found["bcc"]
    assert "apt install libbpf1" in found["libbpf"]
    assert "CONFIG_DEBUG_INFO_BTF" in found["BTF"]


def test_people_read_them_as_a_list(tmp_path: Path) -> None:
    text = features_text(survey(tmp_path, [], btf=tmp_path / "vmlinux", library_name="libnothing.so"))
    heading, *rows = text.splitlines()[1:]
    assert heading == "  eBPF on this machine:"
    assert [row.split()[:2] for row in rows if "bcc" not in row] == [
        ["libbpf", "no:"],
        ["kprobes", "no:"],
        ["BTF", "no:"],
    ]
