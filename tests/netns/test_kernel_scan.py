"""The kernel scan against procfs, counter by counter, in real namespaces."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from exporter import registry
from exporter.bpf import mib_names
from exporter.bpf.netns_scan import FILES, NetnsScan
from exporter.errors import UnsupportedError
from exporter.identity.standalone import discover
from exporter.model.metric import Naming
from exporter.model.scan import Part
from exporter.runtime.collector import Collector, RunningProbe
from exporter.runtime.kernel_scan import KernelScan
from exporter.sources import mib_scan, snmp, snmp6
from tests.netns.namespaces import Namespace, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from exporter.model.pod import Pod
    from exporter.model.probe import Env
    from tests.netns.namespaces import Pair

NAMESPACES = 50
PROBES = ("tcp", "tcpext", "ip", "udp", "icmp", "ip6", "icmp6", "udp6")


@pytest.fixture
def scan() -> Iterator[NetnsScan]:
    try:
        made = NetnsScan()
    except UnsupportedError as error:
        pytest.skip(f"no kernel scan here: {error}")
    with closing(made):
        yield made


def inode(namespace: Namespace) -> int:
    return namespace.pod.netns


def files(namespace: Namespace) -> dict[str, Any]:
    """The three files of a namespace, parsed."""
    with namespace.entered():
        contents = {}
        for name in FILES:
            with open(f"/proc/thread-self/net/{name}", "rb") as stream:
                contents[name] = stream.read()
    return {name: (snmp6.parse if name == "snmp6" else snmp.parse)(content, name) for name, content in contents.items()}


class Traffic:
    """A thread that sends and receives in namespaces until it is told to stop."""

    def __init__(self, namespaces: Sequence[Namespace]) -> None:
        self._pairs = []
        for namespace in namespaces:
            listener = namespace.listen(80, 8)
            client = namespace.connect("127.0.0.1", 80)
            server = namespace.sockets.enter_context(listener.accept()[0])
            self._pairs.append((client, server))
            udp = [namespace.open(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
            udp[0].sendto(b"nobody listens", ("127.0.0.1", 9))
            udp[1].sendto(b"nobody listens", ("::1", 9))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._talk)

    def _talk(self) -> None:
        while not self._stop.is_set():
            for client, server in self._pairs:
                client.send(b"ping")
                server.recv(4)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_every_counter_of_50_namespaces_under_traffic_lies_between_two_readings_of_procfs(
    make_netns: Callable[[], Namespace], scan: NetnsScan
) -> None:
    namespaces = [make_netns() for _ in range(NAMESPACES)]
    with Traffic(namespaces):
        before = [files(namespace) for namespace in namespaces]
        scan.scan()
        after = [files(namespace) for namespace in namespaces]

    rows = [scan.row(inode(namespace)) for namespace in namespaces]
    differences = [
        mib_scan.difference(name, then[name], mib_scan.take6(row) if name == "snmp6" else row, now[name])
        if row
        else "no row"
        for row, then, now in zip(rows, before, after, strict=True)
        for name in FILES
    ]
    assert differences == [""] * NAMESPACES * len(FILES)


def test_every_counter_of_a_quiet_namespace_equals_the_one_in_procfs(pair: Pair, scan: NetnsScan) -> None:
    """Equal for all columns, the falling ones included; only settings and unnamed types have no column in the scan."""
    with Traffic([pair.left]):
        pair.left.run("ping", "-c1", "-q", pair.right4)
        pair.left.run("ping", "-c1", "-q", pair.right6)
    pair.left.run("ip", "link", "set", "eth0", "down")

    scan.scan()

    row, parsed = scan.row(inode(pair.left)), files(pair.left)
    assert row is not None
    lacking = set()
    for name, sections in FILES.items():
        for section in sections:
            printed = parsed[name].columns() if name == "snmp6" else parsed[name].columns(section)
            expected = parsed[name].pick(printed) if name == "snmp6" else parsed[name].pick(section, printed)
            found = row.pick(section, printed)
            lacking |= {column for column, number in zip(printed, found, strict=True) if number is None}
            pairs = [
                (column, number, there)
                for column, number, there in zip(printed, found, expected, strict=True)
                if number is not None
            ]
            assert [(column, number) for column, number, _ in pairs] == [(column, there) for column, _, there in pairs]
    assert {name for name in lacking if "Type" not in name and "UdpLite6" not in name} == {
        "RtoAlgorithm",
        "RtoMin",
        "RtoMax",
        "MaxConn",
    }
    assert lacking.isdisjoint(column for section in mib_names.SECTIONS for column in mib_names.columns(section))


def test_namespaces_come_and_go(
    make_netns: Callable[[], Namespace], scan: NetnsScan, until: Callable[..., None]
) -> None:
    first = make_netns()
    scan.scan()
    second = make_netns()
    before = [scan.row(inode(each)) is not None for each in (first, second)]
    gone = inode(first)
    run("ip", "netns", "del", first.name)

    def is_gone() -> bool:
        scan.scan()
        return scan.row(gone) is None

    until(is_gone)
    assert before == [True, False]
    assert scan.row(inode(second)) is not None


@pytest.mark.usefixtures("scan")  # skips
def test_what_does_not_fit_is_counted_and_has_no_row(make_netns: Callable[[], Namespace]) -> None:
    namespaces = [make_netns() for _ in range(5)]
    with closing(NetnsScan(capacity=3)) as small:
        small.scan()
        rows = [small.row(inode(namespace)) for namespace in namespaces]
        assert small.over_capacity >= 3  # of the 6 at least that there are, the host's included
        assert sum(row is not None for row in rows) <= 3


class Cycle(NamedTuple):
    """What one cycle found in some namespaces, and which files it read there; None where it did not even go."""

    values: dict[tuple[str, Pod], Any]
    read: list[list[str] | None]


@pytest.fixture
def cycles(live_env: Env) -> Callable[[KernelScan, Sequence[Namespace], int], list[Cycle]]:
    """Do so many cycles."""
    known = registry.load()
    specs = [known.probe(name) for name in PROBES]

    def do(scan: KernelScan, namespaces: Sequence[Namespace], count: int) -> list[Cycle]:
        pods = [namespace.pod for namespace in namespaces]
        running = [RunningProbe(spec, spec.open(live_env)) for spec in specs]
        with closing(Collector(live_env, running, (), discover, max_series=1_000_000, scan=scan)) as collector:
            return [one(collector, pods) for _ in range(count)]

    return do


def one(collector: Collector, pods: Sequence[Pod]) -> Cycle:
    values = {
        (metric.name_in(Naming.KUBESKOOP), row.pod): value
        for table in collector.cycle().tables
        for row in table.rows
        for metric, value in zip(table.metrics, row.values, strict=True)
        if row.pod in pods
    }
    past = collector._past
    return Cycle(values, [sorted(name for name, _ in past[pod].parsed) if pod in past else None for pod in pods])


def counters(made: Callable[[], NetnsScan]) -> KernelScan:
    return KernelScan(Path("/proc"), [Part("counters", made, mib_scan.PART.answers)])


def refuse() -> NetnsScan:
    raise UnsupportedError("the programs were not built")


def test_probes_get_the_same_from_the_scan_as_from_procfs_once_it_was_seen_to_agree(
    pair: Pair, cycles: Callable[..., list[Cycle]], scan: NetnsScan
) -> None:
    both = (pair.left, pair.right)
    with Traffic(both):
        pair.left.run("ping", "-c1", "-q", pair.right4)
    pair.left.run("ip", "link", "set", "eth0", "down")

    scanned = cycles(counters(lambda: scan), both, 4)
    from_files = cycles(counters(refuse), both, 1)[0]

    assert len(from_files.values) > 250
    assert [cycle.values for cycle in scanned] == [from_files.values] * 4
    assert [cycle.read for cycle in scanned] == [[["netstat", "snmp", "snmp6"]] * 2] + [[None] * 2] * 3


def test_a_scan_that_disagrees_is_given_up_and_procfs_stays(
    pair: Pair, cycles: Callable[..., list[Cycle]], scan: NetnsScan
) -> None:
    pair.left.run("ping", "-c3", "-q", pair.right4)
    used = counters(lambda: scan)
    places = scan.columns.places["Icmp"]
    places["InEchos"] = places["OutEchos"]
    scan.columns._pickers.clear()

    found = cycles(used, (pair.left,), 7)

    asked = [cycle.values["kubeskoop_icmp_in_echo_requests_total", pair.left.pod] for cycle in found]
    assert (asked, used.parts[0].disagreements, used.parts[0].active) == ([0] * 7, 1, False)
    # Of which namespace it is told depends on who else sends pings on this machine.
    assert "snmp Icmp InEchos: procfs 0, then scan " in used.parts[0].reason


@pytest.mark.usefixtures("scan")  # skips
def test_namespaces_without_a_place_are_read_from_procfs_and_counted(
    pair: Pair, cycles: Callable[..., list[Cycle]]
) -> None:
    used = counters(lambda: NetnsScan(capacity=1))

    found = cycles(used, (pair.left, pair.right), 4)

    everything = ["netstat", "snmp", "snmp6"]
    assert [cycle.read for cycle in found] == [[everything] * 2] * 4
    assert used.parts[0].disagreements == 0
    assert used.parts[0].over_capacity >= 4 * 2
