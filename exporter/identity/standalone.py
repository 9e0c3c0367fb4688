"""Pods without a cluster: every named or process-held network namespace is one.

The names are stable for as long as the namespace lives: its file name under /run/netns, else its inode number.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from exporter.identity import namespaces
from exporter.model.pod import NetnsRef, Pod
from exporter.sources import netns

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.model.probe import Env

NAMESPACE = "standalone"  # value of the namespace label; pods of a cluster carry their real one


def discover(env: Env) -> tuple[NetnsRef, ...]:
    """All network namespaces that can be seen, the host's first, then by pod name.

    Raises SourceError when not even the host's can be determined.
    """
    host = namespaces.host_inode(env.proc)
    pids = namespaces.pids_by_inode(env.proc)
    # A captured tree, which lacks `self`, says nothing about the namespaces of the machine that reads it.
    paths = _named(env.netns_dir) if os.path.exists(f"{env.proc}/self/ns/net") else {}
    names = _names({inode: paths.get(inode, "") for inode in pids.keys() | paths.keys() if inode != host})
    pods = [
        NetnsRef(Pod(NAMESPACE, name, inode), tuple(pids.get(inode, ())), paths.get(inode, ""))
        for inode, name in names.items()
    ]
    host_ref = NetnsRef(Pod("", "", host), tuple(pids.get(host, ())))
    return (host_ref, *sorted(pods, key=lambda ref: ref.pod))


def hidden(env: Env) -> int:
    """How many processes besides the first may not be looked at; a namespace that only they hold is not found."""
    count = 0
    for name in os.listdir(env.proc):
        if name.isdecimal() and name != "1":
            try:
                netns.link_text(f"{env.proc}/{name}/ns/net")
            except PermissionError:
                count += 1
            except OSError:
                continue
    return count


def _names(paths: dict[int, str]) -> dict[int, str]:
    """A name for each namespace, different from all others as a label: one name twice would be one series twice."""
    names = {
        # A file name is any bytes; a label is text.
        inode: os.path.basename(os.fsencode(path)).decode("utf-8", "replace") if path else f"ns{inode}"
        for inode, path in paths.items()
    }
    uses = Counter(names.values())
    return {inode: name if uses[name] == 1 else f"{name}-{inode}" for inode, name in names.items()}


def _named(directory: Path) -> dict[int, str]:
    """Namespaces that are mounted under `directory`; a file whose mount is gone names none."""
    try:
        namespace_device = os.stat("/proc/self/ns/net").st_dev
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        return {}
    named: dict[int, str] = {}
    for entry in entries:
        try:
            status = os.stat(entry.path)
        except OSError:
            continue
        if status.st_dev == namespace_device:
            named[status.st_ino] = entry.path
    return named
