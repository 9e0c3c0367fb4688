"""Packets that the kernel drops for a known reason, counted by the exporter and by the kernel itself."""

from __future__ import annotations

import socket
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.btf import BtfKind
from exporter.bpf.kernel_btf import KernelBtf, location

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.snapshot import Snapshot
    from tests.netns.namespaces import Namespace, Pair

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])


def counter(namespace: Namespace, name: str) -> int:
    """One of the kernel's own counters since the namespace was made."""
    return int(namespace.run("nstat", "-asz", name).split()[-2])


def udp(family: int, name: str) -> str:
    """Name of a UDP counter as nstat has it."""
    return f"Udp{'6' if family == socket.AF_INET6 else ''}{name}"


def drops(found: dict[tuple[str, ...], dict[str, Any]]) -> dict[str, int]:
    """Drops by reason, of one pod."""
    return {labels[0]: values["drops_total"] for labels, values in found.items() if "drops_total" in values}


TYPES = location(Path("/sys"))
TOLD = KernelBtf(TYPES).has(BtfKind.ENUM, "skb_drop_reason") if TYPES.exists() else True
INSTEAD = {  # where the kernel tells no reasons
    "NO_SOCKET": ("__udp4_lib_rcv", "__udp6_lib_rcv"),
    "SOCKET_RCVBUFF": ("udp_queue_rcv_one_skb", "udpv6_queue_rcv_one_skb"),
    "NETFILTER_DROP": ("nf_hook_slow", "nf_hook_slow"),
}


def reason(name: str, family: int = socket.AF_INET) -> str:
    """What a reason is shown as on this kernel."""
    return name if TOLD else INSTEAD[name][family == socket.AF_INET6]


def unattributed(snapshot: Snapshot) -> int:
    """Drops whose namespace is unknown."""
    return sum(
        row.values[0]
        for table in snapshot.tables
        for row in table.rows
        if table.metrics[0].name == "unattributed_total"
    )


def send(namespace: Namespace, address: str, port: int, count: int, size: int = 1) -> None:
    """Send datagrams from a socket that is not told what becomes of them."""
    sender = namespace.open(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    datagram = bytes(size)
    for _ in range(count):
        sender.sendto(datagram, (address, port))


def address_of_right(pair: Pair, family: int) -> str:
    return pair.right4 if family == socket.AF_INET else pair.right6


@pytest.fixture(autouse=True)
def acquainted(pair: Pair, until: Callable[..., None]) -> None:
    """The first packets to a neighbour wait until it is found, some in vain: that is over before a test begins."""
    for address in (pair.right4, pair.right6):
        receiver = pair.right.open(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((address, 5))
        receiver.settimeout(0)

        def arrives(address: str = address, receiver: socket.socket = receiver) -> bool:
            send(pair.left, address, 5, 1)
            with suppress(BlockingIOError):
                return bool(receiver.recv(1))
            return False

        until(arrives)


@FAMILIES
def test_datagrams_for_a_closed_port_have_no_socket(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    collector = collector_of("packetloss")

    send(pair.left, address_of_right(pair, family), 9, 47)
    until(lambda: counter(pair.right, udp(family, "NoPorts")) >= 47)
    snapshot = collector.cycle()

    there, here = rows(snapshot, pair.right.pod), rows(snapshot, pair.left.pod)
    assert counter(pair.right, udp(family, "NoPorts")) == 47 == drops(there)[reason("NO_SOCKET", family)]
    assert reason("NO_SOCKET", family) not in drops(here)
    assert there[()]["abnormal"] == here[()]["abnormal"] == (0 if TOLD else None)
    assert there[()]["netfilter"] == 0
    assert there[()]["total"] >= 47


@FAMILIES
def test_datagrams_for_a_full_receive_buffer_are_abnormal_losses_of_the_receiver(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    collector = collector_of("packetloss")
    receiver = pair.right.open(family, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    receiver.bind(("", 7))

    send(pair.left, address_of_right(pair, family), 7, 61, size=1000)
    until(lambda: counter(pair.right, udp(family, "RcvbufErrors")) > 40)
    snapshot = collector.cycle()

    lost = counter(pair.right, udp(family, "RcvbufErrors"))
    there = rows(snapshot, pair.right.pod)
    assert drops(there)[reason("SOCKET_RCVBUFF", family)] == lost
    assert there[()]["abnormal"] == (lost if TOLD else None)
    assert unattributed(snapshot) == 0


@FAMILIES
def test_what_the_firewall_drops_is_counted_where_the_rule_is(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of("packetloss")
    program = "iptables" if family == socket.AF_INET else "ip6tables"
    pair.right.run(program, "-A", "INPUT", "-p", "udp", "--dport", "53", "-j", "DROP")
    pair.left.run(program, "-A", "OUTPUT", "-p", "udp", "--dport", "54", "-j", "DROP")

    send(pair.left, address_of_right(pair, family), 53, 29)
    sender = pair.left.open(family, socket.SOCK_DGRAM)
    for _ in range(13):
        with pytest.raises(PermissionError):
            sender.sendto(b"x", (address_of_right(pair, family), 54))
    snapshot = collector.cycle()

    there, here = rows(snapshot, pair.right.pod), rows(snapshot, pair.left.pod)
    assert (there[()]["netfilter"], drops(there)[reason("NETFILTER_DROP")]) == (29, 29)
    assert (here[()]["netfilter"], drops(here)[reason("NETFILTER_DROP")]) == (13, 13)
    assert pair.right.run(program, "-nvxL", "INPUT").splitlines()[-1].split()[0] == "29"
    assert unattributed(snapshot) == 0


def test_multicast_that_nobody_here_has_room_for_is_lost_but_not_abnormal(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    collector = collector_of("packetloss")
    receiver = pair.right.open(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    receiver.bind(("", 7))
    membership = socket.inet_aton("239.1.2.3") + socket.inet_aton(pair.right4)
    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    pair.left.run("ip", "route", "add", "239.0.0.0/8", "dev", "eth0")

    send(pair.left, "239.1.2.3", 7, 61, size=1000)
    until(lambda: counter(pair.right, "UdpRcvbufErrors") > 40)
    there = rows(collector.cycle(), pair.right.pod)

    lost = counter(pair.right, "UdpRcvbufErrors")
    assert (drops(there)[reason("SOCKET_RCVBUFF")], there[()]["abnormal"]) == (lost, 0 if TOLD else None)
    assert there[()]["total"] >= lost


def test_a_hundred_thousand_drops_are_a_hundred_thousand(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    collector = collector_of("packetloss")

    send(pair.left, pair.right4, 9, 100_003)
    until(lambda: counter(pair.right, "UdpNoPorts") >= 100_003)

    assert drops(rows(collector.cycle(), pair.right.pod))[reason("NO_SOCKET")] == 100_003


def test_a_namespace_that_ends_takes_its_counts_with_it_and_the_next_one_starts_without_any(
    make_netns: Callable[[], Namespace],
    collector_of: Callable[..., Any],
    rows: Callable[..., Any],
    until: Callable[..., None],
) -> None:
    collector = collector_of("packetloss")
    first = make_netns()
    send(first, "127.0.0.1", 9, 17)
    pod = first.pod
    before = drops(rows(collector.cycle(), pod))
    first.sockets.close()
    subprocess.run(["ip", "netns", "del", first.name], check=True)
    until(lambda: rows(collector.cycle(), pod) == {})

    later = [make_netns() for _ in range(5)]
    snapshot = collector.cycle()

    assert before[reason("NO_SOCKET")] == 17
    assert [drops(rows(snapshot, each.pod)).get(reason("NO_SOCKET")) for each in later] == [None] * 5


def held_by_this_process() -> set[tuple[str, str]]:
    """Kind (prog or map) and id of every eBPF object that a descriptor of this process refers to."""
    found = set()
    for path in Path("/proc/self/fdinfo").iterdir():
        with suppress(OSError):
            fields = dict(line.split(":", 1) for line in path.read_text("ascii").splitlines() if ":" in line)
            found |= {(kind, fields[f"{kind}_id"].strip()) for kind in ("prog", "map") if f"{kind}_id" in fields}
    return found


def exists(kind: str, number: str) -> bool:
    """Whether the kernel still has a program or map."""
    return subprocess.run(["bpftool", kind, "show", "id", number], check=False, capture_output=True).returncode == 0


def test_closing_the_probes_leaves_no_program_and_no_map_behind(
    collector_of: Callable[..., Any], until: Callable[..., None]
) -> None:
    before = held_by_this_process()
    collector = collector_of("packetloss", "tcpretrans", "tcpreset")
    loaded = held_by_this_process() - before
    kinds = Counter(kind for kind, _ in loaded)
    collector.close()

    assert kinds["prog"] >= 3 + 1 + 2 + 2  # each has one that lists the namespaces, or two
    assert held_by_this_process() == before
    until(lambda: not any(exists(kind, number) for kind, number in loaded))
