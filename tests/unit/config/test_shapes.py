"""Three shapes of file, none of which says which it is, give the same configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import config, registry
from exporter.cli.config_file import written
from exporter.settings.faults import Faults, FaultsError
from exporter.settings.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KNOWN = registry.load()
TELLING = [spec.name for spec in KNOWN.probes if spec.events]


class Wanted(NamedTuple):
    """What can be said in all three shapes.

    Args:
        debug: whether in debug mode.
        port: of the endpoint.
        probes: name or alias, and arguments.
        events: likewise, of probes that tell some.
        loki: address; None for no Loki.
    """

    debug: bool
    port: int
    probes: list[tuple[str, dict[str, Any]]]
    events: list[tuple[str, dict[str, Any]]]
    loki: str | None


def _args(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments as each spelling has them."""
    values = {
        "flow": {"interfaceName": st.sampled_from(["eth0", "eth*"]), "enablePortInLabel": st.booleans()},
        "softirq": {"softirq-types": st.lists(st.sampled_from(["net_rx", "net_tx"]), min_size=1, unique=True)},
        "packetloss": {"entries": st.integers(1, 10_000_000)},
    }
    return st.fixed_dictionaries({}, optional=values.get(name, {}))


@st.composite
def _named(draw: st.DrawFn, names: list[str]) -> list[tuple[str, dict[str, Any]]]:
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    called = [draw(st.sampled_from([name, *KNOWN.probe(name).aliases])) for name in chosen]
    return [(alias, draw(_args(name))) for name, alias in zip(chosen, called, strict=True)]


@st.composite
def _events(draw: st.DrawFn) -> list[tuple[str, dict[str, Any]]]:
    chosen = draw(st.lists(st.sampled_from(TELLING), unique=True))
    return [(name, {"enableStack": draw(st.booleans())} if name == "packetloss" else {}) for name in chosen]


WANTED = st.builds(
    Wanted,
    st.booleans(),
    st.integers(0, 65_535),
    _named([spec.name for spec in KNOWN.probes]),
    _events(),
    st.none() | st.sampled_from(["", "loki:3100", "10.0.0.1"]),
)


def _entries(named: list[tuple[str, dict[str, Any]]], *, plain: bool) -> list[Any]:
    return [
        name if plain and not args else {"name": name, "args": args} if args else {"name": name} for name, args in named
    ]


def _ours(wanted: Wanted) -> dict[str, Any]:
    sinks = [] if wanted.loki is None else [{"name": "loki", "args": {"addr": wanted.loki}}]
    return {
        "listen": f"0.0.0.0:{wanted.port}",
        "debugmode": wanted.debug,
        "metrics": {"probes": _entries(wanted.probes, plain=True)},
        "event": {"probes": _entries(wanted.events, plain=True), "sinks": sinks},
    }


def _kubeskoop(wanted: Wanted) -> dict[str, Any]:
    sinks = [] if wanted.loki is None else [{"name": "loki", "args": {"addr": wanted.loki}}]
    return {
        "debugMode": wanted.debug,
        "port": wanted.port,
        "enableController": True,
        "controllerAddr": "dns:kubeskoop-controller:10263",
        "metrics": {"probes": _entries(wanted.probes, plain=False)},
        "event": {"probes": _entries(wanted.events, plain=False), "sinks": sinks},
    }


def _inspector(wanted: Wanted) -> dict[str, Any]:
    event: dict[str, Any] = {"probes": _entries(wanted.events, plain=True), "loki_enable": wanted.loki is not None}
    if wanted.loki is not None:
        event["loki_address"] = wanted.loki
    return {
        "debugmode": wanted.debug,
        "metric_config": {"port": wanted.port, "interval": 5, "probes": _entries(wanted.probes, plain=True)},
        "event_config": event,
    }


SHAPES: tuple[Callable[[Wanted], dict[str, Any]], ...] = (_ours, _kubeskoop, _inspector)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shapes") / "config.yaml"


def _meant(file: Path, content: str) -> config.Config:
    file.write_text(content)
    found = config.load(KNOWN, str(file))
    return replace(found, notes=())


@settings(max_examples=60, deadline=None)
@given(wanted=WANTED)
def test_all_shapes_give_the_same_configuration(wanted: Wanted, file: Path) -> None:
    found = [_meant(file, yaml.safe_dump(shape(wanted))) for shape in SHAPES]
    assert found[1:] == found[:1] * 2
    assert found[0].port == wanted.port
    assert {spec.name for spec in found[0].probes} == {KNOWN.probe(name).name for name, _ in wanted.probes}


@settings(max_examples=60, deadline=None)
@given(wanted=WANTED, shape=st.sampled_from(SHAPES))
def test_what_is_migrated_has_no_faults_and_means_the_same(
    wanted: Wanted, shape: Callable[[Wanted], dict[str, Any]], file: Path
) -> None:
    meant = _meant(file, yaml.safe_dump(shape(wanted)))
    faults = Faults()
    resolved = resolve(str(file), {}, (), faults)
    text = written(resolved, config.interpret(KNOWN, resolved, faults))
    faults.check()
    assert _meant(file, text) == meant
    assert config.load(KNOWN, str(file)).notes == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"address": "tcp://127.0.0.1:9"}, ("127.0.0.1", 9)),
        ({"address": "10.0.0.1:9"}, ("10.0.0.1", 9)),
        ({"port": 9102, "address": "0.0.0.0:9102"}, ("0.0.0.0", 9102)),
        ({"port": 9, "address": ":8"}, "address says otherwise than port in line 1"),
        ({"address": "unix:///run/x"}, "address cannot be a unix socket, as Prometheus scrapes none"),
        ({"port": 70_000}, "port must be from 0 to 65535, is 70000"),
        ({"port": "9102"}, "port must be a whole number, is '9102'"),
        ({"port": True}, "port must be a whole number, is True"),
        ({"metric_config": {"interval": 1}, "metrics": {"interval": 2}}, "metrics.interval says otherwise than"),
        ({"event_config": {"loki_enable": True}, "event": {"sinks": ["stderr"]}}, "name all of them there"),
        ({"event_config": {"loki_enable": "true"}}, "event_config.loki_enable must be true or false, is 'true'"),
        ({"metric_config": {"verbos": True}}, "unknown key 'metric_config.verbos'"),
    ],
)
def test_keys_of_other_programs_are_checked_like_ours(content: dict[str, Any], said: object, file: Path) -> None:
    if isinstance(said, str):
        with pytest.raises(FaultsError) as raised:
            _meant(file, json.dumps(content))
        assert said in str(raised.value)
    else:
        found = _meant(file, json.dumps(content))
        assert (found.host, found.port) == said


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        ({"enableController": False, "controllerAddr": ""}, ()),
        (
            {"enableController": True},
            ("1:22: enableController has no equivalent: there is no controller to connect to",),
        ),
        (
            {"event_config": {"loki_address": "loki"}},
            ("1:35: event_config.loki_address has no effect, as event_config.loki_enable is not true",),
        ),
    ],
)
def test_what_has_no_effect_is_told(content: dict[str, Any], notes: tuple[str, ...], file: Path) -> None:
    file.write_text(json.dumps(content))
    assert config.load(KNOWN, str(file)).notes == tuple(f"{file}:{note}" for note in notes)


def test_events_of_the_older_program_may_go_to_the_log(file: Path) -> None:
    content = {"event_config": {"infotolog": True, "loki_enable": True, "loki_address": "loki:1"}}
    found = _meant(file, json.dumps(content)).events.sinks
    assert [(spec.name, args.get("addr")) for spec, args in found] == [("stderr", None), ("loki", "loki:1")]
