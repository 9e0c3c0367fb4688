"""The event stream: how late `inspector watch` tells what the kernel or the sink has, and how many events arrive."""

from __future__ import annotations

import calendar
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from exporter.model.event import Connection, Event, EventNaming, EventType, Named
from exporter.model.pod import Pod
from exporter.sinks.context import SinkContext
from exporter.sinks.grpc import SINK
from exporter.sinks.grpc.server import EventServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

ROOT = Path(__file__).resolve().parents[2]
_EVENTS = 500
_PAUSE = 0.01  # seconds between events whose latency is measured
_MANY = 20_000
_TYPE = EventType(probe="bench", name="BENCH", help="A load.")
_ENDS = Connection("TCP", ip_address("192.0.2.7"), 443, ip_address("192.0.2.9"), 40100)
_POD = Pod("shop", "web-7d9c4f-x2k7p", 4026532001)


_Figure: TypeAlias = tuple[str, float, str, float | None, str]


def figures() -> Iterator[_Figure]:
    """Latency of single events, and processor time of the sink for a burst to one client."""
    yield _from_kernel()
    yield from _from_sink()


def _from_kernel() -> _Figure:
    """Connections to a closed port of this node, each to be a line of a program that watches a real exporter."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = ROOT / "build" / "bench-events.yml"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(f"metrics: {{probes: [tcp]}}\nevent: {{port: {port}, probes: [tcpreset]}}\n")
    command = [sys.executable, "-m", "exporter", "run", "--config", str(settings), "--listen", "127.0.0.1:0"]
    late: dict[int, float] = {}
    with (
        subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as exporter,
        _watching(port, "--type", "TCPRESET_NOSOCK") as lines,
    ):
        begun: dict[int, int] = {}

        def provoke() -> None:
            while len(late) < _EVENTS:  # those before the program is connected show nowhere
                with socket.socket() as client:
                    client.bind(("127.0.0.1", 0))
                    begun[client.getsockname()[1]] = time.time_ns()
                    client.connect_ex(("127.0.0.1", 1))
                time.sleep(_PAUSE)

        provoking = threading.Thread(target=provoke)
        provoking.start()
        while len(late) < _EVENTS:
            told = json.loads(next(lines))["event"]
            ours = int(told.partition("sport=")[2].split()[0])
            if ours in begun:
                late[ours] = (time.time_ns() - begun[ours]) / 1e6
        provoking.join()
        exporter.terminate()
    return _late("event, kernel to `inspector watch`, 99th percentile", list(late.values()))


def _late(name: str, late: list[float]) -> _Figure:
    late.sort()
    return name, late[int(len(late) * 0.99)], "ms", 200.0, f"median {statistics.median(late):.2f} ms"


def _from_sink() -> Iterator[_Figure]:
    losses: list[int] = []
    context = SinkContext("node-1", EventNaming.KUBESKOOP, lost=lambda _reason, count: losses.append(count))
    args = {option.name: option.default for option in SINK.options} | {"host": "127.0.0.1", "port": 0, "queue": _MANY}
    with closing(EventServer(args, context)) as sink, _watching(sink.port) as lines:
        _wait_for(sink)
        late = []
        for _ in range(_EVENTS):
            sink.send([_event()])
            told = json.loads(next(lines))["time"]
            late.append((time.time_ns() - _nanoseconds(told)) / 1e6)
            time.sleep(_PAUSE)
        yield _late("event, sink to `inspector watch`, 99th percentile", late)
        before, started = _cpu(), time.perf_counter()
        sink.send([_event()] * _MANY)
        for _ in range(_MANY):
            next(lines)
        spent, took = _cpu() - before, time.perf_counter() - started
        yield f"burst of {_MANY} events to one client", spent / _MANY * 1e6, "us/event", None, f"{_MANY / took:,.0f} /s"
        yield "events lost on the way", float(sum(losses)), "", 0.0, ""


def _event() -> Named:
    return Named(Event(_TYPE, time.time_ns(), _POD.netns, _ENDS), "node-1", _POD)


def _nanoseconds(told: str) -> int:
    whole, _, rest = told.removesuffix("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(rest)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def _watching(port: int, *words: str) -> Iterator[IO[str]]:
    command = os.path.join(os.path.dirname(sys.executable), "inspector")
    with subprocess.Popen(
        [command, "watch", "-s", f"127.0.0.1:{port}", "--json", *words], stdout=subprocess.PIPE, text=True
    ) as watch:
        assert watch.stdout is not None
        yield watch.stdout
        watch.terminate()


def _wait_for(sink: EventServer) -> None:
    while not sink._watchers:
        time.sleep(0.01)


if __name__ == "__main__":
    for figure in figures():
        print(*figure)
