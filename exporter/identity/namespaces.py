"""Which processes are in which network namespace, as procfs tells it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from exporter.errors import SourceError
from exporter.sources import netns

if TYPE_CHECKING:
    from pathlib import Path


def host_inode(proc: Path) -> int:
    """The namespace of process 1, or our own where that one may not be seen. 0 where the tree tells neither.

    Raises SourceError when there is no host.
    """
    for process in ("1", "self"):
        try:
            return netns.inode_of(f"{proc}/{process}/ns/net")
        except OSError:
            continue
    if not os.path.isdir(f"{proc}/1/net"):
        raise SourceError(f"{proc}/1/net", "the host's network files (is --proc right?)", "no such directory")
    return 0


def pids_by_inode(proc: Path) -> dict[int, list[int]]:
    """Processes in each namespace, ascending; those that may not be seen are left out."""
    found: dict[int, list[int]] = {}
    for pid in sorted(int(name) for name in os.listdir(proc) if name.isdecimal()):
        try:
            inode = netns.inode_of(f"{proc}/{pid}/ns/net")
        except OSError:
            continue
        found.setdefault(inode, []).append(pid)
    return found
