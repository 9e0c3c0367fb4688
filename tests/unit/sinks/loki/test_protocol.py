from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sinks.loki.protocol import Answer, Entry, Fate, encode, fate, refused
from exporter.sinks.loki.retry import Backoff
from tests.unit.sinks.loki.receiver import decoded, faults

SHOP = (("node", "node-a"), ("pod", "web-0"))
NODE = (("node", "node-a"),)
TIME = 1_700_000_000_000_000_000


def test_a_body_is_gzip_of_streams_with_times_as_text_in_nanoseconds() -> None:
    body = encode([Entry(SHOP, TIME + 1, "one"), Entry(NODE, TIME + 2, "two"), Entry(SHOP, TIME + 3, 'three "3"\n')])
    assert json.loads(gzip.decompress(body)) == {
        "streams": [
            {
                "stream": {"node": "node-a", "pod": "web-0"},
                "values": [["1700000000000000001", "one"], ["1700000000000000003", 'three "3"\n']],
            },
            {"stream": {"node": "node-a"}, "values": [["1700000000000000002", "two"]]},
        ]
    }


def test_a_stream_is_sorted_by_time_and_equal_times_keep_their_order() -> None:
    entries = [Entry(NODE, TIME + time, f"{time}{name}") for time, name in ((3, "d"), (1, "c"), (3, "b"), (1, "a"))]
    assert [line for _time, line in decoded(encode(entries))["streams"][0]["values"]] == ["1c", "1a", "3d", "3b"]


@given(
    st.lists(
        st.builds(
            Entry,
            st.sampled_from((SHOP, NODE)),
            st.integers(TIME, TIME + 50),
            st.text(),  # lone surrogates too
        ),
        min_size=1,
    )
)
def test_whatever_lines_hold_they_arrive_complete_in_a_valid_body(entries: list[Entry]) -> None:
    content = decoded(encode(entries))
    assert faults(content) == []
    arrived = [
        Entry(tuple(each["stream"].items()), int(time), line)
        for each in content["streams"]
        for time, line in each["values"]
    ]
    assert sorted(arrived) == sorted(entries)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (204, Fate.DELIVERED),
        (200, Fate.DELIVERED),
        (0, Fate.RETRY),
        (408, Fate.RETRY),
        (429, Fate.RETRY),
        (500, Fate.RETRY),
        (503, Fate.RETRY),
        (401, Fate.LOGIN),
        (403, Fate.LOGIN),
        (301, Fate.REFUSED),
        (400, Fate.REFUSED),
        (404, Fate.REFUSED),
        (413, Fate.REFUSED),
    ],
)
def test_what_becomes_of_a_batch_follows_from_the_status(status: int, meaning: Fate) -> None:
    assert fate(status) is meaning


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("", 9),
        ("entry for stream '{}' has timestamp too old", 9),
        ("total ignored: 1 out of 9", 1),
        ("total ignored: 1 out of 4 for stream: {a}, total ignored: 2 out of 5 for stream: {b}", 3),
        ("total ignored: 1 out of 4 for stream: {a}", 9),  # what became of the others is not known
    ],
)
def test_all_events_of_a_batch_count_as_refused_unless_loki_accounts_for_all(text: str, lost: int) -> None:
    assert refused(text, 9) == lost


def _pauses(chance: float, header: str = "") -> list[float]:
    backoff = Backoff(lambda: chance, lambda: 1_700_000_000.0)
    return [backoff.pause(Fate.RETRY, Answer(429, "", header), attempt) for attempt in (1, 2, 3, 6, 7, 1000)]


def test_pauses_double_up_to_half_a_minute_and_chance_takes_off_up_to_half() -> None:
    assert _pauses(0.0) == [0.5, 1.0, 2.0, 16.0, 30.0, 30.0]
    assert _pauses(1.0) == [0.25, 0.5, 1.0, 8.0, 15.0, 15.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("120", 120.0),
        ("Tue, 14 Nov 2023 22:13:31 GMT", 11.0),  # the clock says 22:13:20
        ("86400", 600.0),
        ("9" * 100, 600.0),
    ],
)
def test_retry_after_is_honoured_as_number_and_as_date_for_ten_minutes_at_most(header: str, seconds: float) -> None:
    assert _pauses(0.0, header) == [seconds] * 6
    assert all(seconds < pause <= seconds + 1 for pause in _pauses(1.0, header))


@pytest.mark.parametrize("header", ["0", "soon", "-5", "1.5", "٣", "Tue, 14 Nov 2023 22:13:00 GMT", "Tue, 99 Nov"])
def test_a_retry_after_that_asks_for_nothing_leaves_the_usual_pauses(header: str) -> None:
    assert _pauses(0.0, header) == _pauses(0.0)


def test_wrong_credentials_are_tried_again_after_about_a_minute() -> None:
    for chance, seconds in ((0.0, 60.0), (1.0, 45.0)):
        assert Backoff(lambda at=chance: at, float).pause(Fate.LOGIN, Answer(401, ""), 1) == seconds
