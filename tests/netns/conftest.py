"""Real network namespaces, joined by veth pairs, for as long as one test."""

from __future__ import annotations

import itertools
import os
import secrets
import subprocess
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter import registry
from exporter.identity.standalone import discover
from exporter.model.probe import Env
from exporter.runtime.collector import Collector, RunningProbe
from tests.netns.namespaces import RUN_NETNS, Namespace, Pair, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.model.pod import Pod
    from exporter.model.probe import ProbeSpec
    from exporter.model.snapshot import Number, Snapshot


@contextmanager
def making() -> Iterator[Callable[[], Namespace]]:
    """Make named namespaces with a loopback device that is up; all are deleted at the end."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces can only be made by root")
    made: list[Namespace] = []
    prefix = f"t{os.getpid()}{secrets.token_hex(3)}"
    numbers = itertools.count(1)

    def make() -> Namespace:
        number = next(numbers)
        name = f"{prefix}n{number}"
        result = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True, text=True)
        if result.returncode:
            pytest.skip(f"network namespaces cannot be made here: {result.stderr.strip()}")
        made.append(namespace := Namespace(name, number))
        namespace.run("ip", "link", "set", "lo", "up")
        return namespace

    try:
        yield make
    finally:
        for namespace in made:
            namespace.sockets.close()
            if (RUN_NETNS / namespace.name).exists():
                run("ip", "netns", "del", namespace.name)


@pytest.fixture
def make_netns() -> Iterator[Callable[[], Namespace]]:
    """Make named namespaces with a loopback device that is up; all are deleted when the test ends."""
    with making() as make:
        yield make


def joined(left: Namespace, right: Namespace) -> Pair:
    """A network between two namespaces: 10.77.0.0/24 and fd77::/64."""
    left.join(right)
    for side, host in ((left, "1"), (right, "2")):
        side.run("ip", "address", "add", f"10.77.0.{host}/24", "dev", "eth0")
        side.run("ip", "address", "add", f"fd77::{host}/64", "dev", "eth0", "nodad")
        side.run("ip", "link", "set", "eth0", "up")
    return Pair(left, right, "10.77.0.1", "10.77.0.2", "fd77::1", "fd77::2")


@pytest.fixture
def pair(make_netns: Callable[[], Namespace]) -> Pair:
    """Two namespaces with a network between them."""
    return joined(make_netns(), make_netns())


@pytest.fixture
def live_env() -> Env:
    """The world as it is."""
    return Env(proc=Path("/proc"), sys=Path("/sys"), netns_dir=RUN_NETNS, node="node-a")


@pytest.fixture
def collector_of(live_env: Env) -> Iterator[Callable[..., Collector]]:
    """Make a collector that runs the named probes, and any given as declarations, over all live namespaces."""
    with ExitStack() as stack:

        def make(*wanted: str | ProbeSpec) -> Collector:
            specs = [registry.load().probe(each) if isinstance(each, str) else each for each in wanted]
            probes = [RunningProbe(spec, spec.open(live_env)) for spec in specs]
            collector = Collector(live_env, probes, (), discover, max_series=1_000_000)
            return stack.enter_context(closing(collector))

        yield make


def _rows_of(snapshot: Snapshot, pod: Pod) -> dict[tuple[str, ...], dict[str, Number | None]]:
    found: dict[tuple[str, ...], dict[str, Number | None]] = {}
    for table in snapshot.tables:
        names = [metric.name for metric in table.metrics]
        for row in table.rows:
            if row.pod == pod:
                found.setdefault(row.labels, {}).update(zip(names, row.values, strict=True))
    return found


@pytest.fixture
def rows() -> Callable[[Snapshot, Pod], dict[tuple[str, ...], dict[str, Number | None]]]:
    """What one owner has in a snapshot: label values -> metric name -> value."""
    return _rows_of


def _until(condition: Callable[[], object], attempts: int = 400) -> None:
    """Wait for the kernel to get somewhere; what it got to is asserted by the test."""
    for _ in range(attempts):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("the kernel did not get there")


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait until a condition holds, some seconds at most."""
    return _until
