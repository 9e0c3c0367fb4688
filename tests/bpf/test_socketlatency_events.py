"""Each slow read and write at a TCP socket is told with its connection and with who read or wrote."""

from __future__ import annotations

import os
import socket
import threading
import time
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter.model.event import Connection
from exporter.probes.socketlatency import EVENTS
from tests.bpf.test_socketlatency import FAMILIES, WHILE, connected, wait_readable

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.event import Event
    from tests.bpf.event_watch import Watched
    from tests.netns.namespaces import Pair

READ, WRITE = EVENTS["KIND_READ"], EVENTS["KIND_WRITE"]
OPTIONS = {"sample_one_in": 1}
OWN_NAME = Path("/proc/self/comm").read_text(encoding="ascii").strip()


def seen_from(sock: socket.socket) -> Connection:
    """Its two ends, its own first."""
    own, other = sock.getsockname(), sock.getpeername()
    return Connection("TCP", ip_address(own[0]), own[1], ip_address(other[0]), other[1])


def facts(event: Event) -> tuple[Any, ...]:
    """Without how long, which nobody can know."""
    return (event.type, event.connection, *event.values[1:])


def write_late(client: socket.socket, server: socket.socket) -> None:
    """Have written data wait for a while."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    client.sendall(b"x")
    time.sleep(WHILE)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    assert server.recv(1) == b"x"


@FAMILIES
def test_every_slow_read_is_told_by_the_reader_and_nothing_by_the_writer(
    family: int, pair: Pair, watch_events: Callable[..., Watched]
) -> None:
    watched = watch_events("socketlatency", OPTIONS)
    client, server = connected(pair, family)
    lay = []
    for _ in range(7):
        client.sendall(b"x")
        wait_readable(server)
        begin = time.monotonic()
        time.sleep(WHILE)
        lay.append(time.monotonic() - begin)
        assert server.recv(100) == b"x"
    found = watched.of(pair.right)

    assert [facts(event) for event in found] == [
        (READ, seen_from(server), OWN_NAME, os.getpid(), "TCP_ESTABLISHED", "eth0")
    ] * 7
    assert [event.values[0] / 1e6 >= least for event, least in zip(found, lay, strict=True)] == [True] * 7
    assert watched.of(pair.left) == []
    assert watched.counted("read100ms", "write100ms") >= 7


@FAMILIES
def test_every_write_held_back_is_told_by_who_wrote_whoever_sends(
    family: int, pair: Pair, watch_events: Callable[..., Watched]
) -> None:
    watched = watch_events("socketlatency", OPTIONS)
    client, server = connected(pair, family)
    for _ in range(3):
        write_late(client, server)
    found = watched.of(pair.left)

    assert [facts(event) for event in found] == [
        (WRITE, seen_from(client), OWN_NAME, os.getpid(), "TCP_ESTABLISHED", "eth0")
    ] * 3
    assert watched.of(pair.right) == []


def test_what_the_kernels_timer_sends_is_still_the_writers(pair: Pair, watch_events: Callable[..., Watched]) -> None:
    """Corked data that nobody uncorks is sent after 200 ms, out of an interrupt."""
    watched = watch_events("socketlatency", OPTIONS)
    client, server = connected(pair)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    client.sendall(b"x")
    assert server.recv(1) == b"x"
    (event,) = watched.of(pair.left)

    assert facts(event) == (WRITE, seen_from(client), OWN_NAME, os.getpid(), "TCP_ESTABLISHED", "eth0")


def test_the_thread_that_reads_is_named_with_its_process(pair: Pair, watch_events: Callable[..., Watched]) -> None:
    watched = watch_events("socketlatency", OPTIONS)
    client, server = connected(pair)

    def read() -> None:
        Path("/proc/thread-self/comm").write_text("a reader", encoding="ascii")
        server.recv(1)

    client.sendall(b"x")
    wait_readable(server)
    time.sleep(WHILE)
    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    (event,) = watched.of(pair.right)

    assert event.values[1:3] == ("a reader", os.getpid())


def test_prompt_ones_are_not_told_and_a_rate_suppresses_what_is_counted(
    pair: Pair, watch_events: Callable[..., Watched]
) -> None:
    quick, limited = (
        watch_events("socketlatency", {**OPTIONS, "very_slow_ms": 3_600_000}),
        watch_events("socketlatency", {**OPTIONS, "very_slow_ms": 0}, events_per_second=1),
    )
    client, server = connected(pair)
    for _ in range(101):
        client.sendall(b"x")
        assert server.recv(1) == b"x"
    told = limited.of(pair.left, pair.right)
    counted = limited.counted("read100ms", "write100ms")
    suppressed = limited.counted("events_suppressed_total")

    assert quick.of(pair.left, pair.right) == []
    assert (counted >= 202, 0 < len(told) < 202, suppressed > 0) == (True, True, True)
    assert len(told) + suppressed >= 202
    assert limited.counted("events_lost_total") == 0


@pytest.mark.parametrize(("wanted", "enough"), [(True, 3), (False, 0)])
def test_a_stack_comes_along_when_it_is_asked_for(
    wanted: bool,  # noqa: FBT001 -- a parameter of the test
    enough: int,
    pair: Pair,
    watch_events: Callable[..., Watched],
) -> None:
    watched = watch_events("socketlatency", OPTIONS, enable_stack=wanted)
    client, server = connected(pair)
    write_late(client, server)
    (event,) = watched.of(pair.left)

    assert (len(event.stack) >= enough, bool(event.stack)) == (True, wanted)
