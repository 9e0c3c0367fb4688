"""Whether the kernel lets programs run at the begin and end of its functions (fentry, fexit).

Only trying tells: hardened kernels refuse to load such programs, and some processors' kernels load but cannot attach
them. What is tried runs at a function that exists for trials and is called by nobody else.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Final

from exporter.bpf.libbpf import LIBRARY, library, uint32
from exporter.errors import UnsupportedError

_FUNCTION: Final = b"bpf_fentry_test1"
_TRACING: Final = 26  # enum bpf_prog_type
_FENTRY: Final = 24  # enum bpf_attach_type
_RETURN_0: Final = bytes.fromhex("b700000000000000 9500000000000000")  # r0 = 0; exit


class _LoadOptions(ctypes.Structure):
    """As the beginning of struct bpf_prog_load_opts."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("attempts", ctypes.c_int),
        ("expected_attach_type", ctypes.c_int),
        ("prog_btf_fd", uint32),
        ("prog_flags", uint32),
        ("prog_ifindex", uint32),
        ("kern_version", uint32),
        ("attach_btf_id", uint32),
        ("attach_prog_fd", uint32),
    )


@cache
def refusal(library_name: str = LIBRARY) -> str:
    """Why fentry and fexit programs cannot be used here, empty when they can. The kernel is asked once."""
    try:
        found = library(library_name)
    except UnsupportedError as error:
        return str(error)
    number = found.call["libbpf_find_vmlinux_btf_id"](_FUNCTION, _FENTRY)
    if number < 0:
        return "the kernel has no fentry programs: needs Linux 5.5 with BTF"
    options = _LoadOptions(sz=ctypes.sizeof(_LoadOptions), expected_attach_type=_FENTRY, attach_btf_id=number)
    program = found.call["bpf_prog_load"](
        _TRACING, b"trial", b"GPL", _RETURN_0, len(_RETURN_0) // 8, ctypes.byref(options)
    )
    if program < 0:
        reason = found.reason(program)
        return f"the kernel refuses fentry programs ({reason}): needs one that is not hardened, and CAP_BPF or root"
    link = found.call["bpf_raw_tracepoint_open"](None, program)
    os.close(program)
    if link < 0:
        reason = found.reason(link)
        return f"the kernel cannot attach fentry programs ({reason}): needs a newer one on this kind of processor"
    os.close(link)
    return ""
