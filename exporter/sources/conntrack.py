"""Connection tracking: counters and table size by ctnetlink, else from /proc/net/stat/nf_conntrack and sysctls.

Both ways give the same names. A name that the running kernel no longer counts is missing from the result,
whatever the file still prints under it.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING

from exporter.errors import SourceError, UnsupportedError
from exporter.sources import netlink, procfs

if TYPE_CHECKING:
    from exporter.model.probe import Netns

# linux/netfilter/nfnetlink.h, linux/netfilter/nfnetlink_conntrack.h
_NETLINK_NETFILTER = 12
_CTNETLINK = 1 << 8  # subsystem, in the upper byte of the message type
_STATS_CPU, _STATS = _CTNETLINK | 4, _CTNETLINK | 5
# This answer claims to be part of a dump that then never ends, so an acknowledgement has to end it.
_NLM_F_REQUEST_ACK = 0x5
_FAMILY = struct.Struct("=BBH")  # address family, version, resource (here: CPU)
_CPU_NAMES = {
    2: "found",
    4: "invalid",
    5: "ignore",
    8: "insert",
    9: "insert_failed",
    10: "drop",
    11: "early_drop",
    12: "error",
    13: "search_restart",
    14: "clash_resolve",
    15: "chain_toolong",
}
_TABLE_NAMES = {1: "entries", 2: "max_entries"}

REQUEST_CPUS = netlink.request(_STATS_CPU, _FAMILY.pack(0, 0, 0))
REQUEST_TABLE = netlink.request(_STATS, _FAMILY.pack(0, 0, 0), _NLM_F_REQUEST_ACK)

_FILE = "stat/nf_conntrack"
_FILE_NAMES = {"icmp_error": "error", "clashres": "clash_resolve", "chainlength": "chain_toolong"}
_TABLE_SYSCTLS = {"entries": "netfilter/nf_conntrack_count", "max_entries": "netfilter/nf_conntrack_max"}


def read(netns: Netns) -> dict[str, int]:
    """Counters added over all CPUs, `entries` and `max_entries`. Raises UnsupportedError where nothing tracks."""
    try:
        found = parse_cpus(netns.netlink(_NETLINK_NETFILTER, REQUEST_CPUS))
        found |= parse_table(netns.netlink(_NETLINK_NETFILTER, REQUEST_TABLE))
    except UnsupportedError:
        found = _read_file(netns)
    for name, sysctl in _TABLE_SYSCTLS.items():
        if name not in found:
            found |= _read_sysctl(netns, name, sysctl)
    if not found:
        raise UnsupportedError(
            "connection tracking is not loaded; a rule that needs it loads it, or modprobe nf_conntrack"
        )
    return found


def read_entries(netns: Netns) -> int:
    """Entries of one namespace in the table, which all namespaces share.

    By netlink first: the kernel looks a namespace's sysctl up among those of all namespaces, so that reading it
    costs more the more there are.
    """
    try:
        return parse_table(netns.netlink(_NETLINK_NETFILTER, REQUEST_TABLE))["entries"]
    except UnsupportedError:
        name = _TABLE_SYSCTLS["entries"]
        return procfs.integer(netns.sysctl(name), f"/proc/sys/net/{name}", "a number of entries")


def _read_file(netns: Netns) -> dict[str, int]:
    try:
        content = netns.read(_FILE)
    except UnsupportedError:
        return {}
    return parse_file(content, f"{netns.root}/net/{_FILE}")


def _read_sysctl(netns: Netns, name: str, sysctl: str) -> dict[str, int]:
    try:
        content = netns.sysctl(sysctl)
    except UnsupportedError:
        return {}
    return {name: procfs.integer(content, f"/proc/sys/net/{sysctl}", "a number of entries")}


def parse_cpus(answer: bytes) -> dict[str, int]:
    """Totals over the messages of all CPUs; a name that the kernel does not send is missing."""
    totals: Counter[str] = Counter()
    for kind, payload in netlink.messages(answer):
        if kind == _STATS_CPU:
            totals.update(_numbers(payload, _CPU_NAMES))
    return dict(totals)


def parse_table(answer: bytes) -> dict[str, int]:
    """Entries in the table and, since Linux 4.18, how many it takes."""
    for kind, payload in netlink.messages(answer):
        if kind == _STATS:
            found = _numbers(payload, _TABLE_NAMES)
            if "entries" in found:
                return found
    raise SourceError("ctnetlink", "a message with the size of the table", answer)


def _numbers(payload: bytes, names: dict[int, str]) -> dict[str, int]:
    attributes = netlink.attributes(payload, _FAMILY.size)
    return {names[kind]: int.from_bytes(value, "big") for kind, value in attributes.items() if kind in names}


def parse_file(content: bytes, path: str) -> dict[str, int]:
    """Totals over the lines of all CPUs; `entries` is the same in each line."""
    header, *lines = content.splitlines() or [b""]
    columns = header.decode("ascii", "replace").split()
    if "entries" not in columns or not lines:
        raise SourceError(path, "a header line and a line per CPU", header, line=1)
    totals = [0] * len(columns)
    for number, line in enumerate(lines, start=2):
        words = line.split()
        if len(words) != len(columns):
            raise SourceError(path, f"{len(columns)} columns", line, line=number)
        for index, word in enumerate(words):
            totals[index] += procfs.integer(word, path, "hexadecimal numbers", base=16, line=number)
    found = {_FILE_NAMES.get(column, column): total for column, total in zip(columns, totals, strict=True)}
    found["entries"] //= len(lines)
    if "clashres" in columns:  # Linux 5.10 brought this column and stopped counting the other
        found.pop("ignore", None)
    return found
