"""One thread that keeps what is known of this node's pods up to date, whatever the API server does."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from exporter.errors import ApiError, ApiFault, CollectError
from exporter.identity import pod_object
from exporter.model import identity_health as health
from exporter.runtime.attempt import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from exporter.identity.pod_api import PodApi
    from exporter.identity.pod_cache import PodCache
    from exporter.model.metric import Metric
    from exporter.runtime.health import Samples

log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 0.5  # seconds; doubles with each failure in a row
_LONGEST_PAUSE: Final = 30.0
_MOST_DOUBLINGS: Final = 16
_STOP_SECONDS: Final = 1.0
_LOST: Final = (ApiFault.EXPIRED, ApiFault.GARBAGE, ApiFault.DEFECT)  # then it is not known where we were
_CHANGES: Final = ("ADDED", "MODIFIED", "DELETED")


class PodWatch(threading.Thread):
    """Lists pods, then watches them; lists anew when the server has forgotten where we were.

    Args:
        connect: makes a connection with the credentials of the moment. Raises ApiError.
        cache: told of what there is.
        first_pause: seconds until the second attempt.
    """

    def __init__(
        self,
        connect: Callable[[], PodApi],
        cache: PodCache,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        super().__init__(name="pods", daemon=True)
        self._connect = connect
        self._cache = cache
        self._first_pause = first_pause
        self._ending = threading.Event()
        self._tried = threading.Event()
        self._api: PodApi | None = None
        self._version = ""  # of what is known; empty when pods are to be listed
        self._newest = False
        self._complaint = ""
        self._heard_at = 0.0  # when the server last said something; 0 for never
        self._connected = False
        self._failures = 0  # in a row
        self._errors: Counter[ApiFault] = Counter(dict.fromkeys(ApiFault, 0))
        self._listed = 0

    def wait(self, seconds: float) -> None:
        """Until pods are known, or the first attempt to learn of them has failed, or it takes too long."""
        self._tried.wait(seconds)

    @property
    def knows_none(self) -> bool:
        """Whether the server told that there is no pod."""
        return bool(self._heard_at) and not self._cache.pods

    def run(self) -> None:
        """Follow until stopped."""
        while not self._ending.is_set():
            failure = attempt(self._follow)
            if isinstance(failure, CollectError) and not self._ending.is_set():
                self._fail(failure)
            self._ending.wait(self._pause())  # also where a server ends each watch at once
        self._disconnect()

    def _follow(self) -> None:
        """List if need be, then watch until the server ends that."""
        if self._api is None:
            self._api = self._connect()
        if not self._version:
            self._list(self._api)
        for kind, found in self._api.watch(self._version):
            self._hear()
            self._apply(kind, found)
            if self._ending.is_set():
                return

    def _list(self, api: PodApi) -> None:
        listing = api.list(newest=self._newest)
        pods = [attempt(pod_object.parse, each, api.server) for each in listing.pods]
        self._cache.replace(pod for pod in pods if not isinstance(pod, CollectError))
        self._count_garbage(pods)
        self._listed += 1
        self._version = listing.version
        self._newest = False
        self._hear()
        self._tried.set()

    def _apply(self, kind: str, found: Mapping[str, Any]) -> None:
        self._version = pod_object.version(found) or self._version
        if kind not in _CHANGES:  # a bookmark is a version and nothing else
            return
        pod = attempt(pod_object.parse, found, "watch of pods")
        self._count_garbage([pod])
        if isinstance(pod, CollectError):
            return
        if kind == "DELETED":
            self._cache.remove(pod.uid)
        else:
            self._cache.put(pod)

    def _count_garbage(self, pods: Iterable[object]) -> None:
        for pod in pods:
            if isinstance(pod, CollectError):
                self._errors[ApiFault.GARBAGE] += 1
                log.debug("a pod is left out: %s", pod)

    def _hear(self) -> None:
        self._heard_at = time.monotonic()
        self._connected = True
        self._failures = 0
        if self._complaint:
            log.info("no longer: pods are not told of by the API server")
            self._complaint = ""

    def _fail(self, failure: CollectError) -> None:
        fault = failure.fault if isinstance(failure, ApiError) else ApiFault.DEFECT
        self._errors[fault] += 1
        self._connected = False
        self._failures += 1
        self._disconnect()  # credentials may have been replaced
        if fault in _LOST:
            self._version, self._newest = "", fault is ApiFault.EXPIRED
        if fault is ApiFault.EXPIRED:
            log.debug("pods are listed anew: %s", failure)
        elif str(failure) != self._complaint:
            self._complaint = str(failure)
            known = f"{len(self._cache.pods)} pods keep their names" if self._heard_at else "no pod has a name yet"
            log.warning("pods are not told of by the API server, %s: %s", known, failure)
        self._tried.set()

    def _pause(self) -> float:
        longest = min(self._first_pause * 2 ** min(max(self._failures - 1, 0), _MOST_DOUBLINGS), _LONGEST_PAUSE)
        return random.uniform(longest / 2, longest)  # noqa: S311 - so that nodes do not come all at once

    def _disconnect(self) -> None:
        api, self._api = self._api, None
        if api is not None:
            attempt(api.close)

    def samples(self) -> Mapping[Metric, Samples]:
        """The books, for the self-metrics."""
        told: dict[Metric, Samples] = {
            health.CONNECTED: {(): self._connected},
            health.KNOWN: {(): len(self._cache.pods)},
            health.CUT: {(): self._cache.cut},
            health.LISTS: {(): self._listed},
            health.ERRORS: {(fault.value,): count for fault, count in self._errors.items()},
        }
        if self._heard_at:
            told[health.AGE] = {(): time.monotonic() - self._heard_at}
        return told

    def stop(self) -> None:
        """End soon; safe to repeat."""
        self._ending.set()
        api = self._api
        if api is not None:
            attempt(api.abort)
        if self.ident is not None:
            self.join(_STOP_SECONDS)
