"""Events from the kernel's ring buffer, decoded and named, to a sink that does nothing: how many, at what cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from exporter.bpf.stacks import Stacks
from exporter.identity import standalone
from exporter.identity.recent import Owners
from exporter.model.probe import Env
from exporter.probes import packetloss
from exporter.runtime.bus import Bus, Losses, Outlet
from exporter.runtime.event_loop import EventLoop
from exporter.runtime.naming import Naming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.model.event import Named

_PORT = 65_531  # nobody listens, so each datagram to it is a drop
_RATE = 50_000
_SECONDS = 4
_LEAD = 3.0  # seconds at most until the last event has arrived

_Figure: TypeAlias = tuple[str, float, str, float | None, str]

# Sends at an even rate, from another processor.
_SENDER = """
import os, socket, sys, time
port, rate, seconds, cpu = map(int, sys.argv[1:])
os.sched_setaffinity(0, {cpu})
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
start, sent = time.perf_counter(), 0
while sent < rate * seconds:
    due = min(int((time.perf_counter() - start) * rate), rate * seconds)
    for _ in range(due - sent):
        sock.sendto(b"x", ("127.0.0.1", port))
    sent = due
print(time.perf_counter() - start)
"""


class _Counts:
    """The sink that does nothing."""

    def __init__(self) -> None:
        self.got = 0

    def send(self, events: Sequence[Named]) -> None:
        self.got += sum(
            1
            for named in events
            if named.event.connection is not None and named.event.connection.destination_port == _PORT
        )

    def close(self) -> None:
        """Nothing was opened."""


def figures() -> list[_Figure]:
    """Drops of one flow, all of them wanted."""
    cpus = sorted(os.sched_getaffinity(0))
    env = Env(
        Path("/proc"),
        Path("/sys"),
        Path("/run/netns"),
        "node-1",
        {"packetloss": {option.name: option.default for option in packetloss.PROBE.options}},
        {"packetloss": {"events_per_second": 1_000_000, "enable_stack": False}},
    )
    counts = _Counts()
    owners = Owners(env.node)
    owners.now_are(ref.pod for ref in standalone.discover(env))
    outlet = Outlet("null", counts, 100_000, Losses())
    bus = Bus([outlet])
    with (
        closing(packetloss.PROBE.open(env)) as probe,
        closing(Naming(env, owners, Stacks(), standalone.discover)) as name,
    ):
        loop = EventLoop({"packetloss": probe.event_source()}, packetloss.PROBE.events, name, bus.publish)  # type: ignore[attr-defined]
        os.sched_setaffinity(0, cpus[:1])
        try:
            bus.start()
            loop.start()
            before = time.process_time()
            words = [sys.executable, "-c", _SENDER, str(_PORT), str(_RATE), str(_SECONDS), str(cpus[-1])]
            sending = float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
            deadline = time.monotonic() + _LEAD
            while counts.got < _RATE * _SECONDS and time.monotonic() < deadline:
                time.sleep(0.01)
            spent = time.process_time() - before
        finally:
            loop.stop()
            bus.close()
            os.sched_setaffinity(0, cpus)
    sent = _RATE * _SECONDS
    return [
        ("events, ring buffer to null sink, offered", sent / sending / 1000, "k/s", None, ""),
        ("  that did not arrive", 100 * (1 - counts.got / sent), "%", 0.0, f"queue lost {outlet.losses.total()}"),
        ("  processor time of each", spent / max(counts.got, 1) * 1e6, "us", 1e6 / _RATE, ""),
    ]


if __name__ == "__main__":
    for figure in figures():
        print(*figure)
