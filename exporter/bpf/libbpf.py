"""The binding to libbpf: its functions with their types, and what it says when something fails.

Opened with the first object, not on import. `call["bpf_object__load"](...)` runs a function of the library;
`exporter.bpf.loader`, `maps` and `ringbuf` are its only users.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

LIBRARY: Final = "libbpf.so.1"

_WARNING: Final = 0  # enum libbpf_print_level

_pointer, _int, uint32, _size, _text = (
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_uint32,
    ctypes.c_size_t,
    ctypes.c_char_p,
)
_PRINT: Final = ctypes.CFUNCTYPE(_int, _int, _pointer, _pointer)
RECEIVE: Final = ctypes.CFUNCTYPE(_int, _pointer, _pointer, _size)


class OpenOptions(ctypes.Structure):
    """As struct bpf_object_open_opts of libbpf 1.0; the size tells newer ones what they may read."""

    _fields_ = (
        ("sz", _size),
        ("object_name", _text),
        ("relaxed_maps", ctypes.c_bool),
        ("pin_root_path", _text),
        ("removed", uint32),
        ("kconfig", _text),
        ("btf_custom_path", _text),
        ("kernel_log_buf", _pointer),
        ("kernel_log_size", _size),
        ("kernel_log_level", uint32),
    )


class RunOptions(ctypes.Structure):
    """As struct bpf_test_run_opts."""

    _fields_ = (
        ("sz", _size),
        ("data_in", _pointer),
        ("data_out", _pointer),
        ("data_size_in", uint32),
        ("data_size_out", uint32),
        ("ctx_in", _pointer),
        ("ctx_out", _pointer),
        ("ctx_size_in", uint32),
        ("ctx_size_out", uint32),
        ("retval", uint32),
        ("repeat", _int),
        ("duration", uint32),
        ("flags", uint32),
        ("cpu", uint32),
        ("batch_size", uint32),
    )


# Result, then arguments. ctypes would cut pointers to 32 bits where a type is left out.
_SIGNATURES: Final[dict[str, tuple[Any, ...]]] = {
    "libbpf_set_print": (_pointer, _PRINT),
    "libbpf_strerror": (_int, _int, _text, _size),
    "libbpf_num_possible_cpus": (_int,),
    "libbpf_probe_bpf_prog_type": (_int, _int, _pointer),
    "libbpf_probe_bpf_map_type": (_int, _int, _pointer),
    "libbpf_find_vmlinux_btf_id": (_int, _text, _int),
    "bpf_prog_load": (_int, _int, _text, _text, _text, _size, _pointer),
    "bpf_raw_tracepoint_open": (_int, _text, _int),
    "bpf_object__open_mem": (_pointer, _text, _size, _pointer),
    "bpf_object__load": (_int, _pointer),
    "bpf_object__close": (None, _pointer),
    "bpf_object__btf": (_pointer, _pointer),
    "btf__raw_data": (_pointer, _pointer, _pointer),
    "bpf_object__next_program": (_pointer, _pointer, _pointer),
    "bpf_object__next_map": (_pointer, _pointer, _pointer),
    "bpf_program__name": (_text, _pointer),
    "bpf_program__section_name": (_text, _pointer),
    "bpf_program__autoload": (ctypes.c_bool, _pointer),
    "bpf_program__set_autoload": (_int, _pointer, ctypes.c_bool),
    "bpf_program__set_log_buf": (_int, _pointer, _pointer, _size),
    "bpf_program__fd": (_int, _pointer),
    "bpf_program__attach": (_pointer, _pointer),
    "bpf_program__attach_cgroup": (_pointer, _pointer, _int),
    "bpf_link__fd": (_int, _pointer),
    "bpf_link__destroy": (_int, _pointer),
    "bpf_iter_create": (_int, _int),
    "bpf_prog_test_run_opts": (_int, _int, _pointer),
    "bpf_enable_stats": (_int, _int),
    "bpf_obj_get_info_by_fd": (_int, _int, _pointer, _pointer),
    "bpf_map__name": (_text, _pointer),
    "bpf_map__fd": (_int, _pointer),
    "bpf_map__type": (_int, _pointer),
    "bpf_map__key_size": (uint32, _pointer),
    "bpf_map__value_size": (uint32, _pointer),
    "bpf_map__max_entries": (uint32, _pointer),
    "bpf_map__set_autocreate": (_int, _pointer, ctypes.c_bool),
    "bpf_map__set_max_entries": (_int, _pointer, uint32),
    "bpf_map__initial_value": (_pointer, _pointer, _pointer),
    "bpf_map_lookup_elem": (_int, _int, _pointer, _pointer),
    "bpf_map_update_elem": (_int, _int, _pointer, _pointer, ctypes.c_uint64),
    "bpf_map_delete_elem": (_int, _int, _pointer),
    "bpf_map_get_next_key": (_int, _int, _pointer, _pointer),
    "bpf_map_lookup_batch": (_int, _int, _pointer, _pointer, _pointer, _pointer, _pointer, _pointer),
    "ring_buffer__new": (_pointer, _int, RECEIVE, _pointer, _pointer),
    "ring_buffer__consume": (_int, _pointer),
    "ring_buffer__epoll_fd": (_int, _pointer),
    "ring_buffer__free": (None, _pointer),
}


class Library:
    """The functions of libbpf and what it said about the latest failure in this thread."""

    def __init__(self, name: str) -> None:
        hint = "install libbpf 1.0 or newer, on Debian with: apt install libbpf1"
        try:
            library = ctypes.CDLL(name, use_errno=True)
        except OSError as error:
            raise UnsupportedError(f"{name} cannot be loaded ({error}); {hint}") from error
        self.call: dict[str, Callable[..., Any]] = {}
        for function, (result, *arguments) in _SIGNATURES.items():
            try:
                found = getattr(library, function)
            except AttributeError as error:
                raise UnsupportedError(f"{name} has no {function}; {hint}") from error
            found.restype, found.argtypes = result, arguments
            self.call[function] = found
        self._said = threading.local()
        self._print = _PRINT(self._hear)  # must live as long as the library may call it
        self._format = ctypes.CDLL(None).vsnprintf
        self._format.argtypes = (_text, _size, _pointer, _pointer)
        self.call["libbpf_set_print"](self._print)
        self.cpus: int = self.call["libbpf_num_possible_cpus"]()

    def _hear(self, level: int, pattern: int, arguments: int) -> int:
        if level == _WARNING:
            line = ctypes.create_string_buffer(1024)
            self._format(line, len(line), pattern, arguments)
            self.said.append(line.value.decode("utf-8", "replace").strip().removeprefix("libbpf: "))
        return 0

    @property
    def said(self) -> list[str]:
        """Warnings since somebody cleared them, of this thread."""
        if not hasattr(self._said, "lines"):
            self._said.lines = []
        lines: list[str] = self._said.lines
        return lines

    def reason(self, code: int) -> str:
        """Text of an error number, libbpf's own numbers above 4000 included."""
        text = ctypes.create_string_buffer(128)
        self.call["libbpf_strerror"](code, text, len(text))
        return text.value.decode("utf-8", "replace")


library = cache(Library)
