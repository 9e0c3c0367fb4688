"""An event as a line of text, as the documents of ACK Net Exporter show it.

`type=TCPRESET_NOSOCK pod=web-0 namespace=shop protocol=TCP saddr=192.0.2.7 sport=443 daddr=192.0.2.9 dport=33488`, then
two spaces and further facts as `name:value`, the stack last.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.model.event import Connection, EventNaming, Named

HOST: Final = "hostNetwork"  # what stands for the node itself, as pod and as namespace


def line(named: Named, naming: EventNaming) -> str:
    """The whole event, without a line feed."""
    parts = [f"type={named.event.type.name_in(naming)}"]
    if named.pod is not None:
        host = named.pod.is_host
        parts.append(f"pod={HOST if host else named.pod.name} namespace={HOST if host else named.pod.namespace}")
    parts.append(body(named))
    return " ".join(filter(None, parts))


def body(named: Named) -> str:
    """What happened, without to whom: connection, further facts, stack."""
    connection = named.event.connection
    known = "" if connection is None else _connection(connection)
    return "  ".join(filter(None, (known, " ".join(_facts(named)))))


def _connection(connection: Connection) -> str:
    protocol, source, source_port, destination, destination_port = connection
    return f"protocol={protocol} saddr={source} sport={source_port} daddr={destination} dport={destination_port}"


def _facts(named: Named) -> Iterator[str]:
    event = named.event
    for each, value in zip(event.type.fields, event.values, strict=True):
        if value != "":
            yield f"{each.name}:{quoted(str(value))}"
    if named.container:
        yield f"container:{named.container}"
    yield from _end("src", named.source, named.node)
    yield from _end("dst", named.destination, named.node)
    if named.stack:
        yield f"stacktrace:{' '.join(named.stack)}"


def _end(side: str, owner: Mapping[str, str], here: str) -> Iterator[str]:
    """The owner of one end; this node is not repeated with each of its pods."""
    for key, value in owner.items():
        if value and not (key == "node" and value == here):
            yield f"{side}_{key}:{quoted(value)}"


def quoted(value: str) -> str:
    """A value as it is, or as a JSON string where it could be taken for more than one, such as a process's name."""
    plain = value.isprintable() and not {" ", '"'} & set(value)
    return value if plain else json.dumps(value, ensure_ascii=not value.isprintable())
