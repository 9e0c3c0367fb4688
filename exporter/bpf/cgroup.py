"""The root of all cgroups, to which programs attach that are to see every socket of the node."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_INITIAL: Final = 0xEFFFFFFB  # PROC_CGROUP_INIT_INO: the namespace in which the root of all is the root


def root(proc: Path) -> Path | None:
    """Folder of the node's root cgroup (cgroup2); None where none can be found.

    The root that a container sees is usually its own cgroup. Then the way leads through the node's first process,
    which takes CAP_SYS_PTRACE.

    Args:
        proc: root of a procfs that shows the node's processes.
    """
    for process, base in ((proc / "self", Path("/")), (proc / "1", proc / "1" / "root")):
        try:
            if os.stat(process / "ns" / "cgroup").st_ino == _INITIAL:
                mounts = (process / "mountinfo").read_text(encoding="utf-8", errors="replace")
                if place := mounted(mounts):
                    return base / place.lstrip("/")
        except OSError:
            continue
    return None


def mounted(mounts: str) -> str:
    """Where a mountinfo says that cgroup2 is mounted with its root; empty when nowhere."""
    for mount in mounts.splitlines():
        fields, _, filesystem = mount.partition(" - ")
        if filesystem.startswith("cgroup2 "):
            _, _, _, shown, place, *_ = fields.split(" ")
            if shown == "/":
                return place
    return ""
