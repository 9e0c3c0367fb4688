from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.model.metric import Naming
from exporter.probes import tcpext
from exporter.sources import snmp

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod
    from exporter.model.probe import Env

TREE = "6.18-x86_64-two-pods"
NETSTAT = (
    b"TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPRcvQDrop TCPAutoCorking\n"
    b"TcpExt: 1 2 3 18446744073709551615 5\n"
)
DEFAULT = {"listenoverflows": 2, "listendrops": 3, "tcprcvqdrop": 18446744073709551615}


@pytest.fixture
def found(
    fake_cycle: Callable[..., Any], env_of: Callable[..., Env], values_of: Callable[..., Any], web: Pod
) -> Callable[..., dict[str, int | None]]:
    """What the probe finds in NETSTAT with these values of its option."""

    def collect(*extra: str) -> dict[str, int | None]:
        cycle = fake_cycle({snmp.read_netstat: [(web, snmp.parse(NETSTAT, "netstat"))]})
        tables = tcpext.PROBE.open(env_of(TREE, tcpext={"extra": extra})).collect(cycle)
        return values_of(tables)[web,]

    return collect


def _present(values: dict[str, int | None]) -> dict[str, int]:
    return {name: value for name, value in values.items() if value is not None}


def test_by_default_only_the_chosen_counters_are_exposed(found: Callable[..., dict[str, int | None]]) -> None:
    assert tuple(found()) == tuple(metric.name for metric in tcpext.DEFAULT)
    assert _present(found()) == DEFAULT


@pytest.mark.parametrize(
    ("extra", "more"),
    [
        ("SyncookiesSent", {"syncookiessent_total": 1}),
        ("all", {"syncookiessent_total": 1, "tcpautocorking_total": 5}),
    ],
)
def test_further_counters_can_be_selected(
    found: Callable[..., dict[str, int | None]], extra: str, more: dict[str, int]
) -> None:
    assert _present(found(extra)) == {**DEFAULT, **more}


def test_every_counter_of_the_captured_kernel_is_declared(env_of: Callable[..., Env]) -> None:
    content = (env_of(TREE).proc / "1/net/netstat").read_bytes()
    printed = set(snmp.parse(content, "netstat").columns("TcpExt"))
    assert printed - {metric.column for metric in tcpext.PROBE.metrics} == set()


def test_the_documented_name_of_pawsestab_is_kept() -> None:
    assert tcpext.PAWS_ESTAB.name_in(Naming.INSPECTOR) == "inspector_pod_tcpextpawsestabrejected"
    assert tcpext.PAWS_ESTAB.name_in(Naming.KUBESKOOP) == "kubeskoop_tcpext_pawsestab"
