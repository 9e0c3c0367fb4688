"""What the loaded objects do: whether their programs are attached, how often they ran, and what they could not count.

Objects are on the list from `BpfObject.load` to `BpfObject.close`. The list holds no object alive and is as long as
there are loaded objects; a survey of one costs some system calls of microseconds each, none for every entry of a map.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import struct
import threading
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakValueDictionary

from exporter.bpf.entries import counters
from exporter.bpf.libbpf import LIBRARY, library
from exporter.bpf.maps import HASHES
from exporter.errors import CollectError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from exporter.bpf.hooks import Choice
    from exporter.bpf.loader import BpfObject

_INFO: Final = struct.Struct("=192x3Q")  # struct bpf_prog_info: run_time_ns, run_cnt, recursion_misses
_RUN_TIME: Final = 0  # BPF_STATS_RUN_TIME of enum bpf_stats_type
_NANOSECONDS: Final = 1e-9
_WITHOUT_A_PLACE: Final = frozenset({"syscall", "raw_tp"})  # sections of programs that are only ever run on demand

_lock = threading.Lock()  # nobody closes the descriptors that a survey is just reading
_loaded: WeakValueDictionary[int, BpfObject] = WeakValueDictionary()
_numbers = itertools.count()


class State(Enum):
    """How a program stands."""

    ATTACHED = "attached"
    ON_DEMAND = "on_demand"  # run by the exporter itself
    DETACHED = "detached"  # loaded, but it does not run
    NOT_LOADED = "not_loaded"  # another program does the same on this kernel


class Program(NamedTuple):
    """One program.

    Args:
        name: within its object.
        hook: where it attaches, as its section says: `tp_btf/kfree_skb`.
        state: how it stands.
        runs: how often it ran while runs were counted; None where they are not.
        seconds: how long in all, None likewise.
        skipped: how often it did not run because it was running on that CPU already.
    """

    name: str
    hook: str
    state: State
    runs: int | None = None
    seconds: float | None = None
    skipped: int = 0


class Fill(NamedTuple):
    """How full a hash map was when it was last read as a whole.

    Args:
        name: of the map.
        entries: in it.
        max_entries: for which there is room.
    """

    name: str
    entries: int
    max_entries: int


class Running(NamedTuple):
    """One loaded object.

    Args:
        name: its file without `.bpf.o`; a number is appended where it is loaded more than once.
        programs: all that it holds.
        faults: what it could not count or tell, by `enum fault` of bpf/include/maps.h: `map_full`, `lost`,
            `suppressed`. Empty for an object that counts none.
        maps: those that are read as a whole.
        choices: how its places in the kernel are watched, where there are several ways.
    """

    name: str
    programs: Sequence[Program]
    faults: Mapping[str, int]
    maps: Sequence[Fill]
    choices: Sequence[Choice] = ()


class RunCounting:
    """Makes the kernel count runs and their time, of every eBPF program on the machine, until closed.

    Raises UnsupportedError without CAP_SYS_ADMIN, or before Linux 5.8.
    """

    def __init__(self) -> None:
        bound = library(LIBRARY)
        self._descriptor: int = bound.call["bpf_enable_stats"](_RUN_TIME)
        if self._descriptor < 0:
            reason = bound.reason(self._descriptor)
            hint = "it takes CAP_SYS_ADMIN and Linux 5.8"
            raise UnsupportedError(f"runs of eBPF programs are not counted ({reason}); {hint}")

    def close(self) -> None:
        """Let the kernel stop, unless somebody else wants it too; safe to repeat."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def add(bpf: BpfObject) -> None:
    """Put a loaded object on the list."""
    with _lock:
        _loaded[next(_numbers)] = bpf


def discard(bpf: BpfObject) -> None:
    """Take it off; safe to repeat."""
    with _lock:
        for number in [number for number, each in _loaded.items() if each is bpf]:
            del _loaded[number]


def survey(*, counted: bool = False) -> tuple[Running, ...]:
    """All loaded objects, in the order of loading. What cannot be read of one is left out.

    Args:
        counted: whether runs are counted, so that a program without any has run 0 times; otherwise only those above 0
            are told, which somebody else had the kernel count.
    """
    seen: Counter[str] = Counter()
    found = []
    with _lock:
        for bpf in _loaded.values():
            seen[bpf.name] += 1
            name = bpf.name if seen[bpf.name] == 1 else f"{bpf.name}-{seen[bpf.name]}"
            programs = tuple(_programs(bpf, counted=counted))
            found.append(Running(name, programs, _faults(bpf), tuple(_fills(bpf)), tuple(bpf.choices)))
    return tuple(found)


def _programs(bpf: BpfObject, *, counted: bool) -> Iterator[Program]:
    attached = bpf.attached
    for name, section in bpf.programs.items():
        hook = section.removeprefix("?")
        try:
            descriptor = bpf.program_fd(name)
        except CollectError:
            yield Program(name, hook, State.NOT_LOADED)
            continue
        idle = State.ON_DEMAND if hook in _WITHOUT_A_PLACE else State.DETACHED
        state = State.ATTACHED if name in attached else idle
        nanoseconds, runs, skipped = _info(descriptor)
        told = counted or runs > 0
        yield Program(name, hook, state, runs if told else None, nanoseconds * _NANOSECONDS if told else None, skipped)


def _info(descriptor: int) -> tuple[int, ...]:
    info = ctypes.create_string_buffer(_INFO.size)  # stays zero where an older kernel has less to tell
    length = ctypes.c_uint32(_INFO.size)
    library(LIBRARY).call["bpf_obj_get_info_by_fd"](descriptor, info, ctypes.byref(length))
    return _INFO.unpack(info)


def _faults(bpf: BpfObject) -> dict[str, int]:
    if "faults" not in bpf.map_names:
        return {}
    try:
        found = counters(bpf.map("faults"), bpf.btf, "fault")
    except CollectError:
        return {}
    return {name.removeprefix("fault_"): count for name, count in found.items()}


def _fills(bpf: BpfObject) -> Iterator[Fill]:
    for each in bpf.maps:
        if each.kind in HASHES and each.filled is not None:
            yield Fill(each.name, each.filled, each.max_entries)
