"""Nothing the exporter does keeps a namespace alive, and one that ends in mid-cycle costs only its own series."""

from __future__ import annotations

import subprocess
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter import registry
from exporter.model.pod import NetnsRef
from exporter.model.snapshot import Status
from exporter.sources import port_range, sock_diag
from exporter.sources.netns import Visitor, inode_of
from tests.netns.namespaces import RUN_NETNS, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.probe import Netns
    from tests.netns.namespaces import Namespace, Pair

PROBES = ("tcpsummary", "listen", "ports", "qdisc", "neigh", "tcp")


def device_exists(name: str) -> bool:
    return subprocess.run(["ip", "link", "show", name], check=False, capture_output=True).returncode == 0


def test_the_host_side_of_a_pods_device_goes_with_the_pod_while_cycles_run(
    make_netns: Callable[[], Namespace], collector_of: Callable[..., Any], until: Callable[..., None]
) -> None:
    namespace = make_netns()
    device = f"h{namespace.name[-13:]}"
    run("ip", "link", "add", device, "type", "veth", "peer", "eth0", "netns", namespace.name)
    collector = collector_of(*PROBES)
    pod = namespace.pod
    collector.cycle()
    stop = threading.Event()
    snapshots: list[Any] = []

    def keep_collecting() -> None:
        while not stop.is_set():
            snapshots.append(collector.cycle())

    cycles = threading.Thread(target=keep_collecting)
    cycles.start()
    try:
        until(lambda: len(snapshots) > 2)
        run("ip", "netns", "del", namespace.name)
        until(lambda: not device_exists(device))
    finally:
        stop.set()
        cycles.join()

    last = collector.cycle()
    assert pod in snapshots[0].pods
    assert pod not in last.pods
    assert [row for table in last.tables for row in table.rows if row.pod == pod] == []
    assert {outcome.status for snapshot in snapshots for outcome in snapshot.outcomes} <= {Status.OK, Status.NO_DATA}


def test_a_namespace_deleted_while_it_is_read_goes_when_the_visit_ends(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    doomed, other = pair.left, pair.right
    other.listen(8080, 5)
    pods = doomed.pod, other.pod

    def delete(netns: Netns) -> None:
        if netns.pod == pods[0] and (RUN_NETNS / doomed.name).exists():
            run("ip", "netns", "del", doomed.name)

    spec = registry.load().probe("listen")
    collector = collector_of(replace(spec, readers=(delete, sock_diag.read)), "ports", "neigh")
    first, second = collector.cycle(), collector.cycle()

    assert [outcome.status for outcome in first.outcomes] == [Status.OK] * 3
    assert [rows(snapshot, pods[1])[()]["sockets"] for snapshot in (first, second)] == [1, 1]
    assert (pods[0] in second.pods, rows(second, pods[0])) == (False, {})
    until(lambda: "eth0" not in other.run("ip", "-br", "link"))


def test_a_namespace_deleted_between_the_search_and_the_visit_costs_only_its_own_series(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    # Namespaces are visited in the order of their names, so reading the first ends the second.
    first, doomed = pair.left, pair.right
    pods = first.pod, doomed.pod

    def delete(netns: Netns) -> None:
        if netns.pod == pods[0] and (RUN_NETNS / doomed.name).exists():
            run("ip", "netns", "del", doomed.name)

    spec = registry.load().probe("ports")
    collector = collector_of(replace(spec, readers=(delete, port_range.read, sock_diag.read)), "neigh")
    snapshot = collector.cycle()

    assert [outcome.status for outcome in snapshot.outcomes] == [Status.OK, Status.OK]
    assert rows(snapshot, pods[0])[()]["range"] == 28232
    assert rows(snapshot, pods[1]) == {}
    assert collector.costs.namespaces_gone >= 1  # others on this machine may have ended too


def test_a_namespace_lives_on_when_the_first_of_its_processes_ends(make_netns: Callable[[], Namespace]) -> None:
    namespace = make_netns()
    command = ["ip", "netns", "exec", namespace.name, "sleep", "60"]
    with subprocess.Popen(["true"]) as ended, subprocess.Popen(command) as living:
        ended.wait()
        until_inside = f"/proc/{living.pid}/ns/net"
        while inode_of(until_inside) != namespace.pod.netns:
            time.sleep(0.01)
        ref = NetnsRef(namespace.pod, (ended.pid, living.pid))
        with closing(Visitor(Path("/proc"))) as visitor, visitor.visit(ref) as netns:
            content = netns.read("dev")
        living.kill()
    assert b"lo:" in content


def test_what_is_remembered_of_a_namespace_goes_with_it(
    make_netns: Callable[[], Namespace], collector_of: Callable[..., Any]
) -> None:
    namespace = make_netns()
    pod = namespace.pod
    collector = collector_of("tcpsummary")
    collector.cycle()
    remembered = sock_diag.read in collector._past[pod].results
    run("ip", "netns", "del", namespace.name)
    collector.cycle()

    assert (remembered, pod in collector._past) == (True, False)
