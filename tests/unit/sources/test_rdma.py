from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest

from exporter.errors import NoDataError, SourceError, UnsupportedError
from exporter.sources import rdma

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import FakeNetns

RES_GET = 0x1409  # client 5 (RDMA_NL_NLDEV), operation 9


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def entry(name: bytes, number: int) -> bytes:
    nested = attribute(17, name + b"\0") + attribute(18, struct.pack("=Q", number))
    return attribute(0x8000 | 16, nested)


def device_message(name: bytes, **numbers: int) -> bytes:
    summary = b"".join(entry(kind.encode(), number) for kind, number in numbers.items())
    body = attribute(1, struct.pack("=I", 0)) + attribute(2, name + b"\0") + attribute(0x8000 | 15, summary)
    return struct.pack("=IHHII", 16 + len(body), RES_GET, 2, 1, 0) + body


DONE = struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0)


def test_the_request_asks_for_resources_of_all_devices() -> None:
    assert struct.pack("=IHHII", 16, RES_GET, 0x301, 1, 0) == rdma.REQUEST_RESOURCES


def test_resources_are_told_by_device_and_kind() -> None:
    answer = device_message(b"mlx5_0", pd=3, cq=5, qp=2**63) + device_message(b"rxe0", pd=1) + DONE
    assert rdma.parse_resources(answer) == {"mlx5_0": {"pd": 3, "cq": 5, "qp": 2**63}, "rxe0": {"pd": 1}}


def test_a_machine_without_devices_answers_with_none() -> None:
    assert rdma.parse_resources(DONE) == {}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (device_message(b"mlx5_0", pd=3)[:-4], "bytes of message"),
        (struct.pack("=IHHII", 24, RES_GET, 2, 1, 0) + attribute(1, bytes(4)), "the name of a device"),
        (
            device_message(b"mlx5_0", pd=3).replace(struct.pack("=HH", 12, 18), struct.pack("=HH", 12, 99)),
            "name and number",
        ),
        (
            device_message(b"mlx5_0", pd=3).replace(struct.pack("=HH", 12, 18), struct.pack("=HH", 99, 18)),
            "bytes of attribute",
        ),
        (
            device_message(b"mlx5_0", pd=3).replace(struct.pack("=HH", 24, 0x8010), struct.pack("=HH", 99, 0x8010)),
            "bytes of attribute",
        ),
    ],
)
def test_a_malformed_answer_is_an_error(answer: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        rdma.parse_resources(answer)


@pytest.mark.skipif(os.path.isdir("/sys/class/infiniband"), reason="this machine has RDMA loaded")
def test_no_socket_is_opened_on_a_machine_without_rdma(fake_netns: type[FakeNetns]) -> None:
    """The socket would make the kernel load its RDMA core."""
    with pytest.raises(UnsupportedError, match="no RDMA device under /sys/class/infiniband"):
        rdma.read_resources(fake_netns(answers={20: DONE}))


def test_without_rdma_the_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=f"no RDMA device under {tmp_path}/class/infiniband"):
        rdma.devices(tmp_path)


def test_rdma_without_a_device_has_no_data(tmp_path: Path) -> None:
    (tmp_path / "class/infiniband").mkdir(parents=True)
    with pytest.raises(NoDataError, match="no RDMA device under"):
        rdma.devices(tmp_path)


def test_the_type_is_told_by_the_name_and_of_a_renamed_device_by_its_driver(tmp_path: Path) -> None:
    for name, driver in (("mlx5_0", ""), ("erdma_1", ""), ("rxe0", ""), ("rocep3s0", "mlx5_core"), ("ibp1s0", "irdma")):
        device = tmp_path / "class/infiniband" / name / "device"
        device.mkdir(parents=True)
        if driver:
            os.symlink(f"../../../bus/pci/drivers/{driver}", device / "driver")
    assert rdma.devices(tmp_path) == {
        "erdma_1": "erdma",
        "ibp1s0": "unknown",
        "mlx5_0": "mlx5",
        "rocep3s0": "mlx5",
        "rxe0": "unknown",
    }


def port_file(root: Path, port: str, name: str, content: str) -> None:
    path = root / "class/infiniband/mlx5_0/ports" / port / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_wanted_counters_of_each_port_are_read_from_both_directories(tmp_path: Path) -> None:
    for port in ("10", "2"):
        port_file(tmp_path, port, "counters/port_rcv_data", f"{2**64 - 1}\n")
        port_file(tmp_path, port, "hw_counters/out_of_buffer", f"{port}\n")
        port_file(tmp_path, port, "hw_counters/lifespan", "10\n")
    found = rdma.read_ports(tmp_path, "mlx5_0", ("port_rcv_data", "out_of_buffer", "symbol_error"))
    assert list(found.items()) == [
        ("2", {"port_rcv_data": 2**64 - 1, "out_of_buffer": 2}),
        ("10", {"port_rcv_data": 2**64 - 1, "out_of_buffer": 10}),
    ]


def test_a_counter_that_the_port_cannot_tell_is_missing(tmp_path: Path) -> None:
    port_file(tmp_path, "1", "counters/symbol_error", "N/A (no PMA)\n")
    (tmp_path / "class/infiniband/mlx5_0/ports/1/counters/link_downed").mkdir()  # reading it is refused
    assert rdma.read_ports(tmp_path, "mlx5_0", ("symbol_error", "link_downed")) == {"1": {}}


def test_a_counter_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    port_file(tmp_path, "1", "counters/symbol_error", "many\n")
    with pytest.raises(SourceError, match="ports/1/counters/symbol_error: expected a number"):
        rdma.read_ports(tmp_path, "mlx5_0", ("symbol_error",))
