from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from exporter.errors import StartError
from exporter.sinks.loki.backlog import Backlog
from exporter.sinks.loki.protocol import Entry
from exporter.sinks.loki.spill import Spill
from tests.unit.sinks.loki.receiver import decoded, lines

if TYPE_CHECKING:
    from pathlib import Path

LABELS = (("node", "node-a"),)
TIME = 1_700_000_000_000_000_000
SIZE = 300  # of each entry
ROOMY = 1000 * SIZE


class World:
    """A clock, the counter of losses, and entries of one size."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lost: Counter[str] = Counter()
        self.made = 0

    def backlog(self, room: int = ROOMY, batch: int = 5 * SIZE, spill: Spill | None = None) -> Backlog:
        return Backlog(room, batch, 1.0, clock=lambda: self.now, lost=self._count, spill=spill)

    def entries(self, count: int) -> list[Entry]:
        self.made += count
        return [
            Entry(LABELS, TIME + number, f"{number:0{SIZE - 200}}") for number in range(self.made - count, self.made)
        ]

    def _count(self, reason: str, events: int) -> None:
        self.lost[reason] += events


def _taken(backlog: Backlog) -> list[int]:
    """Deliver everything, whatever is due."""
    numbers = []
    while taken := backlog.take():
        batch, body = taken
        numbers += [int(line) for line in lines(decoded(body))]
        backlog.delivered(batch)
    return numbers


def test_a_batch_is_due_when_it_is_full_or_when_its_first_event_has_waited() -> None:
    world = World()
    backlog = world.backlog()
    assert backlog.due() is None
    backlog.put(world.entries(1))
    assert backlog.due() == 1.0
    world.now = 0.75
    backlog.put(world.entries(1))
    assert backlog.due() == 0.25
    backlog.put(world.entries(3))
    assert backlog.due() == 0.0
    world.now = 7.0
    assert backlog.due() == 0.0


def test_a_batch_holds_what_fits_and_the_rest_waits_for_the_next() -> None:
    world = World()
    backlog = world.backlog()
    backlog.put(world.entries(12))
    counts = []
    while taken := backlog.take():
        counts.append(taken[0].count)
        backlog.delivered(taken[0])
    assert counts == [5, 5, 2]
    assert (backlog.sent, backlog.waiting, world.lost) == (12, 0, {})


def test_an_event_larger_than_a_batch_is_a_batch() -> None:
    world = World()
    backlog = world.backlog(batch=SIZE // 2)
    backlog.put(world.entries(2))
    assert _taken(backlog) == [0, 1]


def test_the_oldest_are_lost_when_memory_is_full_and_counted_exactly() -> None:
    world = World()
    backlog = world.backlog(room=7 * SIZE)
    backlog.put(world.entries(20))
    assert world.lost == {"overflow": 13}
    assert _taken(backlog) == list(range(13, 20))


def test_what_comes_back_is_the_oldest_again_and_needs_no_new_pause() -> None:
    world = World()
    backlog = world.backlog()
    backlog.put(world.entries(7))
    taken = backlog.take()
    assert taken is not None
    backlog.put(world.entries(2))
    assert backlog.waiting == 9
    backlog.keep(taken[0])
    assert (backlog.due(), backlog.waiting) == (0.0, 9)
    assert _taken(backlog) == list(range(9))


def test_what_comes_back_and_finds_no_room_is_lost_before_the_newer() -> None:
    world = World()
    backlog = world.backlog(room=7 * SIZE)
    backlog.put(world.entries(7))
    taken = backlog.take()
    assert taken is not None
    backlog.put(world.entries(5))
    assert world.lost == {}
    backlog.keep(taken[0])
    assert world.lost == {"overflow": 5}
    assert _taken(backlog) == list(range(5, 12))


def test_what_is_refused_is_counted_as_such() -> None:
    world = World()
    backlog = world.backlog()
    backlog.put(world.entries(7))
    taken = backlog.take()
    assert taken is not None
    backlog.refused(taken[0], 5)
    assert (world.lost, backlog.waiting) == ({"refused": 5}, 2)


def test_on_closing_all_that_waits_is_lost_and_what_is_told_later_changes_nothing() -> None:
    world = World()
    backlog = world.backlog()
    backlog.put(world.entries(7))
    taken = backlog.take()
    assert taken is not None
    backlog.close()
    assert (world.lost, backlog.waiting) == ({"closed": 7}, 0)
    backlog.delivered(taken[0])
    backlog.keep(taken[0])
    backlog.put(world.entries(2))
    assert (world.lost, backlog.sent, backlog.waiting) == ({"closed": 9}, 0, 0)


def test_what_exceeds_memory_goes_to_disk_and_is_delivered_first(tmp_path: Path) -> None:
    world = World()
    backlog = world.backlog(room=7 * SIZE, spill=Spill(str(tmp_path / "new"), 1 << 20))
    backlog.put(world.entries(31))
    assert [(path.name, path.stat().st_mode & 0o777) for path in sorted((tmp_path / "new").iterdir())] == [
        (f"loki-{number:012}-5.json.gz", 0o600) for number in range(5)
    ]
    assert (backlog.waiting, backlog.due(), world.lost) == (31, 0.0, {})
    assert _taken(backlog) == list(range(31))
    assert (backlog.sent, list((tmp_path / "new").iterdir())) == (31, [])


def test_the_next_run_delivers_what_the_last_one_left_on_disk(tmp_path: Path) -> None:
    first = World()
    backlog = first.backlog(spill=Spill(str(tmp_path), 1 << 20))
    backlog.put(first.entries(8))
    taken = backlog.take()
    assert taken is not None
    backlog.close()
    assert (backlog.waiting, first.lost) == (8, {})
    second = World()
    backlog = second.backlog(room=SIZE, spill=Spill(str(tmp_path), 1 << 20))
    assert backlog.waiting == 8
    second.made = 8
    backlog.put(second.entries(12))
    assert _taken(backlog) == list(range(20))
    assert second.lost == {}


def test_the_oldest_files_go_when_the_disk_has_its_limit_but_not_the_one_under_way(tmp_path: Path) -> None:
    world = World()
    backlog = world.backlog(room=SIZE, spill=Spill(str(tmp_path), 450))
    backlog.put(world.entries(11))
    taken = backlog.take()
    assert taken is not None
    assert [int(line) for line in lines(decoded(taken[1]))] == [0, 1, 2, 3, 4]
    backlog.put(world.entries(40))
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert sum(sizes) <= 450
    assert world.lost["overflow"] == 51 - backlog.waiting > 0
    backlog.delivered(taken[0])
    assert backlog.sent == 5
    left = _taken(backlog)
    assert left == list(range(51 - len(left), 51))
    assert backlog.sent + world.lost.total() == 51


def test_a_file_that_has_vanished_is_lost_and_the_next_one_delivered(tmp_path: Path) -> None:
    world = World()
    backlog = world.backlog(room=SIZE, spill=Spill(str(tmp_path), 1 << 20))
    backlog.put(world.entries(11))
    os.unlink(tmp_path / "loki-000000000000-5.json.gz")
    assert _taken(backlog) == list(range(5, 11))
    assert (world.lost, backlog.sent, backlog.waiting) == ({"disk": 5}, 6, 0)


def test_what_cannot_be_written_is_lost_and_leaves_nothing_behind(tmp_path: Path) -> None:
    world = World()
    backlog = world.backlog(room=SIZE, spill=Spill(str(tmp_path), 1 << 20))
    (tmp_path / "loki-000000000000-5.json.gz").mkdir()  # a file cannot take its place, not even root's
    backlog.put(world.entries(6))
    assert (world.lost, backlog.waiting) == ({"disk": 5}, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["loki-000000000000-5.json.gz"]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    world = World()
    backlog = world.backlog(spill=Spill(str(tmp_path), 1 << 20))
    assert (backlog.waiting, backlog.take()) == (0, None)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_one_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        StartError, match=r"spillFolder '.*/file/spill' cannot be used \(Not a directory\): name a folder"
    ):
        Spill(str(tmp_path / "file" / "spill"), 1 << 20)
