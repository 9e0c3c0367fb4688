"""What programs counted per network namespace: the user side of bpf/include/netns_counts.h."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from exporter.bpf import hooks, kernel_btf, layout, objects
from exporter.bpf.entries import counters
from exporter.bpf.live_netns import UNKNOWN, Absences, LiveList
from exporter.bpf.loader import BpfObject
from exporter.bpf.net_events import NetEvents
from exporter.errors import CollectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from exporter.bpf.hooks import Hook
    from exporter.bpf.net_events import Tell
    from exporter.model.pod import Pod


class Key(NamedTuple):
    """As struct netns_count_key.

    Args:
        cookie: of the namespace.
        kind: what was counted, as the probe's own enum says.
        reason: the kernel's reason, where it gives one.
    """

    cookie: int
    kind: int
    reason: int


class Counted(NamedTuple):
    """How often something happened.

    Args:
        kind: as in `Key`.
        reason: as in `Key`.
        events: how often, since the programs were attached.
    """

    kind: int
    reason: int
    events: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What one reading gave.

    Args:
        live: inodes of the namespaces that exist.
        by_netns: what was counted in each, by inode; those without anything are left out.
        unknown: what was counted without knowing where.
        uncounted: events for which the map had no room.
        suppressed: events that were counted and not told, for their rate.
        lost: the same, for lack of room in the ring buffer.
    """

    live: frozenset[int]
    by_netns: Mapping[int, Sequence[Counted]]
    unknown: Sequence[Counted] = ()
    uncounted: int = 0
    suppressed: int = 0
    lost: int = 0

    def over(self, pods: Iterable[Pod]) -> list[tuple[Pod, Sequence[Counted]]]:
        """What was counted in each namespace that still exists, which in most is nothing."""
        return [(pod, self.by_netns.get(pod.netns, ())) for pod in pods if pod.netns in self.live]


@dataclass(slots=True)
class Sorted:
    """Entries of the map, by what is to be done with them.

    Args:
        by_netns: as in `Counts`.
        unknown: as in `Counts`.
        dead: keys of namespaces that are not on the list.
    """

    by_netns: dict[int, list[Counted]] = field(default_factory=lambda: defaultdict(list))
    unknown: list[Counted] = field(default_factory=list)
    dead: list[Key] = field(default_factory=list)


def sort(entries: Iterable[tuple[Key, int]], live: Mapping[int, int]) -> Sorted:
    """Give each entry to the inode that its cookie has now; `live` is cookie to inode."""
    found = Sorted()
    for key, count in entries:
        if key.cookie == UNKNOWN:
            found.unknown.append(Counted(key.kind, key.reason, count))
        elif (inode := live.get(key.cookie)) is not None:
            found.by_netns[inode].append(Counted(key.kind, key.reason, count))
        else:
            found.dead.append(key)
    return found


class Newer(NamedTuple):
    """What a program can use of newer kernels.

    Args:
        program: that uses it.
        variable: that makes it do so; the kernel refuses the program where it has nothing of the kind.
    """

    program: str
    variable: str


class NetnsCounts:
    """A loaded object that counts per namespace, attached until closed.

    Args:
        name: of the object.
        sys: root of the running kernel's sysfs; a captured one has no BTF, and then nothing is loaded.
        places: where it watches.
        entries: room for how many pairs of namespace and reason.
        newer: what one of the programs can use of newer kernels.
        prepare: sets the object up, its programs chosen; `event_plan.prepare` for those with events.

    Attributes:
        chosen: the programs that watch each place.
        newer: whether what newer kernels have is used.

    Raises:
        UnsupportedError: this machine cannot run it; the text says what would change that.
        SourceError: the object is not what it should be, or the verifier objects.
    """

    def __init__(  # noqa: PLR0913 -- one place for all that has to happen before load
        self,
        name: str,
        sys: Path,
        places: Sequence[Hook],
        entries: int,
        newer: Newer,
        *,
        prepare: Callable[[BpfObject], None] | None = None,
    ) -> None:
        kernel_btf.require(sys)
        try:
            self._bpf, self.chosen, self.newer = _loaded(name, sys, places, entries, newer, prepare=prepare)
        except CollectError:
            self._bpf, self.chosen, self.newer = _loaded(name, sys, places, entries, None, prepare=prepare)
        try:
            self._live = LiveList(self._bpf)
            self._keys = layout.bind(self._bpf.btf, "netns_count_key", Key)
            self._counts, self._faults = self._bpf.map("counts"), self._bpf.map("faults")
        except BaseException:
            self._bpf.close()
            raise
        self._absences = Absences()

    def kinds(self) -> dict[int, str]:
        """Names of the kinds, from the object's `enum kind`: KIND_NO_SOCKET is `no_socket`. Raises SourceError."""
        return {number: name.removeprefix("KIND_").lower() for name, number in self._bpf.btf.enum("kind").items()}

    def read(self) -> Counts:
        """Everything counted so far in the namespaces that exist. Forgets those that do not. Raises SourceError."""
        number, keys, values = self._counts.read()
        words, cpus = memoryview(values).cast("Q"), self._counts.cpus  # struct netns_count is one __u64
        sums = [sum(words[at : at + cpus]) for at in range(0, number * cpus, cpus)]
        live = self._live.read()  # after the map: who was in it and is not on the list has ended, or is just being made
        found = sort(zip(self._keys.iter_unpack(keys), sums, strict=True), live)
        self._forget(found.dead)
        faults = counters(self._faults, self._bpf.btf, "fault")
        untold = faults["fault_suppressed"], faults["fault_lost"]
        return Counts(frozenset(live.values()), found.by_netns, found.unknown, faults["fault_map_full"], *untold)

    def events(self, tell: Tell) -> NetEvents:
        """The single events, where `prepare` has asked for them. Raises SourceError."""
        return NetEvents(self._bpf, tell)

    def _forget(self, dead: list[Key]) -> None:
        ended = self._absences.confirmed(key.cookie for key in dead)
        for key in dead:
            if key.cookie in ended:
                self._counts.delete(self._keys.pack(key))

    def close(self) -> None:
        """Detach and unload; safe to repeat."""
        self._live.close()
        self._bpf.close()


def _loaded(  # noqa: PLR0913 -- as above
    name: str,
    sys: Path,
    places: Sequence[Hook],
    entries: int,
    newer: Newer | None,
    *,
    prepare: Callable[[BpfObject], None] | None,
) -> tuple[BpfObject, dict[str, tuple[str, ...]], bool]:
    """The object at work, the programs for each place, and whether `newer` is used, which only one of them can."""
    bpf = BpfObject(objects.find(name))
    try:
        bpf.set_max_entries("counts", entries)
        chosen = hooks.choose(bpf, places, sys)
        if prepare is not None:
            prepare(bpf)
        used = newer is not None and newer.program in chain.from_iterable(chosen.values())
        if newer is not None and used:
            bpf.set_variable(newer.variable, 1)
        bpf.load()
        for program in chain.from_iterable(chosen.values()):  # of raw tracepoints only this tells what they lack
            bpf.attach(program)
    except BaseException:
        bpf.close()
        raise
    return bpf, chosen, used
