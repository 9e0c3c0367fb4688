"""Round trip times of real connections, next to what `ss` says of them and to a delay made on purpose."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from exporter.probes import tcprtt as probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.probe import Env, Probe
    from exporter.model.snapshot import Histogram
    from tests.netns.namespaces import Namespace, Pair

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])


@pytest.fixture
def collector_sampling(collector_of: Callable[..., Any]) -> Callable[..., Any]:
    """Run the probe with a value of its option `sample_one_in`."""

    def make(one_in: int) -> object:
        def open_probe(env: Env) -> Probe:
            return probe.open_probe(replace(env, options={"tcprtt": {"sample_one_in": one_in}}))

        return collector_of(replace(probe.PROBE, open=open_probe))

    return make


def connected(pair: Pair, family: int = socket.AF_INET) -> tuple[socket.socket, socket.socket]:
    """A connection from left to right: both ends."""
    listener = pair.right.listen(80, 10, family)
    client = pair.left.connect(pair.right4 if family == socket.AF_INET else pair.right6, 80)
    server = pair.right.sockets.enter_context(closing(listener.accept()[0]))
    server.settimeout(10)
    return client, server


def by_ss(namespace: Namespace) -> tuple[float, float]:
    """Smoothed and lowest round trip time of the only connection, seconds with three decimals of a millisecond."""
    text = namespace.run("ss", "-Htin", "state", "established")
    smoothed, lowest = (re.search(rf"\b{name}:([0-9.]+)", text) for name in ("rtt", "minrtt"))
    assert smoothed
    assert lowest
    return float(smoothed[1]) / 1000, float(lowest[1]) / 1000


def samples(values: dict[str, Histogram]) -> tuple[int, int]:
    return sum(values["seconds"].counts), sum(values["min_seconds"].counts)


@FAMILIES
def test_a_connection_that_ends_tells_what_ss_said_of_it(
    family: int, pair: Pair, collector_sampling: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_sampling(0)
    client, server = connected(pair, family)
    for _ in range(31):
        client.sendall(b"x")
        server.sendall(server.recv(1))
        client.recv(1)
    time.sleep(0.1)  # for the last ACK, which may be delayed by 40 ms
    smoothed, lowest = by_ss(pair.left)
    before = rows(collector.cycle(), pair.left.pod)
    client.close()
    found = rows(collector.cycle(), pair.left.pod)[()]

    assert before == {}
    assert samples(found) == (1, 1)
    assert found["seconds"].sum == pytest.approx(smoothed, abs=1.1e-6)  # ss prints whole microseconds
    assert found["min_seconds"].sum == pytest.approx(lowest, abs=1.1e-6)


def test_many_connections_tell_once_each_at_both_ends(
    pair: Pair, collector_sampling: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_sampling(0)
    listener = pair.right.listen(80, 100)

    for _ in range(13):
        with pair.left.connect(pair.right4, 80) as client, listener.accept()[0] as server:
            client.sendall(b"x")
            server.sendall(server.recv(1))
            client.recv(1)
    snapshot = collector.cycle()

    assert [samples(rows(snapshot, side.pod)[()]) for side in (pair.left, pair.right)] == [(13, 13), (13, 13)]


def test_a_connection_that_stays_is_sampled_at_each_segment_it_receives(
    pair: Pair, collector_sampling: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_sampling(1)
    client, server = connected(pair)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(97):
        client.sendall(b"x")
        server.sendall(server.recv(1))
        client.recv(1)
    time.sleep(0.1)
    count, lowest = samples(rows(collector.cycle(), pair.left.pod)[()])

    text = pair.left.run("ss", "-Htin", "state", "established")
    segments = re.search(r"\bsegs_in:(\d+)", text)
    assert segments
    assert count == lowest == int(segments[1]) - 1  # the SYN-ACK was before


def test_one_in_many_segments_is_sampled(
    pair: Pair, collector_sampling: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_sampling(10)
    client, server = connected(pair)
    for _ in range(3000):
        client.sendall(b"x")
        server.sendall(server.recv(1))
        client.recv(1)
    count, _ = samples(rows(collector.cycle(), pair.left.pod)[()])

    assert 200 <= count <= 400  # 300 plus or minus 16, and some ACKs on their own


def test_connections_within_the_namespace_are_left_out(
    pair: Pair, collector_sampling: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_sampling(1)
    for family, addresses in ((socket.AF_INET, ("127.0.0.1", pair.left4)), (socket.AF_INET6, ("::1", pair.left6))):
        listener = pair.left.listen(80, 10, family)
        for address in addresses:
            with pair.left.connect(address, 80) as client, listener.accept()[0] as server:
                client.sendall(b"x")
                server.sendall(server.recv(1))
                client.recv(1)

    assert rows(collector.cycle(), pair.left.pod) == {}


def test_a_delay_on_the_way_is_the_round_trip_time(
    pair: Pair, collector_sampling: Callable[..., Any], rows: Callable[..., Any]
) -> None:
    collector = collector_sampling(0)
    try:
        pair.left.run("tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay", "20ms")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this kernel has no netem to make delays with: {error.stderr.strip()}")
    listener = pair.right.listen(80, 100)
    since = time.monotonic()

    for _ in range(7):
        with pair.left.connect(pair.right4, 80) as client, listener.accept()[0] as server:
            client.sendall(b"x")
            server.sendall(server.recv(1))
            client.recv(1)
    took = time.monotonic() - since
    found = rows(collector.cycle(), pair.left.pod)[()]

    assert samples(found) == (7, 7)
    assert 7 * 0.020 <= found["min_seconds"].sum <= found["seconds"].sum <= took
