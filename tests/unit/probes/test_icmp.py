from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.probes import icmp
from exporter.sources import snmp

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod
    from exporter.model.probe import Env


def test_a_refused_datagram_shows_in_both_pods(
    fake_cycle: Callable[..., Any], env_of: Callable[..., Env], values_of: Callable[..., Any], web: Pod, dns: Pod
) -> None:
    proc = env_of("6.18-x86_64-two-pods").proc
    found = [
        (pod, snmp.parse((proc / pid / "net/snmp").read_bytes(), "snmp")) for pod, pid in ((dns, "101"), (web, "102"))
    ]
    values = values_of(icmp.PROBE.open(fake_cycle().env).collect(fake_cycle({snmp.read: found})))
    quiet = dict.fromkeys((metric.name for metric in icmp.METRICS), 0)
    assert values == {
        (dns,): {**quiet, "out_messages_total": 1, "out_destination_unreachable_total": 1},
        (web,): {**quiet, "in_messages_total": 1, "in_destination_unreachable_total": 1},
    }
