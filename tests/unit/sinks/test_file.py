from __future__ import annotations

import errno
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from exporter import registry
from exporter.errors import SinkError, StartError, UsageError
from exporter.model.event import EventNaming, Named, Reopening
from exporter.sinks import lines
from exporter.sinks.context import SinkContext
from exporter.sinks.file import SINK, FileSink
from tests.unit.events.made_events import NODE, documents_loss, documents_reset, slow

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = SinkContext(NODE, EventNaming.ACK)
LINE = 40


def _open(path: object, **args: Any) -> FileSink:  # noqa: ANN401 - as in the configuration
    defaults = {option.name: option.default for option in SINK.options}
    sink = SINK.open({**defaults, "path": str(path), **args}, CONTEXT)
    assert isinstance(sink, FileSink)
    return sink


def _numbered(named: Named) -> bytes:
    """A line of `LINE` bytes that begins with the event's first value."""
    return f"{named.event.values[0]} ".ljust(LINE - 1, "x").encode() + b"\n"


def _events(*numbers: int) -> list[Named]:
    return [slow(cpu=number) for number in numbers]


def _numbers(path: Path) -> list[int]:
    content = path.read_bytes()
    assert not content or content.endswith(b"\n")
    return [int(line.split()[0]) for line in content.splitlines()]


def test_it_is_among_the_sinks_and_can_be_opened_anew(tmp_path: Path) -> None:
    assert registry.load().sink("file") is SINK
    assert isinstance(_open(tmp_path / "events.log"), Reopening)


def test_records_are_appended_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "events.log"
    path.write_text("before\n")
    sink = _open(path)
    sink.send([documents_reset(), documents_loss()])
    sink.close()
    first, *rest = path.read_text().splitlines()
    assert first == "before"
    assert [json.loads(line) for line in rest] == [
        CONTEXT.record(documents_reset()),
        CONTEXT.record(documents_loss()),
    ]
    assert path.stat().st_mode & 0o777 == 0o644 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_lines_of_text_are_those_of_the_documents(tmp_path: Path) -> None:
    sink = _open(tmp_path / "events.log", format="text")
    sink.send([documents_loss()])
    sink.close()
    assert (tmp_path / "events.log").read_text() == CONTEXT.text(documents_loss()) + "\n"


def test_a_file_is_rotated_by_size_and_only_so_many_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "events.log"
    sink = FileSink(str(path), _numbered, most_bytes=3 * LINE + 1, keep=2)
    sink.send(_events(*range(7)))
    for number in range(7, 11):
        sink.send(_events(number))
    sink.close()
    found = {entry.name: _numbers(entry) for entry in tmp_path.iterdir()}
    assert found == {"events.log": [9, 10], "events.log.1": [6, 7, 8], "events.log.2": [3, 4, 5]}


def test_without_old_files_only_the_youngest_events_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "events.log"
    sink = FileSink(str(path), _numbered, most_bytes=2 * LINE, keep=0)
    sink.send(_events(*range(5)))
    sink.close()
    assert {entry.name: _numbers(entry) for entry in tmp_path.iterdir()} == {"events.log": [4]}


def test_a_line_that_is_larger_than_the_limit_has_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "events.log"
    sink = FileSink(str(path), _numbered, most_bytes=1, keep=9)
    sink.send(_events(1, 2, 3))
    sink.close()
    found = {entry.name: _numbers(entry) for entry in tmp_path.iterdir()}
    assert found == {"events.log": [3], "events.log.1": [2], "events.log.2": [1]}


def test_a_folder_in_which_nothing_can_be_renamed_costs_no_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "events.log"
    sink = FileSink(str(path), _numbered, most_bytes=LINE, keep=2)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refuse)
        for number in range(4):
            sink.send(_events(number))
    assert _numbers(path) == [0, 1, 2, 3]
    assert caplog.messages == [f"file: {path} is not rotated any more (Permission denied); SIGHUP tries again"]
    sink.reopen()
    sink.send(_events(4))
    sink.close()
    assert (_numbers(path), _numbers(tmp_path / "events.log.1")) == ([4], [0, 1, 2, 3])


@pytest.mark.parametrize("told", [True, False])
def test_a_file_that_somebody_has_moved_or_removed_is_begun_anew(told: bool, tmp_path: Path) -> None:  # noqa: FBT001
    path = tmp_path / "events.log"
    sink = FileSink(str(path), _numbered, 0, 0)
    sink.send(_events(1))
    path.rename(tmp_path / "moved")
    if told:
        sink.reopen()
        assert path.exists()
    sink.send(_events(2))
    path.unlink()
    sink.send(_events(3))
    sink.close()
    assert (_numbers(tmp_path / "moved"), _numbers(path)) == ([1], [3])


def test_a_path_that_cannot_be_opened_anew_is_an_error_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "events.log"
    sink = FileSink(str(path), _numbered, 0, 0)
    path.unlink()
    path.mkdir()
    for act, lost in ((sink.reopen, None), (lambda: sink.send(_events(1, 2)), 2)):
        with pytest.raises(SinkError) as raised:
            act()
        said = f"{path} cannot be written to (Is a directory); name a file in that folder"
        assert (str(raised.value), raised.value.reason, raised.value.lost) == (said, "failed", lost)
    path.rmdir()
    sink.send(_events(3))
    sink.close()
    assert _numbers(path) == [3]


def test_of_a_line_that_does_not_fit_nothing_stays_and_the_rest_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.log"
    sink = FileSink(str(path), _numbered, 0, 0)
    room = 2 * LINE + 7
    write = os.write

    def until_full(descriptor: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(descriptor, data[:room])
        room -= written
        return written

    with monkeypatch.context() as patched:
        patched.setattr(lines.os, "write", until_full)
        with pytest.raises(SinkError) as raised:
            sink.send(_events(1, 2, 3, 4, 5))
    assert (str(raised.value), raised.value.reason, raised.value.lost) == (
        f"{path}: no space left; make room",
        "no_space",
        3,
    )
    sink.send(_events(6))
    sink.close()
    assert _numbers(path) == [1, 2, 6]


def test_a_full_device_is_an_error_each_time(tmp_path: Path) -> None:
    sink = _open("/dev/full", maxMegabytes=0.001)
    for _ in range(2):
        with pytest.raises(SinkError, match=r"^/dev/full: no space left; make room$") as raised:
            sink.send(_events(1, 2, 3))
        assert raised.value.lost == 3
    sink.close()
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_to_for_as_long_as_somebody_reads(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    got: list[bytes] = []
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    sink = FileSink(str(path), _numbered, 1, 1)

    def read() -> None:
        while data := os.read(reader, 1 << 16):
            got.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    sink.send(_events(*range(5000)))  # more than a pipe holds
    sink.close()
    thread.join(5)
    os.close(reader)
    assert b"".join(got) == b"".join(map(_numbered, _events(*range(5000))))


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda path: path.mkdir(), "cannot be written to (Is a directory); name a file in that folder"),
        (lambda _: None, "cannot be written to (No such file or directory); make its folder first"),
        (os.mkfifo, "cannot be written to (No such device or address); it is a pipe that nobody reads"),
    ],
)
def test_a_path_that_cannot_be_had_stops_the_start(prepare: Any, said: str, tmp_path: Path) -> None:  # noqa: ANN401
    path = tmp_path / "events"
    prepare(path)
    wanted = path if path.exists() else path / "events.log"
    with pytest.raises(StartError) as raised:
        _open(wanted)
    assert str(raised.value) == f"{wanted} {said}"


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_a_path_that_is_none_is_a_wrong_call(path: str) -> None:
    with pytest.raises(UsageError, match=r"^path must name a file, for example args: "):
        _open(path)
