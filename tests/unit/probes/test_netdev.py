from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.model.probe import Env
from exporter.probes import netdev as probe
from exporter.sources import netdev
from exporter.sources.netdev import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.model.pod import Pod

ONE = Traffic(1000, 10, 1, 2, 2000, 20, 3, 4)
LOOPBACK = Traffic(9, 9, 9, 9, 9, 9, 9, 9)
SINGLE = {
    "rxbytes": 1000,
    "rxerrors": 1,
    "txbytes": 2000,
    "txerrors": 3,
    "rxpackets": 10,
    "rxdropped": 2,
    "txpackets": 20,
    "txdropped": 4,
}


def _collect(fake_cycle: Callable[..., Any], root: Path, *found: tuple[Pod, dict[str, Traffic]]) -> Any:  # noqa: ANN401
    env = Env(proc=root, sys=root / "sys", netns_dir=root, node="n")
    return probe.PROBE.open(env).collect(fake_cycle({netdev.read: found}, env=env))


def test_a_pods_devices_add_up_without_loopback(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], web: Pod, tmp_path: Path
) -> None:
    tables = _collect(fake_cycle, tmp_path, (web, {"lo": LOOPBACK, "eth0": ONE, "net1": ONE}))
    assert values_of(tables) == {(web,): {name: 2 * value for name, value in SINGLE.items()}}


def test_a_packet_through_the_hosts_uplink_and_bridge_is_counted_once(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod, tmp_path: Path
) -> None:
    (tmp_path / "sys/class/net/eth0/device").mkdir(parents=True)
    tables = _collect(fake_cycle, tmp_path, (host, {"lo": LOOPBACK, "eth0": ONE, "cni0": ONE, "veth1": ONE}))
    assert values_of(tables) == {(host,): SINGLE}


def test_a_namespace_without_devices_has_no_row(
    fake_cycle: Callable[..., Any], values_of: Callable[..., Any], host: Pod, web: Pod, tmp_path: Path
) -> None:
    tables = _collect(fake_cycle, tmp_path, (host, {"lo": LOOPBACK, "veth1": ONE}), (web, {"lo": LOOPBACK}))
    assert values_of(tables) == {}
