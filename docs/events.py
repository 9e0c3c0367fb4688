"""The reference of events: every type with its names and facts, and every sink with its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.markdown import bullets, code, page, table
from docs.probes import options
from exporter.model.event import EventNaming

if TYPE_CHECKING:
    from exporter.model.event import EventType
    from exporter.model.probe import ProbeSpec
    from exporter.registry import Registry
    from exporter.sinks.context import SinkSpec

_TEXT = (
    "type=TCPRESET_NOSOCK pod=web-0 namespace=shop protocol=TCP saddr=192.0.2.7 sport=443 daddr=192.0.2.9 dport=33488  "
    "state:TCP_OTHER"
)
_ABOUT_RECORDS = (
    "As JSON an event is `timestamp` (nanoseconds since 1970), `type`, `labels` (a list of `name` and `value`: pod, "
    "namespace and node, of a connection also both ends with their owners), `msg` (what the text says after the "
    "namespace), `netns` (the namespace's inode), `container` (id of the one that the event's process is in, while "
    "that runs), `stack` where asked for, and the type's facts under their names."
)


def pages(registry: Registry) -> dict[str, str]:
    """Pages by path."""
    rows = [
        (
            f"[`{each.name}`](#{each.probe})",
            f"`{each.name_in(EventNaming.ACK)}`",
            f"[{each.probe}](probes.md#{each.probe})",
            each.help,
        )
        for each in registry.events()
    ]
    return {
        "events.md": page(
            "Events",
            "What happened, to whom, with evidence. Events are taken of the probes named under `event.probes`, whether "
            "or not their metrics are collected, and go to the page `/events`, to `inspector watch`, and to the "
            "[sinks](#sinks) under `event.sinks`. The probe's counters count every one of them, also those that a "
            "limit or a full buffer kept from being told.",
            "`event.naming` chooses the family of type names. Filters accept every name of both, in any case.",
            table(("kubeskoop", "ack", "probe", "meaning"), rows),
            "As text:",
            code(_TEXT, "text"),
            _ABOUT_RECORDS,
            *(_probe(spec) for spec in registry.probes if spec.events),
            "## Sinks",
            "Each has a queue of `event.queue` events and a thread; one that is slow or dead loses only its own, and "
            "`kubeskoop_exporter_events_lost_total` counts them.",
            *(_sink(spec) for spec in registry.sinks),
        )
    }


def _probe(spec: ProbeSpec) -> str:
    parts = [f"## {spec.name}", spec.summary, *(_type(each) for each in spec.events)]
    return "\n\n".join([*parts, f"Under `args` of {spec.name} in `event.probes`:", options(spec.event_options)])


def _type(event: EventType) -> str:
    facts = [
        *([f"in the ack family: `{event.ack}`"] if event.ack and event.ack != event.name else []),
        *([f"also known as: {', '.join(f'`{alias}`' for alias in event.aliases)}"] if event.aliases else []),
        *(f"`{each.name}`: {each.help}{_values(each.values)}" for each in event.fields),
    ]
    parts = [f"### {event.name}", event.help, bullets(facts)]
    if event.advice:
        parts.append(f"When it happens: {event.advice}")
    return "\n\n".join(filter(None, parts))


def _values(values: tuple[str, ...]) -> str:
    return f" One of {', '.join(f'`{value}`' for value in values)}." if values else ""


def _sink(spec: SinkSpec) -> str:
    more = " Runs without being named, as long as `event.port` is not 0." if spec.default else ""
    return "\n\n".join([f"### {spec.name}", f"{spec.summary}{more}", options(spec.options)])
