from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from exporter.errors import UnsupportedError
from exporter.probes import sock
from exporter.sources import sockstat

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod


FOUR = {"TCP inuse": 5, "TCP orphan": 1, "TCP tw": 7, "TCP alloc": 13, "TCP mem": 959, "UDP inuse": 4, "UDP mem": 2}


def test_the_host_has_the_only_row_and_udp_memory_is_in_bytes(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod
) -> None:
    cycle = fake_cycle({sockstat.read: [(host, FOUR)], sockstat.read6: [(host, {"TCP inuse": 3})]})
    assert values_of(sock.PROBE.open(cycle.env).collect(cycle)) == {
        (host,): {
            "inuse": 8,
            "orphan": 1,
            "tw": 7,
            "alloc": 13,
            "mem": 959,
            "udp_memory_bytes": 2 * os.sysconf("SC_PAGE_SIZE"),
        }
    }


def test_without_ipv6_the_ipv4_sockets_remain(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod
) -> None:
    results = {sockstat.read: [(host, {"TCP inuse": 5})], sockstat.read6: [(host, UnsupportedError("off"))]}
    cycle = fake_cycle(results)
    assert values_of(sock.PROBE.open(cycle.env).collect(cycle)) == {
        (host,): {"inuse": 5, "orphan": None, "tw": None, "alloc": None, "mem": None, "udp_memory_bytes": None}
    }
