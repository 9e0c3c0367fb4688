"""Pods come and go with real namespaces, processes and cgroups, and a real client tells who they are."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
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
from tests.api_server import TOKEN, ApiServer, Truth, pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.model.probe import Env

PODS = 60
ALIVE = 6
LOW = 20_000
LABELS = additional.parse(["app=${labels:app}"], ())
# Each pod has as many ports as no other has, so that a number tells whose it is.
INSIDE = 'echo "$1 $2" > /proc/sys/net/ipv4/ip_local_port_range && echo ready && exec sleep 1000'
START = 'echo $$ > "$1/cgroup.procs" && exec unshare --net sh -c "$4" sh "$2" "$3"'
SERIES = re.compile(r'^kubeskoop_ports_range\{app="(.*)",k8s_namespace="(.*)",k8s_node="node-a",k8s_pod="(.*)"\} (.*)$')


class Node:
    """Real pods, told of by an API server.

    Args:
        root: cgroup for all of them.
        folder: for files.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.truth = Truth()
        self.server = ApiServer(self.truth)
        kubeconfig = folder / "kubeconfig"
        content = {
            "clusters": [{"name": "c", "cluster": {"server": self.server.url}}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        kubeconfig.write_text(json.dumps(content))
        self.cache = PodCache()
        self.watch = PodWatch(
            lambda: PodApi(Credentials(str(kubeconfig), folder, {}), "node-a"), self.cache, first_pause=0.02
        )
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, number: int) -> None:
        """A pod: its cgroup, its process, its namespace, then the word of the API server."""
        cgroup = self.root / f"pod{uid(number)}" / ("e" * 64)
        cgroup.mkdir(parents=True)
        words = ["sh", "-c", START, "sh", str(cgroup), str(LOW), str(LOW + number), INSIDE]
        process = self.processes[number] = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        self.truth.put(pod(f"web-{number}", uid(number), labels={"app": f"app-{number}"}))

    def end(self, number: int) -> None:
        """The process ends first, as it does on a node."""
        process = self.processes.pop(number)
        process.kill()
        process.communicate()
        self.truth.delete(uid(number))
        cgroup = self.root / f"pod{uid(number)}"
        (cgroup / ("e" * 64)).rmdir()
        cgroup.rmdir()

    def close(self) -> None:
        for number in tuple(self.processes):
            self.end(number)
        self.watch.stop()
        self.server.stop()
        self.root.rmdir()


def uid(number: int) -> str:
    return f"{number:08x}-7c1d-4b2e-9a55-3d1c0b9e8f70"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node without pods."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces can only be made by root")
    mounted = Path("/sys/fs/cgroup")
    hierarchy = mounted if (mounted / "cgroup.controllers").exists() else mounted / "pids"
    root = hierarchy / f"kubepods-{os.getpid()}{secrets.token_hex(3)}"
    try:
        root.mkdir()
    except OSError as error:
        pytest.skip(f"cgroups cannot be made here: {error}")
    made = Node(root, tmp_path)
    yield made
    made.close()
    assert made.truth.faults == []


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
        node.start(number)
        if number >= ALIVE:
            node.end(number - ALIVE)
        if number % 2:
            _until(lambda: uid(number) in node.cache.pods)  # noqa: B023 - waited for here
            found = cycle()
            assert number in found  # a new pod is there in the next cycle after the API server's word
            assert found == {each: each + 1.0 for each in found}  # every number is of the pod whose name it has
            assert found.keys() <= node.processes.keys()  # and whoever has ended has gone
    _until(lambda: len(node.cache.pods) == ALIVE)
    expected = {number: number + 1.0 for number in range(PODS - ALIVE, PODS)}
    assert cycle() == expected


def test_pods_of_an_outage_have_no_name_and_those_before_it_keep_theirs(
    node: Node, cycle: Callable[[], dict[int, float]]
) -> None:
    node.watch.start()
    node.start(1)
    _until(lambda: len(node.cache.pods) == 1)
    node.server.stop()
    node.start(2)
    assert cycle() == {1: 2.0}
    node.server = ApiServer(node.truth, port=node.server.server_port)
    _until(lambda: len(node.cache.pods) == 2)
    assert cycle() == {1: 2.0, 2: 3.0}
