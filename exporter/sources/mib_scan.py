"""The counters of /proc/net/snmp, netstat and snmp6 as the kernel scan finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.bpf import mib_names
from exporter.bpf.netns_scan import FILES, NetnsScan
from exporter.errors import UnsupportedError
from exporter.model.scan import Answer, Part
from exporter.sources import snmp, snmp6

if TYPE_CHECKING:
    from exporter.bpf.netns_scan import Row


class Scanned6:
    """A row as /proc/net/snmp6 shows it: all its columns are one section.

    Args:
        row: what the scan found.
    """

    __slots__ = ("_row",)

    def __init__(self, row: Row) -> None:
        self._row = row

    def pick(self, columns: tuple[str, ...]) -> tuple[int | None, ...]:
        """The numbers under `columns`, None for what this kernel does not count."""
        return self._row.pick("snmp6", columns)


def take(row: Row) -> Row:
    """The row itself has the sections of snmp and netstat."""
    return row


def take6(row: Row) -> Scanned6:
    """Raises UnsupportedError on a kernel without IPv6."""
    if not row.covers("snmp6"):
        raise UnsupportedError("IPv6 is off; start the kernel without ipv6.disable=1 to have these counters")
    return Scanned6(row)


def difference(name: str, before: Any, found: Any, after: Any) -> str:  # noqa: ANN401 -- what the file's parser made
    """The first counter of a file that does not lie between two readings of it, for people; empty when all do."""
    for section in FILES[name]:
        of_section: tuple[str, ...] = () if name == "snmp6" else (section,)
        known, printed = mib_names.columns(section), before.columns(*of_section)
        columns = tuple(column for column in printed if column in known and column not in mib_names.FALLING)
        picked = (source.pick(*of_section, columns) for source in (before, found, after))
        for column, low, number, high in zip(columns, *picked, strict=True):
            if number is None or not low <= number <= high:
                return f"{name} {section} {column}: procfs {low}, then scan {number}, then procfs {high}"
    return ""


PART = Part(
    "counters",
    NetnsScan,
    (
        Answer(snmp.read, take, lambda *three: difference("snmp", *three)),
        Answer(snmp.read_netstat, take, lambda *three: difference("netstat", *three)),
        Answer(snmp6.read, take6, lambda *three: difference("snmp6", *three)),
    ),
)
