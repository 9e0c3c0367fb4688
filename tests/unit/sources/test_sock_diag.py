from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import netlink, sock_diag, tcp_activity
from exporter.sources.sock_diag import Connections, Listener, Sockets, State
from exporter.sources.tcp_activity import Activity
from tests.unit.sources.captured_answers import SOCKETS

if TYPE_CHECKING:
    from collections.abc import Callable

LISTENERS = (Listener(8080, 1, 3), Listener(9090, 0, 7))
CONNECTIONS = Connections(
    states=(0, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    rxqueue=1009,
    txqueue=0,
    ports=frozenset({8080, 40001, 40003, 40005}),
    busiest=1 + 1,
)
END = SOCKETS[-20:]
ONLY_LISTENERS = SOCKETS[: 124 + 132] + END  # both come first
FIRST_CONNECTION = 124 + 132
STATE_OFFSET = 17
QUEUES_OFFSET = 72

SOCKSTAT = b"sockets: used 9\nTCP: inuse 5 orphan 0 tw 0 alloc 6 mem 1\nUDP: inuse 0 mem 0\n"
SOCKSTAT6 = b"TCP6: inuse 1\nUDP6: inuse 0\n"
SNMP = b"Tcp: InSegs OutSegs\nTcp: 17 19\n"


def test_one_answer_holds_the_sockets_of_both_families() -> None:
    assert sock_diag.parse(SOCKETS) == (LISTENERS, CONNECTIONS)


def test_an_empty_dump_is_no_sockets() -> None:
    assert sock_diag.parse(END) == ((), Connections((0,) * 16, 0, 0, frozenset(), 0))


def test_queues_above_two_to_the_thirty_one_are_added_up_whole() -> None:
    answer = bytearray(SOCKETS)
    for number in range(2):
        place = FIRST_CONNECTION + number * 124
        assert answer[place + STATE_OFFSET] == State.ESTABLISHED
        answer[place + QUEUES_OFFSET : place + QUEUES_OFFSET + 8] = b"\xff" * 8

    _, found = sock_diag.parse(bytes(answer))

    assert (found.rxqueue, found.txqueue) == (2 * (2**32 - 1) + 1009, 2 * (2**32 - 1))


@pytest.mark.parametrize("length", [len(SOCKETS) - 1, len(SOCKETS) - 21, 124 + 131, 124 + 16, 87, 3])
def test_a_truncated_answer_is_an_error(length: int) -> None:
    with pytest.raises(SourceError, match=r"sock_diag|netlink"):
        sock_diag.parse(SOCKETS[:length])


@pytest.mark.parametrize(("offset", "byte"), [(0, 20), (4, 99), (STATE_OFFSET, 200)])
def test_a_message_that_is_not_about_a_tcp_socket_is_an_error(offset: int, byte: int) -> None:
    answer = bytearray(SOCKETS)
    answer[offset] = byte

    with pytest.raises(SourceError, match="a message about a TCP socket"):
        sock_diag.parse(bytes(answer))


class _Netns:
    """A namespace with these files and answers, which notes what it is asked."""

    def __init__(self, fake: Any, last: Sockets | None, sockstat: bytes = SOCKSTAT) -> None:  # noqa: ANN401
        files = {"sockstat": sockstat, "sockstat6": SOCKSTAT6, "snmp": SNMP}
        self._fake = fake(files, previous={} if last is None else {sock_diag.read: last})
        self.asked: list[bytes] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever a namespace has
        return getattr(self._fake, name)

    def netlink(self, protocol: int, request: bytes) -> bytes:
        assert protocol == netlink.SOCK_DIAG
        self.asked.append(request)
        return {sock_diag.LISTENERS: ONLY_LISTENERS, sock_diag.ALL: SOCKETS}[request]


NOW = Activity(6, 0, (17, 19))
QUIET = Connections((0, 4, *(0,) * 14), 0, 0, frozenset({8080}), 2)
THEN = Sockets(LISTENERS, QUIET, NOW)


def with_states(**counts: int) -> Connections:
    states = [0] * 16
    for name, count in counts.items():
        states[State[name]] = count
    return QUIET._replace(states=tuple(states))


def test_the_first_visit_walks(fake_netns: Callable[..., Any]) -> None:
    netns = _Netns(fake_netns, None)

    assert sock_diag.read(netns) == Sockets(LISTENERS, CONNECTIONS, NOW)
    assert netns.asked == [sock_diag.ALL]


def test_after_a_quiet_cycle_only_listeners_are_asked_for(fake_netns: Callable[..., Any]) -> None:
    netns = _Netns(fake_netns, THEN._replace(listeners=()))

    assert sock_diag.read(netns) == THEN
    assert netns.asked == [sock_diag.LISTENERS]


@pytest.mark.parametrize(
    ("what", "last"),
    [
        ("a segment came", THEN._replace(activity=Activity(6, 0, (16, 19)))),
        ("a segment went", THEN._replace(activity=Activity(6, 0, (17, 18)))),
        ("a handshake was half done", THEN._replace(connections=with_states(ESTABLISHED=3, SYN_RECV=1))),
        ("bytes waited to be read", THEN._replace(connections=QUIET._replace(rxqueue=1))),
        ("bytes waited to be acknowledged", THEN._replace(connections=QUIET._replace(txqueue=1))),
    ],
)
def test_what_may_have_changed_is_walked_at_once(what: str, last: Sockets, fake_netns: Callable[..., Any]) -> None:
    netns = _Netns(fake_netns, last)

    assert (what, sock_diag.read(netns).connections, netns.asked) == (what, CONNECTIONS, [sock_diag.ALL])


@pytest.mark.parametrize(
    ("what", "last", "sockstat"),
    [
        ("one vanished", THEN._replace(connections=with_states(ESTABLISHED=5)), SOCKSTAT),
        ("a time-wait ended", THEN._replace(connections=with_states(ESTABLISHED=4, TIME_WAIT=1)), SOCKSTAT),
        ("one more", THEN._replace(connections=with_states(ESTABLISHED=3)), SOCKSTAT),
    ],
)
def test_counts_that_do_not_add_up_are_walked(
    what: str, last: Sockets, sockstat: bytes, fake_netns: Callable[..., Any]
) -> None:
    netns = _Netns(fake_netns, last, sockstat)

    found = sock_diag.read(netns)

    assert (what, found.connections, netns.asked) == (what, CONNECTIONS, [sock_diag.LISTENERS, sock_diag.ALL])


def test_time_wait_entries_are_walked_as_they_end_by_themselves(fake_netns: Callable[..., Any]) -> None:
    netns = _Netns(fake_netns, THEN, SOCKSTAT.replace(b"tw 0", b"tw 1"))

    assert sock_diag.read(netns).connections == CONNECTIONS


def test_a_namespace_without_any_socket_is_asked_nothing(fake_netns: Callable[..., Any]) -> None:
    last = Sockets((), with_states(), Activity(0, 0, (17, 19)))
    netns = _Netns(fake_netns, last, SOCKSTAT.replace(b"inuse 5", b"inuse 0"))
    netns._fake.files = {**netns._fake.files, "sockstat6": b"TCP6: inuse 0\n"}

    assert (sock_diag.read(netns), netns.asked) == (last, [])


def test_a_kernel_without_tcp_diag_says_what_to_load(fake_netns: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match="load the modules inet_diag and tcp_diag"):
        sock_diag.read(fake_netns({"sockstat": SOCKSTAT, "snmp": SNMP}))


def test_activity_adds_both_families(fake_netns: Callable[..., Any]) -> None:
    files = {"sockstat": SOCKSTAT.replace(b"tw 0", b"tw 3"), "sockstat6": SOCKSTAT6, "snmp": SNMP}

    assert tcp_activity.read(fake_netns(files)) == Activity(6, 3, (17, 19))


def test_activity_without_ipv6_is_that_of_ipv4(fake_netns: Callable[..., Any]) -> None:
    assert tcp_activity.read(fake_netns({"sockstat": SOCKSTAT, "snmp": SNMP})) == Activity(5, 0, (17, 19))


@pytest.mark.parametrize("content", [b"", b"TCP: inuse x orphan 0 tw 0\n", b"TCP: inuse 5\n", b"UDP: inuse 0 mem 0\n"])
def test_an_unknown_sockstat_is_an_error_with_its_place(content: bytes) -> None:
    with pytest.raises(SourceError, match=r"^/proc/7/net/sockstat: expected a line `TCP:"):
        tcp_activity.parse(content, "/proc/7/net/sockstat")


def test_an_unknown_sockstat6_is_an_error_with_its_place() -> None:
    with pytest.raises(SourceError, match=r"^/proc/7/net/sockstat6: expected a line `TCP6:"):
        tcp_activity.parse6(b"UDP6: inuse 0\n", "/proc/7/net/sockstat6")
