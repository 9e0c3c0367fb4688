"""Neighbour entries (ARP and neighbour discovery): those of a namespace, and the tables that all namespaces share."""

from __future__ import annotations

import socket
import struct
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import netlink, procfs

if TYPE_CHECKING:
    from exporter.model.probe import Netns

_RTM_NEWNEIGH = 28
_RTM_GETNEIGH = 30
_REQUEST = netlink.request(_RTM_GETNEIGH, bytes(12))  # a struct ndmsg: any family, device and state
# nlmsghdr length and type; ndmsg family and state
_ENTRY = struct.Struct("=IH10xB7xHxx")

FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_TABLES = {"ipv4": "stat/arp_cache", "ipv6": "stat/ndisc_cache"}
_COUNTERS = ("table_fulls", "res_failed", "forced_gc_runs", "unresolved_discards")
_THRESHOLDS = ("gc_thresh1", "gc_thresh2", "gc_thresh3")


class State(IntEnum):
    """States of an entry by the kernel's bits (linux/neighbour.h); NOARP entries need no resolution, so none here."""

    INCOMPLETE = 0x01
    REACHABLE = 0x02
    STALE = 0x04
    DELAY = 0x08
    PROBE = 0x10
    FAILED = 0x20
    PERMANENT = 0x80


_KNOWN = frozenset(map(int, State))


class Table(NamedTuple):
    """One family's table, shared by all namespaces of the node; counters are sums over the CPUs.

    Args:
        family: ipv4 or ipv6.
        numbers: entries, table_fulls, res_failed, forced_gc_runs, unresolved_discards, gc_thresh1 to 3; those that
            this kernel does not have are missing.
    """

    family: str
    numbers: dict[str, int]


def read(netns: Netns) -> dict[str, dict[int, int]]:
    """Family -> state -> number of entries of the namespace; a family without entries is missing."""
    return parse(netns.netlink(netlink.ROUTE, _REQUEST))


def parse(answer: bytes) -> dict[str, dict[int, int]]:
    """Count the entries of a dump. Raises SourceError on a truncated message."""
    found: dict[str, dict[int, int]] = {}
    offset, end = 0, len(answer) - _ENTRY.size
    while offset <= end:
        length, kind, family, state = _ENTRY.unpack_from(answer, offset)
        if kind != _RTM_NEWNEIGH or length < _ENTRY.size:
            raise SourceError("RTM_GETNEIGH", "a message about a neighbour", answer[offset : offset + 32])
        name = FAMILIES.get(family)
        if name is not None and state in _KNOWN:
            states = found.setdefault(name, {})
            states[state] = states.get(state, 0) + 1
        offset += length + 3 & ~3
    if not netlink.is_end(answer, offset):
        raise SourceError("RTM_GETNEIGH", "a whole message about a neighbour", answer[offset:])
    return found


def read_tables(netns: Netns) -> list[Table]:
    """Both tables of the node; these files exist in the host's namespace only. Raises UnsupportedError elsewhere."""
    tables = []
    for family, name in _TABLES.items():
        try:
            numbers = parse_table(netns.read(name), f"{netns.root}/net/{name}")
        except UnsupportedError:  # a kernel without IPv6
            continue
        tables.append(Table(family, numbers | _thresholds(netns, family)))
    if not tables:
        raise UnsupportedError(f"{netns.root}/net/{_TABLES['ipv4']} exists only in the host's namespace; run there")
    return tables


def _thresholds(netns: Netns, family: str) -> dict[str, int]:
    found = {}
    for name in _THRESHOLDS:
        path = f"{family}/neigh/default/{name}"
        try:
            found[name] = procfs.integer(netns.sysctl(path).strip(), f"/proc/sys/net/{path}", "a whole number")
        except UnsupportedError:
            continue
    return found


def parse_table(content: bytes, path: str) -> dict[str, int]:
    """Numbers of one statistics file: a line of names, then a hexadecimal line per CPU. Raises SourceError."""
    header, *lines = content.split(b"\n")
    names = header.decode("ascii", "replace").split()
    if "entries" not in names or not lines or lines.pop():
        raise SourceError(path, "a header with `entries`, lines per CPU and a line end", content[:80])
    totals: dict[str, int] = {}
    for number, line in enumerate(lines, start=2):
        words = line.split()
        if len(words) != len(names):
            raise SourceError(path, f"{len(names)} columns", line, line=number)
        for name, word in zip(names, words, strict=True):
            value = procfs.integer(word, path, "hexadecimal numbers", base=16, line=number)
            if name == "entries":  # of the whole table, printed for each CPU
                totals[name] = value
            elif name in _COUNTERS:
                totals[name] = totals.get(name, 0) + value
    return totals
