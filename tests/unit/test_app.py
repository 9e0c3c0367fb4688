"""The composition root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter import app, config
from exporter.errors import StartError, UnsupportedError
from exporter.exposition.text import Format
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Status, Table
from exporter.registry import Registry
from tests.unit.runtime.worlds import HOST_INODE, read_number, world

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.model.probe import Cycle, Env, Probe

VALUE = Metric(
    probe="good",
    name="value",
    kind=Kind.GAUGE,
    unit=Unit.OBJECTS,
    help="A test.",
    scope=Scope.NETNS,
    source="the test",
)


def _collect(cycle: Cycle) -> list[Table]:
    table = Table((VALUE,))
    for pod, number in cycle.over(read_number):
        table.add(pod, (number,))
    return [table]


def _refuse(_: Env) -> Probe:
    raise UnsupportedError("this kernel has no BTF")


def _spec(name: str, **more: Any) -> ProbeSpec:  # noqa: ANN401 - fields of a specification
    fields: dict[str, Any] = {"metrics": (), "open": stateless(lambda _: []), **more}
    return ProbeSpec(name=name, summary="A test.", **fields)


REGISTRY = Registry(
    (
        _spec("closed", open=_refuse),
        _spec("good", metrics=(VALUE,), open=stateless(_collect), readers=(read_number,)),
        _spec("spare", default=False),
    ),
    (),
)


def _config(path: Path, content: str) -> config.Config:
    path.write_text("node: node-a\n" + content)
    return config.load(REGISTRY, str(path))


def test_selected_probes_are_opened_and_the_rest_is_disabled(tmp_path: Path) -> None:
    env = world(tmp_path)
    parts = app.assemble(_config(tmp_path / "config.yaml", ""), REGISTRY, str(env.proc), str(env.sys))
    snapshot = parts.schedule.cycle()
    assert {each.probe: (each.status, each.reason) for each in snapshot.outcomes} == {
        "closed": (Status.UNSUPPORTED, "this kernel has no BTF"),
        "good": (Status.OK, ""),
        "spare": (Status.DISABLED, "not selected"),
    }
    body = parts.answers.get(snapshot, Format.TEXT, compressed=False).decode()
    assert body.splitlines()[:3] == [
        "# HELP kubeskoop_good_value A test.",
        "# TYPE kubeskoop_good_value gauge",
        f'kubeskoop_good_value{{k8s_namespace="",k8s_node="node-a",k8s_pod=""}} {HOST_INODE / 10**9}e+09',
    ]


def test_both_dialects_share_the_room_and_carry_the_time(tmp_path: Path) -> None:
    env = world(tmp_path)
    settings = _config(tmp_path / "config.yaml", "metrics: {naming: both, maxSeries: 4}\n")
    parts = app.assemble(settings, REGISTRY, str(env.proc), str(env.sys))
    snapshot = parts.schedule.cycle()
    stamp = str(int(snapshot.taken_at * 1000))
    body = parts.answers.get(snapshot, Format.TEXT, compressed=False).decode()
    samples = [line for line in body.splitlines() if "good_value{" in line or "goodvalue{" in line]
    assert [line.partition("{")[0] for line in samples] == ["kubeskoop_good_value"] * 2 + [
        "inspector_pod_goodvalue"
    ] * 2
    assert {line.split()[-1] for line in samples} == {stamp}
    assert parts.collector.costs.series_dropped["good"] == 1


def test_options_reach_the_probe(tmp_path: Path) -> None:
    seen = []

    def remember(env: Env) -> Probe:
        seen.append((env.node, env.options))
        return stateless(lambda _: [])(env)

    known = Registry((_spec("good", open=remember),), ())
    env = world(tmp_path)
    app.assemble(config.load(known, None), known, str(env.proc), str(env.sys))
    assert [options for _, options in seen] == [{"good": {}}]


def test_an_address_that_cannot_be_had_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)  # the test runner keeps its own
    env = world(tmp_path)
    settings = _config(tmp_path / "config.yaml", "listen: 192.0.2.1:0\n")
    with pytest.raises(StartError, match=r"^cannot listen on 192\.0\.2\.1:0: "):
        app.run(settings, REGISTRY, str(env.proc), str(env.sys))
