"""Times that programs measured per network namespace: the user side of bpf/include/netns_times.h."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from exporter.bpf.entries import counters
from exporter.bpf.layout import bind
from exporter.bpf.live_netns import UNKNOWN, Absences, LiveList
from exporter.bpf.times import TimesLayout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.bpf.loader import BpfObject
    from exporter.bpf.times import Times


class Key(NamedTuple):
    """As struct netns_time_key.

    Args:
        cookie: of the namespace.
        kind: what was measured, as the program's own enum says.
    """

    cookie: int
    kind: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What one reading gave.

    Args:
        live: inodes of the namespaces that exist.
        by_netns: by inode and then by kind; what never happened is left out.
        unknown: by kind, what was measured without knowing where.
        faults: by name, what the programs could not keep, `fault_map_full` above all.
    """

    live: frozenset[int]
    by_netns: Mapping[int, Mapping[int, Times]]
    unknown: Mapping[int, Times] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)

    def of(self, inode: int) -> Mapping[int, Times] | None:
        """What was measured in a namespace; None when there is no such namespace any more."""
        return self.by_netns.get(inode, {}) if inode in self.live else None


class NetnsTimes:
    """The times that a loaded object keeps.

    Args:
        bpf: the object; closing it ends the measuring.

    Raises:
        SourceError: the object has no such map, or another layout.
    """

    def __init__(self, bpf: BpfObject) -> None:
        self._bpf = bpf
        self._keys, self._times = bind(bpf.btf, "netns_time_key", Key), TimesLayout(bpf.btf)
        self._live = LiveList(bpf)
        self._absences = Absences()

    def read(self) -> Measured:
        """Everything measured so far in the namespaces that exist. Forgets those that do not. Raises SourceError."""
        source = self._bpf.map("netns_times")
        _, keys, values = source.read()
        live = self._live.read()  # after the map: who is in it and not on the list has ended, or is just being made
        by_netns: defaultdict[int, dict[int, Times]] = defaultdict(dict)
        unknown: dict[int, Times] = {}
        dead: list[Key] = []
        for place, key in enumerate(self._keys.iter_unpack(keys)):
            inode = live.get(key.cookie)
            if inode is None and key.cookie != UNKNOWN:
                dead.append(key)
                continue
            times = self._times.unpack(values, place * self._times.size)
            (unknown if inode is None else by_netns[inode])[key.kind] = times
        self._forget(dead)
        return Measured(
            frozenset(live.values()), by_netns, unknown, counters(self._bpf.map("faults"), self._bpf.btf, "fault")
        )

    def _forget(self, dead: Iterable[Key]) -> None:
        ended = self._absences.confirmed(key.cookie for key in dead)
        for key in dead:
            if key.cookie in ended:
                self._bpf.map("netns_times").delete(self._keys.pack(key))

    def close(self) -> None:
        """Give the memory back; the object is its owner's to close. Safe to repeat."""
        self._live.close()
