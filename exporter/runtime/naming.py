"""Whom an event happened to, who is at its ends, and which functions its stack went through."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from exporter.errors import CollectError
from exporter.identity.recent import NOBODY, Owners
from exporter.model.event import Named
from exporter.model.probe import ProbeSpec, stateless
from exporter.runtime import containers
from exporter.runtime.attempt import attempt
from exporter.sources import addresses, links
from exporter.sources.netns import Visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence

    from exporter.bpf.stacks import Stacks
    from exporter.model.event import Address, Event
    from exporter.model.pod import NetnsRef, Pod
    from exporter.model.probe import Cycle, Env
    from exporter.model.snapshot import Table

_SHARE: Final = 5  # looking for new pods takes at most a sixth of the thread's time, and only while some come
_RETRY_SECONDS: Final = 5.0  # until a namespace that was not found is looked for again
_MOST_STRANGERS: Final = 1000
_MOST_NEW: Final = 64  # whose addresses are asked for at once; the next cycle has them all

# By bytes, as these are asked for each event: `is_loopback` of an address takes several times as long.
_LOOPBACK: Final = {4: b"\x7f", 16: bytes(15) + b"\x01"}
_LINK_LOCAL: Final = (b"\xa9\xfe", b"\xfe\x80")

STEP: Final = "event_naming"


def step(owners: Owners) -> ProbeSpec:
    """What each collection cycle does for naming: a probe without metrics that tells `owners` what it finds."""

    def collect(cycle: Cycle) -> list[Table]:
        host = cycle.host
        owners.now_are(pod for pod in cycle.pids if pod == host or pod.netns != host.netns)
        services = {link.ifindex for link in cycle.on_host(links.read) if link.name == links.SERVICES}
        owners.addresses_are(
            {
                pod: [each.value for each in values if not (pod.is_host and each.device in services)]
                for pod, values in cycle.over(addresses.read)
            }
        )
        return []

    return ProbeSpec(
        name=STEP,
        summary="Who has which address, for events.",
        metrics=(),
        open=stateless(collect),
        readers=(addresses.read,),
        host_readers=(links.read,),
    )


class Naming:
    """Names events. Used by the thread of the event loop.

    Args:
        env: the world.
        owners: kept up to date by `step`; asked, and told of pods that have come since.
        stacks: of the kernel's functions.
        discover: all namespaces now; called when an event is from one that no cycle has seen yet.
        clock: seconds.
    """

    def __init__(
        self,
        env: Env,
        owners: Owners,
        stacks: Stacks,
        discover: Callable[[Env], tuple[NetnsRef, ...]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._env = env
        self._owners = owners
        self._stacks = stacks
        self._discover = discover
        self._clock = clock
        # Namespaces that were not found, by inode and cookie: until when they are not looked for.
        self._strangers: dict[tuple[int, int], float] = {}
        self._next_look = 0.0

    def __call__(self, events: Sequence[Event]) -> list[Named]:
        """Name them."""
        self._look_for({(event.netns, event.cookie) for event in events if event.netns})
        functions = self._stacks.named(event.stack for event in events if event.stack)
        inside = containers.of_events(str(self._env.proc), events)
        return [self._named(event, functions, inside) for event in events]

    def _named(self, event: Event, functions: Mapping[int, str], inside: Mapping[tuple[int, int], str]) -> Named:
        pod = self._owners.pod(event.netns, event.cookie) if event.netns else None
        source = destination = NOBODY
        connection = event.connection
        if connection is not None:
            source = self._end(connection.source, pod)
            destination = self._end(connection.destination, pod)
        stack = tuple(functions[address] for address in event.stack)
        process = containers.process_of(event) if inside else None
        container = "" if process is None else inside.get(process, "")
        return Named(event, self._env.node, pod, source, destination, stack, container)

    def _end(self, address: Address, pod: Pod | None) -> Mapping[str, str]:
        packed = address.packed
        if packed.startswith(_LOOPBACK[len(packed)]):
            return NOBODY if pod is None else self._owners.inside(pod)
        return NOBODY if packed.startswith(_LINK_LOCAL) or not any(packed) else self._owners.end(packed)

    def _look_for(self, namespaces: Iterable[tuple[int, int]]) -> None:
        """Find namespaces that have come since the last cycle, given by inode and cookie."""
        now = self._clock()
        unknown = {each for each in namespaces if self._strangers.get(each, 0.0) <= now and not self._owners.pod(*each)}
        if not unknown or now < self._next_look:
            return
        attempt(self._look, {inode for inode, _ in unknown})
        if len(self._strangers) > _MOST_STRANGERS:
            self._strangers.clear()
        strangers = (each for each in unknown if self._owners.pod(*each) is None)
        self._strangers |= dict.fromkeys(strangers, now + _RETRY_SECONDS)
        done = self._clock()
        self._next_look = done + _SHARE * (done - now)

    def _look(self, inodes: Container[int]) -> None:
        since = self._owners.listed()
        refs = self._discover(self._env)
        self._owners.found((ref.pod for ref in refs if ref is refs[0] or ref.pod.netns != refs[0].pod.netns), since)
        new = [ref for ref in refs if ref.pod.netns in inodes and self._owners.pod(ref.pod.netns) != ref.pod]
        self._meet(new[:_MOST_NEW])

    def _meet(self, refs: Collection[NetnsRef]) -> None:
        """Take over new namespaces, with their addresses where they can be had."""
        visitor = Visitor(self._env.proc)
        try:
            for ref in refs:
                values = attempt(_addresses, visitor, ref)
                self._owners.add(ref.pod, () if isinstance(values, CollectError) else values)
        finally:
            visitor.close()

    def close(self) -> None:
        """Close the table of symbols."""
        self._stacks.close()


def _addresses(visitor: Visitor, ref: NetnsRef) -> list[bytes]:
    with visitor.visit(ref) as netns:
        return [each.value for each in addresses.read(netns)]
