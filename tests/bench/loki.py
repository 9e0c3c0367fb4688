"""Events to Loki: what is sustained at the promised rate, and what each event costs.

The receiver is a process of its own, so that its work is not taken for the exporter's. It reads and counts, no more.
"""

from __future__ import annotations

import gzip
import multiprocessing
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from exporter.model.event import Connection, Event, EventNaming, EventType, Field, Named
from exporter.model.pod import Pod
from exporter.sinks.context import SinkContext
from exporter.sinks.loki import SINK

if TYPE_CHECKING:
    from multiprocessing.connection import Connection as Pipe

    # Name, value, unit, most that is permitted, remark; see `Result`.
    Figure = tuple[str, float, str, float | None, str]

RATE: Final = 5000  # events a second
SECONDS: Final = 10
PODS: Final = 50
_SLICE: Final = 0.02  # seconds between hand-overs
_PATIENCE: Final = 30.0
_TYPE: Final = EventType(
    probe="tcpreset",
    name="TCPRESET_NOSOCK",
    help="A benchmark.",
    fields=(Field(name="state", help="A benchmark."), Field(name="reason", help="A benchmark.")),
)


class _Counts(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """A benchmark prints figures only."""


def _serve(pipe: Pipe) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Counts) as server:
        pipe.send(server.server_address[1])
        server.serve_forever()


def _events(count: int, first: int) -> list[Named]:
    made = []
    for number in range(first, first + count):
        pod = number % PODS
        ends = Connection(
            "TCP", ip_address(0x0A000000 + number * 7919 % 65536), number % 60000, ip_address("10.9.0.1"), 80
        )
        event = Event(_TYPE, time.time_ns(), 4026532000 + pod, ends, ("ESTABLISHED", "NO_SOCKET"))
        made.append(Named(event, "node", Pod("shop", f"web-{pod}", event.netns), {"type": "pod", "pod": f"web-{pod}"}))
    return made


def figures() -> list[Figure]:
    """Feed the sink at the promised rate for some seconds."""
    near, far = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=_serve, args=(far,), daemon=True)
    receiver.start()
    lost: Counter[str] = Counter()

    def count(reason: str, events: int) -> None:
        lost[reason] += events

    args: dict[str, Any] = {option.name: option.default for option in SINK.options}
    context = SinkContext("node", EventNaming.KUBESKOOP, lost=count)
    sink: Any = SINK.open(args | {"addr": f"127.0.0.1:{near.recv()}"}, context)
    slices = [_events(int(RATE * _SLICE), int(number * RATE * _SLICE)) for number in range(int(SECONDS / _SLICE))]
    began, busy = time.monotonic(), time.process_time()
    for number, events in enumerate(slices):
        time.sleep(max(0.0, began + number * _SLICE - time.monotonic()))
        sink.send(events)
    behind = time.monotonic() - began - SECONDS
    waiting = sink.deliveries().waiting
    while sink.deliveries().waiting and time.monotonic() < began + SECONDS + _PATIENCE:
        time.sleep(_SLICE)
    busy = time.process_time() - busy
    delivered = sink.deliveries().sent
    sink.close()
    receiver.terminate()
    receiver.join()
    rate = f"{RATE} events/s for {SECONDS} s"
    return [
        ("loki: events not delivered", float(RATE * SECONDS - delivered + lost.total()), "events", 0.0, rate),
        ("loki: backlog at the end", waiting / RATE, "s", 2.0, "of events; a batch waits for a second"),
        ("loki: behind schedule", max(behind, 0.0), "s", 1.0, rate),
        ("loki: processor time of formatting and sending", busy / SECONDS * 100, "%", 100.0, f"of one core at {rate}"),
        ("loki: processor time of an event", busy / (RATE * SECONDS) * 1e6, "us", None, ""),
    ]
