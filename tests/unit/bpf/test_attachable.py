"""What a kernel offers to attach to: pretended ones, and the running one."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.bpf import fentry
from exporter.bpf.attachable import Attachable
from exporter.bpf.btf import BtfKind
from exporter.bpf.kernel_btf import VMLINUX

if TYPE_CHECKING:
    from collections.abc import Callable

KALLSYMS = """\
ffffffff81000000 T _text
ffffffff81000010 t tcp_v4_send_reset
ffffffff81000020 t tcp_v6_send_reset.isra.0
ffffffff81000030 t tcp_v6_send_reset.constprop.0
ffffffff82000000 D __tracepoint_only_data
ffffffff81000040 T __traceiter_only_code
ffffffff82000010 d a_variable
ffffffff81000050 T undescribed
ffffffffc0000000 t ip_vs_out\t[ip_vs]
ffffffffc0000010 t unknown_out\t[no_btf]
"""


def btf(*names: tuple[BtfKind, str]) -> bytes:
    """Types that have nothing but a kind and a name."""
    strings, types = b"\0", b""
    for kind, name in names:
        types += struct.pack("<III", len(strings), kind << 24, 0)
        strings += name.encode() + b"\0"
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + types + strings


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    """A sysfs with BTF, kprobes and tracefs."""
    described = ((BtfKind.TYPEDEF, "btf_trace_kfree_skb"), (BtfKind.FUNC, "tcp_v4_send_reset"))
    root = tmp_path / "sys"
    (root / "kernel/btf").mkdir(parents=True)
    (root / "kernel/btf/vmlinux").write_bytes(btf(*described))
    (root / "kernel/btf/ip_vs").write_bytes(btf((BtfKind.FUNC, "ip_vs_out")))
    (root / "bus/event_source/devices/kprobe").mkdir(parents=True)
    (root / "kernel/tracing/events/tcp/tcp_probe").mkdir(parents=True)
    return root


@pytest.fixture
def lacking(sys: Path, tmp_path: Path) -> Callable[..., str]:
    """Ask the pretended kernel, which takes fentry programs unless told otherwise."""
    symbols = tmp_path / "kallsyms"
    symbols.write_text(KALLSYMS)

    def ask(section: str, refusal: str = "") -> str:
        return Attachable(sys, kallsyms=symbols, fentry_refusal=lambda: refusal).lacking(section).replace(str(sys), "")

    return ask


PRESENT = (
    "tp_btf/kfree_skb",
    "?tp_btf/kfree_skb",
    "raw_tp/kfree_skb",
    "raw_tp/tcp_probe",
    "raw_tp/only_data",
    "raw_tracepoint/only_code",
    "tracepoint/tcp/tcp_probe",
    "tp/tcp/tcp_probe",
    "fentry/tcp_v4_send_reset",
    "?fexit/tcp_v4_send_reset",
    "fentry/ip_vs_out",
    "kprobe/tcp_v4_send_reset",
    "kprobe/tcp_v4_send_reset+0x10",
    "kretprobe/ip_vs_out",
    "syscall",
    "tc",
    "iter/task_file",
)


@pytest.mark.parametrize("section", PRESENT)
def test_what_is_there_lacks_nothing(section: str, lacking: Callable[..., str]) -> None:
    assert lacking(section) == ""


MADE_BY_THE_COMPILER = (
    "this kernel has of tcp_v6_send_reset only what the compiler made of it: "
    "tcp_v6_send_reset.constprop.0, tcp_v6_send_reset.isra.0"
)
ABSENT = {
    "tp_btf/tcp_probe": "this kernel has no tracepoint tcp_probe in /kernel/btf/vmlinux",
    "raw_tp/none": "this kernel has no tracepoint none",
    "tracepoint/tcp/none": "/kernel/tracing/events/tcp/none does not exist, so this kernel has no such tracepoint",
    "fentry/undescribed": "/kernel/btf/vmlinux does not describe undescribed",
    "fentry/tcp_v6_send_reset": MADE_BY_THE_COMPILER,
    "kprobe/tcp_v6_send_reset": MADE_BY_THE_COMPILER,
    "kprobe/tcp_v4_send": "this kernel has no function tcp_v4_send, or only within others; its module may be missing",
    "kprobe/a_variable": "this kernel has no function a_variable, or only within others; its module may be missing",
    "fexit/unknown_out": "/kernel/btf/no_btf does not exist: needs Linux 5.11 with CONFIG_DEBUG_INFO_BTF_MODULES",
}


@pytest.mark.parametrize(("section", "reason"), ABSENT.items(), ids=list(ABSENT))
def test_what_is_not_there_has_a_reason(section: str, reason: str, lacking: Callable[..., str]) -> None:
    assert lacking(section) == reason


def test_a_module_that_does_not_describe_a_function_is_named(sys: Path, lacking: Callable[..., str]) -> None:
    (sys / "kernel/btf/no_btf").write_bytes(btf((BtfKind.FUNC, "unknown_out_of_it")))
    assert lacking("fentry/unknown_out") == "/kernel/btf/no_btf does not describe unknown_out"


def test_what_the_kernel_refuses_as_a_whole_is_told_first(lacking: Callable[..., str]) -> None:
    assert lacking("fentry/none", refusal="hardened") == lacking("fexit/none", refusal="hardened") == "hardened"


def test_a_kernel_without_kprobes_says_so(sys: Path, lacking: Callable[..., str]) -> None:
    (sys / "bus/event_source/devices/kprobe").rmdir()
    expected = "/bus/event_source/devices/kprobe does not exist: needs a kernel with CONFIG_KPROBES"
    assert lacking("kprobe/tcp_v4_send_reset") == expected


def test_tracefs_is_where_older_systems_had_it_or_has_to_be_mounted(sys: Path, lacking: Callable[..., str]) -> None:
    older = sys / "kernel/debug"
    older.mkdir()
    (sys / "kernel/tracing").rename(older / "tracing")
    assert lacking("tracepoint/tcp/tcp_probe") == ""
    (older / "tracing").rename(older / "elsewhere")
    assert lacking("tracepoint/tcp/tcp_probe") == "tracefs is not mounted: mount -t tracefs tracefs /kernel/tracing"


def test_without_btf_raw_tracepoints_and_kprobes_remain(sys: Path, lacking: Callable[..., str]) -> None:
    (sys / "kernel/btf/vmlinux").unlink()
    assert lacking("raw_tp/tcp_probe") == lacking("kprobe/tcp_v4_send_reset") == ""
    assert "CONFIG_DEBUG_INFO_BTF" in lacking("tp_btf/kfree_skb")
    assert "CONFIG_DEBUG_INFO_BTF" in lacking("fentry/tcp_v4_send_reset")


def test_btf_that_is_none_is_a_reason_too(sys: Path, lacking: Callable[..., str]) -> None:
    (sys / "kernel/btf/vmlinux").write_bytes(b"garbage")
    assert "/kernel/btf/vmlinux: expected BTF" in lacking("tp_btf/kfree_skb")


def test_without_a_table_of_symbols_there_is_no_telling(sys: Path, tmp_path: Path) -> None:
    kernel = Attachable(sys, kallsyms=tmp_path / "none", fentry_refusal=str)
    assert kernel.lacking("kprobe/tcp_v4_send_reset").endswith("needs procfs and a kernel with CONFIG_KALLSYMS")


def test_the_running_kernel_has_what_every_kernel_has() -> None:
    if not VMLINUX.exists():
        pytest.skip("this kernel has no BTF")
    kernel = Attachable(Path("/sys"))
    assert kernel.lacking("tp_btf/sched_switch") == kernel.lacking("raw_tp/sched_switch") == ""
    assert kernel.lacking("fentry/vfs_read") == fentry.refusal()
    has_kprobes = Path("/sys/bus/event_source/devices/kprobe").exists()
    assert ("CONFIG_KPROBES" in kernel.lacking("kprobe/vfs_read")) == (not has_kprobes)
    assert "no tracepoint no_such" in kernel.lacking("raw_tp/no_such")


def test_without_libbpf_fentry_is_refused_with_the_way_to_get_it() -> None:
    assert "apt install libbpf1" in fentry.refusal("libnothing.so")


def test_helpers_are_those_that_the_kernel_numbers(sys: Path) -> None:
    assert not Attachable(sys).has_helper("loop")
    if not VMLINUX.exists():
        pytest.skip("this kernel has no BTF")
    kernel = Attachable(Path("/sys"))
    assert (kernel.has_helper("probe_read_kernel"), kernel.has_helper("no_such")) == (True, False)
