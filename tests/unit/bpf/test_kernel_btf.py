"""The running kernel's types; bpftool is the second opinion, where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.btf import BtfKind
from exporter.bpf.elf import sections
from exporter.bpf.kernel_btf import VMLINUX, KernelBtf
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def kernel() -> KernelBtf:
    if not VMLINUX.exists():
        pytest.skip("this kernel has no BTF")
    return KernelBtf()


@pytest.fixture(scope="module")
def types() -> list[dict[str, Any]]:
    """All types of the running kernel, as bpftool sees them."""
    if shutil.which("bpftool") is None or not VMLINUX.exists():
        pytest.skip("there is no bpftool to compare with, or no BTF")
    command = ["bpftool", "--json", "btf", "dump", "file", str(VMLINUX)]
    found: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["types"]
    return found


def values_of(one: dict[str, Any]) -> dict[str, int]:
    """Values of an enum that bpftool printed; it extends the sign of 32 bits even where there is none."""
    signed, bits = one["encoding"] == "SIGNED", 64 if one["kind"] == "ENUM64" else 32
    numbers = {value["name"]: value["val"] & ((1 << bits) - 1) for value in one["values"]}
    return {
        name: number - (1 << bits) if signed and number >> (bits - 1) else number for name, number in numbers.items()
    }


def enums_among(types: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in types if one["kind"] in {"ENUM", "ENUM64"} and one["vlen"]]


def test_every_enum_with_a_name_is_found_as_bpftool_sees_it(kernel: KernelBtf, types: list[dict[str, Any]]) -> None:
    by_name: dict[str, list[dict[str, int]]] = {}
    for one in enums_among(types):
        by_name.setdefault(one["name"], []).append(values_of(one))
    del by_name["(anon)"]
    assert "skb_drop_reason" in by_name
    assert [name for name, known in by_name.items() if kernel.enum(name) not in known] == []


def test_every_enum_without_a_name_is_found_by_a_value(kernel: KernelBtf, types: list[dict[str, Any]]) -> None:
    enums = [(one["name"], values_of(one)) for one in enums_among(types)]
    holders = Counter(value for _, values in enums for value in values)
    nameless = [values for name, values in enums if name == "(anon)"]
    # The last value is the longest way from the record; a value that several enums have says nothing.
    by_last = {last: values for values in nameless if holders[last := list(values)[-1]] == 1}
    assert len(by_last) > 100
    sample = list(by_last)[:: len(by_last) // 500 or 1]
    assert [last for last in sample if kernel.enum_of(last) != by_last[last]] == []


def test_counters_of_the_protocols_have_their_indices(kernel: KernelBtf) -> None:
    assert kernel.enum_of("TCP_MIB_CURRESTAB")["TCP_MIB_NUM"] == 0
    assert kernel.enum_of("LINUX_MIB_SYNCOOKIESSENT")["LINUX_MIB_SYNCOOKIESSENT"] == 1


def test_types_functions_and_tracepoints_exist_or_not(kernel: KernelBtf) -> None:
    assert kernel.has_tracepoint("sched_switch")
    assert not kernel.has_tracepoint("no_such_tracepoint")
    assert kernel.has(BtfKind.STRUCT, "sk_buff")
    assert not kernel.has(BtfKind.FUNC, "sk_buff")


def test_an_enum_that_is_not_there_is_named(kernel: KernelBtf) -> None:
    with pytest.raises(SourceError, match=r"vmlinux: expected an enum no_such_enum"):
        kernel.enum("no_such_enum")
    with pytest.raises(SourceError, match=r"vmlinux: expected an enum with the value NO_SUCH_VALUE"):
        kernel.enum_of("NO_SUCH_VALUE")
    with pytest.raises(SourceError, match=r"vmlinux: expected an enum with the value sk_buff"):
        kernel.enum_of("sk_buff")


def test_objects_are_read_the_same_way(probe_object: Path, tmp_path: Path) -> None:
    path = tmp_path / "btf"
    path.write_bytes(sections(probe_object.read_bytes(), "probe")[".BTF"])
    expected = {"FAULT_MAP_FULL": 0, "FAULT_LOST": 1, "FAULT_SUPPRESSED": 2, "FAULT_UNFINISHED": 3, "FAULTS": 4}
    assert KernelBtf(path).enum("fault") == KernelBtf(path).enum_of("FAULT_SUPPRESSED") == expected


def test_a_kernel_without_btf_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"none cannot be read .*CONFIG_DEBUG_INFO_BTF"):
        KernelBtf(tmp_path / "none")
    (tmp_path / "text").write_text("this is not what it seems to be")
    with pytest.raises(SourceError, match=r"text: expected BTF"):
        KernelBtf(tmp_path / "text")
