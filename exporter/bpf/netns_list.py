"""The network namespaces that exist, for whoever asks besides the programs that count: bpf/netns_list.bpf.c."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from exporter.bpf.attached import attached
from exporter.bpf.live_netns import LiveList

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class NetnsList:
    """Tells them until closed. Threads may ask.

    Args:
        sys: root of the running kernel's sysfs.

    Raises:
        UnsupportedError: this machine cannot run it; the text says what would change that.
        SourceError: the object is not what it should be, or the verifier objects.
    """

    def __init__(self, sys: Path) -> None:
        self._asking = threading.Lock()  # what the kernel writes is one list
        self._bpf = attached("netns_list", sys, ())
        try:
            self._live = LiveList(self._bpf)
        except BaseException:
            self._bpf.close()
            raise

    def read(self) -> Mapping[int, int]:
        """Inode by cookie of all namespaces that exist. Raises SourceError."""
        with self._asking:
            return self._live.read()

    def close(self) -> None:
        """Unload it; safe to repeat."""
        with self._asking:
            self._live.close()
            self._bpf.close()
