"""Each reset is told with its ends, and as often as it is counted."""

from __future__ import annotations

import select
import socket
import time
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter import registry
from exporter.bpf.entries import counters
from exporter.bpf.symbols import KallsymsTable
from exporter.errors import UnsupportedError
from exporter.model.event import Connection
from exporter.probes.tcpreset import EVENTS, TcpReset
from tests.bpf.reset_ways import tells_reasons
from tests.bpf.test_tcpreset import AT_ONCE, FAMILIES, address_of_right, sent_by_kernel
from tests.netns.namespaces import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.event import Event
    from exporter.model.probe import Env
    from tests.bpf.event_watch import Watched
    from tests.netns.namespaces import Pair

OTHERS = 20  # of what goes on elsewhere on the machine, between one look and the next


def ends(first: tuple[Any, ...], second: tuple[Any, ...]) -> Connection:
    """Of two socket names."""
    return Connection("TCP", ip_address(first[0]), first[1], ip_address(second[0]), second[1])


def told(events: list[Event]) -> list[tuple[Any, ...]]:
    return [(event.type, event.connection, event.values) for event in events]


def reason(way: str, name: str) -> str:
    """What is expected of a reason, which only the tracepoint tells."""
    return name if way == "tracepoint" else ""


@FAMILIES
def test_a_refused_connection_is_told_by_both_sides_with_the_segment_and_the_socket(
    family: int, reset_way: str, watch_events: Callable[..., Watched], pair: Pair
) -> None:
    watched = watch_events("tcpreset")
    here, there = (pair.left6, pair.right6) if family == socket.AF_INET6 else (pair.left4, pair.right4)
    connections = []
    before = time.time_ns()
    for number in range(5):
        client = pair.left.open(family)
        client.bind((here, 40001 + number))
        with pytest.raises(ConnectionRefusedError):
            client.connect((there, 81 + number))
        connections.append(ends((here, 40001 + number), (there, 81 + number)))
    after = time.time_ns()
    readable = select.select([watched.source], [], [], 5)[0]
    left, right = watched.of(pair.left), watched.of(pair.right)

    assert readable == [watched.source]
    no_socket = ("", reason(reset_way, "NO_SOCKET"), "sent", "eth0")
    assert told(right) == [(EVENTS["no_socket"], each, no_socket) for each in connections]
    refused = ("TCP_SYN_SENT", "", "received", "eth0")
    assert told(left) == [(EVENTS["connecting"], each, refused) for each in connections]
    assert [event.time for event in right] == sorted(event.time for event in right)
    assert all(before <= event.time <= after for event in left + right)
    assert not any(event.stack for event in left + right)


@FAMILIES
def test_a_connection_that_a_program_ends_at_once_is_told_with_the_ends_of_each_socket(
    family: int, reset_way: str, watch_events: Callable[..., Watched], pair: Pair, until: Callable[..., None]
) -> None:
    watched = watch_events("tcpreset")
    listener = pair.right.listen(8080, 100, family)
    clients = [pair.left.connect(address_of_right(pair, family), 8080) for _ in range(3)]
    servers = [pair.right.sockets.enter_context(listener.accept()[0]) for _ in clients]
    names = [(client.getsockname(), client.getpeername()) for client in clients]
    assert [(server.getpeername(), server.getsockname()) for server in servers] == names

    for client in clients:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        client.close()
    until(lambda: not pair.right.ss())
    sent, received = watched.of(pair.left), watched.of(pair.right)

    assert [(event.type, event.connection) for event in sent] == [
        (EVENTS["active"], ends(local, remote)) for local, remote in names
    ]
    assert {event.values[2:] for event in sent} == {("sent", "eth0")}
    assert {bool(event.values[1]) for event in sent} == {reset_way == "tracepoint"}
    established = ("TCP_ESTABLISHED", "", "received", "eth0")
    assert told(received) == [(EVENTS["established"], ends(remote, local), established) for local, remote in names]


@FAMILIES
def test_late_data_for_a_connection_in_time_wait_is_told_with_the_segment_and_the_state(
    family: int, reset_way: str, watch_events: Callable[..., Watched], pair: Pair, until: Callable[..., None]
) -> None:
    watched = watch_events("tcpreset")
    listener = pair.right.listen(8080, 100, family)
    client = pair.left.connect(address_of_right(pair, family), 8080)
    listener.accept()[0].close()
    until(lambda: pair.right.ss()["FIN-WAIT-2"] == 1)
    name = ends(client.getsockname(), client.getpeername())
    client.sendall(b"late")
    until(lambda: sent_by_kernel(pair.right) == 1)

    answer = ("TCP_TIME_WAIT", reason(reset_way, "TCP_TIMEWAIT_SOCKET"), "sent", "eth0")
    assert told(watched.of(pair.right)) == [(EVENTS["answer"], name, answer)]
    assert [(event.type, event.connection) for event in watched.of(pair.left)] == [(EVENTS["closing"], name)]


def test_the_ends_of_ipv4_on_a_socket_of_ipv6_are_those_of_ipv4(
    reset_way: str, watch_events: Callable[..., Watched], pair: Pair, until: Callable[..., None]
) -> None:
    watched = watch_events("tcpreset")
    listener = pair.right.open(socket.AF_INET6)
    listener.bind(("", 8080))
    listener.listen(1)
    client = pair.left.connect(pair.right4, 8080)
    server = pair.right.sockets.enter_context(listener.accept()[0])
    assert server.getpeername()[0] == f"::ffff:{pair.left4}"
    name = ends(client.getpeername(), client.getsockname())
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    server.close()
    until(lambda: not pair.left.ss())

    assert [event.connection for event in watched.of(pair.right)] == [name]
    assert reset_way


def test_stacks_lead_from_the_reset_to_the_system_call(
    reset_way: str, watch_events: Callable[..., Watched], pair: Pair
) -> None:
    watched = watch_events("tcpreset", enable_stack=True)
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            pair.left.connect(pair.right4, 81)
    stacks = [event.stack for event in watched.of(pair.left, pair.right)]

    assert len(stacks) == 4
    assert {len(stack) > 5 and min(stack) > 1 << 63 for stack in stacks} == {True}
    with closing(KallsymsTable()) as table:
        try:
            names = table.at({stack[0] for stack in stacks})
        except UnsupportedError as error:
            pytest.skip(str(error))
    if reset_way != "tracepoint" or tells_reasons():  # older kernels have more of their own between
        assert [name.function for name in names.values() if name.function.startswith(("bpf_", "trace_"))] == []


@pytest.mark.parametrize("rate", [1, 100_000])
def test_what_is_told_and_what_is_suppressed_make_up_what_is_counted(
    rate: int, watch_events: Callable[..., Watched], pair: Pair
) -> None:
    watched = watch_events("tcpreset", events_per_second=rate)
    for _ in range(211):
        with pytest.raises(ConnectionRefusedError):
            pair.left.connect(pair.right4, 81)
    here = watched.of(pair.left, pair.right)

    assert sent_by_kernel(pair.right) == 211
    assert watched.counted("events_lost_total") == 0
    assert (len(here) == 422) == (rate > 1)
    everywhere = watched.occurred()
    told_or_not = len(watched.told) + watched.counted("events_suppressed_total")
    assert 422 <= told_or_not <= everywhere <= told_or_not + OTHERS


def translated(probe: TcpReset, program: str) -> str:
    """What the verifier made of a program."""
    fields = Path(f"/proc/self/fdinfo/{probe._counts._bpf.program_fd(program)}").read_text("ascii")
    number = next(line.split()[1] for line in fields.splitlines() if line.startswith("prog_id:"))
    return run("bpftool", "prog", "dump", "xlated", "id", number)


def test_without_events_there_is_no_ring_buffer_and_no_code_for_them(
    live_env: Env, watch_events: Callable[..., Watched]
) -> None:
    program = "receive_reset"
    watched = watch_events("tcpreset")
    probe: Any = registry.load().probe("tcpreset").open(live_env)
    with closing(probe):
        bpf = probe._counts._bpf
        without, having = translated(probe, program), translated(watched.probe, program)
        assert bpf.map("events").fd < 0
        assert counters(bpf.map("faults"), bpf.btf, "fault")["fault_suppressed"] == 0

    assert ("ringbuf_output" in having, "ringbuf_output" in without) == (True, False)
    assert "ktime_get" in having
    assert "ktime_get" not in without
    assert len(without) < len(having) / 2
