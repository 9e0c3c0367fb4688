"""Flows between the pods of a node and off it, counted by the exporter, by the senders and by their queues."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.flow_counts import FlowCounts
from exporter.identity.standalone import NAMESPACE
from exporter.probes import flow as probe
from exporter.runtime.collector import Collector, RunningProbe
from tests.bpf.small_node import Place, SmallNode, build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.model.probe import Env
    from exporter.model.snapshot import Snapshot
    from tests.netns.namespaces import Namespace, Pair

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
HEADERS = {socket.AF_INET: 14 + 20 + 8, socket.AF_INET6: 14 + 40 + 8}  # of a UDP datagram in an Ethernet frame
PORT = 7
MAPPED = bytes(10) + b"\xff\xff"  # what goes before an IPv4 address


@pytest.fixture(params=[False, True], ids=["routed", "bridged"])
def world(request: pytest.FixtureRequest, make_netns: Callable[[], Namespace]) -> SmallNode:
    """A node in both of the usual ways."""
    return build(make_netns, bridged=request.param)


@pytest.fixture
def routed(make_netns: Callable[[], Namespace]) -> SmallNode:
    return build(make_netns, bridged=False)


@pytest.fixture
def watching(live_env: Env) -> Iterator[Callable[..., Collector]]:
    """Make a collector of a small node, which has begun to count."""
    with ExitStack() as stack:

        def make(world: SmallNode, **options: object) -> Collector:
            env = replace(live_env, options={"flow": {"interface": "up0", **options}})
            probes = [RunningProbe(probe.PROBE, probe.PROBE.open(env))]
            collector = stack.enter_context(closing(Collector(env, probes, (), world.discover, max_series=1_000_000)))
            collector.cycle()
            return collector

        yield make


def rows(snapshot: Snapshot, name: str) -> dict[tuple[str, ...], tuple[Any, ...]]:
    """Values by labels, of the table that has this metric."""
    assert [(each.probe, each.reason) for each in snapshot.outcomes if each.reason] == []
    tables = [table for table in snapshot.tables if name in {metric.name for metric in table.metrics}]
    return {row.labels: tuple(row.values) for table in tables for row in table.rows}


def flows(snapshot: Snapshot, protocol: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Bytes and packets by source and destination, of one protocol."""
    return {(row[1], row[6]): values for row, values in rows(snapshot, "bytes").items() if row[0] == protocol}


def send(source: Place, to: str, datagrams: int, size: int) -> None:
    """Send UDP datagrams, one by one."""
    sender = source.netns.open(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(datagrams):
        sender.sendto(bytes(size), (to, PORT))


def count_in_queue(place: Place, device: str = "eth0") -> None:
    """Give a device a queue that counts bytes and packets, and no reason to send anything but what the test sends."""
    place.netns.run("tc", "qdisc", "replace", "dev", device, "root", "pfifo")


def silence(world: SmallNode) -> None:
    """Nothing is sent from now on but by the test: neighbours are known, and IPv6 does not look for routers."""
    for place in (world.node, world.left, world.right, world.outside):
        for entry in place.netns.json("ip", "-j", "neigh"):
            if "lladdr" in entry:
                words = (entry["dst"], "dev", entry["dev"], "lladdr", entry["lladdr"])
                place.netns.run("ip", "neigh", "replace", *words, "nud", "permanent")
        place.netns.run("ip6tables", "-I", "OUTPUT", "-p", "icmpv6", "-j", "DROP")


def bulk(until: Callable[..., None], source: Place, to: Place, size: int, family: int) -> None:
    """Send bytes by TCP as fast as they go."""
    listener = to.netns.listen(PORT, 1, family)
    client = source.netns.connect(to.address(family), PORT)
    server = to.netns.sockets.enter_context(listener.accept()[0])
    server.settimeout(10)
    client.settimeout(0)
    left, taken = size, 0
    while taken < size:
        with suppress(BlockingIOError):
            left -= client.send(bytes(min(left, 1 << 20))) if left else 0
        taken += len(server.recv(1 << 20))
    listener.close()
    client.settimeout(10)
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    server.close()
    assert client.recv(1) == b""
    client.close()
    until(lambda: not to.netns.ss())  # the last acknowledgement came


@FAMILIES
def test_what_one_pod_sends_another_on_the_node_is_counted_once(
    world: SmallNode, watching: Callable[..., Collector], family: int
) -> None:
    world.right.receive_on(PORT, family)
    collector = watching(world)
    source, target = world.left.address(family), world.right.address(family)

    send(world.left, target, 31, 100)
    found = rows(collector.cycle(), "bytes")

    left, right = world.left.netns.name, world.right.netns.name
    labels = ("UDP", source, "pod", "node-a", NAMESPACE, left, target, "pod", "node-a", NAMESPACE, right, "0", "0")
    assert {key: value for key, value in found.items() if key[0] == "UDP"} == {
        labels: (31 * (HEADERS[family] + 100), 31)
    }


@FAMILIES
def test_what_crosses_the_uplink_is_counted_once_in_each_direction(
    world: SmallNode, watching: Callable[..., Collector], family: int
) -> None:
    pod, node, outside = (place.address(family) for place in (world.left, world.node, world.outside))
    for place in (world.left, world.node, world.outside):
        place.receive_on(PORT, family)
    collector = watching(world)

    send(world.left, outside, 37, 10)
    send(world.outside, pod, 41, 20)
    send(world.node, outside, 43, 30)
    send(world.outside, node, 47, 40)
    snapshot = collector.cycle()

    header = HEADERS[family]
    assert flows(snapshot, "UDP") == {
        (pod, outside): (37 * (header + 10), 37),
        (outside, pod): (41 * (header + 20), 41),
        (node, outside): (43 * (header + 30), 43),
        (outside, node): (47 * (header + 40), 47),
    }
    kinds = {row[1]: row[2] for row in rows(snapshot, "bytes") if row[0] == "UDP"}
    assert kinds == {pod: "pod", node: "node", outside: "external"}
    assert rows(snapshot, "uplinks") == {(): (1,)}


@FAMILIES
def test_what_a_pod_and_its_node_send_each_other_is_counted_once(
    world: SmallNode, watching: Callable[..., Collector], family: int
) -> None:
    pod, node = world.left.address(family), world.node.address(family)
    for place in (world.left, world.node):
        place.receive_on(PORT, family)
    collector = watching(world)

    send(world.left, node, 13, 0)
    sender = world.node.netns.open(family, socket.SOCK_DGRAM)
    sender.bind((node, 0))
    for _ in range(17):
        sender.sendto(b"", (pod, PORT))

    header = HEADERS[family]
    assert flows(collector.cycle(), "UDP") == {(pod, node): (13 * header, 13), (node, pod): (17 * header, 17)}


def test_a_pod_that_talks_to_itself_uses_no_network(routed: SmallNode, watching: Callable[..., Collector]) -> None:
    routed.left.receive_on(PORT)
    collector = watching(routed)

    send(routed.left, routed.left.v4, 5, 0)
    send(routed.left, "127.0.0.1", 5, 0)

    assert flows(collector.cycle(), "UDP") == {}


@FAMILIES
@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
def test_bulk_data_is_counted_in_segments_as_the_senders_queues_count_it(
    world: SmallNode, watching: Callable[..., Collector], until: Callable[..., None], family: int, *, remote: bool
) -> None:
    source, target = world.left, world.outside if remote else world.right
    bulk(until, source, target, 1, family)
    silence(world)
    count_in_queue(source)
    count_in_queue(target)
    collector = watching(world)

    bulk(until, source, target, 20_000_003, family)
    found = flows(collector.cycle(), "TCP")

    sent, answered = source.qdisc(), target.qdisc()
    assert found == {
        (source.address(family), target.address(family)): (sent["bytes"], sent["packets"]),
        (target.address(family), source.address(family)): (answered["bytes"], answered["packets"]),
    }
    assert sent["packets"] > 20_000_003 // 1500


@FAMILIES
def test_fragments_belong_to_the_flow_of_their_datagram(
    routed: SmallNode, watching: Callable[..., Collector], family: int
) -> None:
    target = routed.outside.address(family)
    routed.outside.receive_on(PORT, family)
    collector = watching(routed)

    send(routed.left, target, 7, 5000)

    headers = (20 if family == socket.AF_INET else 40 + 8) + 14
    assert flows(collector.cycle(), "UDP") == {
        (routed.left.address(family), target): (7 * (8 + 5000 + 4 * headers), 7 * 4)
    }


def test_ports_tell_flows_apart_when_asked_for(routed: SmallNode, watching: Callable[..., Collector]) -> None:
    routed.right.receive_on(PORT)
    collector = watching(routed, ports=True)
    senders = [routed.left.netns.open(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]

    for number, sender in enumerate(senders):
        for _ in range(number + 1):
            sender.sendto(b"", (routed.right.v4, PORT))
    found = rows(collector.cycle(), "bytes")

    ports = {row[-2:]: values[1] for row, values in found.items() if row[0] == "UDP"}
    assert ports == {(str(sender.getsockname()[1]), str(PORT)): number + 1 for number, sender in enumerate(senders)}


def test_flows_beyond_the_room_are_counted_as_missing(routed: SmallNode, watching: Callable[..., Collector]) -> None:
    routed.right.receive_on(PORT)
    send(routed.left, routed.right.v4, 1, 0)
    silence(routed)
    collector = watching(routed, ports=True, entries=7)

    for _ in range(13):
        send(routed.left, routed.right.v4, 3, 0)
    snapshot = collector.cycle()

    assert list(rows(snapshot, "bytes").values()) == [(3 * HEADERS[socket.AF_INET], 3)] * 7
    assert rows(snapshot, "uncounted_total") == {("map_full",): (6 * 3,), ("unreadable",): (0,)}


@FAMILIES
def test_a_service_is_replaced_by_the_pod_behind_it(
    world: SmallNode, watching: Callable[..., Collector], family: int
) -> None:
    service, program = ("fd99::9", "ip6tables") if family == socket.AF_INET6 else ("10.255.255.9", "iptables")
    source, target = world.left.address(family), world.right.address(family)
    to = f"[{target}]:{PORT}" if family == socket.AF_INET6 else f"{target}:{PORT}"
    rule = ("-d", service, "-p", "udp", "-j", "DNAT", "--to-destination", to)
    world.node.netns.run(program, "-t", "nat", "-A", "PREROUTING", *rule)
    server = world.right.receive_on(PORT, family)
    collector = watching(world)

    client = world.left.netns.open(family, socket.SOCK_DGRAM)
    for _ in range(23):
        client.sendto(b"question", (service, PORT))
    client.settimeout(10)
    for _ in range(19):
        server.sendto(b"answer!", server.recvfrom(100)[1])
        assert client.recv(100) == b"answer!"

    header = HEADERS[family]
    assert flows(collector.cycle(), "UDP") == {
        (source, target): (23 * (header + 8), 23),
        (target, source): (19 * (header + 7), 19),
    }


def test_a_vlan_is_counted_at_the_device_beneath_it(routed: SmallNode, watching: Callable[..., Collector]) -> None:
    for place, device, host in ((routed.node, "up0", 1), (routed.outside, "eth0", 2)):
        try:
            place.netns.run("ip", "link", "add", "link", device, "name", "up.9", "type", "vlan", "id", "9")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this kernel has no VLANs: {error.stderr.strip()}")
        place.netns.run("ip", "address", "add", f"10.254.9.{host}/24", "dev", "up.9")
        place.netns.run("ip", "link", "set", "up.9", "up")
        place.receive_on(PORT)
    collector = watching(routed, interface="up.*")

    send(routed.node, "10.254.9.2", 11, 0)
    send(routed.outside, "10.254.9.1", 13, 0)

    header = HEADERS[socket.AF_INET]
    assert flows(collector.cycle(), "UDP") == {
        ("10.254.9.1", "10.254.9.2"): (11 * header, 11),
        ("10.254.9.2", "10.254.9.1"): (13 * header, 13),
    }


def test_a_tunnel_is_counted_as_what_its_ends_send_each_other(
    routed: SmallNode, watching: Callable[..., Collector], until: Callable[..., None]
) -> None:
    ends = []
    for place, peer, device, host in (
        (routed.node, routed.outside, "up0", 1),
        (routed.outside, routed.node, "eth0", 2),
    ):
        words = ("id", "9", "dstport", "4789", "local", place.v4, "remote", peer.v4, "dev", device)
        try:
            place.netns.run("ip", "link", "add", "tunnel", "type", "vxlan", *words)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this kernel has no VXLAN: {error.stderr.strip()}")
        place.netns.run("ip", "address", "add", f"10.253.9.{host}/24", "dev", "tunnel")
        place.netns.run("ip", "link", "set", "tunnel", "up")
        ends.append(Place(place.netns, f"10.253.9.{host}", ""))
    bulk(until, *ends, 1, socket.AF_INET)
    silence(routed)
    count_in_queue(routed.node, "up0")
    count_in_queue(routed.outside)
    collector = watching(routed)

    bulk(until, *ends, 5_000_011, socket.AF_INET)
    found = flows(collector.cycle(), "UDP")

    sent, answered = routed.node.qdisc("up0"), routed.outside.qdisc()
    # Queues of many kernels count the headers inside the tunnel once for all segments, so their bytes are no witness.
    outer, inner, syn_options = 14 + 20 + 8 + 8, 14 + 20 + 20 + 12, 8
    assert found == {
        (routed.node.v4, routed.outside.v4): (
            5_000_011 + sent["packets"] * (outer + inner) + syn_options,
            sent["packets"],
        ),
        (routed.outside.v4, routed.node.v4): (answered["bytes"], answered["packets"]),
    }
    assert sent["packets"] > 5_000_011 // 1500


def test_devices_that_come_later_are_found_by_their_prefix(
    routed: SmallNode, watching: Callable[..., Collector]
) -> None:
    collector = watching(routed, interface="up*")
    routed.node.netns.run(
        "ip", "link", "add", "up1", "type", "veth", "peer", "eth1", "netns", routed.outside.netns.name
    )

    assert rows(collector.cycle(), "uplinks") == {(): (2,)}


@FAMILIES
def test_whether_a_packet_stays_is_asked_anew_when_addresses_change(family: int, quiet: Pair) -> None:
    texts = (quiet.left4, quiet.right4) if family == socket.AF_INET else (quiet.left6, quiet.right6)
    both = [(b"" if family == socket.AF_INET6 else MAPPED) + socket.inet_pton(family, text) for text in texts]
    sender = quiet.left.open(family, socket.SOCK_DGRAM)
    counted = []
    with closing(FlowCounts(64, ports=False)) as counts:
        for addresses, datagrams in ((both[:1], 5), (both, 7), (both[1:], 11), (both, 13)):
            counts.watch(0, (), (), addresses)
            for _ in range(datagrams):
                sender.sendto(b"x", (texts[1], PORT))
            counted.append(sum(count.packets for key, count in counts.read() if counts.tuple_of(key).src == both[0]))

    assert counted == [0, 7, 7, 20]


def program_ids(process: int) -> set[str]:
    """Numbers of the eBPF programs that a process holds."""
    infos = [path.read_text() for path in Path(f"/proc/{process}/fdinfo").iterdir()]
    return {line.split()[1] for info in infos for line in info.splitlines() if line.startswith("prog_id:")}


def test_a_process_that_is_killed_leaves_nothing_behind(until: Callable[..., None]) -> None:
    code = (
        "import signal; from exporter.bpf.flow_counts import FlowCounts\n"
        "counts = FlowCounts(64, ports=False); print('ready', flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        ids = program_ids(process.pid)
        process.send_signal(signal.SIGKILL)

    def loaded() -> set[str]:
        shown = subprocess.run(["bpftool", "prog", "show"], check=True, capture_output=True, text=True).stdout
        return {line.partition(":")[0] for line in shown.splitlines() if line[:1].isdecimal()}

    assert len(ids) == 2
    until(lambda: not ids & loaded())
