"""Cgroup paths as the host sees them.

A container may be in a cgroup namespace of its own. What it then reads of other processes is told from its own cgroup
on, so that of its own pod's processes nothing is left that names the pod.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Final

from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

_CLONE_NEWCGROUP: Final = 0x02000000


def enter_host(proc: Path) -> None:
    """Be in the cgroup namespace of process 1 from now on: this thread, and those that it starts.

    Nothing happens where that is so already, or where the tree does not show namespaces. Raises UnsupportedError where
    it may not be done.
    """
    door = f"{proc}/1/ns/cgroup"
    try:
        if os.stat(door).st_ino == os.stat("/proc/self/ns/cgroup").st_ino:
            return
        descriptor = os.open(door, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnsupportedError(f"{door}: {error.strerror}; it takes CAP_SYS_PTRACE and CAP_SYS_ADMIN") from error
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWCGROUP) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise UnsupportedError(f"{door} cannot be entered: {reason}; it takes CAP_SYS_ADMIN")
    finally:
        os.close(descriptor)
