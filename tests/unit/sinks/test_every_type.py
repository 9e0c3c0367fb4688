"""Each type of event, in both families of names, through each sink: what arrives is what was sent."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from exporter import registry
from exporter.model.event import Event, EventNaming, Named
from exporter.sinks import lines
from exporter.sinks.context import SinkContext
from exporter.sinks.grpc.server import EventServer
from exporter.sinks.stderr import StderrSink
from tests.unit.events.made_events import NODE, POD, TIME, tcp
from tests.unit.sinks.grpc import peer
from tests.unit.sinks.loki.receiver import Receiver

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.model.event import Connection, EventType, Sink

TYPES = tuple(registry.load().events())
CONNECTIONS = (
    None,
    tcp("192.0.2.7", 443, "198.51.100.9", 33488),
    tcp("2001:db8::7", 443, "2001:db8:1::9", 33488),
)
SOURCE = {"type": "pod", "node": NODE, "namespace": POD.namespace, "pod": POD.name}
DESTINATION = {"type": "external", "node": "", "namespace": "", "pod": ""}
STACK = ("tcp_v4_rcv+0x1F", "ip_rcv+0xA3")


def _made(kind: EventType, connection: Connection | None) -> Named:
    """With each field known, and a text that could be taken for several."""
    values = tuple(each.values[0] if each.values else f'{each.name} of "x"' for each in kind.fields)
    event = Event(kind, TIME, POD.netns, connection, values, (1, 2), 77)
    ends = (SOURCE, DESTINATION) if connection else ({}, {})
    return Named(event, NODE, POD, *ends, STACK)


def _facts(kind: EventType) -> dict[str, str]:
    return {each.name: each.values[0] if each.values else f'{each.name} of "x"' for each in kind.fields}


def _text(kind: EventType, connection: Connection | None) -> str:
    """What happened, as the line of text ends."""
    ends = f"protocol=TCP saddr={connection[1]} sport=443 daddr={connection[3]} dport=33488" if connection else ""
    words = [f"{name}:{json.dumps(value) if ' ' in value else value}" for name, value in _facts(kind).items()]
    if connection:
        words += ["src_type:pod", f"src_namespace:{POD.namespace}", f"src_pod:{POD.name}", "dst_type:external"]
    return "  ".join(filter(None, (ends, " ".join([*words, f"stacktrace:{' '.join(STACK)}"]))))


def _record(kind: EventType, name: str, connection: Connection | None) -> dict[str, Any]:
    labels = {"pod": POD.name, "namespace": POD.namespace, "node": NODE}
    if connection:
        labels |= {"protocol": "TCP", "src": str(connection[1])}
        labels |= {f"src_{key}": value for key, value in SOURCE.items()}
        labels |= {"dst": str(connection[3])} | {f"dst_{key}": value for key, value in DESTINATION.items()}
        labels |= {"sport": "443", "dport": "33488"}
    return {
        "timestamp": TIME,
        "type": name,
        "labels": [{"name": key, "value": value} for key, value in labels.items()],
        "msg": _text(kind, connection),
        "netns": POD.netns,
        **_facts(kind),
        "stack": list(STACK),
    }


def _open(name: str, context: SinkContext, **args: Any) -> Sink:  # noqa: ANN401 - as in the configuration
    spec = registry.load().sink(name)
    return spec.open({option.name: option.default for option in spec.options} | args, context)


@pytest.mark.parametrize("naming", EventNaming)
@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: f"{kind.probe}-{kind.name}-{kind.ack}")
def test_each_type_arrives_whole_at_each_sink(kind: EventType, naming: EventNaming, tmp_path: Path) -> None:
    lost: list[tuple[str, int]] = []
    context = SinkContext(NODE, naming, lost=lambda *each: lost.append(each), types=TYPES)
    events = [_made(kind, each) for each in CONNECTIONS]
    reader, writer = os.pipe()
    grpc_options = {option.name: option.default for option in registry.load().sink("grpc").options}
    with ExitStack() as opened:
        receiver = opened.enter_context(Receiver())
        served = opened.enter_context(closing(EventServer({**grpc_options, "host": "127.0.0.1", "port": 0}, context)))
        client = opened.enter_context(peer.watch(f"127.0.0.1:{served.port}", name=kind.name))
        client.initial_metadata()
        sinks = (
            served,
            StderrSink(lines.encoder("text", context), writer),
            _open("file", context, path=str(tmp_path / "events.log")),
            _open("loki", context, addr=receiver.addr, batchWait=0.01),
        )
        for sink in sinks:
            sink.send(events)
            sink.close()
        replies = list(client)
        pushes = receiver.pushes
    os.close(writer)
    with open(reader, encoding="ascii") as pipe:
        texts = pipe.read().splitlines()

    name = kind.ack if naming is EventNaming.ACK and kind.ack else kind.name
    records = [_record(kind, name, each) for each in CONNECTIONS]
    whole = [_text(kind, each) for each in CONNECTIONS]
    assert texts == [f"type={name} pod={POD.name} namespace={POD.namespace} {each}" for each in whole]
    assert [json.loads(line) for line in (tmp_path / "events.log").read_text().splitlines()] == records
    streams = [stream for push in pushes for stream in push["streams"]]
    owner = {"node": NODE, "namespace": POD.namespace, "pod": POD.name, "type": name}
    assert [{key: each["stream"][key] for key in owner} for each in streams] == [owner] * len(streams)
    values = [value for each in streams for value in each["values"]]
    assert [(time, json.loads(line)) for time, line in values] == [(str(TIME), each) for each in records]
    assert [(each.name, each.event.name, each.event.value) for each in replies] == [
        (name, name, each) for each in whole
    ]
    metas = [(each.event.meta.node, each.event.meta.pod, each.event.meta.namespace) for each in replies]
    assert metas == [(NODE, POD.name, POD.namespace)] * len(CONNECTIONS)
    assert sum(count for _, count in lost) == 0
