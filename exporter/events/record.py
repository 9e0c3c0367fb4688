"""An event as a JSON record: `timestamp`, `type`, `labels` and `msg`, then the type's own facts under their names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from exporter.events import text
from exporter.model.event import EventNaming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.model.event import Named

# Keys that every record may have; no type may have a field of such a name.
RESERVED: Final = frozenset({"timestamp", "type", "labels", "msg", "netns", "stack", "container"})


def record(named: Named, naming: EventNaming) -> dict[str, Any]:
    """The record, of plain values.

    `labels` is a list of `name` and `value`, all texts: pod, namespace and node, of a connection also both ends with
    their owners. Pod and namespace are empty for the node itself (`hostNetwork` in the ACK family) and absent where the
    owner is not known. What is not known of the type's own facts is absent too.
    """
    event = named.event
    made: dict[str, Any] = {
        "timestamp": event.time,
        "type": event.type.name_in(naming),
        "labels": [{"name": name, "value": value} for name, value in labels(named, naming)],
        "msg": text.body(named),
    }
    if event.netns:
        made["netns"] = event.netns
    made |= {each.name: value for each, value in zip(event.type.fields, event.values, strict=True) if value != ""}
    if named.container:
        made["container"] = named.container
    if named.stack:
        made["stack"] = list(named.stack)
    return made


def line(named: Named, naming: EventNaming) -> str:
    """The record on one line, in ASCII, without a line feed."""
    return json.dumps(record(named, naming), separators=(",", ":"))


def labels(named: Named, naming: EventNaming) -> Iterator[tuple[str, str]]:
    """Who is in it."""
    if named.pod is not None:
        host = text.HOST if named.pod.is_host and naming is EventNaming.ACK else ""
        yield "pod", named.pod.name or host
        yield "namespace", named.pod.namespace or host
    yield "node", named.node
    connection = named.event.connection
    if connection is not None:
        yield "protocol", connection.protocol
        yield from _end("src", str(connection.source), named.source)
        yield from _end("dst", str(connection.destination), named.destination)
        yield "sport", str(connection.source_port)
        yield "dport", str(connection.destination_port)


def _end(side: str, address: str, owner: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield side, address
    for key in ("type", "node", "namespace", "pod"):
        yield f"{side}_{key}", owner.get(key, "")
