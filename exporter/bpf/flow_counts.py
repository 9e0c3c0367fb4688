"""Bytes and packets by source and destination, as bpf/flow.bpf.c counts them."""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf import objects
from exporter.bpf.entries import Entries, counters
from exporter.bpf.layout import bind
from exporter.bpf.loader import BpfObject

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from exporter.bpf.maps import Map

_MOST: Final = 0xFFFFFFFF
_PROGRAMS: Final = ("start_xmit", "receive")


class Tuple(NamedTuple):
    """As struct tuple: who sends to whom.

    Args:
        src: 16 bytes, IPv4 as ::ffff:a.b.c.d.
        dst: the same.
        sport: 0 where ports are not told apart.
        dport: the same.
        protocol: number of the protocol above IP.
    """

    src: bytes
    dst: bytes
    sport: int
    dport: int
    protocol: int


class Count(NamedTuple):
    """As struct flow_count.

    Args:
        bytes: on the wire, link headers included.
        packets: on the wire.
    """

    bytes: int
    packets: int


class Device(NamedTuple):
    """As struct device.

    Args:
        netns: inode of its network namespace.
        ifindex: its index there.
    """

    netns: int
    ifindex: int


class Node(NamedTuple):
    """As struct node.

    Args:
        netns: inode of the node's own network namespace.
        generation: of the addresses; another number makes programs look them up anew.
    """

    netns: int
    generation: int


class Uncounted(NamedTuple):
    """Packets that are in no flow.

    Args:
        map_full: there was no room for another flow.
        unreadable: their headers could not be read.
    """

    map_full: int
    unreadable: int


class FlowCounts:
    """The programs, attached until closed.

    Args:
        entries: room for how many flows.
        ports: whether a flow is between ports, rather than between addresses.

    Raises:
        UnsupportedError: this machine cannot run them; the text says what would change that.
        SourceError: the object is not what it should be, or the verifier objects.
    """

    def __init__(self, entries: int, *, ports: bool) -> None:
        self._bpf = BpfObject(objects.find("flow"))
        try:
            self._bpf.set_max_entries("flows", entries)
            self._bpf.set_variable("with_ports", int(ports))
            self._bpf.load()
            self._tuples = bind(self._bpf.btf, "tuple", Tuple)
            self._devices = bind(self._bpf.btf, "device", Device)
            self._node = bind(self._bpf.btf, "node", Node)
            self._flows = Entries(self._bpf.map("flows"), self._tuples, bind(self._bpf.btf, "flow_count", Count)).source
            kinds = self._bpf.btf.enum("uplink")
            self._counts, self._above = (struct.pack("<I", kinds[f"UPLINK_{each}"]) for each in ("COUNTS", "ABOVE"))
            for program in _PROGRAMS:
                self._bpf.attach(program)
        except BaseException:
            self._bpf.close()
            raise
        self._watched: dict[str, dict[bytes, bytes]] = {}
        self._generations = itertools.count(1)

    def watch(self, netns: int, uplinks: Collection[int], above: Collection[int], addresses: Collection[bytes]) -> None:
        """Say what to count. Raises SourceError.

        Args:
            netns: inode of the node's own namespace.
            uplinks: indices of its devices by which packets enter and leave the node.
            above: indices of devices that send and receive by those.
            addresses: of the node and its pods, 16 bytes each.
        """
        kinds = {**dict.fromkeys(above, self._above), **dict.fromkeys(uplinks, self._counts)}
        self._set("uplinks", {self._devices.pack(Device(netns, index)): kind for index, kind in kinds.items()})
        self._set("local_addresses", dict.fromkeys(addresses, self._counts))
        generation = next(self._generations) & _MOST
        self._bpf.map("node").update(bytes(4), self._node.pack(Node(netns, generation)))

    def _set(self, name: str, wanted: dict[bytes, bytes]) -> None:
        present, entries = self._watched.get(name, {}), self._bpf.map(name)
        for key in present.keys() - wanted.keys():
            entries.delete(key)
        for key, value in wanted.items():
            if present.get(key) != value:
                entries.update(key, value)
        self._watched[name] = wanted

    def read(self) -> Iterator[tuple[bytes, Count]]:
        """All flows, by a key for `tuple_of` and `forget`. Raises SourceError."""
        return _summed(self._flows)

    def tuple_of(self, key: bytes) -> Tuple:
        """Who sends to whom."""
        return self._tuples.unpack(key)

    def forget(self, key: bytes) -> None:
        """Make room; the flow begins at 0 when it comes back. Raises SourceError."""
        self._flows.delete(key)

    def uncounted(self) -> Uncounted:
        """What is missing in the flows. Raises SourceError."""
        full = counters(self._bpf.map("faults"), self._bpf.btf, "fault")["fault_map_full"]
        unreadable = self._bpf.map("unreadable").lookup(bytes(4)) or b""  # an array has every key
        return Uncounted(full, sum(memoryview(unreadable).cast("Q")))

    def close(self) -> None:
        """Detach and unload; safe to repeat."""
        self._bpf.close()


def _summed(flows: Map) -> Iterator[tuple[bytes, Count]]:
    """Entries of the map, the values of all CPUs summed."""
    number, keys, values = flows.read()
    size, words = flows.key_size, memoryview(values).cast("Q")
    width = flows.entry_size // 8  # a struct flow_count per CPU, of two words each
    for index in range(number):
        start, end = index * width, (index + 1) * width
        count = Count(sum(words[start:end:2]), sum(words[start + 1 : end : 2]))
        yield keys[index * size : (index + 1) * size], count
