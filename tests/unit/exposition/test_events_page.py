from __future__ import annotations

import http.client
import json
from contextlib import closing
from html.parser import HTMLParser
from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

import pytest

from exporter.events import record
from exporter.exposition.events_page import EventsPage
from exporter.model.event import EventNaming, EventType, Named
from exporter.model.pod import Pod
from exporter.runtime.recent_events import RecentEvents
from tests.unit.events.made_events import (
    LOSS,
    NODE,
    POD,
    RESET,
    SLOW,
    documents_loss,
    documents_reset,
    slow,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.runtime.events import Events
    from tests.unit.exposition.conftest import Endpoint

TYPES = (RESET, LOSS, SLOW)


class _Running:
    """As much of the running events as the page needs."""

    def __init__(self, naming: EventNaming, events: Sequence[Named]) -> None:
        self.naming = naming
        self.recent = RecentEvents()
        self.recent.send(events)


def _page(
    *events: Named, naming: EventNaming = EventNaming.KUBESKOOP, types: Sequence[EventType] = TYPES
) -> EventsPage:
    return EventsPage(lambda: cast("Events", _Running(naming, events)), NODE, types)


class _Cells(HTMLParser):
    """Texts of the cells of a table's body, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - signature of the base class
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append("")
        self._inside = self._inside or tag == "td"

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


def _rows(page: EventsPage, query: str = "") -> list[list[str]]:
    status, kind, body, _ = page.answer(query)
    assert (status, kind) == (200, "text/html; charset=utf-8")
    cells = _Cells()
    cells.feed(body.decode())
    return cells.rows[1:]  # the first is the head


def _types(page: EventsPage, **query: str) -> list[str]:
    return [row["type"] for row in json.loads(page.answer(urlencode({"format": "json", **query})).body)]


def test_the_newest_event_comes_first_with_time_type_owner_and_body() -> None:
    rows = _rows(_page(documents_reset(), documents_loss(), slow()))
    when = "2023-11-14 22:13:20.123"
    assert [row[:4] for row in rows] == [
        [when, "SOFTIRQ_SCHED_SLOW", "", ""],
        [when, "PacketLoss", "", "this node"],
        [when, "TCPRESET_NOSOCK", POD.namespace, POD.name],
    ]
    assert rows[2][4] == "protocol=TCP saddr=100.103.42.233 sport=443 daddr=10.1.17.188 dport=33488"


def test_types_are_named_as_configured() -> None:
    assert _rows(_page(documents_loss(), naming=EventNaming.ACK))[0][1] == "PACKETLOSS"


def test_json_is_the_records_of_the_same_events() -> None:
    page = _page(documents_reset(), documents_loss())
    status, kind, body, _ = page.answer("format=json")
    assert (status, kind) == (200, "application/json")
    wanted = [record.record(named, EventNaming.KUBESKOOP) for named in (documents_loss(), documents_reset())]
    assert json.loads(body) == wanted


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"type": "TCPRESET_NOSOCK"}, ["TCPRESET_NOSOCK"]),
        ({"type": "packetloss, softirq_sched_slow"}, ["SOFTIRQ_SCHED_SLOW", "PacketLoss"]),
        ({"type": "NETSOFTIRQ_SCHED_SLOW"}, ["SOFTIRQ_SCHED_SLOW"]),
        ({"pod": "storage-*"}, ["TCPRESET_NOSOCK"]),
        ({"namespace": "kube-system,shop"}, ["TCPRESET_NOSOCK"]),
        ({"namespace": "shop"}, []),
        ({"pod": "storage-*", "type": "PacketLoss"}, []),
        ({"limit": "2"}, ["SOFTIRQ_SCHED_SLOW", "PacketLoss"]),
        ({"type": "", "pod": ""}, ["SOFTIRQ_SCHED_SLOW", "PacketLoss", "TCPRESET_NOSOCK"]),
    ],
)
def test_filters_leave_what_is_wanted(query: dict[str, str], found: list[str]) -> None:
    assert _types(_page(documents_reset(), documents_loss(), slow()), **query) == found


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("type=PacketLos", "unknown event 'PacketLos'; did you mean 'PacketLoss'?"),
        ("limit=0", "limit must be from 1 to 1000, is '0'"),
        ("limit=1001", "limit must be from 1 to 1000, is '1001'"),
        ("limit=%D9%A3", "limit must be from 1 to 1000, is '\u0663'"),
        ("limit=" + "9" * 5000, "limit must be from 1 to 1000, is '" + "9" * 39),
        ("pods=a", "unknown parameter 'pods'; there are type, pod, namespace, limit and format=json"),
    ],
)
def test_what_makes_no_sense_is_said_to_make_none(query: str, said: str) -> None:
    status, kind, body, _ = _page().answer(query)
    assert (status, kind, body.decode()) == (400, "text/plain; charset=utf-8", said + "\n")


def test_nothing_that_others_wrote_becomes_part_of_the_page() -> None:
    evil = '<script>alert("x")</script>'
    named = Named(documents_reset().event, NODE, Pod(evil, evil, 7))
    page = _page(named, slow(evil))
    text = page.answer(urlencode({"pod": "*" + evil + "*"})).body.decode() + page.answer("").body.decode()
    assert text.count("<script>") == 2  # the pages' own
    assert "&lt;script&gt;" in text
    assert page.answer("pod=%24node%22%3E").body.count(b'value="$node&quot;&gt;"') == 1


def test_the_page_keeps_what_was_asked_for_and_leads_to_the_same_as_json() -> None:
    body = _page(documents_reset()).answer("type=TCPRESET_NOSOCK&pod=a%26b&limit=7").body.decode()
    assert 'name="pod" value="a&amp;b"' in body
    assert 'href="?type=TCPRESET_NOSOCK&amp;pod=a%26b&amp;limit=7&amp;format=json"' in body


def test_without_events_the_page_says_how_to_have_some() -> None:
    status, _, body, _ = EventsPage(lambda: None, NODE, TYPES).answer("")
    assert (status, body.decode()) == (
        404,
        "No events are taken: name the probes whose events are wanted under `event.probes`.\n",
    )


def test_it_is_served(serve: Callable[..., Endpoint]) -> None:
    endpoint = serve()
    with closing(http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=20)) as connection:
        connection.request("GET", "/events?format=json")
        assert connection.getresponse().status == 404
