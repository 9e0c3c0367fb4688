"""Neighbour entries in known states, against `ip neigh`."""

from __future__ import annotations

import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

from pyroute2 import NetNS

from tests.netns.namespaces import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Namespace, Pair

FAMILIES = {"ipv4": "-4", "ipv6": "-6"}


def ip_neigh(namespace: Namespace) -> Counter[tuple[str, str]]:
    """Entries by family and state as `ip neigh` lists them, which leaves out those that need no resolution."""
    found: Counter[tuple[str, str]] = Counter()
    for family, option in FAMILIES.items():
        for entry in namespace.json("ip", option, "-j", "neigh", "show"):
            found[family, entry["state"][0].lower()] += 1
    return found


def entries(found: dict[tuple[str, ...], dict[str, Any]]) -> Counter[tuple[str, ...]]:
    """What the exporter found, without the zeros."""
    return +Counter({labels: values["entries"] for labels, values in found.items()})


def test_entries_are_counted_by_family_and_state(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    namespace = pair.left
    for state, first, count in (("permanent", 10, 5), ("stale", 30, 3), ("reachable", 50, 2)):
        for host in range(first, first + count):
            lladdr = f"02:00:00:00:00:{host:02x}"
            for address in (f"10.77.0.{host}", f"fd77::{host}"):
                namespace.run("ip", "neigh", "add", address, "lladdr", lladdr, "dev", "eth0", "nud", state)
    asking = namespace.open(kind=socket.SOCK_DGRAM)
    for host in range(100, 107):
        asking.sendto(b"?", (f"10.77.0.{host}", 9))

    found = rows(collector_of("neigh").cycle(), namespace.pod)

    known = {(family, state): count for family in FAMILIES for state, count in (("permanent", 5), ("stale", 3))}
    seen = entries(found)
    assert {key: seen[key] for key in known} == known
    assert seen["ipv4", "incomplete"] + seen["ipv4", "failed"] == 7
    assert {labels[0] for labels in found} == {"ipv4", "ipv6"}
    assert seen == ip_neigh(namespace)


def test_the_shared_tables_hold_the_entries_of_all_namespaces_and_the_nodes_thresholds(
    make_netns: Callable[[], Namespace], collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    namespace = make_netns()
    namespace.run("ip", "link", "add", "bridge0", "up", "type", "bridge")
    for number in range(41):
        words = ("lladdr", "02:00:00:00:00:01", "dev", "bridge0", "nud", "permanent")
        namespace.run("ip", "neigh", "add", f"10.77.1.{number}", *words)

    snapshot = collector_of("neigh").cycle()

    host = snapshot.pods[0]
    found = rows(snapshot, host)["ipv4",]
    assert sum(entries(rows(snapshot, namespace.pod)).values()) == 41
    assert found["table_entries"] >= 41 + len(run("ip", "-4", "neigh", "show").splitlines())
    with open("/proc/sys/net/ipv4/neigh/default/gc_thresh3", encoding="ascii") as file:
        assert found["gc_thresh3"] == int(file.read())


def test_pyroute2_sees_the_same_entries(pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]) -> None:
    for host in range(10, 29):
        words = ("lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "permanent")
        pair.left.run("ip", "neigh", "add", f"fd77::{host}", *words)

    found = entries(rows(collector_of("neigh").cycle(), pair.left.pod))

    with NetNS(pair.left.name) as oracle:
        listed = sum(1 for each in oracle.get_neighbours(family=socket.AF_INET6) if each["state"] == 0x80)
    assert found["ipv6", "permanent"] == listed == 19
