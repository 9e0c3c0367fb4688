from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.probes import tcp
from exporter.sources import snmp

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod


SNMP = (
    b"Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs "
    b"OutSegs RetransSegs InErrs OutRsts InCsumErrors\n"
    b"Tcp: 1 200 120000 -1 5 6 7 8 9 10 11 12 13 14 15\n"
)


def test_every_namespace_has_a_row(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod, web: Pod
) -> None:
    sections = snmp.parse(SNMP, "snmp")
    tables = tcp.PROBE.open(fake_cycle().env).collect(fake_cycle({snmp.read: [(host, sections), (web, sections)]}))
    expected = {
        "activeopens": 5,
        "passiveopens": 6,
        "attemptfails": 7,
        "estabresets": 8,
        "currestab": 9,
        "insegs": 10,
        "outsegs": 11,
        "retranssegs": 12,
        "inerrs": 13,
        "outrsts": 14,
        "in_checksum_errors_total": 15,
    }
    assert values_of(tables) == {(host,): expected, (web,): expected}
