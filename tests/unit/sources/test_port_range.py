from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import SourceError
from exporter.sources import port_range
from exporter.sources.port_range import REREAD, PortRange

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "/proc/sys/net/ipv4/ip_local_port_range"


def test_both_ends_belong_to_the_range() -> None:
    assert port_range.parse(b"32768\t60999\n", PATH) == range(32768, 61000)


@pytest.mark.parametrize("content", [b"", b"32768\n", b"32768 60999 1\n", b"a b\n"])
def test_anything_but_two_numbers_is_an_error_with_its_place(content: bytes) -> None:
    with pytest.raises(SourceError, match=f"^{PATH}: expected"):
        port_range.parse(content, PATH)


def test_a_change_shows_after_at_most_so_many_cycles(fake_netns: Callable[..., Any]) -> None:
    sysctls = {"ipv4/ip_local_port_range": b"32768 60999\n"}
    found = port_range.read(fake_netns({}, sysctls))
    sysctls["ipv4/ip_local_port_range"] = b"10000 10006\n"
    ranges = []
    for _ in range(2 * REREAD):
        found = port_range.read(fake_netns({}, sysctls, previous={port_range.read: found}))
        ranges.append(found.ports)

    first_new = ranges.index(range(10000, 10007))
    assert first_new < REREAD
    assert set(ranges[first_new:]) == {range(10000, 10007)}


def test_namespaces_take_turns_in_being_read_again(fake_netns: Callable[..., Any], web: Any, dns: Any) -> None:  # noqa: ANN401
    sysctls = {"ipv4/ip_local_port_range": b"1 7\n"}

    found = [port_range.read(fake_netns({}, sysctls, pod=pod)) for pod in (web, dns)]

    assert found == [PortRange(range(1, 8), pod.netns % REREAD) for pod in (web, dns)]
    assert found[0].cycles != found[1].cycles
