"""The cheap way to the connections of a namespace gives what the full walk gives, whatever happened in between."""

from __future__ import annotations

import random
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from exporter.model.pod import NetnsRef
from exporter.sources import sock_diag
from exporter.sources.netns import Memory, Visitor
from exporter.sources.sock_diag import State
from tests.netns.namespaces import RUN_NETNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.probe import Env
    from exporter.sources.netns import OpenNetns
    from exporter.sources.sock_diag import Sockets
    from tests.netns.namespaces import Namespace, Pair


class Watched:
    """A namespace that notes which requests a reader sends."""

    def __init__(self, netns: OpenNetns) -> None:
        self.requests: list[bytes] = []
        self._netns = netns

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever a namespace has
        return getattr(self._netns, name)

    def netlink(self, protocol: int, request: bytes) -> bytes:
        self.requests.append(request)
        return self._netns.netlink(protocol, request)


class Reading:
    """Reads a namespace again and again, as cycles do."""

    def __init__(self, env: Env, namespace: Namespace) -> None:
        self._env = env
        self._ref = NetnsRef(namespace.pod, path=str(RUN_NETNS / namespace.name))
        self._last: Sockets | None = None

    def next(self) -> tuple[Sockets, list[bytes]]:
        """What a cycle finds that remembers the one before, and the requests it took."""
        before = Memory(results={sock_diag.read: self._last} if self._last else {})
        with closing(Visitor(self._env.proc)) as visitor, visitor.visit(self._ref, before=before) as netns:
            watched = Watched(netns)
            self._last = sock_diag.read(watched)
        return self._last, watched.requests

    def afresh(self) -> Sockets:
        """What a cycle finds that remembers nothing, so that it walks."""
        with closing(Visitor(self._env.proc)) as visitor, visitor.visit(self._ref) as netns:
            return sock_diag.read(netns)


def test_a_quiet_namespace_is_walked_once_and_then_only_asked_for_its_listeners(pair: Pair, live_env: Env) -> None:
    listener = pair.right.listen(8080, 7)
    for _ in range(5):
        pair.left.connect(pair.right4, 8080)
        pair.right.sockets.enter_context(listener.accept()[0])
    reading = Reading(live_env, pair.right)

    cycles = [reading.next() for _ in range(3)]

    assert [requests for _, requests in cycles] == [[sock_diag.ALL], [sock_diag.LISTENERS], [sock_diag.LISTENERS]]
    assert [found for found, _ in cycles] == [reading.afresh()] * 3
    assert cycles[2][0].connections.states[State.ESTABLISHED] == 5


def test_a_namespace_without_sockets_is_asked_nothing_after_the_first_walk(
    make_netns: Callable[[], Namespace], live_env: Env
) -> None:
    reading = Reading(live_env, make_netns())

    assert [reading.next()[1] for _ in range(2)] == [[sock_diag.ALL], []]


@pytest.mark.parametrize("seed", [3, 5, 7, 11])
def test_the_cheap_way_equals_the_walk_after_any_sequence_of_events(pair: Pair, live_env: Env, seed: int) -> None:
    choice = random.Random(seed)  # noqa: S311 -- a reproducible sequence, not a secret
    world = _World(pair, choice)
    readings = [Reading(live_env, side) for side in (pair.left, pair.right)]
    walks = 0
    for step in range(60):
        name = world.step()
        for reading in readings:
            found, requests = reading.next()
            walks += sock_diag.ALL in requests
            afresh = reading.afresh()
            if found.activity != reading.afresh().activity:  # the kernel worked on meanwhile, both may be right
                continue
            assert (step, name, sorted(found.listeners), found.connections) == (
                step,
                name,
                sorted(afresh.listeners),
                afresh.connections,
            )
    assert 0 < walks < 120, "both ways must have been taken"


class _World:
    """Something happens to the sockets of two namespaces."""

    def __init__(self, pair: Pair, choice: random.Random) -> None:
        self._pair = pair
        self._choice = choice
        self._port = 8000
        self._listeners = [pair.right.listen(8000, 50)]
        self._ends: list[socket.socket] = []
        self._events = [
            self._nothing,
            self._nothing,
            self._connect,
            self._accept,
            self._listen,
            self._stop_listening,
            self._write,
            self._read,
            self._half_close,
            self._close,
            self._blackholed,
            self._abort,
        ]
        pair.left.run("ip", "route", "add", "192.0.2.0/24", "via", pair.right4)
        pair.right.run("ip", "route", "add", "blackhole", "192.0.2.0/24")

    def step(self) -> str:
        event = self._choice.choice(self._events)
        try:
            event()
        except (BlockingIOError, ConnectionError, BrokenPipeError, OSError):
            return f"{event.__name__} refused"
        return event.__name__

    def _nothing(self) -> None:
        pass

    def _connect(self) -> None:
        port = self._choice.choice(self._listeners).getsockname()[1]
        self._ends.append(self._pair.left.connect(self._pair.right4, port))
        self._ends[-1].settimeout(0)

    def _accept(self) -> None:
        listener = self._choice.choice(self._listeners)
        listener.settimeout(0)
        self._ends.append(self._pair.right.sockets.enter_context(listener.accept()[0]))
        self._ends[-1].settimeout(0)

    def _listen(self) -> None:
        self._port += 1
        self._listeners.append(self._pair.right.listen(self._port, 50))

    def _stop_listening(self) -> None:
        if len(self._listeners) > 1:
            self._listeners.pop(self._choice.randrange(len(self._listeners))).close()

    def _write(self) -> None:
        self._choice.choice(self._ends or self._listeners).send(b"x" * self._choice.randrange(1, 4000))

    def _read(self) -> None:
        self._choice.choice(self._ends or self._listeners).recv(self._choice.randrange(1, 9000))

    def _half_close(self) -> None:
        self._choice.choice(self._ends or self._listeners).shutdown(socket.SHUT_WR)

    def _close(self) -> None:
        if self._ends:
            self._ends.pop(self._choice.randrange(len(self._ends))).close()

    def _blackholed(self) -> None:
        self._ends.append(self._pair.left.start_connecting("192.0.2.7", 443))

    def _abort(self) -> None:
        if self._ends:
            end = self._ends.pop(self._choice.randrange(len(self._ends)))
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            end.close()
