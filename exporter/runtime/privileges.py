"""Capabilities of this process: which it holds, what is lost for lack of some, and giving up those nobody needs.

Opening a probe takes more than running it: programs are loaded then, maps made, files opened. So the exporter opens
everything with what it was given and keeps what the probes declare. Capabilities belong to threads, and a thread
starts with those of the one that starts it: `drop` comes before the first thread.
"""

from __future__ import annotations

import ctypes
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from exporter.model.probe import Requirement

# linux/capability.h, in the order of their numbers.
NAMES: Final = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)

_INCLUDED: Final = frozenset({"CAP_BPF", "CAP_PERFMON"})  # parts of CAP_SYS_ADMIN until Linux 5.8, and still in it
_STATUS: Final = "/proc/thread-self/status"
_TASKS: Final = "/proc/self/task"
_FIELD: Final = re.compile(r"^Cap(Prm|Eff|Bnd):\s*([0-9a-f]+)$", re.MULTILINE)

# linux/prctl.h, linux/capability.h
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_VERSION_3: Final = 0x20080522
_WORD: Final = 32  # bits of each half of a set
_LOW: Final = (1 << _WORD) - 1


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def losses(needs: Mapping[str, Iterable[Requirement]], held: Collection[str]) -> dict[str, str]:
    """What goes missing for lack of each capability that is needed and not held, for people."""
    found: dict[str, dict[str, list[str]]] = {}
    for user, each in needs.items():
        for need in each:
            if need.what not in held:
                found.setdefault(need.what, {}).setdefault(need.why, []).append(user)
    return {
        name: "; ".join(f"{', '.join(users)}: {why}" for why, users in sorted(whys.items()))
        for name, whys in sorted(found.items())
    }


def held() -> frozenset[str]:
    """Names of the capabilities in force in this thread, and of those that they include. Raises SourceError."""
    names = _names(_masks(_STATUS)["Eff"])
    return names | _INCLUDED if "CAP_SYS_ADMIN" in names else names


def _masks(path: str) -> dict[str, int]:
    with open(path, encoding="ascii", errors="replace") as file:
        found = {name: int(mask, 16) for name, mask in _FIELD.findall(file.read())}
    if found.keys() != {"Prm", "Eff", "Bnd"}:
        raise SourceError(path, "lines of capabilities", sorted(found))
    return found


def _names(mask: int) -> frozenset[str]:
    return frozenset(name for number, name in enumerate(NAMES) if mask >> number & 1)


def drop(keep: Collection[str]) -> frozenset[str]:
    """Give up every capability that is not in `keep`, for good, and the means to gain any; returns those still held.

    Raises UnsupportedError when the kernel refuses, SourceError when another thread was started before and keeps what
    it has.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    masks = _masks(_STATUS)
    wanted = sum(1 << number for number, name in enumerate(NAMES) if name in keep)
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "PR_CAP_AMBIENT_CLEAR_ALL")
    if masks["Eff"] >> NAMES.index("CAP_SETPCAP") & 1:  # without it the set cannot be made smaller, nor be used
        for number in range(masks["Bnd"].bit_length()):
            if masks["Bnd"] >> number & 1 and not wanted >> number & 1:
                _check(libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0), "PR_CAPBSET_DROP")
    kept = masks["Eff"] & wanted
    low, high = (_Sets(half, half, 0) for half in (kept & _LOW, kept >> _WORD))
    _check(libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), ctypes.byref((_Sets * 2)(low, high))), "capset")
    for task in os.listdir(_TASKS):
        excess: frozenset[str] = frozenset()
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended just then
            excess = _names(_masks(f"{_TASKS}/{task}/status")["Prm"] & ~kept)
        if excess:
            raise SourceError(f"{_TASKS}/{task}", "no thread older than this, which keeps capabilities", sorted(excess))
    return held()


def _check(code: int, call: str) -> None:
    if code:
        raise UnsupportedError(f"{call} is refused by the kernel: {os.strerror(ctypes.get_errno())}")
