from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.flow_counts import Count, Tuple, Uncounted
from exporter.errors import UnsupportedError
from exporter.model.metric import Naming
from exporter.probes import flow as probe
from exporter.sources import addresses, links
from exporter.sources.addresses import Address, from_text
from exporter.sources.links import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from exporter.model.pod import Pod

ETH0 = Link(2, "eth0")
POD, NODE, FAR = "192.0.2.7", "192.0.2.1", "fd00::7"


@dataclass
class FixedCounts:
    """Stands for the programs: what they counted is given, what they are told is kept."""

    flows: dict[bytes, Count] = field(default_factory=dict)
    tuples: dict[bytes, Tuple] = field(default_factory=dict)
    watched: tuple[Any, ...] = ()
    forgotten: list[bytes] = field(default_factory=list)

    def add(self, source: str, target: str, count: Count, protocol: int = 6) -> bytes:
        key = f"{source} {target} {protocol}".encode()
        self.flows[key] = count
        self.tuples[key] = Tuple(from_text(source), from_text(target), 0, 0, protocol)
        return key

    def watch(self, netns: int, uplinks: Collection[int], above: Collection[int], local: Collection[bytes]) -> None:
        self.watched = netns, uplinks, above, local

    def read(self) -> Iterator[tuple[bytes, Count]]:
        return iter(list(self.flows.items()))

    def tuple_of(self, key: bytes) -> Tuple:
        return self.tuples[key]

    def forget(self, key: bytes) -> None:
        self.forgotten.append(key)
        del self.flows[key]

    def uncounted(self) -> Uncounted:
        return Uncounted(5, 3)

    def close(self) -> None:
        """Nothing was opened."""


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cycle_of(fake_cycle: Callable[..., Any], host: Pod) -> Callable[..., Any]:
    """Make a cycle of a node with these addresses per pod, devices, and devices of default routes."""

    def make(
        owners: dict[Pod, list[str]], devices: tuple[Link, ...] = (ETH0,), routes: tuple[str, ...] = ("eth0",)
    ) -> Any:  # noqa: ANN401 -- a stand-in
        found = [(pod, tuple(Address(2, from_text(each)) for each in texts)) for pod, texts in owners.items()]
        return fake_cycle(
            {
                addresses.read: found,
                links.read: [(host, devices)],
                probe.read_default_devices: [(host, frozenset(routes))],
            }
        )

    return make


def test_flows_carry_the_names_of_those_that_are_known(
    cycle_of: Callable[..., Any], values_of: Callable[..., Any], host: Pod, web: Pod
) -> None:
    counts = FixedCounts()
    counts.add(POD, NODE, Count(100, 2))
    counts.add(FAR, POD, Count(1 << 63, 1), protocol=99)
    cycle = cycle_of({host: [NODE], web: [POD]})

    found = values_of(probe.Flow(counts).collect(cycle))

    pod, node, far = (POD, "pod", "node-a", "shop", "web-0"), (NODE, "node", "node-a", "", ""), (FAR, "external")
    assert found == {
        (host, "TCP", *pod, *node, "0", "0"): {"bytes": 100, "packets": 2},
        (host, "99", *far, "", "", "", *pod, "0", "0"): {"bytes": 1 << 63, "packets": 1},
        (host, "map_full"): {"uncounted_total": 5},
        (host, "unreadable"): {"uncounted_total": 3},
        (host,): {"uplinks": 1},
    }
    assert counts.watched == (host.netns, {2}, set(), {from_text(POD), from_text(NODE)})


def test_uplinks_are_those_of_the_default_routes_unless_named(cycle_of: Callable[..., Any], host: Pod) -> None:
    vlan, veth = Link(3, "eth0.9", "vlan", lower=2), Link(4, "veth1")
    counts = FixedCounts()
    cycle = cycle_of({host: []}, devices=(ETH0, vlan, veth), routes=("eth0.9",))

    probe.Flow(counts).collect(cycle)
    assert counts.watched == (host.netns, {2}, {3}, set())

    probe.Flow(counts, interface="veth*, nothing").collect(cycle)
    assert counts.watched == (host.netns, {4}, set(), set())


def test_addresses_of_services_on_the_node_are_nobodys(cycle_of: Callable[..., Any], host: Pod) -> None:
    counts = FixedCounts()

    probe.Flow(counts).collect(cycle_of({host: [NODE]}, devices=(Link(2, "kube-ipvs0", "dummy"),), routes=()))

    assert counts.watched == (host.netns, set(), set(), set())


def test_a_flow_is_forgotten_when_it_was_idle_too_long_and_begins_anew(
    cycle_of: Callable[..., Any], host: Pod, web: Pod
) -> None:
    counts, clock, cycle = FixedCounts(), Clock(), cycle_of({host: [NODE], web: [POD]})
    quiet, busy = counts.add(POD, NODE, Count(10, 1)), counts.add(NODE, POD, Count(10, 1))
    flow = probe.Flow(counts, idle_minutes=1, clock=clock)

    def rows() -> list[tuple[int, int]]:
        return [tuple(row.values) for row in flow.collect(cycle)[0].rows]

    assert rows() == [(10, 1), (10, 1)]
    clock.now += 60
    counts.flows[busy] = Count(20, 2)
    assert rows() == [(10, 1), (20, 2)]
    clock.now += 1
    assert rows() == [(20, 2)]
    assert counts.forgotten == [quiet]
    counts.flows |= {quiet: Count(3, 1), busy: Count(30, 3)}
    clock.now += 60
    assert rows() == [(30, 3), (3, 1)]


def test_a_flow_gets_its_names_as_soon_as_they_are_known_and_goes_on(
    cycle_of: Callable[..., Any], host: Pod, web: Pod
) -> None:
    counts = FixedCounts()
    counts.add(POD, NODE, Count(10, 1))
    flow = probe.Flow(counts)

    first, second = (flow.collect(cycle_of(owners))[0].rows for owners in ({host: []}, {host: [NODE], web: [POD]}))

    assert [(row.labels[2], row.labels[7], row.values) for row in (*first, *second)] == [
        ("external", "external", (10, 1)),
        ("pod", "node", (10, 1)),
    ]
    assert counts.forgotten == []


def test_what_a_pod_counted_is_not_shown_for_the_next_one_with_its_address(
    cycle_of: Callable[..., Any], host: Pod, web: Pod, dns: Pod
) -> None:
    counts = FixedCounts()
    key = counts.add(POD, NODE, Count(10, 1))
    flow = probe.Flow(counts)
    flow.collect(cycle_of({host: [NODE], web: [POD]}))

    assert flow.collect(cycle_of({host: [NODE], dns: [POD]}))[0].rows == []
    assert counts.forgotten == [key]
    counts.flows[key] = Count(4, 1)
    (row,) = flow.collect(cycle_of({host: [NODE], dns: [POD]}))[0].rows
    assert (row.labels[5], row.values) == (dns.name, (4, 1))


def test_default_routes_of_either_family_are_read_where_there_are_any(fake_netns: Callable[..., Any]) -> None:
    route = (
        b"Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        b"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n"
        b"eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n"
    )

    assert probe.read_default_devices(fake_netns({"route": route})) == {"eth0"}
    assert probe.read_default_devices(fake_netns()) == set()


def test_a_sysfs_without_types_of_the_kernel_is_refused(env_of: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF"):
        probe.PROBE.open(env_of("6.18-x86_64-two-pods"))


def test_the_documented_names_are_kept() -> None:
    assert [each.name_in(Naming.KUBESKOOP) for each in (probe.BYTES, probe.PACKETS)] == [
        "kubeskoop_flow_bytes",
        "kubeskoop_flow_packets",
    ]
