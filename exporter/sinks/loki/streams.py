"""Which stream of Loki an event belongs to: few labels, and not more streams than Loki is to bear."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Names and values, sorted by name.
Labels: TypeAlias = tuple[tuple[str, str], ...]

OTHER_PODS = "_other"  # no pod can have this name: they consist of letters, digits, dots and hyphens
_IDLE_SECONDS = 3600.0  # Loki has closed a stream's chunk by then, and the stream counts no longer


class Streams:
    """Labels of events. Used by one thread, `folded` may be read by others.

    Loki keeps a chunk in memory for every stream, so pods must not make streams without bound. Pods beyond the limit
    share the stream of their type with the pod label `_other`; the line still names them.

    Args:
        fixed: labels that every stream has.
        most: streams of pods at the same time; those of the node and the shared ones come on top, one for each type.
        clock: seconds, of any origin.
    """

    def __init__(self, fixed: Mapping[str, str], most: int, clock: Callable[[], float]) -> None:
        self.folded = 0  # events that went into a shared stream
        self._fixed = dict(fixed)
        self._most = most
        self._clock = clock
        self._used: OrderedDict[tuple[str, str, str], float] = OrderedDict()  # the longest idle first
        self._labels: dict[tuple[str, str, str], Labels] = {}  # of those, and of all that are not limited

    def labels(self, type_name: str, namespace: str, pod: str) -> Labels:
        """Of an event of this type; `namespace` and `pod` are empty for the node and where the pod is not known."""
        key = (type_name, namespace, pod)
        if pod and not self._admit(key):
            self.folded += 1
            key = (type_name, "", OTHER_PODS)
        labels = self._labels.get(key)
        if labels is None:
            own = {"type": type_name, "namespace": key[1], "pod": key[2]}
            labels = self._labels[key] = tuple(
                sorted((name, value) for name, value in {**self._fixed, **own}.items() if value)
            )
        return labels

    def _admit(self, key: tuple[str, str, str]) -> bool:
        now = self._clock()
        if key not in self._used and len(self._used) >= self._most:
            longest, since = next(iter(self._used.items()))
            if now - since < _IDLE_SECONDS:
                return False
            del self._used[longest], self._labels[longest]
        self._used[key] = now
        self._used.move_to_end(key)
        return True
