from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import SourceError
from exporter.sources import netdev
from exporter.sources.netdev import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.probe import Env


@pytest.fixture
def content(env_of: Callable[..., Env]) -> bytes:
    return (env_of("6.18-x86_64-two-pods").proc / "102/net/dev").read_bytes()


def test_each_device_has_its_traffic(content: bytes) -> None:
    assert netdev.parse(content, "dev") == {
        "lo": Traffic(0, 0, 0, 0, 0, 0, 0, 0),
        "eth0": Traffic(2494, 31, 0, 0, 5214, 41, 0, 0),
    }


def test_every_column_lands_in_its_field() -> None:
    header = b"Inter-| Receive | Transmit\n face |bytes ... |bytes ...\n"
    line = b"eth0.100@if7:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
    assert netdev.parse(header + line, "dev") == {"eth0.100@if7": Traffic(1, 2, 3, 4, 9, 10, 11, 12)}


def test_columns_that_a_new_kernel_appends_are_ignored(content: bytes) -> None:
    assert netdev.parse(content[:-1] + b" 5 5\n", "dev")["eth0"] == Traffic(2494, 31, 0, 0, 5214, 41, 0, 0)


def test_counters_reach_the_end_of_64_bits(content: bytes) -> None:
    largest = content.replace(b" 2494 ", b" 18446744073709551615 ")
    assert netdev.parse(largest, "dev")["eth0"].rx_bytes == 18446744073709551615


def test_all_devices_add_up() -> None:
    both = [Traffic(1, 2, 3, 4, 5, 6, 7, 8), Traffic(10, 20, 30, 40, 50, 60, 70, 80)]
    assert netdev.total(both) == Traffic(11, 22, 33, 44, 55, 66, 77, 88)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"eth0:", b"eth0 ", id="no device"),
        pytest.param(b" 2494 ", b" ", id="a number too few"),
        pytest.param(b" 2494 ", b" some ", id="a word for a number"),
        pytest.param(b" 0\n", b" 0", id="cut short"),
    ],
)
def test_garbage_is_refused_with_its_place(content: bytes, old: bytes, new: bytes) -> None:
    head, _, tail = content.rpartition(old)
    with pytest.raises(SourceError, match=r"dev line 4: expected"):
        netdev.parse(head + new + tail, "dev")


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(SourceError, match="two header lines"):
        netdev.parse(b"", "dev")
