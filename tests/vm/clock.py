"""How fast this machine's time stamp counter runs, which guests see as it is."""

from __future__ import annotations

import ctypes
import mmap
import time
from functools import cache
from typing import Final

_READ_COUNTER: Final = bytes.fromhex("0f31 48c1e220 4809d0 c3")  # rdtsc; shl rdx, 32; or rax, rdx; ret
_SECONDS: Final = 0.05


@cache
def counter_khz() -> int:
    """Ticks in a millisecond. On x86-64 only."""
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(_READ_COUNTER)
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    ticks, began = read(), time.monotonic_ns()
    time.sleep(_SECONDS)
    return (read() - ticks) * 1_000_000 // (time.monotonic_ns() - began)
