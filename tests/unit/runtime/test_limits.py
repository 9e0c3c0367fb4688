from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.model.metric import Label, Scope
from exporter.model.snapshot import Status, Table
from exporter.runtime import limits
from tests.unit.runtime.worlds import HOST, POD_A, POD_B, collector, good, metric, outcomes, spec_of, values, world

if TYPE_CHECKING:
    from pathlib import Path

QUEUE = Label(name="queue", help="Number of the queue.", budget=2)
STATE = Label(name="state", help="State.", values=("up", "down"))
PATH = Label(name="path", help="Path.", budget=3)
UNBOUNDED = Label(name="device", help="Device of the node.")


def _table(*labels: Label, width: int = 1) -> Table:
    return Table(tuple(metric(probe="p", name=f"m{number}", labels=labels) for number in range(width)))


def test_rows_beyond_the_budget_of_an_open_label_are_cut_per_pod() -> None:
    table = _table(QUEUE, width=2)
    for pod, count in ((HOST, 1), (POD_A, 4), (POD_B, 2)):
        for queue in range(count):
            table.add(pod, (queue, queue), str(queue))
    kept, cut = limits.within_label_budget(table)
    assert [(row.pod, *row.labels) for row in kept.rows] == [
        (HOST, "0"),
        (POD_A, "0"),
        (POD_A, "1"),
        (POD_B, "0"),
        (POD_B, "1"),
    ]
    assert cut == 4


def test_the_tightest_open_label_counts_and_closed_ones_do_not() -> None:
    table = _table(STATE, PATH, UNBOUNDED, QUEUE)
    for number in range(5):
        table.add(POD_A, (number,), "up", str(number), "eth0", str(number))
    kept, cut = limits.within_label_budget(table)
    assert (len(kept.rows), cut) == (2, 3)


def test_a_table_without_open_labels_or_within_its_budget_is_left_as_it_is() -> None:
    closed, small = _table(STATE), _table(QUEUE)
    for state in ("up", "down"):
        closed.add(POD_A, (1,), state)
    small.add(POD_A, (1,), "0")
    assert limits.within_label_budget(closed) == (closed, 0)
    assert limits.within_label_budget(small) == (small, 0)


def test_only_whole_rows_fit_into_the_room_left() -> None:
    table = _table(width=3)
    for pod in (HOST, POD_A, POD_B):
        table.add(pod, (1, 2, 3))
    cuts = {}
    for room in (-1, 0, 2, 3, 8, 9, 10):
        kept, cut = limits.within_total(table, room)
        cuts[room] = (len(kept.rows), cut)
    assert cuts == {-1: (0, 9), 0: (0, 9), 2: (0, 9), 3: (1, 6), 8: (2, 3), 9: (3, 0), 10: (3, 0)}


def test_the_total_holds_over_all_probes_and_what_is_cut_is_counted_each_cycle(tmp_path: Path) -> None:
    made = collector(world(tmp_path), good("first"), good("second"), good("third"), max_series=4)
    for cycle in (1, 2):
        found = made.cycle()
        assert {probe: len(rows) for probe, rows in values(found).items()} == {"first": 3, "second": 1, "third": 0}
        assert made.costs.series_dropped == {"first": 0, "second": 2 * cycle, "third": 3 * cycle}
        assert all(status is Status.OK for status, _ in outcomes(found).values())


def test_both_limits_add_up_in_the_counter(tmp_path: Path) -> None:
    queue = metric(probe="bad", name="value", labels=(QUEUE,), scope=Scope.NETNS)

    def collect(_: object) -> list[Table]:
        table = Table((queue,))
        for number in range(5):
            table.add(HOST, (number,), str(number))
        return [table]

    spec = spec_of("bad", collect)
    made = collector(world(tmp_path), spec, max_series=1)
    found = made.cycle()
    assert values(found) == {"bad": {("", "0"): (0,)}}
    assert made.costs.series_dropped == {"bad": 4}
