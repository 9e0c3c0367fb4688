from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import UnsupportedError
from exporter.probes import icmp6, ip6, udp6
from exporter.sources import snmp6

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod
    from exporter.model.probe import Env


@pytest.mark.parametrize("probe", [ip6, icmp6, udp6])
def test_every_counter_is_printed_by_the_captured_kernel(probe: Any, env_of: Callable[..., Env]) -> None:  # noqa: ANN401
    content = (env_of("6.18-x86_64-two-pods").proc / "102/net/snmp6").read_bytes()
    columns = tuple(metric.column for metric in probe.METRICS)
    assert None not in snmp6.parse(content, "snmp6").pick(columns)


def test_values_are_those_of_the_file(
    fake_cycle: Callable[..., Any], env_of: Callable[..., Env], values_of: Callable[..., Any], web: Pod
) -> None:
    content = (env_of("6.18-x86_64-two-pods").proc / "102/net/snmp6").read_bytes()
    cycle = fake_cycle({snmp6.read: [(web, snmp6.parse(content, "snmp6"))]})
    assert values_of(udp6.PROBE.open(cycle.env).collect(cycle)) == {
        (web,): {
            "in_datagrams_total": 0,
            "no_ports_total": 0,
            "in_errors_total": 0,
            "out_datagrams_total": 3,
            "receive_buffer_errors_total": 0,
            "send_buffer_errors_total": 0,
            "in_checksum_errors_total": 0,
            "memory_errors_total": 0,
        }
    }


@pytest.mark.parametrize("probe", [ip6, icmp6, udp6])
def test_a_kernel_without_ipv6_is_unsupported(
    probe: Any,  # noqa: ANN401
    fake_cycle: Callable[..., Any],
    host: Pod,
) -> None:
    cycle = fake_cycle({snmp6.read: [(host, UnsupportedError("IPv6 is off"))]})
    with pytest.raises(UnsupportedError):
        probe.PROBE.open(cycle.env).collect(cycle)
