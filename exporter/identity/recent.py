"""Who had a namespace or an address, including those that have ended just now: their last packets are still told of."""

from __future__ import annotations

import threading
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from exporter.identity import endpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Mapping

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


class Owners:
    """Pods by the inode of their namespace, and who has which address. Threads may update and ask.

    An inode or address that somebody has now is theirs, whoever had it before.

    Args:
        node: name of this node.
        clock: seconds.
    """

    def __init__(self, node: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._clock = clock
        self._updating = threading.Lock()  # what is asked for is replaced as a whole
        self._pods: dict[int, Pod] = {}
        self._ended: dict[int, tuple[Pod, float]] = {}  # with the time at which they were missed
        self._addresses: dict[bytes, Mapping[str, str]] = {}
        self._left: dict[bytes, tuple[Mapping[str, str], float]] = {}

    def now_are(self, pods: Iterable[Pod]) -> None:
        """These are all pods now, the host included."""
        found = {pod.netns: pod for pod in pods}
        now = self._clock()
        with self._updating:
            gone = {inode: (pod, now) for inode, pod in self._pods.items() if inode not in found}
            self._ended = _kept(self._ended | gone, found, now)
            self._pods = found

    def addresses_are(self, addresses: Mapping[Pod, Collection[bytes]]) -> None:
        """These are the addresses of all pods now, of 16 bytes each."""
        known = endpoints.of_node(self._node, addresses)
        shared = {value.removeprefix(_MAPPED): NOBODY for values in addresses.values() for value in values}
        found = shared | {value.removeprefix(_MAPPED): _as_mapping(owner) for value, owner in known.items()}
        now = self._clock()
        with self._updating:
            gone = {value: (owner, now) for value, owner in self._addresses.items() if value not in found}
            self._left = _kept(self._left | gone, found, now)
            self._addresses = found

    def add(self, pod: Pod, addresses: Collection[bytes]) -> None:
        """A pod that has just come, with its addresses; those that somebody has already are nobody's."""
        owner = self.inside(pod)
        with self._updating:
            self._pods = self._pods | {pod.netns: pod}
            new = {value.removeprefix(_MAPPED) for value in addresses}
            self._addresses = self._addresses | {value: NOBODY if value in self._addresses else owner for value in new}

    def pod(self, netns: int) -> Pod | None:
        """Who has this namespace, or had it until just now."""
        pod = self._pods.get(netns)
        if pod is None and netns in self._ended:
            pod, missed = self._ended[netns]
            return pod if self._clock() - missed <= REMEMBERED_SECONDS else None
        return pod

    def end(self, packed: bytes) -> Mapping[str, str]:
        """Who has this address of 4 or 16 bytes: `type`, `node`, `namespace`, `pod`; `EXTERNAL` if nobody here.

        Empty for an address that several have: a wrong name is worse than none.
        """
        owner = self._addresses.get(packed)
        if owner is None and packed in self._left:
            owner, missed = self._left[packed]
            return owner if self._clock() - missed <= REMEMBERED_SECONDS else EXTERNAL
        return EXTERNAL if owner is None else owner

    def inside(self, pod: Pod) -> Mapping[str, str]:
        """Who is behind an address that means something inside a namespace only, such as loopback."""
        return _as_mapping(endpoints.of_pod(self._node, pod))


def _kept(old: Mapping[K, tuple[T, float]], present: Container[K], now: float) -> dict[K, tuple[T, float]]:
    """Those that nobody has in their stead and that are not too old."""
    fresh = [(key, entry) for key, entry in old.items() if key not in present and now - entry[1] <= REMEMBERED_SECONDS]
    return dict(fresh[-_MOST_ENDED:])


def _as_mapping(owner: endpoints.Endpoint) -> Mapping[str, str]:
    return MappingProxyType({"type": owner.kind, "node": owner.node, "namespace": owner.namespace, "pod": owner.pod})
