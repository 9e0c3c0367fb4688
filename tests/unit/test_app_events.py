"""The two halves of a probe, metrics and events, are switched on and off without touching each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from exporter import app, config
from exporter.exposition.text import Format
from exporter.model.event import EventType
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import Env, Option, ProbeSpec
from exporter.model.snapshot import Status, Table
from exporter.registry import Registry
from tests.unit.runtime.event_sources import Fed
from tests.unit.runtime.worlds import world

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.model.event import EventSource
    from exporter.model.probe import Cycle

VALUE = Metric(
    probe="both", name="value", kind=Kind.GAUGE, unit=Unit.OBJECTS, help="A test.", scope=Scope.NODE, source="the test"
)


class _Both:
    """Counts how often it was asked for metrics."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.cycles = 0
        self.asked_for_source = 0

    def collect(self, cycle: Cycle) -> list[Table]:
        self.cycles += 1
        table = Table((VALUE,))
        table.add(cycle.host, (7,))
        return [table]

    def event_source(self) -> EventSource:
        self.asked_for_source += 1
        return Fed()

    def close(self) -> None:
        """Nothing was opened."""


@pytest.mark.parametrize(
    ("metrics", "events", "exposed", "status", "options", "event_options"),
    [
        (True, False, True, Status.OK, {"depth": 3}, None),
        (False, True, False, Status.OK, {"depth": 5}, {"stack": True}),
        (True, True, True, Status.OK, {"depth": 3}, {"stack": True}),
        (False, False, False, Status.DISABLED, None, None),
    ],
)
def test_one_half_never_touches_the_other(  # noqa: PLR0913 - the cases
    *,
    metrics: bool,
    events: bool,
    exposed: bool,
    status: Status,
    options: dict[str, int] | None,
    event_options: dict[str, bool] | None,
    tmp_path: Path,
) -> None:
    opened: list[_Both] = []

    def open_probe(env: Env) -> _Both:
        opened.append(_Both(env))
        return opened[-1]

    def spec(name: str) -> ProbeSpec:
        return ProbeSpec(
            name=name,
            summary="A test.",
            metrics=(VALUE,) if name == "both" else (),
            events=(EventType(probe=name, name=f"SEEN_{name}", help="A test."),),
            open=open_probe,
            options=(Option(name="depth", help="How deep.", default=5),),
            event_options=(Option(name="stack", help="Whether.", default=False),),
        )

    env = world(tmp_path)
    known = Registry((spec("both"), spec("other")), ())
    content = {
        "metrics": {"probes": ["other", *([{"name": "both", "args": {"depth": 3}}] if metrics else [])]},
        "event": {"probes": [{"name": "both", "args": {"stack": True}}] if events else []},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    settings = config.load(known, str(tmp_path / "config.yaml"))
    parts = app.assemble(settings, known, str(env.proc), str(env.sys), events=True)
    snapshot = parts.schedule.cycle()
    body = parts.answers.get(snapshot, Format.TEXT, compressed=False).decode()
    parts.close()
    assert ("kubeskoop_both_value{" in body) == exposed
    assert {each.probe: each.status for each in snapshot.outcomes}["both"] is status
    mine = opened[0] if metrics or events else None
    assert len(opened) == 1 + (mine is not None)
    if mine is not None:
        assert (mine.env.options["both"], mine.env.events.get("both")) == (options, event_options)
        assert (mine.cycles, mine.asked_for_source) == (1, int(events))


def test_a_single_cycle_has_no_events(tmp_path: Path) -> None:
    opened: list[Env] = []

    def open_probe(env: Env) -> _Both:
        opened.append(env)
        return _Both(env)

    seen = EventType(probe="both", name="SEEN", help="A test.")
    known = Registry(
        (ProbeSpec(name="both", summary="A test.", metrics=(VALUE,), events=(seen,), open=open_probe),), ()
    )
    env = world(tmp_path)
    (tmp_path / "config.yaml").write_text("event: {probes: [both]}")
    parts = app.assemble(config.load(known, str(tmp_path / "config.yaml")), known, str(env.proc), str(env.sys))
    parts.close()
    assert (parts.agent.events, [each.events for each in opened]) == (None, [{}])
