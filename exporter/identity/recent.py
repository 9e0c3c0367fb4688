"""Who had a namespace or an address, including those that have ended just now: their last packets are still told of."""

from __future__ import annotations

import threading
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from exporter.identity import endpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from exporter.model.pod import Pod

K = TypeVar("K")
T = TypeVar("T")

REMEMBERED_SECONDS: Final = 30.0
_MOST_ENDED: Final = 10_000  # pods, and addresses; the oldest are forgotten first
_MAPPED: Final = bytes(10) + b"\xff\xff"

EXTERNAL: Final[Mapping[str, str]] = MappingProxyType(
    {"type": endpoints.EXTERNAL, "node": "", "namespace": "", "pod": ""}
)
NOBODY: Final[Mapping[str, str]] = MappingProxyType({})  # of an address that cannot be told whose it is


class Recent(Generic[K, T]):
    """What is so now, and for a while what was so before. Threads may update and ask.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._updating = threading.Lock()  # what is asked for is replaced as a whole
        self._now: Mapping[K, T] = {}
        self._ended: Mapping[K, tuple[T, float]] = {}  # with the time at which they were missed

    def are(self, found: Mapping[K, T]) -> None:
        """These are all now."""
        now = self._clock()
        with self._updating:
            gone = {key: (value, now) for key, value in self._now.items() if key not in found}
            kept = [
                (key, entry)
                for key, entry in {**self._ended, **gone}.items()
                if key not in found and now - entry[1] <= REMEMBERED_SECONDS
            ]
            self._ended = dict(kept[-_MOST_ENDED:])
            self._now = found

    def add(self, found: Mapping[K, T], shared: T | None = None) -> None:
        """These have come; `shared`, where given, stands for those whose key somebody has already."""
        with self._updating:
            doubtful = {} if shared is None else {key: shared for key in found if key in self._now}
            self._now = {**self._now, **found, **doubtful}

    def get(self, key: K) -> T | None:
        """What is so now, or was until just now."""
        value = self._now.get(key)
        if value is None and key in self._ended:
            value, missed = self._ended[key]
            return value if self._clock() - missed <= REMEMBERED_SECONDS else None
        return value


class Owners:
    """Whose a namespace is, and who has which address. Threads may update and ask.

    An inode or address that somebody has now is theirs, whoever had it before. By the cookie of a namespace, which no
    other ever gets, its pod is told only where that is certain: while pods were looked for, the cookie had the inode
    all the time under which the pod was found.

    Args:
        node: name of this node.
        clock: seconds.
    """

    def __init__(self, node: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._pods: Recent[int, Pod] = Recent(clock)  # by inode
        self._certain: Recent[int, Pod] = Recent(clock)  # by cookie
        self._addresses: Recent[bytes, Mapping[str, str]] = Recent(clock)
        self._live: Callable[[], Mapping[int, int]] = dict
        self._listed: Mapping[int, int] = {}  # at the end of the last cycle

    def list_by(self, live: Callable[[], Mapping[int, int]]) -> None:
        """Have cookies told by what lists the inode of each that lives. Raises SourceError."""
        self._live = live
        self._listed = live()

    def listed(self) -> Mapping[int, int]:
        """Inode by cookie of all namespaces that live. Raises SourceError."""
        return self._live()

    def now_are(self, pods: Iterable[Pod]) -> None:
        """These are all pods now, the host included, looked for since the last time. Raises SourceError."""
        found = {pod.netns: pod for pod in pods}
        self._pods.are(found)
        since, self._listed = self._listed, self._live()
        self._certain.are(_unchanged(found, since, self._listed))

    def addresses_are(self, addresses: Mapping[Pod, Collection[bytes]]) -> None:
        """These are the addresses of all pods now, of 16 bytes each."""
        known = endpoints.of_node(self._node, addresses)
        shared = {value.removeprefix(_MAPPED): NOBODY for values in addresses.values() for value in values}
        self._addresses.are(
            shared | {value.removeprefix(_MAPPED): _as_mapping(owner) for value, owner in known.items()}
        )

    def add(self, pod: Pod, addresses: Collection[bytes]) -> None:
        """A pod that has just come, with its addresses; those that somebody has already are nobody's."""
        self._pods.add({pod.netns: pod})
        owner = self.inside(pod)
        self._addresses.add({value.removeprefix(_MAPPED): owner for value in addresses}, shared=NOBODY)

    def found(self, pods: Iterable[Pod], since: Mapping[int, int]) -> None:
        """These pods were found after `since` was listed. Raises SourceError."""
        self._certain.add(_unchanged({pod.netns: pod for pod in pods}, since, self._live()))

    def pod(self, netns: int, cookie: int = 0) -> Pod | None:
        """Who has this namespace, or had it until just now; by inode only where no cookie is known."""
        return self._certain.get(cookie) if cookie else self._pods.get(netns)

    def end(self, packed: bytes) -> Mapping[str, str]:
        """Who has this address of 4 or 16 bytes: `type`, `node`, `namespace`, `pod`; `EXTERNAL` if nobody here.

        Empty for an address that several have: a wrong name is worse than none.
        """
        owner = self._addresses.get(packed)
        return EXTERNAL if owner is None else owner

    def inside(self, pod: Pod) -> Mapping[str, str]:
        """Who is behind an address that means something inside a namespace only, such as loopback."""
        return _as_mapping(endpoints.of_pod(self._node, pod))


def _unchanged(pods: Mapping[int, Pod], before: Mapping[int, int], after: Mapping[int, int]) -> dict[int, Pod]:
    """Pods by cookie, of those that had the same inode before and after the pods were looked for."""
    return {cookie: pods[inode] for cookie, inode in after.items() if before.get(cookie) == inode and inode in pods}


def _as_mapping(owner: endpoints.Endpoint) -> Mapping[str, str]:
    return MappingProxyType({"type": owner.kind, "node": owner.node, "namespace": owner.namespace, "pod": owner.pod})
