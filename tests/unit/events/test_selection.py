from __future__ import annotations

import pytest

from exporter.errors import UsageError
from exporter.events.selection import Selection, kinds, spellings, words
from exporter.model.event import EventType
from tests.unit.events.made_events import LOSS, RESET, SLOW

RESETS = EventType(probe="tcpreset", name="TCPRESET_OTHER", ack="TCP_RST", aliases=("TCPRESETS",), help="A test.")
MORE = EventType(probe="tcpreset", name="TCPRESET_MORE", ack="TCP_RST", help="A test.")
TYPES = (RESET, LOSS, SLOW, RESETS, MORE)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ((), set()),
        (("PacketLoss",), {LOSS}),
        (("packetloss", "PACKETLOSS"), {LOSS}),
        (("tcpresets",), {RESETS}),
        (("TCP_RST",), {RESETS, MORE}),
        (("TCPRESET_NOSOCK", "NETSOFTIRQ_SCHED_SLOW"), {RESET, SLOW}),
    ],
)
def test_a_type_is_known_by_any_spelling(wanted: tuple[str, ...], found: set[EventType]) -> None:
    assert kinds(wanted, TYPES) == found


def test_who_knows_spellings_only_gets_all_of_them() -> None:
    assert spellings({RESETS, LOSS}) == {"TCPRESET_OTHER", "TCP_RST", "TCPRESETS", "PacketLoss", "PACKETLOSS"}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("packetlos", "unknown event 'packetlos'; did you mean 'PacketLoss'?"),
        ("tcpreset_nosok", "unknown event 'tcpreset_nosok'; did you mean 'TCPRESET_NOSOCK'?"),
        ("zzz", "unknown event 'zzz'; see inspector list event"),
        ("", "unknown event ''; see inspector list event"),
    ],
)
def test_an_unknown_type_is_answered_with_the_nearest(word: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        kinds([word], TYPES)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(), True),
        (Selection(types=frozenset({"T", "U"})), True),
        (Selection(types=frozenset({"t"})), False),
        (Selection(pods=("web-0",)), True),
        (Selection(pods=("web",)), False),
        (Selection(pods=("db", "web-?")), True),
        (Selection(namespaces=("shop",), nodes=("n*",)), True),
        (Selection(namespaces=("sho",)), False),
        (Selection(nodes=("m*",)), False),
    ],
)
def test_what_is_wanted_passes(selection: Selection, wanted: bool) -> None:  # noqa: FBT001
    assert selection.wants("T", "web-0", "shop", "n1") is wanted


def test_a_list_with_commas_may_be_written_carelessly() -> None:
    assert words(" a, b,,c ,") == ("a", "b", "c")
