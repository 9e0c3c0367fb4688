from __future__ import annotations

import pytest

from exporter.bpf import elf, objects
from exporter.bpf.netns_counts import Counted, Counts, Key, Sorted, sort
from exporter.errors import UnsupportedError
from exporter.model.pod import Pod
from exporter.probes import packetloss, tcpreset, tcpretrans


def test_counts_go_to_the_inode_that_their_cookie_has_now() -> None:
    entries = [(Key(9, 1, 3), 5), (Key(9, 2, 3), 7), (Key(0, 1, 4), 11), (Key(8, 1, 3), 13)]

    assert sort(entries, {9: 4026532001, 10: 4026532002}) == Sorted(
        by_netns={4026532001: [Counted(1, 3, 5), Counted(2, 3, 7)]},
        unknown=[Counted(1, 4, 11)],
        dead=[Key(8, 1, 3)],
    )


def test_a_live_namespace_without_counts_is_told_from_one_that_ended() -> None:
    counts = Counts(live=frozenset({1, 2}), by_netns={1: [Counted(0, 0, 3)]})

    first, second, ended = (Pod("shop", f"web-{inode}", inode) for inode in (1, 2, 3))
    assert counts.over((first, second, ended)) == [(first, [Counted(0, 0, 3)]), (second, ())]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("packetloss", (packetloss.UNICAST, "multicast")),
        ("tcpretrans", tcpretrans.KIND.values),
        ("tcpreset", (*tcpreset.SENT_KINDS, *tcpreset.RECEIVED_KINDS)),
    ],
)
def test_kinds_are_those_of_the_program(name: str, kinds: tuple[str, ...]) -> None:
    try:
        path = objects.find(name)
    except UnsupportedError as error:
        pytest.skip(str(error))
    found = elf.read_btf(path).enum("kind")
    assert [each.removeprefix("KIND_").lower() for each in found] == list(kinds)
