from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.probes import udp
from exporter.sources import snmp

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod


def test_an_old_kernel_without_ignored_multicast_leaves_a_gap(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], web: Pod
) -> None:
    content = (
        b"Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors\nUdp: 1 2 3 4 5 6 7\n"
    )
    cycle = fake_cycle({snmp.read: [(web, snmp.parse(content, "snmp"))]})
    assert values_of(udp.PROBE.open(cycle.env).collect(cycle)) == {
        (web,): {
            "indatagrams": 1,
            "noports": 2,
            "inerrors": 3,
            "outdatagrams": 4,
            "rcvbuferrors": 5,
            "sndbuferrors": 6,
            "incsumerrors": 7,
            "ignoredmulti": None,
        }
    }
