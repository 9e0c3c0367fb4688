from __future__ import annotations

import math
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.exposition.text import Format, Renderer
from exporter.model import additional
from exporter.model.metric import Naming
from exporter.model.pod import Pod, PodFacts
from exporter.model.snapshot import Table
from tests.conftest import DNS, HOST, WEB
from tests.unit.exposition.official import LABELLED, NODE, PLAIN, official

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.model.additional import AdditionalLabels
    from exporter.model.metric import Metric

KUBESKOOP, INSPECTOR = (Naming.KUBESKOOP,), (Naming.INSPECTOR,)
BOTH = (Naming.KUBESKOOP, Naming.INSPECTOR)
ODD = b'n\xffa"m\\e\n\xc3\xbc%b%%'.decode("utf-8", "surrogateescape")
dialects = pytest.mark.parametrize("namings", [KUBESKOOP, INSPECTOR, BOTH], ids=["kubeskoop", "inspector", "both"])
wires = pytest.mark.parametrize("wire", list(Format), ids=["text", "openmetrics"])


def _tables() -> list[Table]:
    plain, labelled = Table(PLAIN), Table(LABELLED)
    plain.add(HOST, (0, 1, 2.5))
    plain.add(WEB, (2**53 + 1, 2**63 + 5, math.nan))
    plain.add(DNS, (2**64 - 1, None, math.inf))
    plain.add(Pod(ODD, ODD, 7), (1_000_000, 999_999, -math.inf))
    labelled.add(HOST, (None, 7), "0", "eth0")
    labelled.add(WEB, (3, None), ODD, "eth0")
    labelled.add(WEB, (5, 123_456_789), "1", "")
    return [plain, labelled]


def _render(tables: Sequence[Table], namings: Sequence[Naming], wire: Format) -> bytes:
    return Renderer(NODE, namings).render(tables, 0.0, wire)


@dialects
@wires
def test_bytes_equal_those_of_the_official_client(namings: Sequence[Naming], wire: Format) -> None:
    assert _render(_tables(), namings, wire) == official(_tables(), namings, wire)


@dialects
@pytest.mark.parametrize("taken_at", [1_700_000_000.125, 1_700_000_000.0004, 1_700_000_000.9999])
def test_timestamps_of_the_text_format_equal_those_of_the_official_client(
    namings: Sequence[Naming], taken_at: float
) -> None:
    ours = Renderer(NODE, namings, timestamps=True).render(_tables(), taken_at, Format.TEXT)
    assert ours == official(_tables(), namings, Format.TEXT, taken_at)


def test_timestamps_of_openmetrics_are_seconds_with_milliseconds() -> None:
    ours = Renderer(NODE, KUBESKOOP, timestamps=True).render(_tables(), 1_700_000_000.125, Format.OPENMETRICS)
    assert ours == official(_tables(), KUBESKOOP, Format.OPENMETRICS, 1_700_000_000.125)


@wires
def test_no_tables_no_rows_or_only_gaps_give_no_bytes(wire: Format) -> None:
    gaps = Table(PLAIN)
    gaps.add(HOST, (None, None, None))
    gaps.add(WEB, (None, None, None))
    assert [_render(tables, BOTH, wire) for tables in ([], [Table(PLAIN)], [gaps])] == [b"", b"", b""]


def test_a_counter_keeps_its_name_and_is_of_unknown_type_where_openmetrics_would_rename_it() -> None:
    rows = _tables()[:1]
    text = _render(rows, KUBESKOOP, Format.TEXT).decode()
    openmetrics = _render(rows, KUBESKOOP, Format.OPENMETRICS).decode()
    assert [line for line in text.splitlines() if line.startswith("# TYPE")] == [
        "# TYPE kubeskoop_fake_rx counter",
        "# TYPE kubeskoop_fake_lost_total counter",
        "# TYPE kubeskoop_fake_level gauge",
    ]
    assert [line for line in openmetrics.splitlines() if line.startswith("# TYPE")] == [
        "# TYPE kubeskoop_fake_rx unknown",
        "# TYPE kubeskoop_fake_lost counter",
        "# TYPE kubeskoop_fake_level gauge",
    ]
    samples = [line.partition("{")[0] for line in text.splitlines() if not line.startswith("#")]
    assert samples == [line.partition("{")[0] for line in openmetrics.splitlines() if not line.startswith("#")]


def test_promtool_reads_every_line() -> None:
    body = _render(_tables(), BOTH, Format.TEXT)
    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    assert (b"error while" in done.stderr, done.returncode) == (False, 3)  # 3: names that are not as it likes them


# Random tables: any text, any number, any gaps.
_text = st.text(st.characters(blacklist_categories=("Cs",)), max_size=6)
_values = st.one_of(
    st.none(), st.integers(min_value=0, max_value=2**64 - 1), st.floats(), st.integers(min_value=0, max_value=20_001)
)


@st.composite
def tables_of(draw: st.DrawFn, metrics: tuple[Metric, ...], values: st.SearchStrategy[float | None]) -> Table:
    """A table whose rows have owners and labels of their own, as the runtime makes sure."""
    labels = len(metrics[0].labels)
    keys = draw(
        st.lists(
            st.tuples(_text, _text, *[_text] * labels),
            max_size=6,
            unique_by=lambda key: tuple(part.encode("utf-8", "replace") for part in key),
        )
    )
    table = Table(metrics)
    for netns, (namespace, name, *own) in enumerate(keys):
        table.add(Pod(namespace, name, netns), draw(st.tuples(*[values] * len(metrics))), *own)
    return table


_any_tables = st.tuples(tables_of(PLAIN, _values), tables_of(LABELLED, _values))
_counts = st.one_of(st.none(), st.integers(min_value=0, max_value=2**64 - 1), st.floats(min_value=0, allow_nan=False))
# The OpenMetrics parser refuses counters that are negative or no number.
_countable_tables = st.tuples(tables_of(PLAIN, _counts), tables_of(LABELLED, _counts))


@given(_any_tables, st.sampled_from([KUBESKOOP, INSPECTOR, BOTH]), st.sampled_from(list(Format)))
@settings(deadline=None, max_examples=60)
def test_any_table_is_written_as_the_official_client_writes_it(
    tables: tuple[Table, ...], namings: Sequence[Naming], wire: Format
) -> None:
    unsigned = [_without_signed_zero(table) for table in tables]
    assert _render(tables, namings, wire) == official(unsigned, namings, wire)


_templates = st.lists(
    st.one_of(_text.filter(lambda text: "${" not in text), st.just("${ip}"), st.just("${labels:app} of ${ip}")),
    max_size=3,
).map(lambda each: additional.parse([f"z{index}={template}" for index, template in enumerate(each)], ()))
_facts = st.lists(st.builds(PodFacts, st.dictionaries(st.just("app"), _text), _text), max_size=4)


@given(
    _any_tables,
    _templates,
    st.tuples(_facts, _facts),
    st.sampled_from([KUBESKOOP, BOTH]),
    st.sampled_from(list(Format)),
)
@settings(deadline=None, max_examples=60)
def test_additional_labels_are_written_as_the_official_client_writes_them(
    tables: tuple[Table, ...],
    labels: AdditionalLabels,
    versions: tuple[list[PodFacts], list[PodFacts]],
    namings: Sequence[Naming],
    wire: Format,
) -> None:
    unsigned = [_without_signed_zero(table) for table in tables]
    pods = list(dict.fromkeys(row.pod for table in tables for row in table.rows))
    renderer = Renderer(NODE, namings, additional=labels)
    for told in versions:  # a pod's labels and its address may change
        facts = dict(zip(pods, [*told, *[PodFacts({}, "")] * len(pods)], strict=False))
        expected = official(unsigned, namings, wire, additional=labels, facts=facts)
        assert renderer.render(tables, 0.0, wire, facts) == expected


def _without_signed_zero(table: Table) -> Table:
    """Equal numbers have equal texts with us; no kernel counts to minus zero."""
    made = Table(table.metrics)
    for row in table.rows:
        made.add(row.pod, tuple(0.0 if value == 0 else value for value in row.values), *row.labels)
    return made


_RENAMED = {"kubeskoop_fake_rx_total": "kubeskoop_fake_rx"}  # the text parser adds the ending to counters without


def _expected(tables: Sequence[Table]) -> dict[tuple[object, ...], float]:
    found: dict[tuple[object, ...], float] = {}
    for table in tables:
        for row in table.rows:
            for metric, value in zip(table.metrics, row.values, strict=True):
                names = metric.label_names(Naming.KUBESKOOP)
                labels = dict(zip(names, (NODE, row.pod.namespace, row.pod.name, *row.labels), strict=True))
                if value is not None:
                    found[metric.name_in(Naming.KUBESKOOP), *sorted(labels.items())] = float(value)
    return found


@given(_countable_tables, st.sampled_from(list(Format)))
@settings(deadline=None, max_examples=60)
def test_the_official_parsers_read_back_every_number_and_label(tables: tuple[Table, ...], wire: Format) -> None:
    body = _render(tables, KUBESKOOP, wire).decode()
    families = parse_text(body) if wire is Format.TEXT else parse_openmetrics(body + "# EOF\n")
    read = {
        (_RENAMED.get(sample.name, sample.name), *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }
    assert read == _expected(tables)
