from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from exporter import registry
from exporter.errors import DeclarationError, UsageError
from exporter.model.event import EventType, Field
from exporter.model.metric import Kind, Label, Metric, Naming, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.registry import Registry, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

_metric = partial(
    Metric, probe="fake", kind=Kind.COUNTER, unit=Unit.PACKETS, help="A test.", source="nowhere", scope=Scope.NETNS
)


def _registry(*metrics: Metric, name: str = "fake", own: tuple[Metric, ...] = ()) -> Registry:
    spec = ProbeSpec(name=name, summary="A test.", metrics=metrics, open=stateless(lambda _: []))
    return Registry((spec,), own)


def test_every_module_of_probes_is_there_under_its_name_and_sorted() -> None:
    names = [spec.name for spec in registry.load().probes]
    assert names == sorted(names)
    assert {"softnet", "udp", "tcp"} < set(names)


def test_it_is_loaded_once() -> None:
    assert registry.load() is registry.load()


def test_a_metric_is_found_by_any_of_its_names() -> None:
    known = registry.load()
    for metric in known.metrics():
        for name in (*(metric.name_in(naming) for naming in Naming), *metric.aliases):
            assert known.metric(name) is metric


def test_no_name_is_exposed_twice_in_any_format() -> None:
    for naming in Naming:
        exposed = [metric.name_in(naming).removesuffix("_total") for metric in registry.load().metrics()]
        assert len(exposed) == len(set(exposed))


def test_the_probe_of_a_metric_is_known_and_self_metrics_have_none() -> None:
    known = registry.load()
    spec = known.probes[0]
    assert (known.spec_of(spec.metrics[0]), known.spec_of(known.own[0])) == (spec, None)


@pytest.mark.parametrize(
    ("look_up", "said"),
    [
        (lambda known: known.probe("tpc"), "unknown probe 'tpc'; did you mean 'tcp'?"),
        (lambda known: known.probe(""), "unknown probe ''"),
        (
            lambda known: known.metric("kubeskoop_udp_noport"),
            "unknown metric 'kubeskoop_udp_noport'; did you mean 'kubeskoop_udp_noports'?",
        ),
        (lambda known: known.metric("zzz"), "unknown metric 'zzz'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(look_up: Callable[[Registry], Any], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        look_up(registry.load())
    assert str(raised.value) == said


@pytest.mark.parametrize(
    ("word", "hint"),
    [("intervall", "; did you mean 'metrics.interval'?"), ("interval", "; did you mean 'metrics.interval'?")]
    + [(word, "") for word in ("", "i", "in", "zzz", "m" * 10_000)],
)
def test_a_hint_is_given_only_where_something_is_near(word: str, hint: str) -> None:
    assert nearest(word, ["metrics.interval", "listen"]) == hint


REFUSED: dict[str, tuple[Registry, str]] = {
    "another probe's metric": (_registry(_metric(name="a"), name="other"), "other: metric a names probe 'fake'"),
    "one name twice": (_registry(_metric(name="a"), _metric(name="a")), "name kubeskoop_fake_a is declared twice"),
    "a name that is an alias": (
        _registry(_metric(name="a", aliases=("kubeskoop_fake_b",)), _metric(name="b")),
        "name kubeskoop_fake_b is declared twice",
    ),
    "one inspector name twice": (
        _registry(_metric(name="a", inspector="x"), _metric(name="b", inspector="x")),
        "name x is declared twice",
    ),
    "a self-metric's name": (
        _registry(_metric(name="a", kubeskoop="up"), own=(_metric(probe="exporter", name="up", kubeskoop="up"),)),
        "name up is declared twice",
    ),
    "one family in OpenMetrics": (
        _registry(_metric(name="a"), _metric(name="a_total")),
        "fake: in OpenMetrics kubeskoop_fake_a_total is family kubeskoop_fake_a, which exists too",
    ),
    "no metric name": (_registry(_metric(name="a-b")), "fake: metric a-b: 'kubeskoop_fake_a-b' is not a metric name"),
    "no inspector name": (_registry(_metric(name="a", inspector="1x")), "fake: metric a: '1x' is not a metric name"),
    "help without period": (_registry(_metric(name="a", help="Test")), "fake: metric a: help must be one sentence"),
    "help in small letters": (_registry(_metric(name="a", help="test.")), "fake: metric a: help must be one sentence"),
    "help of two lines": (_registry(_metric(name="a", help="A\nb.")), "fake: metric a: help must be one sentence"),
    "no help": (_registry(_metric(name="a", help="")), "fake: metric a: help must be one sentence"),
    "no source": (_registry(_metric(name="a", source="")), "fake: metric a: says no source"),
    "a total gauge": (
        _registry(_metric(name="a_total", kind=Kind.GAUGE)),
        "fake: metric a_total: a name ending in _total must be a counter",
    ),
    "a reserved label": (
        _registry(_metric(name="a", labels=(Label(name="k8s_pod", help="Pod.", budget=1),))),
        "fake: metric a: label 'k8s_pod' is reserved or not a label name",
    ),
    "a label reserved in the other dialect": (
        _registry(_metric(name="a", labels=(Label(name="netns", help="Namespace.", budget=1),))),
        "fake: metric a: label 'netns' is reserved or not a label name",
    ),
    "no label name": (
        _registry(_metric(name="a", labels=(Label(name="a-b", help="Odd.", budget=1),))),
        "fake: metric a: label 'a-b' is reserved or not a label name",
    ),
    "an unbounded label": (
        _registry(_metric(name="a", labels=(Label(name="path", help="Path."),))),
        "fake: metric a: open label 'path' needs a budget",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "said"), REFUSED.values(), ids=REFUSED)
def test_declarations_that_contradict_each_other_are_refused(wrong: Registry, said: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        registry.validate(wrong)
    assert str(raised.value).startswith(said)


def test_declarations_that_agree_are_accepted() -> None:
    state = Label(name="state", help="State.", values=("up", "down"))
    path = Label(name="path", help="Path.")
    registry.validate(
        _registry(
            _metric(name="a", labels=(state,)),
            _metric(name="b", labels=(path,), scope=Scope.NODE),
            _metric(name="c_total"),
            _metric(name="d", aliases=("inspector_pod_faked",)),
        )
    )
    registry.validate(replace(registry.load(), probes=()))


def _telling(*types: EventType) -> Registry:
    spec = ProbeSpec(name="fake", summary="A test.", metrics=(), events=types, open=stateless(lambda _: []))
    return Registry((spec,), ())


_event = partial(EventType, probe="fake", name="SEEN", help="A test.")


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ((_event(probe="other"),), "fake: event SEEN names probe 'other'"),
        ((_event(), _event()), "fake: event SEEN is declared twice"),
        ((_event(help="a test."),), "fake: event SEEN: help must be one sentence that ends with a period"),
        (
            (_event(fields=(Field(name="cpu", help="Which"),)),),
            "fake: event SEEN: help must be one sentence that ends with a period",
        ),
        (
            (_event(fields=(Field(name="msg", help="Which."),)),),
            "fake: event SEEN: field 'msg' is reserved, there twice, or no name",
        ),
        (
            (_event(fields=(Field(name="a b", help="Which."),)),),
            "fake: event SEEN: field 'a b' is reserved, there twice, or no name",
        ),
        (
            (_event(fields=(Field(name="cpu", help="Which."),) * 2),),
            "fake: event SEEN: field 'cpu' is reserved, there twice, or no name",
        ),
    ],
)
def test_a_wrong_declaration_of_an_event_is_named(types: tuple[EventType, ...], said: str) -> None:
    with pytest.raises(DeclarationError) as raised:
        registry.validate(_telling(*types))
    assert str(raised.value) == said


def test_one_family_may_tell_apart_what_the_other_does_not() -> None:
    registry.validate(_telling(_event(ack="A"), _event(ack="B")))


def test_every_sink_is_found_under_the_name_of_its_module() -> None:
    known = registry.load()
    assert [spec.name for spec in known.sinks] == ["file", "grpc", "loki", "stderr"]
    with pytest.raises(
        UsageError, match=r"^unknown sink 'lokki'; did you mean 'loki'\?; there are file, grpc, loki, stderr$"
    ):
        known.sink("lokki")


def test_the_fingerprint_follows_what_queries_depend_on() -> None:
    first = registry.load()
    spec = first.probes[0]

    def printed(**changed: object) -> str:
        metrics = (replace(spec.metrics[0], **changed), *spec.metrics[1:])
        return Registry((replace(spec, metrics=metrics), *first.probes[1:]), first.own).fingerprint()

    assert re.fullmatch("[0-9a-f]{12}", first.fingerprint())
    assert printed() == printed(help="Other words.") == first.fingerprint()
    assert len({first.fingerprint(), printed(name="other"), printed(scope=Scope.POD), printed(unit=Unit.WORDS)}) == 4
