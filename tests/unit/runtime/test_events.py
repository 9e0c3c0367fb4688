"""From a probe's source through the running parts to sinks, as the composition root wires them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from exporter.config import EventConfig
from exporter.errors import StartError, UnsupportedError, UsageError
from exporter.identity import standalone
from exporter.identity.recent import Owners
from exporter.model import health
from exporter.model.event import Event, EventNaming
from exporter.model.probe import ProbeSpec, stateless
from exporter.runtime.collector import RunningProbe
from exporter.runtime.events import Events
from exporter.sinks.context import SinkContext, SinkSpec
from tests.unit.events.made_events import LOSS, RESET, TIME, tcp
from tests.unit.runtime.event_sources import Fed
from tests.unit.runtime.worlds import HOST, POD_A, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from exporter.model.event import EventSource, Named, Sink
    from exporter.model.probe import Cycle, Env
    from exporter.model.snapshot import Table

SOON = 5.0


class _Probe:
    """Tells the events of a source."""

    def __init__(self, source: EventSource) -> None:
        self._source = source

    def collect(self, _: Cycle) -> list[Table]:
        return []

    def event_source(self) -> EventSource:
        return self._source

    def close(self) -> None:
        """Nothing was opened."""


class _Lines:
    """A sink that keeps lines of text."""

    def __init__(self, context: SinkContext) -> None:
        self.context = context
        self.lines: list[str] = []
        self.closed = False

    def send(self, events: Sequence[Named]) -> None:
        self.lines += map(self.context.text, events)

    def close(self) -> None:
        self.closed = True


class _Opened:
    """Sinks that were opened."""

    def __init__(self) -> None:
        self.sinks: list[_Lines] = []
        self.spec = SinkSpec(name="lines", summary="A test.", open=self._open)

    def _open(self, _args: Mapping[str, Any], context: SinkContext) -> Sink:
        self.sinks.append(_Lines(context))
        return self.sinks[-1]


def _refusing(error: Exception) -> SinkSpec:
    def refuse(_args: Mapping[str, Any], _context: SinkContext) -> Sink:
        raise error

    return SinkSpec(name="refusing", summary="A test.", open=refuse)


def _spec(name: str, *types: Any) -> ProbeSpec:  # noqa: ANN401 - declarations of events
    return ProbeSpec(name=name, summary="A test.", metrics=(), events=types, open=stateless(lambda _: []))


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return world(tmp_path)


@pytest.fixture
def make(env: Env) -> Iterator[Callable[..., Events]]:
    """Events of a source and of a probe that could not be opened."""
    made: list[Events] = []

    def events(source: Fed, *sinks: SinkSpec, implied: Sequence[SinkSpec] = ()) -> Events:
        config = EventConfig(
            naming=EventNaming.ACK,
            options={"packetloss": {}, "tcpreset": {}},
            sinks=tuple((spec, {"number": number}) for number, spec in enumerate(sinks)),
            implied_sinks=tuple((spec, {}) for spec in implied),
        )
        owners = Owners(env.node)
        owners.now_are((HOST, POD_A))
        refused = UnsupportedError("this kernel has no BTF")
        probes = [
            RunningProbe(_spec("packetloss", LOSS), _Probe(source)),
            RunningProbe(_spec("tcpreset", RESET), refused),
        ]
        made.append(Events(config, env, probes, owners, standalone.discover))
        return made[-1]

    yield events
    for each in made:
        each.close()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def _loss() -> Event:
    return Event(LOSS, TIME, POD_A.netns, tcp("10.0.0.7", 443, "198.51.100.3", 4000))


LINE = (
    "type=PACKETLOSS pod=ns101 namespace=standalone "
    "protocol=TCP saddr=10.0.0.7 sport=443 daddr=198.51.100.3 dport=4000  src_type:external dst_type:external"
)


def test_an_event_reaches_every_sink_and_the_page(make: Callable[..., Events]) -> None:
    source, opened = Fed(), _Opened()
    events = make(source, opened.spec, opened.spec)
    events.start()
    source.feed([_loss(), _loss()])
    _until(lambda: [len(sink.lines) for sink in opened.sinks] == [2, 2])
    _until(lambda: len(events.recent.latest(9, lambda _: True)) == 2)
    assert opened.sinks[0].lines == [LINE, LINE]
    found = events.samples()
    assert found[health.EVENTS] == {("PacketLoss",): 2, ("TCPRESET_NOSOCK",): 0}
    assert found[health.EVENT_SOURCE_ACTIVE] == {("packetloss",): True, ("tcpreset",): False}
    assert set(found[health.EVENTS_SENT]) == {("page",), ("lines",), ("lines_2",)}


def test_a_probe_that_could_not_be_opened_is_told_of_with_its_reason(
    make: Callable[..., Events], caplog: pytest.LogCaptureFixture
) -> None:
    make(Fed()).start()
    assert "no events of probe tcpreset: this kernel has no BTF" in caplog.messages


def test_closing_delivers_what_was_taken_and_closes_the_sinks(make: Callable[..., Events]) -> None:
    source, opened = Fed(), _Opened()
    events = make(source, opened.spec)
    events.start()
    source.feed([_loss()] * 7)
    _until(lambda: source.takes == [7])
    events.close()
    assert (len(opened.sinks[0].lines), opened.sinks[0].closed) == (7, True)
    assert opened.sinks[0].context.ending.is_set()
    events.close()
    assert events.samples() == {}


def test_what_a_sink_counts_as_lost_is_in_the_books(make: Callable[..., Events]) -> None:
    opened = _Opened()
    events = make(Fed(), opened.spec)
    events.start()
    opened.sinks[0].context.lost("slow_client", 3)
    assert events.samples()[health.EVENTS_LOST]["lines", "slow_client"] == 3


@pytest.mark.parametrize("kind", [StartError, UsageError])
def test_a_sink_that_cannot_be_opened_stops_the_start_and_leaves_nothing_open(
    kind: type[Exception], make: Callable[..., Events]
) -> None:
    opened = _Opened()
    events = make(Fed(), opened.spec, _refusing(kind("no such place; name another")))
    with pytest.raises(kind, match=r"^event\.sinks: refusing: no such place; name another$"):
        events.start()
    assert opened.sinks[0].closed
    assert events.samples() == {}


def test_a_sink_that_nobody_asked_for_costs_only_itself(
    make: Callable[..., Events], caplog: pytest.LogCaptureFixture
) -> None:
    source, opened = Fed(), _Opened()
    events = make(source, opened.spec, implied=[_refusing(StartError("port in use"))])
    events.start()
    source.feed([_loss()])
    _until(lambda: opened.sinks[0].lines == [LINE])
    assert "sink refusing: port in use; `event.port: 0` if it is not wanted" in caplog.messages
