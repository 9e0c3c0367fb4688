"""The pods of this node as the API server last told; what is known outlives its outages."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.identity.pod_object import KnownPod

MOST_PODS: Final = 10_000  # of one node, ended ones that nobody has deleted included


class PodCache:
    """Pods by UID. One thread updates, others ask: what is asked for is replaced as a whole.

    Args:
        most: pods kept; further ones are cut and counted.
    """

    def __init__(self, most: int = MOST_PODS) -> None:
        self._most = most
        self._updating = threading.Lock()
        self._pods: Mapping[str, KnownPod] = {}
        self.cut = 0

    @property
    def pods(self) -> Mapping[str, KnownPod]:
        """All pods by UID; never changed after it is given out."""
        return self._pods

    def replace(self, pods: Iterable[KnownPod]) -> None:
        """These are all pods now."""
        with self._updating:
            self._pods = self._bounded({pod.uid: pod for pod in pods})

    def put(self, pod: KnownPod) -> None:
        """A pod that has come or changed. One of the same name has ended, whether or not that was told."""
        known = self._pods.get(pod.uid)
        if known == pod:
            return
        with self._updating:
            others = self._pods
            if known is None:
                others = {uid: each for uid, each in others.items() if each[1:3] != pod[1:3]}
            self._pods = self._bounded({**others, pod.uid: pod})

    def remove(self, uid: str) -> None:
        """A pod that has been deleted."""
        with self._updating:
            self._pods = {each: pod for each, pod in self._pods.items() if each != uid}

    def _bounded(self, pods: dict[str, KnownPod]) -> dict[str, KnownPod]:
        excess = len(pods) - self._most
        if excess > 0:
            self.cut += excess
            return dict(list(pods.items())[: self._most])
        return pods
