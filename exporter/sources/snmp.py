"""/proc/net/snmp and /proc/net/netstat: pairs of lines, names then values, for each protocol.

The files are alike, so one parser serves both. Names are only read once: as long as a kernel prints the same
header line, its column map is reused and only the values are split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from exporter.errors import SourceError

if TYPE_CHECKING:
    from exporter.model.probe import Netns

# Protocol -> column -> value, e.g. rows["Tcp"]["RetransSegs"].
Sections: TypeAlias = dict[str, dict[str, int]]

_MOST_HEADERS = 64  # a kernel prints about ten; more means the input is not what we think
_headers: dict[bytes, tuple[str, ...]] = {}


def read(netns: Netns) -> Sections:
    """IPv4 MIB counters of a namespace: sections Ip, Icmp, IcmpMsg, Tcp, Udp, UdpLite."""
    return parse(netns.read("snmp"), f"{netns.root}/net/snmp")


def read_netstat(netns: Netns) -> Sections:
    """Linux's own counters of a namespace: sections TcpExt, IpExt, MPTcpExt."""
    return parse(netns.read("netstat"), f"{netns.root}/net/netstat")


def parse(content: bytes, path: str) -> Sections:
    """Sections of either file. Raises SourceError on lines that do not pair up."""
    lines = content.split(b"\n")
    if lines[-1]:
        raise SourceError(path, "a line end", lines[-1], line=len(lines))
    sections: Sections = {}
    for index in range(0, len(lines) - 1, 2):
        header, values = lines[index], lines[index + 1]
        columns = _columns(header, path, index + 1)
        numbers = values.split()
        if len(numbers) != len(columns) or numbers[0] != header[: len(numbers[0])]:
            raise SourceError(path, f"{len(columns)} values for {columns[0]}", values, line=index + 2)
        try:
            sections[columns[0]] = dict(zip(columns[1:], map(int, numbers[1:]), strict=True))
        except ValueError as error:
            raise SourceError(path, "whole numbers", values, line=index + 2) from error
    return sections


def _columns(header: bytes, path: str, line: int) -> tuple[str, ...]:
    known = _headers.get(header)
    if known is not None:
        return known
    words = header.decode("ascii", "replace").split()
    if not words or not words[0].endswith(":"):
        raise SourceError(path, "a header line like `Tcp: ...`", header, line=line)
    columns = (words[0][:-1], *words[1:])
    if len(_headers) < _MOST_HEADERS:
        _headers[header] = columns
    return columns
