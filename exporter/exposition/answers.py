"""What `/metrics` answers: rendered once per snapshot and format, shared by all scrapes."""

from __future__ import annotations

import gzip
import threading
import time
from typing import TYPE_CHECKING

from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from exporter.exposition.text import Format, Renderer
from exporter.model.additional import NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.model.additional import AdditionalLabels
    from exporter.model.metric import Naming
    from exporter.model.snapshot import Snapshot
    from exporter.runtime.health import Health

_GZIP_LEVEL = 1  # a higher level costs three to ten times as much for a third fewer bytes


class Answers:
    """Bytes for each format, plain and compressed, of the current snapshot."""

    def __init__(
        self,
        node: str,
        namings: Sequence[Naming],
        health: Health,
        *,
        timestamps: bool,
        additional: AdditionalLabels = NONE,
    ) -> None:
        self._health = health
        self._node = node
        self._renderer = Renderer(node, namings, timestamps=timestamps, additional=additional)
        self._snapshot: Snapshot | None = None
        self._ready: dict[tuple[Format, bool], bytes] = {}  # of that snapshot, by format and compression
        self._lock = threading.Lock()

    def change(self, namings: Sequence[Naming], *, timestamps: bool, additional: AdditionalLabels) -> None:
        """Expose these dialects with these labels from now on."""
        with self._lock:
            self._renderer = Renderer(self._node, namings, timestamps=timestamps, additional=additional)
            self._snapshot = None
            self._ready.clear()

    def get(self, snapshot: Snapshot | None, wire: Format, *, compressed: bool) -> bytes:
        """The body for a request. Without a snapshot it holds the self-metrics only: a gap, no stale value."""
        with self._lock:
            if snapshot is not self._snapshot or snapshot is None:
                self._snapshot = snapshot
                self._ready.clear()
            body = self._ready.get((wire, compressed))
            if body is None:
                plain = self._ready.get((wire, False)) or self._render(snapshot, wire)
                body = self._ready[wire, compressed] = gzip.compress(plain, _GZIP_LEVEL) if compressed else plain
            return body

    def _render(self, snapshot: Snapshot | None, wire: Format) -> bytes:
        started = time.perf_counter()
        parts = []
        if snapshot is not None:
            parts = self._renderer.parts(snapshot.tables, snapshot.taken_at, wire, snapshot.facts)
            self._health.render_seconds = time.perf_counter() - started
        self._health.current = snapshot is not None
        generate = generate_latest if wire is Format.TEXT else openmetrics.generate_latest
        return b"".join([*parts, generate(self._health.registry)])
