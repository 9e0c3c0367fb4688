"""Data that a program leaves lying in its socket for a while, and data that TCP is made to hold back."""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from exporter.bpf.attached import Untyped, attached
from exporter.bpf.netns_times import NetnsTimes
from exporter.bpf.times import Slow
from exporter.probes import socketlatency as probe
from tests.bpf.sampling import measuring

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netns.namespaces import Pair

WHILE = 0.11  # seconds, above the higher threshold
FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])


class Waited(NamedTuple):
    """What the probe shows of one kind: how often, how long altogether, how often over each threshold."""

    times: int
    seconds: float
    slow: int
    very_slow: int


def waited(kind: str, values: dict[str, Any]) -> Waited:
    """Of `read` or `write`, from a row."""
    seconds = values[f"{kind}_seconds"]
    count, total = (0, 0.0) if seconds is None else (sum(seconds.counts), seconds.sum)
    return Waited(count, total, values[f"{kind}1ms"], values[f"{kind}100ms"])


def connected(pair: Pair, family: int = socket.AF_INET) -> tuple[socket.socket, socket.socket]:
    """A connection from left to right: both ends."""
    listener = pair.right.listen(80, 10, family)
    client = pair.left.connect(pair.right4 if family == socket.AF_INET else pair.right6, 80)
    server = pair.right.sockets.enter_context(closing(listener.accept()[0]))
    server.settimeout(10)
    return client, server


def wait_readable(sock: socket.socket) -> None:
    assert select.select([sock], [], [], 10)[0]


@FAMILIES
def test_every_slow_read_counts_once_and_as_long_as_the_data_lay(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of(measuring("socketlatency"))
    client, server = connected(pair, family)
    at_least = at_most = 0.0

    for _ in range(13):
        begin = time.monotonic()
        client.sendall(b"x")
        wait_readable(server)
        lies = time.monotonic()
        time.sleep(WHILE)
        at_least += time.monotonic() - lies
        assert server.recv(100) == b"x"
        at_most += time.monotonic() - begin
    snapshot = collector.cycle()

    there = waited("read", rows(snapshot, pair.right.pod)[()])
    assert (there.times, there.slow, there.very_slow) == (13, 13, 13)
    assert at_least <= there.seconds <= at_most
    assert waited("read", rows(snapshot, pair.left.pod)[()]) == Waited(0, 0.0, 0, 0)
    assert waited("write", rows(snapshot, pair.left.pod)[()]).times == 13
    assert waited("write", rows(snapshot, pair.right.pod)[()]) == Waited(0, 0.0, 0, 0)


@FAMILIES
def test_every_write_held_back_counts_once(
    family: int, pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of(measuring("socketlatency"))
    client, server = connected(pair, family)
    at_least = at_most = 0.0

    for _ in range(13):
        begin = time.monotonic()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        client.sendall(b"x")
        lies = time.monotonic()
        time.sleep(WHILE)
        at_least += time.monotonic() - lies
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        at_most += time.monotonic() - begin
        assert server.recv(100) == b"x"
    here = waited("write", rows(collector.cycle(), pair.left.pod)[()])

    assert (here.times, here.slow, here.very_slow) == (13, 13, 13)
    assert at_least <= here.seconds <= at_most


def test_prompt_reads_and_writes_count_but_not_as_slow(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of(measuring("socketlatency"))
    client, server = connected(pair)

    for _ in range(997):
        client.sendall(b"x")
        server.recv(1)
    snapshot = collector.cycle()

    read = waited("read", rows(snapshot, pair.right.pod)[()])
    write = waited("write", rows(snapshot, pair.left.pod)[()])
    assert (read.times, read.very_slow, write.times, write.very_slow) == (997, 0, 997, 0)


def test_what_a_read_leaves_waits_anew_and_counts_when_slow(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of(measuring("socketlatency"))
    client, server = connected(pair)

    client.sendall(b"x" * 14)
    server.recv(1)
    for _ in range(13):
        time.sleep(WHILE)
        server.recv(1)
    read = waited("read", rows(collector.cycle(), pair.right.pod)[()])

    assert (read.times, read.slow - read.very_slow <= 1, read.very_slow) == (14, True, 13)


def test_peeking_and_reading_nothing_do_not_end_a_wait(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of(measuring("socketlatency"))
    client, server = connected(pair)

    client.sendall(b"x")
    wait_readable(server)
    server.recv(1, socket.MSG_PEEK)
    time.sleep(WHILE)
    server.recv(1, socket.MSG_PEEK)
    before = waited("read", rows(collector.cycle(), pair.right.pod)[()])
    server.recv(1)
    server.settimeout(0)
    with pytest.raises(BlockingIOError):
        server.recv(1)
    after = waited("read", rows(collector.cycle(), pair.right.pod)[()])

    assert (before.times, after.times, after.very_slow) == (0, 1, 1)


def test_reading_by_splice_and_waiting_to_be_accepted_count_too(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of(measuring("socketlatency"))
    listener = pair.right.listen(80, 10)
    client = pair.left.connect(pair.right4, 80)
    client.sendall(b"x")
    time.sleep(WHILE)
    server = pair.right.sockets.enter_context(closing(listener.accept()[0]))
    wait_readable(server)
    into, out_of = os.pipe()

    assert os.splice(server.fileno(), out_of, 100) == 1

    os.close(into)
    os.close(out_of)
    read = waited("read", rows(collector.cycle(), pair.right.pod)[()])
    assert (read.times, read.very_slow) == (1, 1)


def test_a_peer_that_closes_its_window_lets_written_data_wait(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of(measuring("socketlatency"))
    client, server = connected(pair)
    client.settimeout(WHILE / 2)  # on a slow machine the window is still open when the first write is refused
    written = 0
    with suppress(TimeoutError):
        while True:
            written += client.send(bytes(65536))
    fast = waited("write", rows(collector.cycle(), pair.left.pod)[()])

    time.sleep(5 * WHILE)  # TCP may send once more, to fill what is left of the window
    while written:
        written -= len(server.recv(1 << 20))
    slow = waited("write", rows(collector.cycle(), pair.left.pod)[()])

    assert fast.very_slow == 0
    assert 1 <= slow.very_slow <= 5


def test_about_one_in_so_many_sockets_is_measured_while_it_has_its_turn(
    pair: Pair, collector_of: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_of(measuring("socketlatency", 4))
    for _ in range(199):
        client, server = connected(pair)
        client.sendall(b"x")
        server.recv(1)
        pair.right.sockets.close()
    found = rows(collector.cycle(), pair.right.pod)[()]

    assert 15 < waited("read", found).times < 100


def test_waits_that_a_turn_cuts_short_are_left_out(pair: Pair) -> None:
    """More comes while the first lies, so that there is always something with which a wait could wrongly begin."""
    listener = pair.right.listen(80, 100)
    clients = [pair.left.connect(pair.right4, 80) for _ in range(61)]
    servers = [pair.right.sockets.enter_context(closing(listener.accept()[0])) for _ in clients]
    variables = {"sample_one_in": 4, "turn_bits": 8, "slow_ns": 1_000_000, "very_slow_ns": 100_000_000}
    untyped = Untyped((probe.ENDED,), {"by_address": 1024})
    with (
        attached("socketlatency", Path("/sys"), probe.PLACES, variables=variables, untyped=untyped) as bpf,
        closing(NetnsTimes(bpf)) as times,
    ):
        for _ in range(29):
            for data in (b"x", b"y", b"z"):
                for client in clients:
                    client.sendall(data)
                time.sleep(WHILE / 2)
            for server in servers:
                assert server.recv(100) == b"xyz"
        reads = times.read().by_netns[pair.right.pod.netns][bpf.btf.enum("kind")["KIND_READ"]]

    assert 61 < reads.all.count < 61 * 29 / 2
    assert reads.slow == Slow(reads.all.count, reads.all.count)
