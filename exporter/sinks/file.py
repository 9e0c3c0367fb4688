"""Events in a file, which is rotated by size and opened anew when somebody has moved it away."""

from __future__ import annotations

import errno
import logging
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from exporter.errors import SinkError, StartError, UsageError
from exporter.model.probe import Option
from exporter.sinks import lines
from exporter.sinks.context import SinkSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from exporter.model.event import Named, Sink
    from exporter.sinks.context import SinkContext

log = logging.getLogger(__name__)

_MODE: Final = 0o644
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # not to wait for a pipe's reader
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_CHUNK: Final = 1 << 16
_NEXT_STEPS: Final = {
    errno.EISDIR: "name a file in that folder",
    errno.ENOENT: "make its folder first",
    errno.ENOTDIR: "a part of it that should be a folder is a file",
    errno.EACCES: "let the exporter write there, or name another path",
    errno.EPERM: "let the exporter write there, or name another path",
    errno.EROFS: "name a path on a volume that can be written to",
    errno.ENXIO: "it is a pipe that nobody reads",
}


class FileSink:
    """Appends a line for each event.

    Of a line that the disk has no room for, nothing stays: the file always ends with a whole one.

    Args:
        path: of the file; its folder must be there.
        line: makes one.
        most_bytes: size above which the file becomes `path.1`; 0 for never.
        keep: how many old files are kept, `path.1` the youngest.

    Raises:
        StartError: it cannot be opened; says why and what to do.
    """

    def __init__(self, path: str, line: Callable[[Named], bytes], most_bytes: int, keep: int) -> None:
        self._path = path
        self._line = line
        self._most_bytes = most_bytes
        self._keep = keep
        try:
            self._descriptor = os.open(path, _FLAGS, _MODE)
        except OSError as error:
            raise StartError(self._why(error)) from error
        self._regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._rotates = self._regular and most_bytes > 0

    def _why(self, error: OSError) -> str:
        step = _NEXT_STEPS.get(error.errno or 0, "name another path")
        return f"{self._path} cannot be written to ({error.strerror}); {step}"

    def send(self, events: Sequence[Named]) -> None:
        """Append them. Raises SinkError, counting those not written."""
        done = 0
        try:
            if self._regular and self._moved():
                self._open_anew()
            for chunk in self._chunks(events):
                self._rotate_for(len(chunk))
                written, error = lines.write(self._descriptor, chunk)
                done += chunk.count(b"\n", 0, written)
                if error is not None:
                    self._take_back(written - chunk.rfind(b"\n", 0, written) - 1)
                    raise error
        except OSError as error:
            full = error.errno in _FULL
            text = f"{self._path}: no space left; make room" if full else self._why(error)
            raise SinkError(text, reason="no_space" if full else "failed", lost=len(events) - done) from error

    def _chunks(self, events: Sequence[Named]) -> Iterator[bytes]:
        """Whole lines, as much at once as a file may hold."""
        most = min(_CHUNK, self._most_bytes or _CHUNK)
        chunk = bytearray()
        for named in events:
            line = self._line(named)
            if chunk and len(chunk) + len(line) > most:
                yield bytes(chunk)
                chunk.clear()
            chunk += line
        if chunk:
            yield bytes(chunk)

    def _take_back(self, part: int) -> None:
        """Cut off the beginning of a line that could not be written whole."""
        if part and self._regular:
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - part)

    def _moved(self) -> bool:
        """Whether the path has become another file, or none."""
        mine = os.fstat(self._descriptor)
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino)

    def _rotate_for(self, size: int) -> None:
        """Begin a new file where this one would become too large."""
        held = os.fstat(self._descriptor).st_size if self._rotates else 0
        if not held or held + size <= self._most_bytes:
            return
        try:
            self._shift()
        except OSError as error:
            self._rotates = False  # rather a file that grows than events that are lost
            log.warning("file: %s is not rotated any more (%s); SIGHUP tries again", self._path, error.strerror)
            return
        self._open_anew()

    def _shift(self) -> None:
        if not self._keep:
            os.unlink(self._path)
            return
        for number in range(self._keep - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.rename(f"{self._path}.{number}", f"{self._path}.{number + 1}")
        os.rename(self._path, f"{self._path}.1")

    def _open_anew(self) -> None:
        descriptor = os.open(self._path, _FLAGS, _MODE)
        os.close(self._descriptor)
        self._descriptor = descriptor
        self._regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._rotates = self._regular and self._most_bytes > 0

    def reopen(self) -> None:
        """Open the path anew, which may be another file by now. Raises SinkError; then the old one stays open."""
        try:
            self._open_anew()
        except OSError as error:
            raise SinkError(self._why(error)) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def open_sink(args: Mapping[str, Any], context: SinkContext) -> Sink:
    """Open the file. Raises UsageError without a path, StartError where it cannot be written to."""
    path = args["path"]
    if not path or "\0" in path:
        raise UsageError("path must name a file, for example args: {path: /var/log/net-exporter/events.log}")
    line = lines.encoder(args["format"], context)
    return FileSink(path, line, int(args["maxMegabytes"] * 1_000_000), args["keep"])


SINK = SinkSpec(
    name="file",
    summary="Appends events to a file.",
    open=open_sink,
    options=(
        Option(name="path", help="The file; its folder must be there.", default=""),
        lines.option(lines.JSON),
        Option(
            name="maxMegabytes",
            help="Size above which a new file is begun, the old one getting the ending .1; 0 for never.",
            default=100.0,
            least=0,
        ),
        Option(name="keep", help="How many old files are kept.", default=5, least=0, most=1000),
    ),
)
