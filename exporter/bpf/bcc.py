"""What bcc tells of the kernel, where it is installed (Debian: python3-bpfcc). Nothing depends on it.

Its Python package is installed for the system's interpreter only, which a virtual environment does not see; it has no
part that was compiled for one, so it is taken from there. Importing it takes 0.1 s and 75 MiB.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exporter.bpf.symbols import Symbol
from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

_SYSTEM: Final = Path("/usr/lib/python3/dist-packages")
_KERNEL: Final = "kernel"


@cache
def package(system: Path = _SYSTEM) -> ModuleType:
    """The package `bcc`. Raises UnsupportedError where it is not installed or cannot be imported."""
    spec = importlib.util.find_spec("bcc")
    start = system / "bcc" / "__init__.py"
    if spec is None and start.exists():
        spec = importlib.util.spec_from_file_location("bcc", start)
    if spec is None or spec.loader is None:
        raise UnsupportedError("bcc is not installed; nothing needs it; on Debian: apt install python3-bpfcc")
    module = sys.modules["bcc"] = importlib.util.module_from_spec(spec)
    try:
        with warnings.catch_warnings():  # of its own code, and not ours to mend
            warnings.simplefilter("ignore")
            spec.loader.exec_module(module)
    except (ImportError, OSError) as error:
        del sys.modules["bcc"]
        raise UnsupportedError(f"bcc cannot be imported: {error}") from error
    return module


def opinions() -> dict[str, bool]:
    """What bcc believes the kernel to offer, by what its symbols and types are called; it tries nothing.

    Raises UnsupportedError where there is no bcc.
    """
    bpf: Any = package().BPF
    with warnings.catch_warnings():  # as above
        warnings.simplefilter("ignore")
        return {"fentry": bool(bpf.support_kfunc()), "raw tracepoints": bool(bpf.support_raw_tracepoint())}


class BccTable:
    """The kernel's symbols as bcc has them. Raises UnsupportedError where there is no bcc."""

    def __init__(self) -> None:
        self._bpf: Any = package().BPF

    def at(self, addresses: Iterable[int]) -> dict[int, Symbol]:
        """The place at each address; unknown ones are left out."""
        found = ((address, self._place(address)) for address in addresses)
        return {address: place for address, place in found if place}

    def _place(self, address: int) -> Symbol | None:
        text: str = self._bpf.ksym(address, show_module=True, show_offset=True).decode("utf-8", "replace")
        place, _, module = text.partition(" ")  # "name+0x1f [module]"; "[unknown]"
        function, _, offset = place.rpartition("+")
        name = module.strip("[]")
        return Symbol(function, "" if name == _KERNEL else name, int(offset, 16)) if function else None
