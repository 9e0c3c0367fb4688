"""Opening, loading, attaching and running eBPF objects.

Every failure is an UnsupportedError, where this machine cannot run the program and the text says what would change
that, or a SourceError, where the object or a map does not hold what it should.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter.bpf import kernel_btf, running
from exporter.bpf.btf import Btf
from exporter.bpf.kernel_btf import VMLINUX
from exporter.bpf.libbpf import LIBRARY, Library, OpenOptions, RunOptions, library
from exporter.bpf.maps import Map
from exporter.bpf.ringbuf import RingBuffer
from exporter.errors import CollectError, SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from exporter.bpf.hooks import Choice

_TYPED: Final = b"tp_btf/"
_UNTYPED: Final = b"raw_tp/"  # as long, so that one may be written over the other
_LOG_BYTES: Final = 1 << 20
_CAPABILITIES: Final = {21: "CAP_SYS_ADMIN", 24: "CAP_SYS_RESOURCE", 38: "CAP_PERFMON", 39: "CAP_BPF"}
_STATUS: Final = "/proc/self/status"
_RELEASE: Final = re.compile(r"(\d+)\.(\d+)")
_OWN_ACCOUNT: Final = (5, 11)  # before it, maps are locked memory, and libbpf raises the limit of that
# What the verifier or libbpf say when the kernel is too old for a program, rather than the program wrong: in words.
_LACKING: Final = {
    re.compile(r"unknown func|invalid func|cannot use helper"): "it lacks a helper that the program calls",
    re.compile(r"invalid CO-RE|not found in kernel BTF"): "it lacks a type or member that the program reads",
    re.compile(r"BPF_STX uses reserved fields"): "atomic operations that give the old value came with Linux 5.12",
    re.compile(r"number of funcs in func_info"): "helpers that call back into the program came with Linux 5.13",
}
_SYS: Final = Path("/sys")
_PROGRAM: Final = re.compile(r"prog '([^']+)'")


def _missing_capabilities() -> list[str]:
    with open(_STATUS, "rb") as status:
        effective = next(int(line.split()[1], 16) for line in status if line.startswith(b"CapEff:"))
    held = {name for bit, name in _CAPABILITIES.items() if effective >> bit & 1}
    needed = set() if "CAP_SYS_ADMIN" in held else {"CAP_BPF", "CAP_PERFMON"}
    release = _RELEASE.match(os.uname().release)
    if release and (int(release[1]), int(release[2])) < _OWN_ACCOUNT:
        needed.add("CAP_SYS_RESOURCE")
    return sorted(needed - held)


def _lacking(log: str) -> str:
    """What the kernel is too old for, by what the verifier said; empty where it says nothing of the kind."""
    return next((words for said, words in _LACKING.items() if said.search(log)), "")


class Link:
    """An attached program; closing it detaches.

    Args:
        library: libbpf.
        handle: its bpf_link.
        program: name of the program.
    """

    def __init__(self, library: Library, handle: int, program: str) -> None:
        self._library = library
        self._handle: int | None = handle
        self.program = program

    @property
    def attached(self) -> bool:
        """Whether it is not closed."""
        return self._handle is not None

    def read(self) -> bytes:
        """Run an iterator (`SEC("iter/...")`) once and return all that it wrote. Raises SourceError."""
        descriptor = self._library.call["bpf_iter_create"](self._library.call["bpf_link__fd"](self._handle))
        if descriptor < 0:
            raise SourceError(self.program, "an iterator", self._library.reason(descriptor))
        with open(descriptor, "rb", buffering=0) as stream:
            return stream.readall()

    def close(self) -> None:
        """Detach; safe to repeat."""
        if self._handle is not None:
            self._library.call["bpf_link__destroy"](self._handle)
            self._handle = None


class BpfObject:
    """One object file: opened, then adjusted, loaded, attached, and closed at the end.

    Args:
        path: the object, see `exporter.bpf.objects.find`.
        btf: where the kernel's BTF is, when not in /sys/kernel/btf/vmlinux.
        library_name: the shared library to use.

    Attributes:
        choices: how its places are watched, as `exporter.bpf.hooks` chose.
        typed: whether its programs read the kernel's structures as such, see bpf/include/typed.h.

    Raises:
        UnsupportedError: libbpf, the object or the BTF is absent.
        SourceError: the file is not an eBPF object.
    """

    def __init__(self, path: Path, *, btf: Path | None = None, library_name: str = LIBRARY) -> None:
        self.path = str(path)
        self.name = path.name.removesuffix(".bpf.o").partition("-")[0]  # of variants for older kernels too
        self._library = library(library_name)
        self._call = self._library.call
        if not path.is_file():
            raise UnsupportedError(f"{path} does not exist; install clang, llvm and libbpf-dev and run: make bpf")
        if btf is not None and not btf.is_file():
            raise UnsupportedError(f"there is no BTF in {btf}")
        if btf is None and (provided := kernel_btf.location(_SYS)) != VMLINUX:
            btf = provided
        self._btf = btf
        options = OpenOptions(
            sz=ctypes.sizeof(OpenOptions),
            object_name=self.name.encode(),
            btf_custom_path=None if btf is None else str(btf).encode(),
        )
        content = path.read_bytes()
        if not kernel_btf.is_told(_SYS):
            # The same programs at raw tracepoints: the same arguments, but memory rather than structures. The library
            # goes by the names of sections, and once they are read some of its versions crash without types.
            content = content.replace(_TYPED, _UNTYPED)
        self._library.said.clear()
        self._handle: int | None = self._call["bpf_object__open_mem"](content, len(content), ctypes.byref(options))
        if self._handle is None:
            reason = self._library.reason(ctypes.get_errno())
            raise SourceError(self.path, "an eBPF object", "; ".join([reason, *self._library.said]))
        self._programs = {self._call["bpf_program__name"](one).decode(): one for one in self._each("program")}
        self._map_handles = {self._call["bpf_map__name"](one).decode(): one for one in self._each("map")}
        self._maps: dict[str, Map] = {}
        self._open: list[Link | RingBuffer] = []
        self.choices: list[Choice] = []
        self.typed = True
        try:
            self.btf = self._read_btf()
            if not kernel_btf.is_told(_SYS):
                self.read_untyped()
        except SourceError:
            self.close()
            raise

    def _each(self, what: str) -> Iterator[int]:
        found = None
        while found := self._call[f"bpf_object__next_{what}"](self._handle, found):
            yield found

    def _read_btf(self) -> Btf:
        size = ctypes.c_uint32()
        handle = self._call["bpf_object__btf"](self._handle)
        if not handle:
            raise SourceError(self.path, "an object with BTF (compiled with clang -g)")
        return Btf(ctypes.string_at(self._call["btf__raw_data"](handle, ctypes.byref(size)), size.value), self.path)

    @property
    def programs(self) -> dict[str, str]:
        """Section of each program, which says how it attaches, by name."""
        return {name: self.section(name) for name in self._programs}

    @property
    def attached(self) -> frozenset[str]:
        """Programs that are attached."""
        return frozenset(one.program for one in tuple(self._open) if isinstance(one, Link) and one.attached)

    @property
    def map_names(self) -> frozenset[str]:
        """All maps that it defines."""
        return frozenset(self._map_handles)

    @property
    def maps(self) -> tuple[Map, ...]:
        """The maps that somebody has asked for."""
        return tuple(self._maps.values())

    def _program(self, name: str) -> int:
        if name not in self._programs:
            raise SourceError(self.path, f"one of the programs {', '.join(self._programs)}", name)
        return self._programs[name]

    def section(self, program: str) -> str:
        """Section of a program. Raises SourceError when there is no such program."""
        return str(self._call["bpf_program__section_name"](self._program(program)).decode())

    def read_untyped(self) -> None:
        """Let handlers of typed.h read memory rather than structures, which the verifier does not know. Before load."""
        self.typed = False
        if self.btf.has_variable("typed"):
            self.set_variable("typed", 0)

    def set_variable(self, name: str, value: int) -> None:
        """Give a global (`const volatile`, or any other) its initial value, in as many bytes as it has. Before load.

        Raises SourceError when there is none of this name or the value does not fit.
        """
        section, offset, kind = self.btf.variable(name)
        content = self._call["bpf_map__initial_value"](self._map_handle(section), ctypes.byref(ctypes.c_size_t()))
        try:
            raw = value.to_bytes(kind.size, "little", signed=kind.signed)
        except OverflowError as error:
            raise SourceError(self.path, f"a value of {kind.size} bytes for {name}", value) from error
        ctypes.memmove(content + offset, raw, len(raw))

    def _map_handle(self, name: str) -> int:
        # Sections of variables are maps too, named after the object: "netns_sc.rodata".
        for known, handle in self._map_handles.items():
            if known == name or (name.startswith(".") and known.endswith(name)):
                return handle
        raise SourceError(self.path, f"one of the maps {', '.join(self._map_handles)}", name)

    def set_max_entries(self, name: str, entries: int) -> None:
        """Size a map (a ring buffer in bytes). Before load."""
        self._check(self._call["bpf_map__set_max_entries"](self._map_handle(name), entries), f"{entries} entries")

    def leave_out(self, name: str) -> None:
        """Do not make a map: programs that would reach it at run time are refused. Before load."""
        self._check(self._call["bpf_map__set_autocreate"](self._map_handle(name), False), f"map {name}")  # noqa: FBT003

    def set_autoload(self, program: str, *, wanted: bool) -> None:
        """Whether a program is loaded; by default those are whose section does not begin with a `?`. Before load."""
        self._check(self._call["bpf_program__set_autoload"](self._program(program), wanted), f"program {program}")

    def autoload(self, program: str) -> bool:
        """Whether a program is to be loaded. Raises SourceError when there is no such program."""
        return bool(self._call["bpf_program__autoload"](self._program(program)))

    def _check(self, code: int, wanted: str) -> None:
        if code < 0:
            raise SourceError(self.path, wanted, self._library.reason(code))

    def load(self) -> None:
        """Create the maps and let the kernel verify the programs.

        Raises UnsupportedError where the kernel lacks something or the privileges do not suffice, SourceError
        where the verifier objects; both end with the verifier's last line.
        """
        self._library.said.clear()
        with mmap.mmap(-1, _LOG_BYTES) as log:  # pages of it exist only once the kernel writes to them
            place = ctypes.c_char.from_buffer(log)
            for program in self._programs.values():
                self._call["bpf_program__set_log_buf"](program, ctypes.byref(place), _LOG_BYTES)
            code = self._call["bpf_object__load"](self._handle)
            said = "" if code == 0 else log[: log.find(b"\0")].decode("utf-8", "replace")
            for program in self._programs.values():
                self._call["bpf_program__set_log_buf"](program, None, 0)
            del place  # else the mapping stays exported and cannot be closed
        if code < 0:
            raise self._refusal(code, said)
        running.add(self)

    def _refusal(self, code: int, log: str) -> CollectError:
        named = next((found[1] for line in self._library.said if (found := _PROGRAM.search(line))), "")
        lines = [line for line in log.splitlines() if line.strip() and not line.startswith("processed ")]
        last = lines[-1].strip() if lines else next(iter(self._library.said), "no reason given")
        subject = f"{self.path} program {named} ({self.programs[named]})" if named in self._programs else self.path
        lacking = _lacking(log)
        if lines and code != -errno.EPERM and not lacking:
            return SourceError(subject, "a program that the verifier accepts", last)
        if code == -errno.EPERM and (missing := _missing_capabilities()):
            hint = f"run as root or with {' and '.join(missing)}"
        elif code == -errno.EPERM:
            hint = "this kernel forbids programs of this kind even to root (hardened or locked down)"
        elif self._btf is not None:
            hint = " or ".join(filter(None, [lacking, f"is {self._btf} the BTF of the running kernel?"]))
        elif not VMLINUX.exists():
            hint = f"it needs {VMLINUX}, so a kernel built with CONFIG_DEBUG_INFO_BTF"
        else:
            hint = lacking or "a newer kernel may have it"
        return UnsupportedError(f"{subject} is refused by the kernel ({self._library.reason(code)}): {last}; {hint}")

    def attach(self, program: str) -> Link:
        """Attach a program to where its section says. Closing the object detaches it too.

        Raises UnsupportedError when the kernel refuses, for example because there is no such tracepoint.
        """
        self._library.said.clear()
        handle = self._program(program)
        return self._linked(program, self._call["bpf_program__attach"](handle))

    def attach_to_cgroup(self, program: str, folder: Path) -> Link:
        """Attach a program of a section `cgroup_skb/...` to a cgroup and all below it, otherwise as `attach`.

        Args:
            program: its name.
            folder: of the cgroup, where cgroup2 is mounted.
        """
        self._library.said.clear()
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise UnsupportedError(
                f"{self.path}: {program} cannot be attached to {folder}: {error.strerror}"
            ) from error
        try:
            return self._linked(program, self._call["bpf_program__attach_cgroup"](self._program(program), descriptor))
        finally:
            os.close(descriptor)

    def _linked(self, program: str, handle: int | None) -> Link:
        if not handle:
            reason = "; ".join([self._library.reason(ctypes.get_errno()), *self._library.said])
            raise UnsupportedError(f"{self.path}: {program} ({self.programs[program]}) cannot be attached: {reason}")
        link = Link(self._library, handle, program)
        self._open.append(link)
        return link

    def run(self, program: str, context: bytearray | None = None) -> int:
        """Run a program of type `syscall` once, with `context` as its argument, and return its result.

        The program may write to the context. Raises SourceError when the kernel does not run it.
        """
        options = RunOptions(sz=ctypes.sizeof(RunOptions))
        if context is not None:
            options.ctx_in = ctypes.addressof(ctypes.c_char.from_buffer(context))
            options.ctx_size_in = len(context)
        self._check(self._call["bpf_prog_test_run_opts"](self.program_fd(program), ctypes.byref(options)), program)
        return ctypes.c_int32(options.retval).value

    def program_fd(self, program: str) -> int:
        """Descriptor of a loaded program. Raises SourceError for one that is not."""
        descriptor: int = self._call["bpf_program__fd"](self._program(program))
        self._check(descriptor, f"program {program} to be loaded")
        return descriptor

    def map(self, name: str) -> Map:
        """A map by name; sections of variables are `.bss` and the like. After load."""
        if name not in self._maps:
            self._maps[name] = Map(self._library, self._map_handle(name), self.path)
        return self._maps[name]

    def ring(self, name: str) -> RingBuffer:
        """Begin to consume a ring buffer."""
        ring = RingBuffer(self._library, self.map(name))
        self._open.append(ring)
        return ring

    def close(self) -> None:
        """Detach, unload and forget everything; safe to repeat."""
        running.discard(self)
        for one in self._open:
            one.close()
        self._open.clear()
        if self._handle is not None:
            self._call["bpf_object__close"](self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()
