"""What every network namespace has now, by one eBPF program: sockets in use, fragments, port range."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.bpf import objects
from exporter.bpf.layout import bind
from exporter.bpf.netns_rows import CAPACITY, NetnsRows

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.bpf.btf import Btf


class Numbers(NamedTuple):
    """The row as the program fills it; `sockets` is of all families, fragment memory in bytes."""

    inode: int
    sockets: int
    tcp: int
    udp: int
    raw: int
    tcp6: int
    udp6: int
    raw6: int
    time_wait: int
    fragmented: int
    fragmented6: int
    fragment_memory: int
    fragment_memory6: int
    has_ip6: int
    first_port: int
    last_port: int


class State:
    """The numbers of one namespace as one scan found them, under the names of /proc/net/sockstat and sockstat6.

    Args:
        content: the row's bytes.
        numbers: what they say.
    """

    __slots__ = ("content", "has_ip6", "ports", "sockets", "sockets6")

    def __init__(self, content: bytes, numbers: Numbers) -> None:
        self.content = content
        self.has_ip6 = bool(numbers.has_ip6)
        self.ports = range(numbers.first_port, numbers.last_port + 1)
        # A CPU may count below zero what began on another. The kernel prints no sum below zero, for protocols.
        self.sockets = {
            "sockets used": numbers.sockets,
            "TCP inuse": max(numbers.tcp, 0),
            "TCP tw": numbers.time_wait,
            "UDP inuse": max(numbers.udp, 0),
            "RAW inuse": max(numbers.raw, 0),
            "FRAG inuse": numbers.fragmented,
            "FRAG memory": numbers.fragment_memory,
        }
        self.sockets6 = {
            "TCP inuse": max(numbers.tcp6, 0),
            "UDP inuse": max(numbers.udp6, 0),
            "RAW inuse": max(numbers.raw6, 0),
            "FRAG inuse": numbers.fragmented6,
            "FRAG memory": numbers.fragment_memory6,
        }


class NetnsState(NetnsRows[State]):
    """The loaded program and the memory that it fills.

    Args:
        capacity: namespaces that have a place.

    Raises:
        UnsupportedError: this machine cannot run it; the text says why.
        SourceError: the object is not what it should be.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        super().__init__(objects.find("netns_state"), self._decoder, capacity)

    @staticmethod
    def _decoder(types: Btf) -> Callable[[bytes], State]:
        unpack = bind(types, "row", Numbers).unpack
        return lambda content: State(content, unpack(content))
