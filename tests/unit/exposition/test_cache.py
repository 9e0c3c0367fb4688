"""A renderer remembers what it rendered; that must never show in what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.exposition.text import Format, Renderer
from exporter.model.metric import Naming
from exporter.model.pod import Pod
from exporter.model.snapshot import Row, Table
from tests.unit.exposition.official import LABELLED, NODE, PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.model.metric import Metric
    from exporter.model.snapshot import Number

BOTH = (Naming.KUBESKOOP, Naming.INSPECTOR)
A, B, C = Pod("x", "a", 1), Pod("x", "b", 2), Pod("x", "c", 3)


def _table(*rows: tuple[Pod, tuple[Number | None, ...]], metrics: tuple[Metric, ...] = PLAIN) -> Table:
    table = Table(metrics)
    for pod, values in rows:
        table.add(pod, values)
    return table


SEQUENCES = {
    "numbers change": [[_table((A, (1, 2, 3)))], [_table((A, (1, 2, 4)))], [_table((A, (1, 2, 3)))]],
    "a row appears and goes": [
        [_table((A, (1, 2, 3)))],
        [_table((A, (1, 2, 3)), (B, (4, 5, 6)))],
        [_table((B, (4, 5, 6)))],
    ],
    "rows change places": [
        [_table((A, (1, 2, 3)), (B, (1, 2, 3)))],
        [_table((B, (1, 2, 3)), (A, (1, 2, 3)))],
    ],
    "a gap comes and goes": [
        [_table((A, (1, 2, 3)), (B, (4, 5, 6)))],
        [_table((A, (None, 2, 3)), (B, (4, 5, 6)))],
        [_table((A, (1, 2, None)), (B, (None, 5, 6)))],
        [_table((A, (None, 2, 3)), (B, (None, 5, 6)))],
        [_table((A, (1, 2, 3)), (B, (4, 5, 6)))],
    ],
    "same gaps, other numbers": [
        [_table((A, (None, 2, 3)), (B, (4, 5, 6)))],
        [_table((A, (None, 2, 3)), (B, (5, 5, 6)))],
        [_table((A, (6, 2, 3)), (B, (None, 5, 6)))],
    ],
    "a table goes and comes back": [
        [_table((A, (1, 2, 3)))],
        [],
        [Table(PLAIN)],
        [_table((A, (1, 2, 3)))],
    ],
    "a table is split": [
        [_table((A, (1, 2, 3)))],
        [_table((A, (1, 2)), metrics=PLAIN[:2]), _table((B, (3,)), metrics=PLAIN[2:])],
    ],
    "a pod gets another namespace under its name": [
        [_table((A, (1, 2, 3)))],
        [_table((A._replace(netns=9), (1, 2, 3)))],
    ],
    "integers become fractions": [[_table((A, (1, 2, 3)))], [_table((A, (1.0, 2.5, 3)))]],
}


@pytest.mark.parametrize("wire", list(Format), ids=["text", "openmetrics"])
@pytest.mark.parametrize("timestamps", [False, True], ids=["plain", "stamped"])
@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_each_answer_is_that_of_a_renderer_without_a_past(
    sequence: Sequence[Sequence[Table]],
    timestamps: bool,  # noqa: FBT001 - a parameter of the test
    wire: Format,
) -> None:
    old = Renderer(NODE, BOTH, timestamps=timestamps)
    answers = [old.render(tables, float(when), wire) for when, tables in enumerate(sequence)]
    fresh = [
        Renderer(NODE, BOTH, timestamps=timestamps).render(tables, float(when), wire)
        for when, tables in enumerate(sequence)
    ]
    assert answers == fresh


_rows = st.lists(
    st.tuples(
        st.sampled_from([A, B, C, A._replace(netns=9, namespace="y")]),
        st.sampled_from(["", "0", "%d", '"']),
        st.tuples(*[st.sampled_from([None, 0, 1, 5, 20_000, 10**7, 0.5])] * 3),
    ),
    max_size=5,
    unique_by=lambda row: row[:2],
)


def _made(metrics: tuple[Metric, ...], rows: list[tuple[Pod, str, tuple[Number | None, ...]]]) -> Table:
    labels = len(metrics[0].labels)
    unique = {(pod, (own,) * labels): values[: len(metrics)] for pod, own, values in rows}
    return Table(metrics, [Row(pod, own, values) for (pod, own), values in unique.items()])


@given(st.lists(st.tuples(_rows, _rows, st.permutations([0, 1])), max_size=6))
@settings(deadline=None, max_examples=150)
def test_no_sequence_of_snapshots_confuses_the_renderer(
    cycles: list[tuple[list[tuple[Pod, str, tuple[Number | None, ...]]], ...]],
) -> None:
    old = Renderer(NODE, BOTH)
    for plain, labelled, order in cycles:
        both = (_made(PLAIN, plain), _made(LABELLED, labelled))
        tables = [both[place] for place in order]
        assert old.render(tables, 0.0, Format.TEXT) == Renderer(NODE, BOTH).render(tables, 0.0, Format.TEXT)


def test_what_did_not_change_is_taken_over_and_not_made_again() -> None:
    renderer = Renderer(NODE, BOTH)
    first = renderer.render([_table((A, (1, 2, 3)))], 0.0, Format.TEXT)
    before = {key: dict(layout.families) for key, layout in renderer._layouts.items()}
    assert renderer.render([_table((A, (1, 2, 3)))], 5.0, Format.TEXT) == first
    after = {key: dict(layout.families) for key, layout in renderer._layouts.items()}
    assert all(after[key][metric] is before[key][metric] for key in before for metric in before[key])
    renderer.render([], 10.0, Format.TEXT)
    assert renderer._layouts == {}
