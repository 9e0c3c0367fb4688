"""A small registry for tests of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.model.event import EventType
from exporter.model.probe import Option, ProbeSpec, stateless
from exporter.registry import Registry
from exporter.sinks.context import SinkSpec

if TYPE_CHECKING:
    from exporter.model.event import Sink


def _spec(name: str, *options: Option, default: bool = True) -> ProbeSpec:
    return ProbeSpec(
        name=name, summary="A test.", metrics=(), open=stateless(lambda _: []), options=options, default=default
    )


TELLING = ProbeSpec(
    name="telling",
    summary="A test.",
    metrics=(),
    events=(EventType(probe="telling", name="SEEN", help="A test."),),
    open=stateless(lambda _: []),
    event_options=(Option(name="stack", help="Whether.", default=False),),
    default=False,
)


def _sink(_args: object, _context: object) -> Sink:
    raise NotImplementedError


FILE = SinkSpec(
    name="file", summary="A test.", open=_sink, options=(Option(name="path", help="Where to.", default=""),)
)
STREAM = SinkSpec(
    name="stream",
    summary="A test.",
    open=_sink,
    options=(Option(name="port", help="Where.", default=1, least=0, most=65535),),
    default=True,
)
REGISTRY = Registry(
    (
        _spec("softnet"),
        _spec("tcp", Option(name="extra", help="More.", default=(), choices=("all", "Syncookies"))),
        _spec(
            "tuned",
            Option(name="depth", help="How deep.", default=5),
            Option(name="share", help="How much.", default=0.5, least=0, most=1),
            Option(name="exact", help="Whether.", default=False),
            Option(name="mode", help="Which.", default="fast", choices=("fast", "slow")),
            default=False,
        ),
        TELLING,
    ),
    (),
    (FILE, STREAM),
)
