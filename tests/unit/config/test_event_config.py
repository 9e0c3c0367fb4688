from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from exporter import config
from exporter.errors import UsageError
from tests.unit.config.declared import FILE, REGISTRY, STREAM, TELLING

if TYPE_CHECKING:
    from pathlib import Path


def _load(path: Path, **event: Any) -> config.Config:  # noqa: ANN401 - as in the file
    file = path / "config.yaml"
    file.write_text(yaml.safe_dump({"event": event}))
    return config.load(REGISTRY, str(file))


def test_a_probe_on_for_events_is_not_thereby_on_for_metrics(tmp_path: Path) -> None:
    found = _load(tmp_path, probes=["telling"])
    assert found.events.probes == (TELLING,)
    assert found.events.options == {"telling": {"stack": False}}
    assert found.probes == config.load(REGISTRY, None).probes
    assert TELLING not in found.probes


def test_a_check_is_of_both_halves(tmp_path: Path) -> None:
    found = config.with_event_probes(_load(tmp_path, probes=["telling"]))
    assert [spec.name for spec in found.probes] == ["softnet", "tcp", "telling"]
    assert found.options == {"softnet": {}, "tcp": {"extra": ()}, "telling": {}}


def test_a_sink_may_be_there_twice_with_different_arguments(tmp_path: Path) -> None:
    sinks = [{"name": "file", "args": {"path": "/a"}}, {"name": "file", "args": {"path": "/b"}}]
    assert _load(tmp_path, sinks=sinks).events.sinks == ((FILE, {"path": "/a"}), (FILE, {"path": "/b"}))


@pytest.mark.parametrize(
    ("port", "sinks", "named", "implied"),
    [
        (19200, [], (), ((STREAM, {"port": 19200}),)),
        (0, [], (), ()),
        (19200, ["stream"], ((STREAM, {"port": 19200}),), ()),
        (0, ["stream"], ((STREAM, {"port": 1}),), ()),
        (19200, [{"name": "stream", "args": {"port": 7}}], ((STREAM, {"port": 7}),), ()),
    ],
)
def test_the_stream_runs_on_the_port_unless_its_own_arguments_say_another(
    port: int, sinks: list[Any], named: object, implied: object, tmp_path: Path
) -> None:
    found = _load(tmp_path, port=port, sinks=sinks).events
    assert (found.sinks, found.implied_sinks) == (named, implied)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"probes": ["teling"]}, "3:5: event.probes: unknown probe 'teling'; did you mean 'telling'?"),
        ({"probes": ["tcp"]}, "3:5: event.probes: tcp tells no events; those that do: telling"),
        ({"probes": ["telling", "telling"]}, "4:5: event.probes: 'telling' is there twice"),
        ({"probes": [7]}, "3:5: event.probes: an entry is a name, or `name` with `args`, not 7"),
        (
            {"probes": [{"name": "telling", "args": {"stak": True}}]},
            "4:7: event.probes: telling has no option 'stak'; did you mean 'stack'?",
        ),
        (
            {"probes": [{"name": "telling", "args": {"stack": 1}}]},
            "4:14: event.probes: option 'stack' of telling cannot be 1",
        ),
        ({"sinks": ["filx"]}, "3:5: event.sinks: unknown sink 'filx'; did you mean 'file'?"),
        ({"sinks": ["file", "file"]}, "4:5: event.sinks: 'file' is there twice with the same arguments"),
        (
            {"sinks": [{"name": "file", "args": {"patx": "/x"}}]},
            "4:7: event.sinks: file has no option 'patx'; did you mean 'path'?",
        ),
        ({"sinks": [{"name": "file", "args": []}]}, "3:11: event.sinks: args of 'file' must be a mapping"),
        ({"naming": "akc"}, "2:11: event.naming must be one of kubeskoop, ack; did you mean 'ack'?"),
        ({"port": 65536}, "2:9: event.port must be from 0 to 65535, is 65536"),
        ({"queue": 0}, "2:10: event.queue must be from 1 to 1000000, is 0"),
        ({"prot": 1}, "2:3: unknown key 'event.prot'; did you mean 'event.port'?"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(event: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        _load(tmp_path, **event)
    assert str(raised.value) == f"{tmp_path}/config.yaml:{said}"
