"""The file sink on a file system that really is full."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from exporter.errors import SinkError
from exporter.sinks.file import FileSink
from tests.unit.events.made_events import slow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.model.event import Named

LINE = 1000
SIZE = 64 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of `SIZE` bytes."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def _line(named: Named) -> bytes:
    return f"{named.event.values[0]} ".ljust(LINE - 1, "x").encode() + b"\n"


def test_what_has_no_room_is_counted_and_writing_goes_on_when_there_is_room(disk: Path) -> None:
    path, filler = disk / "events.log", disk / "filler"
    filler.write_bytes(bytes(SIZE // 2))
    sink = FileSink(str(path), _line, 0, 0)
    with pytest.raises(SinkError) as raised:
        sink.send([slow(cpu=number) for number in range(47)])
    kept = 47 - (raised.value.lost or 0)
    assert (str(raised.value), raised.value.reason) == (f"{path}: no space left; make room", "no_space")
    assert kept == SIZE // 2 // LINE
    filler.unlink()
    sink.send([slow(cpu=100)])
    sink.close()
    assert [int(line.split()[0]) for line in path.read_text().splitlines()] == [*range(kept), 100]
