from __future__ import annotations

import json
import os
import sys
import threading

import pytest

from exporter import registry
from exporter.errors import SinkError, StartError
from exporter.model.event import EventNaming
from exporter.sinks import lines
from exporter.sinks.context import SinkContext
from exporter.sinks.stderr import SINK, StderrSink
from tests.unit.events.made_events import NODE, documents_loss, documents_reset, slow

CONTEXT = SinkContext(NODE, EventNaming.ACK)


def test_it_is_among_the_sinks() -> None:
    assert registry.load().sink("stderr") is SINK


@pytest.mark.parametrize("form", ["text", "json"])
def test_events_are_lines_on_standard_error(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    sink = SINK.open({"format": form}, CONTEXT)
    sink.send([documents_reset(), documents_loss()])
    sink.close()
    found = capfd.readouterr().err.splitlines()
    wanted = [documents_reset(), documents_loss()]
    if form == "json":
        assert [json.loads(line) for line in found] == [CONTEXT.record(named) for named in wanted]
    else:
        assert found == [CONTEXT.text(named) for named in wanted]


def test_a_slow_reader_is_waited_for_even_where_the_pipe_does_not_block() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    events = [slow(cpu=number) for number in range(3000)]
    line = lines.encoder("text", CONTEXT)
    got: list[bytes] = []

    def read() -> None:
        while data := os.read(reader, 1 << 16):
            got.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    StderrSink(line, writer).send(events)
    os.close(writer)
    thread.join(5)
    os.close(reader)
    assert b"".join(got) == b"".join(map(line, events))


def test_what_nobody_reads_any_more_is_counted_as_lost() -> None:
    reader, writer = os.pipe()
    sink = StderrSink(lines.encoder("text", CONTEXT), writer)
    sink.send([slow()])
    os.close(reader)
    with pytest.raises(SinkError, match=r"^standard error cannot be written to \(Broken pipe\); see what ") as raised:
        sink.send([slow(), slow(), slow()])
    os.close(writer)
    assert raised.value.lost == 3


def test_a_name_that_is_no_text_is_written_all_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    SINK.open({"format": "text"}, CONTEXT).send([slow("a\udcff")])
    assert capfd.readouterr().err == 'type=NETSOFTIRQ_SCHED_SLOW cpu:3 process:"a\\udcff"\n'


def test_without_a_standard_error_nothing_is_written_to_whatever_has_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", None)
        with pytest.raises(StartError, match=r"^stderr: standard error is closed; start the exporter with one, or "):
            SINK.open({"format": "text"}, CONTEXT)
