from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.probes import ip
from exporter.sources import snmp

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod
    from exporter.model.probe import Env
    from exporter.model.snapshot import Table

TREE = "6.18-x86_64-two-pods"


def _collect(fake_cycle: Callable[..., Any], env: Env, pod: Pod) -> list[Table]:
    net = env.proc / "101/net"
    four = snmp.parse((net / "snmp").read_bytes(), "snmp")
    extended = snmp.parse((net / "netstat").read_bytes(), "netstat")
    return ip.PROBE.open(env).collect(fake_cycle({snmp.read: [(pod, four)], snmp.read_netstat: [(pod, extended)]}))


def test_both_files_contribute_to_one_owner(
    fake_cycle: Callable[..., Any], env_of: Callable[..., Env], values_of: Callable[..., Any], web: Pod
) -> None:
    assert values_of(_collect(fake_cycle, env_of(TREE), web)) == {
        (web,): {
            "forwarding": 2,
            "defaultttl": 64,
            "inreceives": 20,
            "inhdrerrors": 0,
            "inaddrerrors": 1,
            "forwdatagrams": 0,
            "inunknownprotos": 0,
            "indiscards": 0,
            "indelivers": 18,
            "outrequests": 13,
            "outdiscards": 0,
            "outnoroutes": 0,
            "reasmtimeout": 0,
            "reasmreqds": 1,
            "reasmoks": 0,
            "reasmfails": 0,
            "fragoks": 0,
            "fragfails": 0,
            "fragcreates": 0,
            "innoroutes": 0,
            "intruncatedpkts": 0,
        }
    }


def test_further_counters_can_be_selected(
    fake_cycle: Callable[..., Any], env_of: Callable[..., Env], values_of: Callable[..., Any], web: Pod
) -> None:
    env = env_of(TREE, ip={"extra": ("InNoECTPkts", "ReasmOverlaps")})
    values = values_of(_collect(fake_cycle, env, web))[web,]
    assert tuple(values.items())[-2:] == (("in_not_ect_packets_total", 20), ("reassembly_overlaps_total", 0))


def test_every_counter_of_the_captured_kernel_is_declared(env_of: Callable[..., Env]) -> None:
    content = (env_of(TREE).proc / "1/net/netstat").read_bytes()
    printed = snmp.parse(content, "netstat").columns("IpExt")
    declared = {metric.column for metric in (*ip.EXTENDED, *ip.EXTRA)}
    assert set(printed) - declared == set()
