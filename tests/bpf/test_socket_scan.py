"""The probes of TCP sockets get from the kernel scan what sock_diag gives them, and fall back to it."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from exporter import registry
from exporter.bpf.socket_walk import SocketWalk
from exporter.errors import UnsupportedError
from exporter.identity.standalone import discover
from exporter.model.metric import Naming
from exporter.model.scan import Part
from exporter.runtime.collector import Collector, RunningProbe
from exporter.runtime.kernel_scan import PARTS, KernelScan
from exporter.sources import socket_scan
from exporter.sources.sock_diag import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.bpf.socket_walk import Listening, Row
    from exporter.model.pod import Pod
    from exporter.model.probe import Env
    from exporter.sources.sock_diag import Sockets
    from tests.netns.namespaces import Pair

PROBES = ("tcpsummary", "listen", "ports")


class Cycle(NamedTuple):
    """What one cycle found in some namespaces, and which of them it went to."""

    values: dict[tuple[str, Pod, tuple[str, ...]], Any]
    visited: set[Pod]


def load(*, capacity: int = 1024) -> SocketWalk[Sockets]:
    try:
        return SocketWalk(socket_scan.make, capacity=capacity)
    except UnsupportedError as error:
        pytest.skip(f"no walk over sockets here: {error}")


def with_walk(opened: Callable[[], SocketWalk[Sockets]]) -> KernelScan:
    """All parts of the scan, but the walk as it is opened here."""
    parts = [Part(part.name, opened, part.answers) if part is socket_scan.PART else part for part in PARTS]
    return KernelScan(Path("/proc"), parts)


@pytest.fixture
def cycles(live_env: Env) -> Callable[[KernelScan | None, Sequence[Pod], int], list[Cycle]]:
    """Do so many cycles."""
    specs = [registry.load().probe(name) for name in PROBES]

    def do(scan: KernelScan | None, pods: Sequence[Pod], count: int) -> list[Cycle]:
        running = [RunningProbe(spec, spec.open(live_env)) for spec in specs]
        with closing(Collector(live_env, running, (), discover, max_series=1_000_000, scan=scan)) as collector:
            return [one(collector, pods) for _ in range(count)]

    return do


def one(collector: Collector, pods: Sequence[Pod]) -> Cycle:
    values = {
        (metric.name_in(Naming.KUBESKOOP), row.pod, row.labels): value
        for table in collector.cycle().tables
        for row in table.rows
        for metric, value in zip(table.metrics, row.values, strict=True)
        if row.pod in pods
    }
    return Cycle(values, {pod for pod in pods if pod in collector._past})


@pytest.fixture
def talked(pair: Pair) -> Pair:
    """Namespaces whose sockets hold still, some with unread data."""
    for family, address in ((socket.AF_INET, pair.right4), (socket.AF_INET6, pair.right6)):
        listener = pair.right.listen(8080, 7, family)
        for size in (0, 11, 13):
            pair.left.connect(address, 8080).send(b"x" * size)
        pair.right.sockets.enter_context(closing(listener.accept()[0]))
    return pair


def part(scan: KernelScan) -> Any:  # noqa: ANN401 -- a running part of whatever rows
    return next(each for each in scan.parts if each.name == "sockets")


def test_probes_get_the_same_from_the_walk_as_from_sock_diag_without_a_visit(
    talked: Pair, cycles: Callable[..., list[Cycle]]
) -> None:
    pods = talked.left.pod, talked.right.pod
    scan = with_walk(load)

    scanned = cycles(scan, pods, 3)
    listed = cycles(None, pods, 1)[0]

    assert len(listed.values) == 2 * (11 + 5 + 3) + 2
    assert listed.values["kubeskoop_tcpsummary_tcprxqueue", talked.right.pod, ()] == 2 * (11 + 13)
    assert [cycle.values for cycle in scanned] == [listed.values] * 3
    assert [cycle.visited for cycle in scanned] == [set(pods), set(), set()]
    assert part(scan).disagreements == 0


def test_a_walk_that_finds_other_sockets_is_given_up_and_sock_diag_stays(
    talked: Pair, cycles: Callable[..., list[Cycle]]
) -> None:
    def wrong(row: Row, listening: tuple[Listening, ...]) -> Sockets:
        states = list(row.states)
        states[State.ESTABLISHED], states[State.CLOSING] = 0, states[State.ESTABLISHED]
        return socket_scan.make(row._replace(states=tuple(states)), listening)

    load().close()
    pods = talked.left.pod, talked.right.pod
    scan = with_walk(lambda: SocketWalk(wrong))

    found = cycles(scan, pods, 7)

    assert [cycle.values for cycle in found] == [cycles(None, pods, 1)[0].values] * 7
    assert (part(scan).disagreements, part(scan).active) == (1, False)
    assert "sock_diag lists (" in part(scan).reason


def test_namespaces_without_a_place_are_listed_by_sock_diag(talked: Pair, cycles: Callable[..., list[Cycle]]) -> None:
    pods = talked.left.pod, talked.right.pod
    scan = with_walk(lambda: load(capacity=1))

    found = cycles(scan, pods, 2)

    assert [cycle.values for cycle in found] == [cycles(None, pods, 1)[0].values] * 2
    assert [cycle.visited for cycle in found] == [set(pods)] * 2
    assert part(scan).over_capacity >= 2 * 2
