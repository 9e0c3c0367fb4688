"""To what of the running kernel programs can be attached, told before anything is loaded."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from exporter.bpf import fentry
from exporter.bpf.btf import BtfKind
from exporter.bpf.kallsyms import KALLSYMS, Kallsyms
from exporter.bpf.kernel_btf import KernelBtf, is_told, location
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_KPROBES: Final = "bus/event_source/devices/kprobe"
_TRACEFS: Final = ("kernel/tracing", "kernel/debug/tracing")


class Attachable:
    """What one kernel offers. Each of its files is read when first asked for, so make one and drop it afterwards.

    Args:
        sys: root of its sysfs.
        kallsyms: its table of symbols.
        fentry_refusal: tells why it takes no fentry programs, empty when it does.
    """

    def __init__(
        self, sys: Path, *, kallsyms: Path = KALLSYMS, fentry_refusal: Callable[[], str] = fentry.refusal
    ) -> None:
        self._sys = sys
        self._symbols = Kallsyms(kallsyms)
        self._fentry_refusal = fentry_refusal

    @cached_property
    def _btf(self) -> KernelBtf:
        return KernelBtf(location(self._sys))

    @property
    def tells_types(self) -> bool:
        """Whether the kernel tells its types itself, so that it can check programs that use them."""
        return is_told(self._sys)

    @cached_property
    def _tracefs(self) -> Path | None:
        return next((path for each in _TRACEFS if (path := self._sys / each / "events").is_dir()), None)

    def lacking(self, section: str) -> str:
        """What is missing for a program of this section, empty when nothing speaks against it.

        Sections that name no place in the kernel, such as `syscall` and `tc`, are for the kernel to judge at load.
        """
        kind, _, target = section.lstrip("?").partition("/")
        try:
            return self._of(kind, target.partition("+")[0])
        except (UnsupportedError, SourceError) as error:
            return str(error)

    def has_helper(self, name: str) -> bool:
        """Whether programs may call `bpf_<name>`. Raises UnsupportedError where there is no BTF to tell."""
        try:
            return f"BPF_FUNC_{name}" in self._btf.enum("bpf_func_id")
        except SourceError:
            return False

    def _of(self, kind: str, target: str) -> str:
        match kind.removesuffix(".s"):
            case "tp_btf":
                found = self._btf.has_tracepoint(target)
                return "" if found else f"this kernel has no tracepoint {target} in {self._btf.path}"
            case "raw_tp" | "raw_tracepoint":
                return "" if self._has_tracepoint(target) else f"this kernel has no tracepoint {target}"
            case "tp" | "tracepoint":
                return self._of_classic_tracepoint(target)
            case "fentry" | "fexit":
                return self._of_typed_function(target)
            case "kprobe" | "kretprobe":
                return self._of_kprobe(target)
            case _:
                return ""

    def _has_tracepoint(self, name: str) -> bool:
        if self.tells_types and self._btf.has_tracepoint(name):
            return True
        if self._tracefs is not None and any(self._tracefs.glob(f"*/{name}")):
            return True
        # Tables often lack data; since Linux 5.10 each tracepoint has a function as well.
        return self._symbols.has(f"__tracepoint_{name}") or self._symbols.has(f"__traceiter_{name}")

    def _of_classic_tracepoint(self, name: str) -> str:
        if self._tracefs is None:
            return f"tracefs is not mounted: mount -t tracefs tracefs {self._sys / _TRACEFS[0]}"
        path = self._tracefs / name
        return "" if path.is_dir() else f"{path} does not exist, so this kernel has no such tracepoint"

    def _of_typed_function(self, name: str) -> str:
        if refusal := self._fentry_refusal():
            return refusal
        if not self.tells_types:
            return "the kernel does not tell its types: needs one built with CONFIG_DEBUG_INFO_BTF"
        return self._of_described_function(name)

    def _of_described_function(self, name: str) -> str:
        if self._btf.has(BtfKind.FUNC, name):
            return ""
        symbol = self._symbols.function(name)
        if symbol is None or not symbol.module:
            return self._no_function(name)
        path = self._sys / "kernel" / "btf" / symbol.module
        if not path.exists():
            return f"{path} does not exist: needs Linux 5.11 with CONFIG_DEBUG_INFO_BTF_MODULES"
        return "" if b"\0" + name.encode() + b"\0" in path.read_bytes() else f"{path} does not describe {name}"

    def _of_kprobe(self, name: str) -> str:
        if not (self._sys / _KPROBES).exists():
            return f"{self._sys / _KPROBES} does not exist: needs a kernel with CONFIG_KPROBES"
        return "" if self._symbols.function(name) else self._no_function(name)

    def _no_function(self, name: str) -> str:
        if self._symbols.function(name):
            return f"{self._btf.path} does not describe {name}"
        if variants := self._symbols.variants(name):
            return f"this kernel has of {name} only what the compiler made of it: {', '.join(variants)}"
        return f"this kernel has no function {name}, or only within others; its module may be missing"
