"""The walk over all TCP sockets, against a dump of them in each namespace."""

from __future__ import annotations

import os
import statistics
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.bpf.socket_walk import SocketWalk
from exporter.model.pod import NetnsRef, Pod
from exporter.sources import netlink, sock_diag, socket_scan
from exporter.sources.netns import Visitor
from tests.bench.namespaces import many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RUNS = 31
_DUMPS = 3


def figures(count: int) -> Iterator[tuple[str, float, str, float | None, str]]:
    """Processor time of a walk with all its results made, for idle and for busy namespaces."""
    for connections, target in ((0, None), (10, 2.0)):
        with many(count, connections=connections) as pids, closing(SocketWalk(socket_scan.make)) as walk:
            inodes = [os.stat(f"/proc/{pid}/ns/net").st_ino for pid in pids]
            refs = [NetnsRef(Pod("", "", inode), pids=(pid,)) for inode, pid in zip(inodes, pids, strict=True)]

            def scan(walk: SocketWalk[sock_diag.Sockets] = walk, inodes: list[int] = inodes) -> None:
                walk.scan()
                for inode in inodes:
                    walk.row(inode)

            spent = _cpu_ms(scan, _RUNS)
            dumped = _cpu_ms(lambda refs=refs: _dump(refs), _DUMPS)
            yield (
                f"walk over TCP sockets, {count} pods, {walk.outcome.sockets} sockets",
                spent,
                "ms CPU",
                target if count == 250 else None,
                f"{spent / dumped:.3f} × sock_diag in each",
            )


def _dump(refs: list[NetnsRef]) -> None:
    with closing(Visitor(Path("/proc"))) as visitor:
        for ref in refs:
            with visitor.visit(ref) as netns:
                sock_diag.parse(netns.netlink(netlink.SOCK_DIAG, sock_diag.ALL))


def _cpu_ms(function: Callable[[], object], runs: int) -> float:
    times = []
    for _ in range(runs):
        before = time.process_time()
        function()
        times.append((time.process_time() - before) * 1000)
    return statistics.median(times)
