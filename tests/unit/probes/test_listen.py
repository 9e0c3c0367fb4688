from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.probes import listen
from exporter.sources import sock_diag
from exporter.sources.sock_diag import Connections, Listener, Sockets
from exporter.sources.tcp_activity import Activity

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod

QUIET = Activity(0, 0, (0, 0))
NONE = Connections((0,) * 16, 0, 0, frozenset(), 0)


def sockets(*listeners: Listener) -> Sockets:
    return Sockets(listeners, NONE, QUIET)


def test_queues_are_summed_and_the_fullest_is_told_for_its_limit_not_its_length(
    web: Pod, dns: Pod, fake_cycle: Callable[..., Any], values_of: Callable[..., Any]
) -> None:
    found = sockets(Listener(8080, 40, 4095), Listener(9090, 3, 5), Listener(53, 0, 127))
    cycle = fake_cycle({sock_diag.read: [(web, found), (dns, sockets())]})

    assert values_of(listen.collect(cycle)) == {
        (web,): {"sockets": 3, "queue": 43, "fullest_queue": 3, "fullest_limit": 5, "fullest_ratio": 0.5},
        (web, "9090"): {"port_queue": 3, "port_limit": 5},
        (web, "8080"): {"port_queue": 40, "port_limit": 4095},
        (web, "53"): {"port_queue": 0, "port_limit": 127},
        (dns,): {
            "sockets": 0,
            "queue": 0,
            "fullest_queue": None,
            "fullest_limit": None,
            "fullest_ratio": None,
        },
    }


def test_several_listeners_on_a_port_are_one_row_of_the_fullest() -> None:
    workers = [Listener(80, 1, 3), Listener(80, 3, 3), Listener(80, 2, 3)]

    assert listen.fullest_by_port(workers) == [Listener(80, 3, 3)]


def test_the_fullest_ports_come_first_so_that_a_cut_hits_the_emptiest(web: Pod, fake_cycle: Callable[..., Any]) -> None:
    many = sockets(*(Listener(port, port % 7, 99) for port in range(8000, 8023)))
    _, ports = listen.collect(fake_cycle({sock_diag.read: [(web, many)]}))

    depths = [row.values[0] for row in ports.rows]
    assert depths == sorted(depths, reverse=True)
    assert listen.PORT.budget < len(depths) == 23


def test_a_queue_that_takes_no_more_is_full_also_where_the_limit_is_zero() -> None:
    assert [listen.fullness(Listener(80, *queue)) for queue in ((0, 0), (1, 0), (4, 3))] == [0.0, 1.0, 1.0]
