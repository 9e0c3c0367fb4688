"""Pods come and go with real namespaces, processes and cgroups, and a real client tells who they are."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from exporter import registry
from exporter.exposition.text import Format, Renderer
from exporter.identity.cluster import Cluster
from exporter.identity.credentials import Credentials
from exporter.identity.pod_api import PodApi
from exporter.identity.pod_cache import PodCache
from exporter.model import additional
from exporter.model.metric import Naming
from exporter.runtime.collector import Collector, RunningProbe
from exporter.runtime.kernel_scan import KernelScan
from exporter.runtime.pod_watch import PodWatch
from tests.netns.pods import real_pods, uid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.model.probe import Env
    from tests.netns.pods import RealPods

PODS = 60
ALIVE = 6
LABELS = additional.parse(["app=${labels:app}"], ())
SERIES = re.compile(r'^kubeskoop_ports_range\{app="(.*)",k8s_namespace="(.*)",k8s_node="node-a",k8s_pod="(.*)"\} (.*)$')


class Node:
    """Real pods, and a client that learns of them.

    Args:
        pods: and the API server.
        folder: for files.
    """

    def __init__(self, pods: RealPods, folder: Path) -> None:
        self.pods = pods
        self.cache = PodCache()
        self.watch = PodWatch(
            lambda: PodApi(Credentials(str(pods.kubeconfig), folder, {}), "node-a"), self.cache, first_pause=0.02
        )


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node without pods."""
    with real_pods(tmp_path) as pods:
        made = Node(pods, tmp_path)
        yield made
        made.watch.stop()


@pytest.fixture
def cycle(node: Node, live_env: Env) -> Iterator[Callable[[], dict[int, float]]]:
    """Do a cycle and read from the exposition the port ranges of pods, by number; labels have to agree."""
    spec = registry.load().probe("ports")
    cluster = Cluster(live_env.proc, lambda: node.cache.pods)
    renderer = Renderer("node-a", (Naming.KUBESKOOP,), additional=LABELS)
    with ExitStack() as stack:
        probes = [RunningProbe(spec, spec.open(live_env))]
        scan = KernelScan(live_env.proc)
        collector = Collector(
            live_env, probes, (), cluster.discover, max_series=100_000, scan=scan, ended=cluster.ended
        )
        stack.callback(collector.close)

        def read() -> dict[int, float]:
            snapshot = collector.cycle()
            text = renderer.render(snapshot.tables, 0, Format.TEXT, snapshot.facts).decode()
            found = {}
            for line in text.splitlines():
                if line.startswith("kubeskoop_ports_range{") and 'k8s_pod=""' not in line:
                    series = SERIES.match(line)
                    assert series is not None, line
                    number = int(series[3].removeprefix("web-"))
                    assert (series[1], series[2]) == (f"app-{number}", "shop")
                    assert number not in found
                    found[number] = float(series[4])
            return found

        yield read


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "the client did not get there"
        time.sleep(0.005)


def test_no_label_is_stale_or_wrong_while_pods_come_and_go(node: Node, cycle: Callable[[], dict[int, float]]) -> None:
    node.watch.start()
    for number in range(PODS):
        node.pods.start(number)
        if number >= ALIVE:
            node.pods.end(number - ALIVE)
        if number % 2:
            _until(lambda: uid(number) in node.cache.pods)  # noqa: B023 - waited for here
            found = cycle()
            assert number in found  # a new pod is there in the next cycle after the API server's word
            assert found == {each: each + 1.0 for each in found}  # every number is of the pod whose name it has
            assert found.keys() <= node.pods.processes.keys()  # and whoever has ended has gone
    _until(lambda: len(node.cache.pods) == ALIVE)
    expected = {number: number + 1.0 for number in range(PODS - ALIVE, PODS)}
    assert cycle() == expected


def test_pods_of_an_outage_have_no_name_and_those_before_it_keep_theirs(
    node: Node, cycle: Callable[[], dict[int, float]]
) -> None:
    node.watch.start()
    node.pods.start(1)
    _until(lambda: len(node.cache.pods) == 1)
    node.pods.outage()
    node.pods.start(2)
    assert cycle() == {1: 2.0}
    node.pods.back()
    _until(lambda: len(node.cache.pods) == 2)
    assert cycle() == {1: 2.0, 2: 3.0}
