"""A server on a free port, over a schedule that a test fills."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from exporter.exposition.answers import Answers
from exporter.exposition.debug import DebugPages
from exporter.exposition.http import Server
from exporter.exposition.pages import Pages
from exporter.exposition.web.live import Web
from exporter.model.metric import Naming
from exporter.model.snapshot import Outcome, Snapshot, Status, Table
from exporter.runtime.collector import Costs
from exporter.runtime.health import Health
from exporter.runtime.schedule import Schedule
from tests.conftest import HOST, WEB
from tests.unit.exposition.official import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def snapshot_of(rows: int = 1) -> Snapshot:
    """The host, a pod, and as many further ones as asked for."""
    table = Table(PLAIN)
    table.add(HOST, (1, 2, 3))
    for number in range(rows):
        table.add(WEB._replace(name=f"web-{number}", netns=number), (number, 2, 3))
    outcomes = (Outcome("fake", Status.OK), Outcome("slab", Status.UNSUPPORTED, "may not be read"))
    return Snapshot((table,), outcomes, (HOST, WEB), 1_700_000_000.5, 0.01)


@dataclass
class _Cycles:
    """Stands where a collector stands."""

    next: Snapshot = field(default_factory=snapshot_of)
    costs: Costs = field(default_factory=Costs)

    def cycle(self) -> Snapshot:
        return self.next


@dataclass
class Endpoint:
    """A running server and what it serves."""

    server: Server
    schedule: Schedule
    cycles: _Cycles

    @property
    def port(self) -> int:
        return int(self.server.server_port)

    def publish(self, snapshot: Snapshot | None = None) -> Snapshot:
        self.cycles.next = snapshot or snapshot_of()
        return self.schedule.cycle()


@pytest.fixture
def endpoint(serve: Callable[..., Endpoint]) -> Endpoint:
    """A server that has something to serve."""
    made = serve()
    made.publish()
    return made


@pytest.fixture
def serve() -> Iterator[Callable[..., Endpoint]]:
    """Start a server: `serve()`, `serve("::")`, `serve(web=...)`, `serve(debug=True)`; nothing is published yet."""
    running: list[tuple[Server, threading.Thread]] = []

    def start(host: str = "127.0.0.1", web: Web | None = None, *, debug: bool = False) -> Endpoint:
        cycles = _Cycles()
        health = Health("node-a", (Naming.KUBESKOOP,), cycles.costs)
        schedule = Schedule(cycles, health, 5.0)  # type: ignore[arg-type] # see _Cycles
        answers = Answers("node-a", (Naming.KUBESKOOP,), health, timestamps=False)
        pages = Pages(schedule, answers, "node-a", None, DebugPages(schedule) if debug else None)
        server = Server(host, 0, pages, web or Web())
        health.also(server.samples)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return Endpoint(server, schedule, cycles)

    yield start
    for server, thread in running:
        server.finish()
        thread.join()
