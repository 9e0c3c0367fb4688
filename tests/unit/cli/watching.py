"""`inspector watch` as a process, and servers for it to watch."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from exporter.model.event import EventNaming
from exporter.sinks.context import SinkContext
from exporter.sinks.grpc import SINK
from exporter.sinks.grpc.server import EventServer
from tests.unit.cli.program import BIN, ENVIRONMENT, SECONDS
from tests.unit.events.made_events import LOSS, NODE, RESET, SLOW

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULTS = {option.name: option.default for option in SINK.options} | {"host": "127.0.0.1", "port": 0}


@contextmanager
def server(node: str = NODE, **args: Any) -> Iterator[EventServer]:  # noqa: ANN401 - whatever options there are
    context = SinkContext(node, EventNaming.KUBESKOOP, types=(RESET, LOSS, SLOW))
    with closing(EventServer(DEFAULTS | args, context)) as running:
        yield running


def address(sink: EventServer) -> str:
    return f"127.0.0.1:{sink.port}"


def until_watched(sink: EventServer, clients: int = 1) -> None:
    deadline = time.monotonic() + SECONDS
    while len(sink._watchers) != clients:
        assert time.monotonic() < deadline, f"{len(sink._watchers)} clients watch"
        time.sleep(0.01)


class Watching:
    """A started `inspector watch`; its standard output goes to a pipe or a pseudo-terminal."""

    def __init__(self, *words: str, terminal: bool = False, **environment: str) -> None:
        self._output, writer = os.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            [str(BIN / "inspector"), "watch", *words],
            stdout=writer,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT | environment,
        )
        os.close(writer)
        self._read: dict[int, bytes] = {}

    def lines(self, count: int) -> list[str]:
        """The next ones from standard output, as soon as they are there."""
        return [self._line(self._output) for _ in range(count)]

    def ready(self, seconds: float) -> bool:
        """Whether there is something on standard output, now or within this time."""
        return bool(self._read.get(self._output) or select.select([self._output], [], [], seconds)[0])

    def remark(self) -> str:
        """The next line from standard error."""
        assert self.process.stderr is not None
        return self._line(self.process.stderr.fileno())

    def _line(self, descriptor: int) -> str:
        while b"\n" not in self._read.get(descriptor, b""):
            ready, _, _ = select.select([descriptor], [], [], SECONDS)
            assert ready, f"nothing more after {self._read}"
            content = os.read(descriptor, 65536)
            assert content, f"it ended after {self._read}"
            self._read[descriptor] = self._read.get(descriptor, b"") + content
        line, _, self._read[descriptor] = self._read[descriptor].partition(b"\n")
        return line.decode().removesuffix("\r")

    def end(self) -> tuple[int, bytes]:
        """Interrupt it as Ctrl-C does; exit code and the rest of standard error."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> tuple[int, bytes]:
        """Exit code and the rest of standard error."""
        assert self.process.stderr is not None
        descriptor = self.process.stderr.fileno()
        rest = self._read.pop(descriptor, b"") + self.process.communicate(timeout=SECONDS)[1]
        return self.process.wait(SECONDS), rest

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        os.close(self._output)


@contextmanager
def watching(*words: str, terminal: bool = False, **environment: str) -> Iterator[Watching]:
    with closing(Watching(*words, terminal=terminal, **environment)) as started:
        yield started
