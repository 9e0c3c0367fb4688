"""`inspector watch`, the installed program, through real sockets, pipes and pseudo-terminals."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import pytest

from exporter.cli.watch import address as parsed
from exporter.errors import UsageError
from tests.unit.cli.program import run, shell
from tests.unit.cli.watching import address, server, until_watched, watching
from tests.unit.events.made_events import documents_loss, documents_reset, slow
from tests.unit.sinks.grpc.peer import CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESET_LINE = (
    " INFO  TCPRESET_NOSOCK Namespace=kube-system Pod=storage-monitor-5775dfdc77-fj767 Node=node-a Netns=4026532001"
    " 100.103.42.233:443 -> 10.1.17.188:33488"
)
LOSS_LINE = (
    " INFO  PacketLoss Namespace=hostNetwork Pod=hostNetwork Node=node-a Netns=4026531840"
    " 10.1.17.172:6443 -> 10.1.17.176:43018"
)
NOT_THERE = "so see whether an exporter with event.probes runs there; trying again"
WRONG_TLS = "so see whether it wants TLS, and --ca, --certificate and --key are the right ones; trying again"
NONE_LEFT = "inspector: no exporter is left to watch\n"


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def test_events_appear_in_a_pipe_at_once_and_an_interrupt_ends_it_silently() -> None:
    with server() as sink, watching("-e", address(sink)) as seen:
        until_watched(sink)
        sink.send([documents_reset()])
        assert seen.lines(1) == [RESET_LINE]
        sink.send([documents_loss(), documents_reset()])
        assert seen.lines(2) == [LOSS_LINE, RESET_LINE]
        assert seen.end() == (130, b"")


def test_records_are_json_lines() -> None:
    with server() as sink, watching("-s", address(sink), "-d", "-v") as seen:
        until_watched(sink)
        sink.send([documents_reset()])
        assert json.loads(seen.lines(1)[0]) == {
            "time": "2023-11-14T22:13:20.123456789Z",
            "level": "INFO",
            "source": address(sink),
            "msg": "TCPRESET_NOSOCK",
            "meta": "kube-system/storage-monitor-5775dfdc77-fj767 node=node-a netns=ns4026532001 ",
            "event": "protocol=TCP saddr=100.103.42.233 sport=443 daddr=10.1.17.188 dport=33488",
        }


@pytest.mark.parametrize(
    ("environment", "coloured"), [({"TERM": "xterm"}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals(environment: dict[str, str], coloured: bool) -> None:  # noqa: FBT001
    with server() as sink, watching("-s", address(sink), terminal=True, **environment) as seen:
        until_watched(sink)
        sink.send([documents_reset()])
        line = seen.lines(1)[0]
        assert ("\x1b[1;33mTCPRESET_NOSOCK\x1b[0m" in line) is coloured
        assert coloured or line == RESET_LINE
        assert seen.end() == (130, b"")


def test_two_exporters_are_watched_at_once() -> None:
    with (
        server() as first,
        server() as second,
        watching("-s", address(first), "-s", address(second), "-s", address(first), "--json") as seen,
    ):
        until_watched(first)
        until_watched(second)
        first.send([documents_reset()])
        assert json.loads(seen.lines(1)[0])["source"] == address(first)
        second.send([documents_reset()])
        assert json.loads(seen.lines(1)[0])["source"] == address(second)


def test_only_what_is_asked_for_is_printed() -> None:
    words = ("--pod", "storage-*", "--namespace", "shop, kube-system", "--node", "node-?")
    with server() as sink, watching("-s", address(sink), *words) as seen:
        until_watched(sink)
        sink.send([documents_loss(), slow(), documents_reset()])
        assert seen.lines(1) == [RESET_LINE]


def test_an_exporter_that_starts_anew_is_watched_again() -> None:
    with server() as sink, watching("-s", address(sink)) as seen:
        until_watched(sink)
        port = sink.port
        sink.close()
        where = f"inspector: 127.0.0.1:{port}: "
        assert seen.remark() == f"{where}the exporter ended the stream; trying again"
        remark = seen.remark()
        assert remark == f"{where}no answer (Connection refused), {NOT_THERE}"
        with server(port=port) as again:
            until_watched(again)
            assert seen.remark() == f"{where}connected again"
            again.send([documents_reset()])
            assert seen.lines(1) == [RESET_LINE]
            assert seen.end() == (130, b"")


def test_one_that_is_not_there_does_not_hide_the_other() -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with server() as sink, watching("-s", nobody, "-s", address(sink)) as seen:
        assert seen.remark() == f"inspector: {nobody}: no answer (Connection refused), {NOT_THERE}"
        until_watched(sink)
        sink.send([documents_reset()])
        assert seen.lines(1) == [RESET_LINE]


def test_what_a_slow_reader_missed_is_told_where_it_is_missing() -> None:
    with server(queue=1) as sink, watching("-s", address(sink)) as seen:
        until_watched(sink)
        sink.send([documents_reset()] * 1000)
        assert seen.lines(1) == [RESET_LINE]
        sink.send([documents_loss()])
        assert seen.remark() == f"inspector: {address(sink)}: 999 events were lost here, as too little was read"
        assert seen.lines(1) == [LOSS_LINE]


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate that vouches for itself, and its key."""
    files = f"{folder}/certificate", f"{folder}/key"
    folder.mkdir()
    made = shell(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -out {files[0]} -keyout {files[1]}"
        " -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    )
    assert made[0] == 0, made
    return files


def test_a_token_and_tls(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    path, key = certificate(tmp_path / "server")
    tls = ("--ca", path)
    with server(certFile=path, keyFile=key, tokenFile=str(token)) as sink:
        place = address(sink)
        with watching("-s", place, *tls, "--token-file", str(token)) as seen:
            until_watched(sink)
            sink.send([documents_reset()])
            assert seen.lines(1) == [RESET_LINE]
        said = f"inspector: {place}: a token is needed; give the right one with --token-file\n{NONE_LEFT}"
        assert run("watch", "-s", place, *tls, program="inspector") == (1, "", said)
        with watching("-s", place) as seen:
            assert seen.remark() == f"inspector: {place}: it hung up (Socket closed), {WRONG_TLS}"


def test_certificates_on_both_sides(tmp_path: Path) -> None:
    path, key = certificate(tmp_path / "server")
    ours, our_key = certificate(tmp_path / "client")
    with server(certFile=path, keyFile=key, clientCaFile=ours) as sink:
        place = address(sink)
        with watching("-s", place, "--ca", path, "--certificate", ours, "--key", our_key) as seen:
            until_watched(sink)
            sink.send([documents_reset()])
            assert seen.lines(1) == [RESET_LINE]
        with watching("-s", place, "--ca", path) as seen:
            assert seen.remark() == f"inspector: {place}: it hung up (Socket closed), {WRONG_TLS}"
        with watching("-s", place, "--ca", ours) as seen:
            assert seen.remark() == f"inspector: {place}: it hung up (self signed certificate), {WRONG_TLS}"


class OldServer(grpc.GenericRpcHandler):
    """Knows the peer's layout only, selects nothing, and sends headers with the first event."""

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        assert call.method == "/proto.inspector/WatchEvent"
        return grpc.unary_stream_rpc_method_handler(
            self._events,
            request_deserializer=CLASSES["WatchRequest"].FromString,
            response_serializer=CLASSES["WatchReply"].SerializeToString,
        )

    def _events(self, _request: object, _call: object) -> Iterator[object]:
        for pod in ("db-0", "web-0"):
            meta = CLASSES["Meta"](node="n1", pod=pod, namespace="shop", netns="ns7")
            yield CLASSES["WatchReply"](name="T", event=CLASSES["Event"](name="T", meta=meta, value="a\nb"))


def test_an_old_server_can_be_watched_and_we_select() -> None:
    old = grpc.server(ThreadPoolExecutor(1), handlers=[OldServer()])
    port = old.add_insecure_port("127.0.0.1:0")
    old.start()
    with watching("-s", "127.0.0.1", "-p", str(port), "--pod", "web-*") as seen:
        assert seen.lines(1) == [" INFO  T Namespace=shop Pod=web-0 Node=n1 Netns=7 a b"]
    old.stop(0).wait()


def test_a_grpc_server_of_something_else_is_given_up() -> None:
    other = grpc.server(ThreadPoolExecutor(1))
    place = f"127.0.0.1:{other.add_insecure_port('127.0.0.1:0')}"
    other.start()
    said = (
        f"inspector: {place}: there is a gRPC server, but none of events; name the exporter's event port\n{NONE_LEFT}"
    )
    assert run("watch", "-s", place, program="inspector") == (1, "", said)
    other.stop(0).wait()


def test_head_sees_one_line() -> None:
    with server() as sink, ThreadPoolExecutor(1) as pool:
        line = pool.submit(shell, f"{{bin}}/inspector watch -s {address(sink)} | head -1")
        until_watched(sink)
        sink.send([documents_reset()])
        while not line.done():
            sink.send([documents_loss()])  # each time it finds the reader gone
        assert line.result() == (0, RESET_LINE + "\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-s", "a:b"), "a server must be HOST or HOST:PORT, for example 10.1.16.255:19102, is 'a:b'"),
        (("--type", "zzz"), "unknown event 'zzz'; see inspector list event"),
        (("--port", "x"), "argument -p/--port: invalid int value: 'x'; see inspector watch --help"),
        (("--pods", "x"), "unknown option '--pods'; did you mean '--pod'?; see inspector watch --help"),
        (("--ca", "/none"), "--ca: /none cannot be read (No such file or directory); name a file that you may read"),
        (("--ca", "/etc/hostname"), "/etc/hostname: there is no certificate in PEM in it"),
        (("--certificate", "/none"), "--certificate and --key belong together, and need --ca"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(words: tuple[str, ...], said: str) -> None:
    assert run("watch", *words, program="inspector") == (2, "", f"inspector: {said}\n")


def test_help_has_examples() -> None:
    code, out, err = run("watch", "--help", program="inspector")
    assert (code, err) == (0, "")
    assert "  inspector watch -s 10.1.17.113 -s 10.1.18.14   on two, as it happens\n" in out


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("10.1.16.255", "10.1.16.255:19102"),
        ("node-a:7", "node-a:7"),
        ("::1", "[::1]:19102"),
        ("[::1]", "[::1]:19102"),
        ("[::1]:7", "[::1]:7"),
    ],
)
def test_servers_may_be_written_in_every_usual_way(server: str, address: str) -> None:
    assert parsed(server, 19102) == address


@pytest.mark.parametrize("server", ["", ":7", "a:", "a:0", "a:65536", "a:-1", "[::1]x", "[]:7", "a:7²"])
def test_what_is_no_server_is_refused(server: str) -> None:
    with pytest.raises(UsageError, match="a server must be HOST or HOST:PORT"):
        parsed(server, 19102)
