"""Reading the configuration anew while everything runs: on request, or because the file has changed.

The file is looked at every second by its path, as Kubernetes puts a new folder in the stead of the old one and an
editor a new file: whoever watches a file itself sees the first change only.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from exporter.errors import UsageError
from exporter.model import config_health as health
from exporter.model.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from exporter.config import Config
    from exporter.model.metric import Metric
    from exporter.runtime.health import Samples
    from exporter.settings.resolve import Resolved

log = logging.getLogger(__name__)

_FIXED: Final = tuple(setting.key for setting in SETTINGS if not setting.live)
_HASH_DIGITS: Final = 12  # 48 bits, which a sample holds exactly
_MOST_TOLD: Final = 20  # faults kept for `/-/ready`; the log has them all

Stamp = tuple[int, ...] | None


class Reloader:
    """Reads, and has applied, one configuration after the other.

    Args:
        path: of the file; None where there is none, and then nothing to watch.
        read: the configuration as it is now, and which value came from where. Raises UsageError.
        apply: makes it the running one; returns what the machine refused of it.

    Raises:
        UsageError: it has become wrong since the start read it.
    """

    def __init__(
        self,
        path: str | None,
        read: Callable[[], tuple[Config, Resolved]],
        apply: Callable[[Config], Iterable[str]],
    ) -> None:
        self._path = path
        self._read = read
        self._apply = apply
        self._started = read()[1]
        self._hash = _hash(self._started)
        self._succeeded_at = time.time()
        self._errors: tuple[str, ...] = ()
        self._waiting: tuple[str, ...] = ()
        self._reloading = threading.Lock()
        self._seen = self._stamp()
        self._settling: Stamp | bool = False

    def reload(self, why: str) -> tuple[str, ...]:
        """Do it now; returns what is wrong, in which case the running configuration stays.

        Args:
            why: for the log.
        """
        with self._reloading:
            self._seen = self._stamp()
            found = self._readable()
            if isinstance(found, UsageError):
                self._errors = found.lines
                for line in self._errors:
                    log.error("configuration not taken over, the old one stays: %s", line)
                return self._errors
            config, resolved = found
            for note in config.notes:
                log.info("%s", note)
            refused = tuple(self._apply(config))
            for line in refused:
                log.error("configuration taken over but for this: %s", line)
            self._errors = refused
            self._hash = _hash(resolved)
            self._waiting = tuple(key for key in _FIXED if resolved[key] != self._started[key])
            for key in self._waiting:
                log.warning("%s takes effect at the next start", key)
            if not refused:
                self._succeeded_at = time.time()
                log.info("configuration taken over (%s)", why)
            return refused

    def _readable(self) -> tuple[Config, Resolved] | UsageError:
        try:
            return self._read()
        except UsageError as error:
            return error.with_traceback(None)

    def poll(self) -> None:
        """Look at the file, and read it anew once it has changed and then stayed the same for a look."""
        stamp = self._stamp()
        if stamp == self._seen:
            self._settling = False
        elif stamp == self._settling:
            self._settling = False
            self.reload("the file has changed")
        else:
            self._settling = stamp

    def _stamp(self) -> Stamp:
        if self._path is None:
            return None
        try:
            found = os.stat(self._path)
        except (OSError, ValueError):
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    def lines(self) -> list[str]:
        """What people should know: faults of the last reload, and what waits for the next start."""
        told = [f"configuration: {line}" for line in self._errors[:_MOST_TOLD]]
        if len(self._errors) > _MOST_TOLD:
            told.append(f"configuration: and {len(self._errors) - _MOST_TOLD} more, see the log")
        return [*told, *(f"configuration: {key} takes effect at the next start" for key in self._waiting)]

    def samples(self) -> Mapping[Metric, Samples]:
        """The self-metrics."""
        return {
            health.RELOADED: {(): float(not self._errors)},
            health.RELOADED_AT: {(): self._succeeded_at},
            health.HASH: {(): float(int(self._hash, 16))},
            health.WAITING: {(): float(len(self._waiting))},
        }


def _hash(resolved: Resolved) -> str:
    values: dict[str, Any] = {key: each.value for key, each in resolved.values.items()}
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_HASH_DIGITS]
