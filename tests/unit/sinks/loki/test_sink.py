"""The sink as the bus sees it: opened from a configuration, with threads and real time."""

from __future__ import annotations

import json
import logging
import os
import socket
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from exporter import config, registry
from exporter.errors import StartError, UsageError
from exporter.model import health
from exporter.model.event import Buffering, Deliveries, EventNaming
from exporter.runtime.bus import Bus, Losses, Outlet
from exporter.sinks.context import SinkContext
from exporter.sinks.loki import SINK
from tests.unit.events.made_events import NODE, TIME, documents_loss, documents_reset, slow
from tests.unit.sinks.loki import receiver as loki
from tests.unit.sinks.loki.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.model.event import Named
    from exporter.sinks.loki.sink import LokiSink

ROOT = Path(__file__).resolve().parents[4]
SOON = 10.0  # on a busy machine
QUICK: dict[str, Any] = {"batchWait": 0.01}


def _context(naming: EventNaming = EventNaming.KUBESKOOP) -> tuple[SinkContext, Counter[str]]:
    lost: Counter[str] = Counter()

    def count(reason: str, events: int) -> None:
        lost[reason] += events

    return SinkContext(NODE, naming, lost=count), lost


def _open(naming: EventNaming = EventNaming.KUBESKOOP, **args: Any) -> tuple[LokiSink, Counter[str]]:  # noqa: ANN401 - as YAML
    context, lost = _context(naming)
    sink = SINK.open({option.name: option.default for option in SINK.options} | QUICK | args, context)
    return sink, lost  # type: ignore[return-value]


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_events_of_pods_and_of_the_node_arrive_in_their_streams_at_their_time() -> None:
    context, _lost = _context()
    events = [documents_reset(), documents_loss(), slow()]
    with Receiver() as receiver:
        sink, lost = _open(addr=receiver.addr, batchWait=0.2)
        sink.send(events)
        _until(lambda: sink.deliveries().waiting == 0)
        sink.close()
    (push,) = receiver.pushes
    own = {"job": "kubeskoop", "instance": NODE, "node": NODE}
    streams = {tuple(each["stream"].values()): each for each in push["streams"]}
    assert [each["stream"] for each in streams.values()] == [
        {
            **dict(sorted({**own, "namespace": "kube-system"}.items())),
            "pod": "storage-monitor-5775dfdc77-fj767",
            "type": "TCPRESET_NOSOCK",
        },
        {**dict(sorted(own.items())), "type": "PacketLoss"},
        {**dict(sorted(own.items())), "type": "SOFTIRQ_SCHED_SLOW"},
    ]
    assert [each["values"] for each in push["streams"]] == [[[str(TIME), context.json(event)]] for event in events]
    assert (sink.deliveries(), lost.total()) == (Deliveries(sent=3, waiting=0), 0)


def test_in_the_other_family_job_and_types_are_those_of_its_documents_and_lines_may_be_text() -> None:
    with Receiver() as receiver:
        sink, _lost = _open(EventNaming.ACK, addr=receiver.addr, format="text", labels=("cluster=prod", "job=mine=1"))
        sink.send([documents_reset()])
        _until(lambda: receiver.pushes)
        sink.close()
    (stream,) = receiver.pushes[0]["streams"]
    assert (stream["stream"]["cluster"], stream["stream"]["job"]) == ("prod", "mine=1")
    assert stream["values"][0][1] == _context(EventNaming.ACK)[0].text(documents_reset())


def test_a_dead_loki_costs_the_other_sinks_nothing_and_the_books_agree() -> None:
    class Keeps:
        got: ClassVar[list[Named]] = []

        def send(self, events: Sequence[Named]) -> None:
            self.got += events

        def close(self) -> None:
            """Nothing was opened."""

    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    losses = Losses()
    context = SinkContext(NODE, EventNaming.KUBESKOOP, lost=losses.count)
    args = {option.name: option.default for option in SINK.options}
    dead = SINK.open(args | {"addr": f"127.0.0.1:{port}", "bufferBytes": 1 << 16}, context)
    assert isinstance(dead, Buffering)
    bus = Bus([Outlet("loki", dead, 10_000, losses), Outlet("other", Keeps(), 10_000, Losses())])
    bus.start()
    for _ in range(50):
        bus.publish([slow()] * 100)
    _until(lambda: len(Keeps.got) == 5000)
    _until(lambda: dead.deliveries().waiting + losses.total() == 5000)
    assert losses.by_reason()["overflow"] > 4000
    bus.close()
    books = bus.samples()
    assert books[health.EVENTS_SENT] == {("loki",): 0, ("other",): 5000}
    assert sum(count for (sink, _reason), count in books[health.EVENTS_LOST].items() if sink == "loki") == 5000


def test_the_example_of_the_documents_is_a_valid_configuration(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "loki.md").read_text("utf-8")
    (tmp_path / "config.yml").write_text(textwrap.dedent(page[page.index("    event:") : page.index("\nAll of")]))
    ((spec, args),) = config.load(registry.load(), str(tmp_path / "config.yml")).events.sinks
    assert (spec, args["addr"], args["timeout"]) == (SINK, "https://logs.example.com", 10.0)


def test_pods_beyond_the_limit_keep_their_name_in_the_line() -> None:
    with Receiver() as receiver:
        sink, _lost = _open(addr=receiver.addr, maxStreams=1)
        first = documents_reset()
        assert first.pod is not None
        second = type(first)(first.event, NODE, first.pod._replace(name="web-1"))
        sink.send([first, second])
        _until(lambda: len(receiver.lines) == 2)
        sink.close()
        assert sink.deliveries() == Deliveries(sent=2, waiting=0, folded=1)
    streams = [each for push in receiver.pushes for each in push["streams"]]
    assert [(each["stream"]["pod"], json.loads(each["values"][0][1])["labels"][0]) for each in streams] == [
        (first.pod.name, {"name": "pod", "value": first.pod.name}),
        ("_other", {"name": "pod", "value": "web-1"}),
    ]


def test_on_closing_what_waits_for_company_is_delivered() -> None:
    with Receiver() as receiver:
        sink, lost = _open(addr=receiver.addr, batchWait=60.0)
        sink.send([slow()] * 7)
        sink.close()
        assert (len(receiver.lines), lost.total()) == (7, 0)


@pytest.mark.parametrize("act", [loki.hang, loki.trickle(b"HTTP/1.1 500 Oh\r\nX-Long: ")])
def test_closing_does_not_wait_for_a_loki_that_hangs_and_counts_what_it_did_not_take(
    act: loki.Act, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver(otherwise=act) as receiver:
        sink, lost = _open(addr=receiver.addr, timeout=60.0)
        sink.send([slow()] * 7)
        _until(lambda: receiver.requests)
        began = time.monotonic()
        sink.close()
        assert time.monotonic() - began < 3
        assert not sink._thread.is_alive()
        assert lost == {"closed": 7, "overflow": 0, "refused": 0, "disk": 0}
        assert sink.deliveries().waiting == 0
    assert "Loki did not get the last 7 events; 0 of them are kept on disk, in `spillFolder`" in caplog.messages


def test_with_a_folder_what_was_not_delivered_is_delivered_by_the_next_run(tmp_path: Path) -> None:
    folder = str(tmp_path / "spill")
    with Receiver(otherwise=loki.answer(503)) as receiver:
        sink, lost = _open(addr=receiver.addr, spillFolder=folder)
        sink.send([slow(cpu=number) for number in range(7)])
        _until(lambda: receiver.requests)
        sink.close()
        assert (lost.total(), len(os.listdir(folder))) == (0, 1)
    with Receiver() as receiver:
        sink, lost = _open(addr=receiver.addr, spillFolder=folder)
        _until(lambda: receiver.pushes)
        sink.close()
        assert (sink.deliveries(), lost.total(), os.listdir(folder)) == (Deliveries(sent=7, waiting=0), 0, [])
    assert [json.loads(line)["cpu"] for line in receiver.lines] == list(range(7))


def test_a_password_is_in_the_request_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = tmp_path / "password"
    secret.write_text("swordfish\n")
    monkeypatch.setenv("LOKI_PASSWORD", "swordfish")
    for place in ({"passwordFile": str(secret)}, {"passwordEnv": "LOKI_PASSWORD"}):
        with Receiver(loki.answer(401, "no")) as receiver:
            sink, _lost = _open(addr=receiver.addr, username="me", tenant="team-a", **place)
            sink.send([slow()])
            _until(lambda server=receiver, log=caplog: server.requests and log.records)
            sink.close()
        (_path, headers, _port) = receiver.requests[0]
        assert (headers["Authorization"], headers["X-Scope-OrgID"]) == ("Basic bWU6c3dvcmRmaXNo", "team-a")
        assert "refuses these credentials (401 no): correct `username`, the password or `tenant`" in caplog.text
        assert "swordfish" not in caplog.text
        assert "bWU6" not in caplog.text
        assert "swordfish" not in repr(vars(sink._client))
        caplog.clear()


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"addr": "ftp://loki"}, "addr 'ftp://loki' is no address: write a host, HOST:PORT or a URL, for example"),
        ({"username": "me"}, "`username` goes together with one of `passwordFile` and `passwordEnv`"),
        ({"passwordEnv": "P"}, "`username` goes together with one of `passwordFile` and `passwordEnv`"),
        ({"username": "me", "passwordEnv": "P", "passwordFile": "/p"}, "`username` goes together with one of"),
        ({"username": "m:e", "passwordEnv": "P"}, "username cannot hold a colon or what cannot be printed, is 'm:e'"),
        ({"username": "\ud800", "passwordEnv": "P"}, "username cannot hold a colon or what cannot be printed"),
        ({"tenant": "a\nb"}, "tenant can hold letters, digits and"),
        ({"insecure": True}, "caFile and insecure need an https address, not http://grafana-loki or loki-service:3100"),
        ({"addr": "loki", "caFile": "/ca.pem"}, "caFile and insecure need an https address, not http://loki:3100"),
        ({"labels": ("cluster",)}, "labels cannot hold 'cluster': write name=value, the name not one of namespace, "),
        ({"labels": ("pod=a",)}, "labels cannot hold 'pod=a': write name=value"),
        ({"labels": (7,)}, "labels cannot hold 7: write name=value"),
        ({"labels": ("clüster=a",)}, "labels cannot hold 'clüster=a'"),
        ({"labels": tuple(f"a{number}=b" for number in range(9))}, "labels has 9 entries, Loki has room for 8"),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_the_start(args: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        _open(**args)
    assert str(caught.value).startswith(f"{text}")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (
            {"username": "me", "passwordFile": "/gone/password"},
            "passwordFile '/gone/password' cannot be read (No such file or directory): mount the secret there",
        ),
        (
            {"username": "me", "passwordEnv": "NO_SUCH_VARIABLE"},
            "environment variable 'NO_SUCH_VARIABLE' is not set: set it from a secret, see passwordEnv",
        ),
        (
            {"addr": "https://loki", "caFile": "/gone/ca.pem"},
            "caFile '/gone/ca.pem' cannot be used (No such file or directory): name a file with certificates in PEM",
        ),
        (
            {"username": "me", "passwordFile": "a\0b"},
            "passwordFile 'a\\x00b' cannot be read (embedded null byte): mount",
        ),
        ({"addr": "https://loki", "caFile": "a\0b"}, "caFile 'a\\x00b' cannot be used (embedded null byte): name a"),
        ({"spillFolder": "a\0b"}, "spillFolder 'a\\x00b' cannot be used (embedded null byte): name a folder"),
        ({"spillFolder": "/proc/spill"}, "spillFolder '/proc/spill' cannot be used (No such file or directory): name"),
    ],
)
def test_files_that_cannot_be_used_are_errors_at_the_start(args: dict[str, Any], text: str) -> None:
    with pytest.raises(StartError) as caught:
        _open(**args)
    assert str(caught.value).startswith(f"{text}")


def test_a_password_may_be_any_bytes(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xff\n")
    with Receiver() as receiver:
        sink, _lost = _open(addr=receiver.addr, username="me", passwordFile=str(tmp_path / "password"))
        sink.send([slow()])
        _until(lambda: receiver.requests)
        sink.close()
    assert receiver.requests[0][1]["Authorization"] == "Basic bWU6/w=="


def test_a_file_without_certificates_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    with pytest.raises(StartError, match=r"caFile '.*' cannot be used \(.+\): name a file with certificates in PEM$"):
        _open(addr="https://loki", caFile=str(tmp_path / "ca.pem"))
