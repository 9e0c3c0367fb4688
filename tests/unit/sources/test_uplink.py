"""A host is a directory of made-up devices and route tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import SourceError
from exporter.sources import uplink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.model.probe import Env

ROUTE_HEADER = b"Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


def _host(root: Path, *, hardware: tuple[str, ...] = (), slaves: tuple[tuple[str, str], ...] = ()) -> None:
    for device in hardware:
        (root / "class/net" / device).mkdir(parents=True)
        (root / "class/net" / device / "device").symlink_to("../../../0000:00:03.0")
    for slave, master in slaves:
        (root / "class/net" / slave / "master").symlink_to(f"../{master}")


def test_only_devices_with_hardware_count(tmp_path: Path) -> None:
    _host(tmp_path, hardware=("eth0", "eth1"))
    present = ["lo", "eth0", "eth1", "bond0", "cni0", "veth1234", "flannel.1"]
    assert uplink.devices(present, tmp_path, tmp_path) == ("eth0", "eth1")


def test_a_port_of_a_bond_counts_because_the_bond_does_not(tmp_path: Path) -> None:
    (tmp_path / "class/net/bond0").mkdir(parents=True)
    _host(tmp_path, hardware=("eth0", "eth1"), slaves=(("eth0", "bond0"), ("eth1", "bond0")))
    assert uplink.devices(["lo", "eth0", "eth1", "bond0"], tmp_path, tmp_path) == ("eth0", "eth1")


def test_a_virtual_function_behind_a_hyper_v_device_is_not_counted_twice(tmp_path: Path) -> None:
    _host(tmp_path, hardware=("eth0", "enP1s1"), slaves=(("enP1s1", "eth0"),))
    assert uplink.devices(["lo", "eth0", "enP1s1"], tmp_path, tmp_path) == ("eth0",)


def test_without_hardware_the_default_routes_decide(tmp_path: Path) -> None:
    (tmp_path / "1/net").mkdir(parents=True)
    (tmp_path / "1/net/route").write_bytes(
        ROUTE_HEADER
        + b"eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        + b"cni0\t0000F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert uplink.devices(["lo", "eth0", "cni0", "veth1"], tmp_path, tmp_path) == ("eth0",)


def test_without_hardware_and_default_route_nothing_counts(tmp_path: Path) -> None:
    assert uplink.devices(["lo", "veth1"], tmp_path, tmp_path) == ()


def test_captured_routes_name_one_default_device(env_of: Callable[..., Env]) -> None:
    net = env_of("6.18-x86_64-two-pods").proc / "1/net"
    assert uplink.parse_route((net / "route").read_bytes(), "route") == {"eth0"}
    assert uplink.parse_ipv6_route((net / "ipv6_route").read_bytes(), "ipv6_route") == {"eth0"}


def test_an_unreachable_default_route_carries_nothing() -> None:
    line = b"*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n"
    assert uplink.parse_route(ROUTE_HEADER + line, "route") == set()


def test_garbage_is_refused_with_its_place() -> None:
    with pytest.raises(SourceError, match="route line 2: expected 8 columns"):
        uplink.parse_route(ROUTE_HEADER + b"eth0\t0000\n", "route")
    with pytest.raises(SourceError, match="ipv6_route line 1: expected 10 columns"):
        uplink.parse_ipv6_route(b"0 00\n", "ipv6_route")
    with pytest.raises(SourceError, match="route line 2: expected hexadecimal flags"):
        uplink.parse_route(ROUTE_HEADER + b"eth0 0 0 flags 0 0 0 0\n", "route")
