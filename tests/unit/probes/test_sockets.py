from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.errors import UnsupportedError
from exporter.probes import sockets
from exporter.sources import sockstat

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod


FOUR = {
    "sockets used": 12,
    "TCP inuse": 4,
    "TCP orphan": 9,
    "TCP tw": 2,
    "UDP inuse": 1,
    "RAW inuse": 0,
    "FRAG inuse": 1,
    "FRAG memory": 1032,
}
SIX = {"TCP inuse": 3, "UDP inuse": 2, "RAW inuse": 1, "FRAG inuse": 0, "FRAG memory": 0}


def test_ipv4_and_ipv6_add_up_per_namespace(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], web: Pod, dns: Pod
) -> None:
    cycle = fake_cycle({sockstat.read: [(web, FOUR), (dns, FOUR)], sockstat.read6: [(web, SIX)]})
    assert values_of(sockets.PROBE.open(cycle.env).collect(cycle)) == {
        (web,): {
            "used": 12,
            "tcp": 7,
            "tcp_time_wait": 2,
            "udp": 3,
            "raw": 1,
            "fragment_queues": 1,
            "fragment_memory_bytes": 1032,
        },
        (dns,): {
            "used": 12,
            "tcp": 4,
            "tcp_time_wait": 2,
            "udp": 1,
            "raw": 0,
            "fragment_queues": 1,
            "fragment_memory_bytes": 1032,
        },
    }


def test_a_kernel_without_ipv6_still_has_its_ipv4_sockets(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], web: Pod
) -> None:
    cycle = fake_cycle({sockstat.read: [(web, FOUR)], sockstat.read6: [(web, UnsupportedError("off"))]})
    assert values_of(sockets.PROBE.open(cycle.env).collect(cycle))[web,]["tcp"] == 4
