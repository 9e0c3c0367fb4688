"""What `/metrics` answers: rendered once per snapshot and format, shared by all scrapes."""

from __future__ import annotations

import gzip
import threading
import time
from typing import TYPE_CHECKING

from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from exporter.exposition.text import Format, Renderer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.model.metric import Naming
    from exporter.model.snapshot import Snapshot
    from exporter.runtime.health import Health

_GZIP_LEVEL = 1  # a higher level costs three to ten times as much for a third fewer bytes


class Answers:
    """Bytes for each format, plain and compressed, of the current snapshot."""

    def __init__(self, node: str, namings: Sequence[Naming], health: Health, *, timestamps: bool) -> None:
        self._health = health
        self._make: Callable[[Format], Renderer] = lambda wire: Renderer(node, namings, wire, timestamps=timestamps)
        self._renderers: dict[Format, Renderer] = {}
        self._cache: dict[tuple[Format, bool], tuple[Snapshot, bytes]] = {}
        self._lock = threading.Lock()

    def get(self, snapshot: Snapshot | None, wire: Format, *, compressed: bool) -> bytes:
        """The body for a request. Without a snapshot it holds the self-metrics only: a gap, no stale value."""
        with self._lock:
            if snapshot is None:
                body = self._render(None, wire)
                return gzip.compress(body, _GZIP_LEVEL) if compressed else body
            cached = self._cache.get((wire, compressed))
            if cached is None or cached[0] is not snapshot:
                body = self._plain(snapshot, wire)
                cached = (snapshot, gzip.compress(body, _GZIP_LEVEL) if compressed else body)
                self._cache[wire, compressed] = cached
            return cached[1]

    def _plain(self, snapshot: Snapshot, wire: Format) -> bytes:
        cached = self._cache.get((wire, False))
        if cached is not None and cached[0] is snapshot:
            return cached[1]
        started = time.perf_counter()
        body = self._render(snapshot, wire)
        self._health.render_seconds = time.perf_counter() - started
        return body

    def _render(self, snapshot: Snapshot | None, wire: Format) -> bytes:
        renderer = self._renderers.get(wire) or self._renderers.setdefault(wire, self._make(wire))
        bodies = [] if snapshot is None else renderer.bodies(snapshot.tables, snapshot.taken_at)
        self._health.current = snapshot is not None
        generate = generate_latest if wire is Format.TEXT else openmetrics.generate_latest
        return b"".join([*bodies, generate(self._health.registry)])
