from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.bpf import mib_names
from exporter.probes import icmp, icmp6, ip, ip6, tcp, tcpext, udp, udp6

if TYPE_CHECKING:
    from exporter.model.metric import Metric
    from exporter.model.probe import ProbeSpec

SECTIONS = {
    "Tcp": tcp.METRICS,
    "Udp": udp.METRICS,
    "Icmp": icmp.METRICS,
    "Ip": ip.BASIC,
    "IpExt": (*ip.EXTENDED, *ip.EXTRA),
    "TcpExt": tcpext.PROBE.metrics,
    "snmp6": (*ip6.METRICS, *icmp6.METRICS, *udp6.METRICS),
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_column_that_a_probe_picks_is_known_to_the_scan(section: str) -> None:
    columns = {metric.column for metric in SECTIONS[section]}
    assert columns - mib_names.columns(section) == set()


@pytest.mark.parametrize("probe", [tcp.PROBE, udp.PROBE, icmp.PROBE, ip.PROBE, tcpext.PROBE, ip6.PROBE, icmp6.PROBE])
def test_the_sections_above_hold_all_metrics_of_the_probes(probe: ProbeSpec) -> None:
    tested: set[Metric] = {metric for metrics in SECTIONS.values() for metric in metrics}
    assert set(probe.metrics) - tested == set()


def test_no_two_columns_of_a_section_share_a_kernel_counter_but_those_of_different_kernels() -> None:
    shared = [
        name
        for mibs in mib_names.SECTIONS.values()
        for mib in mibs
        for name in {kernel for names in mib.names.values() for kernel in names}
        if sum(name in names for names in mib.names.values()) > 1
    ]
    assert shared == ["OUTPKTS", "OUTPKTS"]
