"""Which connections are taken in, and which must go for them."""

from __future__ import annotations

import socket

import pytest

from exporter.exposition import connections as module
from exporter.exposition.connections import MOST, MOST_EACH, PATIENCE, Connection, Connections, peer


class _Clients:
    """Makes connections whose other end is kept open, at a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self._ends: list[socket.socket] = []
        monkeypatch.setattr(module.time, "monotonic", self._tick)

    def _tick(self) -> float:
        self.now += 0.001
        return self.now

    def new(self, host: str) -> Connection:
        ours, theirs = socket.socketpair()
        self._ends += [ours, theirs]
        theirs.setblocking(False)  # noqa: FBT003 - the library's interface
        return Connection(ours, *peer(host))

    def ended(self, connection: Connection) -> bool:
        theirs = self._ends[self._ends.index(connection.socket) + 1]
        try:
            return theirs.recv(1) == b""
        except BlockingIOError:
            return False

    def close(self) -> None:
        for end in self._ends:
            end.close()


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> _Clients:
    made = _Clients(monkeypatch)
    yield made  # type: ignore[misc] # a fixture that ends what it began
    made.close()


def test_the_oldest_that_waits_goes_for_the_new_one(clients: _Clients) -> None:
    all_of_them = Connections()
    made = [clients.new(f"10.0.0.{number}") for number in range(MOST + 3)]
    assert all(all_of_them.enter(each) for each in made)
    assert [clients.ended(each) for each in made] == [True] * 3 + [False] * MOST
    assert all_of_them.turned_away == 3


def test_those_that_are_answered_stay_until_their_patience_is_over(clients: _Clients) -> None:
    all_of_them = Connections()
    made = [clients.new(f"10.0.0.{number}") for number in range(MOST)]
    for each in made:
        assert all_of_them.enter(each)
        each.answer()
    assert all_of_them.enter(clients.new("10.0.1.1")) is False
    clients.now += PATIENCE + 1
    assert all_of_them.enter(clients.new("10.0.1.2")) is True
    assert [clients.ended(each) for each in made] == [True] + [False] * (MOST - 1)


def test_one_address_takes_only_from_itself(clients: _Clients) -> None:
    all_of_them = Connections()
    other = clients.new("10.0.0.1")
    assert all_of_them.enter(other)
    greedy = [clients.new("10.0.0.2") for _ in range(3 * MOST_EACH)]
    assert all(all_of_them.enter(each) for each in greedy)
    assert clients.ended(other) is False
    assert sum(clients.ended(each) for each in greedy) == 2 * MOST_EACH


def test_who_has_left_makes_room(clients: _Clients) -> None:
    all_of_them = Connections()
    made = [clients.new(f"10.0.0.{number}") for number in range(MOST)]
    for each in made:
        all_of_them.enter(each)
    all_of_them.leave(made[0])
    assert all_of_them.enter(clients.new("10.0.1.1"))
    assert all_of_them.turned_away == 0


@pytest.mark.parametrize(
    ("host", "whom"),
    [
        ("10.1.2.3", ("10.1.2.3", False)),
        ("127.0.0.1", ("127.0.0.1", True)),
        ("127.9.9.9", ("127.9.9.9", True)),
        ("::1", ("::/64", True)),
        ("::ffff:127.0.0.1", ("127.0.0.1", True)),
        ("::ffff:10.1.2.3", ("10.1.2.3", False)),
        ("2001:db8:1:2:3::4", ("2001:db8:1:2::/64", False)),
        ("fe80::1%eth0", ("fe80::/64", False)),
    ],
)
def test_addresses_of_one_owner_count_together(host: str, whom: tuple[str, bool]) -> None:
    assert peer(host) == whom
