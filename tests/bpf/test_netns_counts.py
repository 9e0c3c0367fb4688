"""Counting per namespace at its limits, with the programs of packetloss."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.bpf.attachable import Attachable
from exporter.bpf.netns_counts import NetnsCounts, Newer
from exporter.errors import UnsupportedError
from exporter.probes import packetloss
from tests.netns.namespaces import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.netns.namespaces import Namespace

SYS = Path("/sys")


@pytest.fixture
def open_counts() -> Iterator[Callable[..., NetnsCounts]]:
    """Attach the program of packetloss with so much room."""
    opened: list[NetnsCounts] = []

    def make(entries: int, newer: Newer = packetloss.NEWER) -> NetnsCounts:
        opened.append(counts := NetnsCounts("packetloss", SYS, packetloss.PLACES, entries, newer))
        return counts

    yield make
    for counts in opened:
        counts.close()


def drop(namespace: Namespace, count: int) -> None:
    """Let datagrams for a closed port be dropped."""
    sender = namespace.open(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(count):
        sender.sendto(b"x", ("127.0.0.1", 9))


def total(counts: NetnsCounts, namespace: Namespace) -> int:
    """All drops counted in a namespace."""
    return sum(each.events for each in counts.read().by_netns.get(namespace.pod.netns, ()))


def cookies_in_map(counts: NetnsCounts) -> set[int]:
    """Namespaces for which the kernel holds counts."""
    return {key.cookie for key in counts._keys.iter_unpack(counts._counts.read()[1])}


def test_what_a_full_map_has_no_room_for_is_counted_as_such(
    make_netns: Callable[[], Namespace], open_counts: Callable[..., NetnsCounts]
) -> None:
    """The rest of the machine may drop packets too, so the one place may be anyone's."""
    first, second = make_netns(), make_netns()
    counts = open_counts(1)

    drop(first, 3)
    before = counts.read().uncounted
    drop(second, 41)

    assert total(counts, second) == 0
    assert counts.read().uncounted - before >= 41


def test_what_ended_namespaces_left_is_forgotten(
    make_netns: Callable[[], Namespace], open_counts: Callable[..., NetnsCounts], until: Callable[..., None]
) -> None:
    namespace = make_netns()
    counts = open_counts(512)
    drop(namespace, 3)
    cookie = next(cookie for cookie, inode in counts._live.read().items() if inode == namespace.pod.netns)
    held = cookie in cookies_in_map(counts)
    namespace.sockets.close()
    run("ip", "netns", "del", namespace.name)

    until(lambda: cookie not in counts._live.read())
    for _ in range(2):
        counts.read()

    assert held
    assert cookie not in cookies_in_map(counts)


def test_the_program_for_older_kernels_runs_where_the_newer_one_does_not(
    make_netns: Callable[[], Namespace], open_counts: Callable[..., NetnsCounts]
) -> None:
    namespace = make_netns()
    newer, older = open_counts(512), open_counts(512, newer=Newer("drop", "no_such_variable"))

    drop(namespace, 7)

    assert not older.newer
    assert total(newer, namespace) == total(older, namespace) == 7


@pytest.mark.parametrize("helper", ["loop", "none"])
def test_every_namespace_of_the_kernel_is_listed(
    helper: str,
    make_netns: Callable[[], Namespace],
    open_counts: Callable[..., NetnsCounts],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At once, where the kernel can, and in steps as on older kernels."""
    has_helper = Attachable.has_helper
    monkeypatch.setattr(Attachable, "has_helper", lambda self, name: name == helper and has_helper(self, name))
    made = {make_netns().pod.netns for _ in range(131)}

    live = open_counts(512).read().live

    assert made <= live
    assert Path("/proc/self/ns/net").stat().st_ino in live


def test_without_the_running_kernels_btf_nothing_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF"):
        NetnsCounts("packetloss", tmp_path, packetloss.PLACES, 512, packetloss.NEWER)
