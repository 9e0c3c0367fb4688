"""The event stream through real sockets, seen by a client made from the peer's layout."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from exporter.errors import StartError, UsageError
from exporter.model.event import Event, EventNaming, EventType, Named
from exporter.sinks.context import SinkContext
from exporter.sinks.grpc import SINK, open_sink
from exporter.sinks.grpc.server import EventServer
from tests.unit.events.made_events import LOSS, NODE, POD, RESET, SLOW, documents_loss, documents_reset, slow, tcp
from tests.unit.sinks.grpc import peer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TYPES = (RESET, LOSS, SLOW)
DEFAULTS = {option.name: option.default for option in SINK.options} | {"host": "127.0.0.1", "port": 0}


@contextmanager
def server(
    naming: EventNaming = EventNaming.KUBESKOOP, **args: float | str
) -> Iterator[tuple[EventServer, str, list[Any]]]:
    """A running one, its address, and what it counted as lost."""
    lost: list[Any] = []
    context = SinkContext(NODE, naming, lost=lambda *each: lost.append(each), types=TYPES)
    with closing(EventServer(DEFAULTS | args, context)) as running:
        yield running, f"127.0.0.1:{running.port}", lost


def refusal(address: str, **asked: str) -> tuple[grpc.StatusCode, str]:
    with peer.watch(address, **asked) as call, pytest.raises(grpc.RpcError) as refused:
        next(call)
    return refused.value.code(), refused.value.details()


def test_an_old_client_sees_type_owner_and_text() -> None:
    with server(EventNaming.ACK) as (sink, address, lost), peer.watch(address) as call:
        call.initial_metadata()
        sink.send([documents_reset(), documents_loss(), slow()])
        first, second, third = (next(call) for _ in range(3))
    assert (first.name, first.event.name, first.event.value) == (
        "TCPRESET_NOSOCK",
        "TCPRESET_NOSOCK",
        "protocol=TCP saddr=100.103.42.233 sport=443 daddr=10.1.17.188 dport=33488",
    )
    meta = first.event.meta
    assert (meta.node, meta.namespace, meta.pod, meta.netns) == (NODE, POD.namespace, POD.name, f"ns{POD.netns}")
    meta = second.event.meta
    assert (meta.node, meta.namespace, meta.pod, meta.netns) == (NODE, "hostNetwork", "hostNetwork", "ns4026531840")
    assert second.event.value.startswith(
        "protocol=TCP saddr=10.1.17.172 sport=6443 daddr=10.1.17.176 dport=43018  stacktrace:skb_release_data+0xA3 "
    )
    meta = third.event.meta
    assert (third.name, third.event.value) == ("NETSOFTIRQ_SCHED_SLOW", "cpu:3 process:nginx")
    assert (meta.node, meta.namespace, meta.pod, meta.netns) == (NODE, "", "", "")
    assert lost == []


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({}, ["TCPRESET_NOSOCK", "PacketLoss", "SOFTIRQ_SCHED_SLOW"]),
        ({"name": "packetloss,NETSOFTIRQ_SCHED_SLOW"}, ["PacketLoss", "SOFTIRQ_SCHED_SLOW"]),
        ({"pod": "storage-monitor-*"}, ["TCPRESET_NOSOCK"]),
        ({"namespace": "shop,hostNetwork"}, ["PacketLoss"]),
        ({"node": NODE, "pod": POD.name, "namespace": POD.namespace}, ["TCPRESET_NOSOCK"]),
    ],
)
def test_each_client_sees_what_it_asked_for(asked: dict[str, str], seen: list[str]) -> None:
    with server() as (sink, address, _), peer.watch(address, **asked) as call:
        call.initial_metadata()
        sink.send([documents_reset(), documents_loss(), slow()])
        sink.close()
        assert [reply.name for reply in call] == seen


def test_types_that_share_a_name_are_told_apart_by_the_other() -> None:
    types = [EventType(probe="tcpreset", name="RECEIVE", ack=ack, help="A test.") for ack in ("SYN", "ESTAB")]
    context = SinkContext(NODE, EventNaming.KUBESKOOP, types=tuple(types))
    with closing(EventServer(DEFAULTS, context)) as sink, peer.watch(f"127.0.0.1:{sink.port}", name="estab") as call:
        call.initial_metadata()
        sink.send(
            [Named(Event(each, 0, 0, tcp("::1", port, "::2", 80)), NODE, None) for port, each in enumerate(types)]
        )
        sink.close()
        assert [reply.event.value for reply in call] == ["protocol=TCP saddr=::1 sport=1 daddr=::2 dport=80"]


def test_without_clients_nothing_is_lost() -> None:
    with server() as (sink, _, lost):
        sink.send([slow()] * 5000)
        assert lost == []


def test_a_client_that_never_reads_loses_only_its_own_and_every_event_is_counted() -> None:
    big, batches = slow("x" * 100_000), 41  # more than sockets and windows hold
    with (
        server(queue=11) as (sink, address, lost),
        peer.watch(address) as stuck,
        peer.watch(address, node=NODE) as reading,
    ):
        stuck.initial_metadata()
        reading.initial_metadata()
        for _ in range(batches):
            sink.send([big] * 11)
            assert [next(reading).event.name for _ in range(11)] == [big.event.type.name] * 11
        assert {reason for reason, _ in lost} == {"slow_client"}
        kept = batches * 11 - sum(count for _, count in lost)
        assert [next(stuck).name for _ in range(kept)] == [big.event.type.name] * kept
        sink.send([documents_loss()])
        assert [next(call).name for call in (stuck, reading)] == ["PacketLoss", "PacketLoss"]


def test_a_client_that_never_reads_is_hung_up_on_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    big = slow("x" * 10_000)
    with server(queue=11, patience=0.0) as (sink, address, lost), peer.watch(address) as stuck:
        stuck.initial_metadata()
        while not caplog.messages:
            sink.send([big] * 11)
        assert caplog.messages == ["sink grpc: hung up on 1 client(s) that read nothing"]
        with pytest.raises(grpc.RpcError) as ended:
            list(stuck)
        assert ended.value.code() is grpc.StatusCode.CANCELLED
        _until_nobody_watches(sink)
        counted = len(lost)
        sink.send([big] * 12)
        assert len(lost) == counted


def test_a_client_that_goes_makes_room_for_another() -> None:
    with server(clients=1) as (sink, address, _):
        with peer.watch(address) as call:
            call.initial_metadata()
            assert refusal(address) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "too many clients watch already; end one, or raise `clients`",
            )
        _until_nobody_watches(sink)
        with peer.watch(address) as call:
            call.initial_metadata()
            sink.send([slow()])
            assert next(call).name == slow().event.type.name


def _until_nobody_watches(sink: EventServer) -> None:
    for _ in range(1000):
        if not sink._watchers:
            return
        threading.Event().wait(0.01)
    pytest.fail("a client that has gone is still there")


def test_wrong_requests_are_refused_with_the_next_step() -> None:
    with server() as (_, address, _lost):
        assert refusal(address, name="packetlos") == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "unknown event 'packetlos'; did you mean 'PacketLoss'?",
        )
        with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as refused:
            next(channel.unary_stream("/proto.inspector/WatchEvent")(b"\x0a\x09abc"))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert refused.value.details() == "watch request: expected 9 bytes of field 1, found b'abc'"
        with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/proto.inspector/QueryMetric")(b"")
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_what_is_no_grpc_at_all_disturbs_nobody() -> None:
    with server() as (sink, address, _), peer.watch(address) as call:
        call.initial_metadata()
        for content in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 1000, b""):
            with socket.create_connection(("127.0.0.1", sink.port), timeout=5) as stranger:
                stranger.sendall(content)
        sink.send([slow()])
        assert next(call).name == slow().event.type.name


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    with server(tokenFile=str(path)) as (sink, address, _):
        needed = (grpc.StatusCode.UNAUTHENTICATED, "a token is needed; give the right one with --token-file")
        assert [refusal(address, token=token) for token in ("", "s3cre", "s3crets")] == [needed] * 3
        with peer.watch(address, token="s3cret") as call:  # noqa: S106 - a made-up one
            call.initial_metadata()
            sink.send([slow()])
            assert next(call).name == slow().event.type.name


@pytest.mark.parametrize(
    ("args", "error", "said"),
    [
        ({"certFile": "a"}, UsageError, "certFile and keyFile belong together; give both or neither"),
        (
            {"clientCaFile": "a"},
            UsageError,
            "clientCaFile needs certFile and keyFile, as only TLS asks clients for certificates",
        ),
        ({"certFile": "/none", "keyFile": "/none"}, StartError, "/none: No such file or directory"),
        ({"tokenFile": "/"}, StartError, "/: Is a directory"),
        ({"tokenFile": "/dev/null"}, StartError, "/dev/null holds no token; write one into it"),
        (
            {"certFile": "/etc/hostname", "keyFile": "/etc/hostname"},
            StartError,
            "cannot listen on 127.0.0.1:0: the certificate or the key is not usable",
        ),
        ({"host": "192.0.2.1"}, StartError, "cannot listen on 192.0.2.1:0: Cannot assign requested address"),
    ],
)
def test_what_cannot_be_opened_says_why(args: dict[str, str], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as refused:
        open_sink(DEFAULTS | args, SinkContext(NODE, EventNaming.ACK))
    assert str(refused.value) == said


def test_two_do_not_share_a_port() -> None:
    with server() as (sink, address, _), pytest.raises(StartError) as refused:
        open_sink(DEFAULTS | {"port": sink.port}, SinkContext(NODE, EventNaming.ACK))
    assert str(refused.value) == f"cannot listen on {address}: Address already in use"


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    monkeypatch.delitem(sys.modules, "exporter.sinks.grpc.server")
    with pytest.raises(StartError) as refused:
        open_sink(DEFAULTS, SinkContext(NODE, EventNaming.ACK))
    assert str(refused.value).startswith("events cannot be streamed without the package grpcio (")
    assert str(refused.value).endswith("); pip install grpcio")
