"""`net-exporter run` as a process of its own."""

from __future__ import annotations

import re
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.request import urlopen

from tests.unit.cli.program import BIN, ENVIRONMENT, SECONDS

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Sequence


class Daemon:
    """A started exporter. Its log is read all the time, so that it never waits for us."""

    def __init__(self, words: Sequence[str], before: Sequence[str]) -> None:
        command = [*before, str(BIN / "net-exporter"), "run", *words]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        self.log: list[str] = []
        self.address = ""
        self._told = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"metrics +(https?://\S+)/metrics", line)
            self.address = found[1] if found else self.address
            if "stop with Ctrl-C" in line:
                self._told.set()
        self._told.set()

    def wait_until_serving(self) -> Daemon:
        assert self._told.wait(SECONDS), "it says nothing"
        assert self.address, self.log
        return self

    def get(self, path: str) -> tuple[int, str]:
        with urlopen(self.address + path, timeout=SECONDS) as answer:
            return answer.status, answer.read().decode()

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal; exit code and the whole log."""
        self.process.send_signal(number)
        code = self.process.wait(SECONDS)
        self._reader.join()
        return code, "".join(self.log)


@contextmanager
def daemon(*words: str, listen: str = "127.0.0.1:0", before: Sequence[str] = ()) -> Iterator[Daemon]:
    """Start one, and make sure that it is gone at the end."""
    started = Daemon((*words, "--listen", listen), before)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()
        started._reader.join()
        assert started.process.stderr is not None
        started.process.stderr.close()
