"""Resets provoked one by one, counted by the exporter and by the kernel itself."""

from __future__ import annotations

import socket
import struct
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from exporter.bpf.attachable import Attachable
from exporter.bpf.btf import BtfKind
from exporter.bpf.kernel_btf import KernelBtf, location
from tests.netns.namespaces import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Namespace, Pair

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


def sent_by_kernel(namespace: Namespace) -> int:
    """Resets sent since the namespace was made, as the kernel counts them."""
    return int(namespace.run("nstat", "-asz", "TcpOutRsts").split()[-2])


def address_of_right(pair: Pair, family: int) -> str:
    return pair.right4 if family == socket.AF_INET else pair.right6


TRACEPOINTS = tuple(f"{kind}/tcp_{which}_reset" for kind in ("tp_btf", "raw_tp") for which in ("send", "receive"))
WAYS = {
    "tracepoint": ("fentry/", "kprobe/"),
    "fentry": (*TRACEPOINTS, "kprobe/"),
    "kprobe": (*TRACEPOINTS, "fentry/"),
}


def tells_reasons() -> bool:
    """From Linux 6.10 on the tracepoint tells of all resets sent, with a reason."""
    return KernelBtf(location(Path("/sys"))).has(BtfKind.ENUM, "sk_rst_reason")


class Watched(NamedTuple):
    """A collector that watches resets in one way."""

    way: str
    collector: Any


@pytest.fixture(params=WAYS)
def watched(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, collector_of: Callable[..., Any]
) -> Watched:
    """Watch in one way only, where the kernel can be watched so and every reset is seen."""
    name: str = request.param
    bad, lacking = WAYS[name], Attachable.lacking
    hidden = "hidden by a test"
    monkeypatch.setattr(
        Attachable, "lacking", lambda self, section: hidden if section.startswith(bad) else lacking(self, section)
    )
    needed = {"tracepoint": "raw_tp/tcp_send_reset"}.get(name, f"{name}/tcp_v4_send_reset")
    if reason := lacking(Attachable(Path("/sys")), needed):
        pytest.skip(reason)
    if name == "tracepoint" and not tells_reasons():
        pytest.skip("this kernel's tracepoint tells only of resets of whole sockets")
    return Watched(name, collector_of("tcpreset"))


def by_reason(way: str, name: str, count: int) -> dict[tuple[str, ...], dict[str, int]]:
    """What is expected of a reason, which only the tracepoint tells."""
    return {(name,): {"sent_by_reason_total": count}} if way == "tracepoint" else {}


@FAMILIES
def test_connections_to_a_closed_port_are_refused_on_both_sides(
    family: int, watched: Watched, pair: Pair, rows: Callable[..., Any]
) -> None:
    for _ in range(23):
        with pytest.raises(ConnectionRefusedError):
            pair.left.connect(address_of_right(pair, family), 81)
    snapshot = watched.collector.cycle()

    assert sent_by_kernel(pair.right) == 23
    assert rows(snapshot, pair.right.pod) == {
        (): {"sent_total": 23, "received_total": 0},
        ("no_socket",): {"sent_by_kind_total": 23},
        **by_reason(watched.way, "NO_SOCKET", 23),
    }
    assert rows(snapshot, pair.left.pod) == {
        (): {"sent_total": 0, "received_total": 23},
        ("connecting",): {"received_by_kind_total": 23},
    }


@FAMILIES
def test_a_program_that_closes_at_once_resets_an_established_connection(
    family: int,
    watched: Watched,
    pair: Pair,
    rows: Callable[..., Any],
    until: Callable[..., None],
) -> None:
    listener = pair.right.listen(80, 100, family)
    clients = [pair.left.connect(address_of_right(pair, family), 80) for _ in range(11)]
    servers = [pair.right.sockets.enter_context(listener.accept()[0]) for _ in clients]

    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        client.close()
    until(lambda: not pair.right.ss())
    snapshot = watched.collector.cycle()

    assert sent_by_kernel(pair.left) == 11 == len(servers)
    here, there = rows(snapshot, pair.left.pod), rows(snapshot, pair.right.pod)
    assert here[()]["received_total"] == 0
    assert here[("active",)] == {"sent_by_kind_total": 11}
    assert here[()]["sent_total"] == 11
    told = sum(values.get("sent_by_reason_total", 0) for values in here.values())
    assert told == (11 if watched.way == "tracepoint" else 0)
    assert there == {
        (): {"sent_total": 0, "received_total": 11},
        ("established",): {"received_by_kind_total": 11},
    }


def test_data_that_comes_after_the_program_has_gone_is_answered_with_a_reset(
    watched: Watched, pair: Pair, rows: Callable[..., Any], until: Callable[..., None]
) -> None:
    listener = pair.right.listen(80, 100)
    clients = [pair.left.connect(pair.right4, 80) for _ in range(7)]
    for _ in clients:
        listener.accept()[0].close()
    until(lambda: pair.right.ss()["FIN-WAIT-2"] == 7)  # the kernel keeps a small entry and no socket

    for client in clients:
        client.sendall(b"late")
    until(lambda: sent_by_kernel(pair.right) == 7)
    snapshot = watched.collector.cycle()

    assert rows(snapshot, pair.right.pod) == {
        (): {"sent_total": 7, "received_total": 0},
        ("answer",): {"sent_by_kind_total": 7},
        **by_reason(watched.way, "TCP_TIMEWAIT_SOCKET", 7),
    }
    assert rows(snapshot, pair.left.pod) == {
        (): {"sent_total": 0, "received_total": 7},
        ("closing",): {"received_by_kind_total": 7},
    }


def test_an_older_tracepoint_alone_tells_of_whole_sockets_and_no_total(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if tells_reasons():
        pytest.skip("this kernel's tracepoint tells of every reset")
    lacking = Attachable.lacking
    functions = ("fentry/", "kprobe/")
    monkeypatch.setattr(
        Attachable, "lacking", lambda self, section: "x" if section.startswith(functions) else lacking(self, section)
    )
    collector = collector_of("tcpreset")
    pair.right.listen(80, 100)
    for port, error in ((80, None), (80, None), (80, None), (81, ConnectionRefusedError)):
        with pytest.raises(error) if error else nullcontext():
            client = pair.left.connect(pair.right4, port)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            client.close()
    snapshot = collector.cycle()

    assert rows(snapshot, pair.left.pod) == {
        (): {"sent_total": None, "received_total": 1},
        ("active",): {"sent_by_kind_total": 3},
        ("connecting",): {"received_by_kind_total": 1},
    }
    assert sent_by_kernel(pair.right) == 1
    assert rows(snapshot, pair.right.pod)[()] == {"sent_total": None, "received_total": 3}


def test_a_namespace_that_ends_takes_its_counts_with_it_and_the_next_one_starts_from_zero(
    make_netns: Callable[[], Namespace], collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of("tcpreset")
    first = make_netns()
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            first.connect("127.0.0.1", 81)
    pod = first.pod
    before = rows(collector.cycle(), pod)[()]
    first.sockets.close()
    run("ip", "netns", "del", first.name)

    later = [make_netns() for _ in range(5)]
    snapshot = collector.cycle()

    assert before["received_total"] == 3
    assert rows(snapshot, pod) == {}
    assert [rows(snapshot, each.pod)[()]["received_total"] for each in later] == [0] * 5
