"""What the running kernel offers to eBPF, and what is missing where it does not."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf import bcc, fentry
from exporter.bpf.elf import sections
from exporter.bpf.kernel_btf import VMLINUX, KernelBtf
from exporter.bpf.libbpf import LIBRARY, library
from exporter.errors import CollectError, SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# enum bpf_prog_type and bpf_map_type, which are part of the kernel's ABI.
_PROGRAMS: Final = {"raw tracepoints": 17, "syscall programs": 31}
_RING_BUFFER: Final = 27
_KPROBES: Final = "bus/event_source/devices/kprobe"
_SINCE: Final = {
    "raw tracepoints": "Linux 4.17",
    "syscall programs": "Linux 5.14",
    "ring buffers": "Linux 5.8",
}


class Feature(NamedTuple):
    """One thing that programs may need.

    Args:
        name: of the feature.
        lacking: why it cannot be used and what it takes, empty when it can.
    """

    name: str
    lacking: str


def survey(
    sys: Path, objects: Iterable[Path], *, btf: Path = VMLINUX, library_name: str = LIBRARY
) -> tuple[Feature, ...]:
    """Ask the kernel, by loading minimal programs and maps of each kind, and whether it has what the objects trace.

    Args:
        sys: root of a sysfs.
        objects: compiled programs; those that cannot be read are left out.
        btf: the kernel's BTF.
        library_name: the shared library to ask through.
    """
    return (*_of_library(library_name), _kprobes(sys), *_of_btf(btf, objects), *_of_bcc())


def tracepoints(objects: Iterable[Path]) -> dict[str, list[str]]:
    """Tracepoints that programs attach to by BTF, and the objects that do."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in objects:
        try:
            names = sections(path.read_bytes(), str(path))
        except SourceError:
            continue  # opening it tells why
        hooks = {name.lstrip("?").removeprefix("tp_btf/") for name in names if name.lstrip("?").startswith("tp_btf/")}
        for hook in hooks:
            found[hook].append(path.name.removesuffix(".bpf.o"))
    return dict(sorted(found.items()))


def _of_library(library_name: str) -> Iterator[Feature]:
    try:
        call = library(library_name).call
    except UnsupportedError as error:
        yield Feature("libbpf", str(error))
        return
    yield Feature("libbpf", "")
    for name, kind in _PROGRAMS.items():
        yield _answer(name, call["libbpf_probe_bpf_prog_type"](kind, None))
    yield _answer("ring buffers", call["libbpf_probe_bpf_map_type"](_RING_BUFFER, None))
    yield Feature("fentry", fentry.refusal(library_name))


def _kprobes(sys: Path) -> Feature:
    path = sys / _KPROBES
    return Feature("kprobes", "" if path.exists() else f"{path} does not exist: needs a kernel with CONFIG_KPROBES")


def _of_btf(btf: Path, objects: Iterable[Path]) -> Iterator[Feature]:
    try:
        kernel = KernelBtf(btf)
    except CollectError as error:
        yield Feature("BTF", str(error))
        return
    yield Feature("BTF", "")
    for name, users in tracepoints(objects).items():
        lacking = f"not in {btf}: needs a newer kernel, for {', '.join(users)}"
        yield Feature(f"tracepoint {name}", "" if kernel.has_tracepoint(name) else lacking)


def _of_bcc() -> Iterator[Feature]:
    try:
        opinions = bcc.opinions()
    except UnsupportedError as error:
        yield Feature("bcc", str(error))
        return
    yield Feature("bcc", "")
    for name, offered in opinions.items():
        yield Feature(f"{name} (says bcc)", "" if offered else "the kernel's symbols do not tell of any")


def _answer(name: str, code: int) -> Feature:
    return Feature(name, "" if code == 1 else f"refused by the kernel: needs {_SINCE[name]}, and CAP_BPF or root")
