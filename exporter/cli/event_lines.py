"""How `inspector watch` prints an event: a line for people, or a record for programs, both as in the ACK documents."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from exporter.events.stream_messages import Reply

_ENDS: Final = re.compile(r"protocol=(\S+) saddr=(\S+) sport=(\d+) daddr=(\S+) dport=(\d+)\s*")
_STACK: Final = "stacktrace:"
_USUAL: Final = "TCP"  # not worth a word in every line
_NANO: Final = 1_000_000_000
_RESET, _LEVEL, _TYPE, _NAME = "\x1b[0m", "\x1b[36m", "\x1b[1;33m", "\x1b[2m"


def text_line(reply: Reply, *, verbose: bool = False, colour: bool = False) -> str:
    """One line: level, type, whose it is, both ends, further facts; if `verbose`, time and stack around them."""
    meta = reply.meta
    owner = {"Namespace": meta.namespace, "Pod": meta.pod, "Node": meta.node, "Netns": meta.netns.removeprefix("ns")}
    name = _painted(_TYPE, _plain(reply.name), colour)
    whose = " ".join(_painted(_NAME, f"{key}=", colour) + _plain(value) for key, value in owner.items())
    parts = (name, whose, *_happened(reply.value, verbose=verbose))
    when = f" {timestamp(reply.time)}" if verbose else ""
    return f"{when} {_painted(_LEVEL, 'INFO', colour)}  {' '.join(filter(None, parts))}"


def record_line(reply: Reply, source: str) -> str:
    """The same as JSON on one line; `source` is the server that sent it."""
    meta = reply.meta
    record = {
        "time": timestamp(reply.time),
        "level": "INFO",
        "source": source,
        "msg": reply.name,
        "meta": f"{meta.namespace}/{meta.pod} node={meta.node} netns={meta.netns} ",
        "event": reply.value,
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def timestamp(nanoseconds: int) -> str:
    """A time since 1970 in RFC 3339, to the nanosecond; 0, of a server that does not tell, is now."""
    seconds, rest = divmod(nanoseconds or time.time_ns(), _NANO)
    seconds = min(seconds, 253_402_300_799)  # the end of the year 9999; a server may say anything
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _happened(value: str, *, verbose: bool) -> tuple[str, ...]:
    ends = _ENDS.match(value)
    facts, mark, stack = value[ends.end() if ends else 0 :].partition(_STACK)
    told = (_plain(facts.strip()), _plain(mark + stack.strip()) if verbose else "")
    if ends is None:
        return told
    protocol, source, source_port, destination, destination_port = map(_plain, ends.groups())
    between = f"{_end(source, source_port)} -> {_end(destination, destination_port)}"
    return (between, "" if protocol == _USUAL else f"protocol={protocol}", *told)


def _end(address: str, port: str) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _plain(text: str) -> str:
    """What a terminal would take for a command, escaped: a server may send anything."""
    if text.isprintable():
        return text
    spaced = " ".join(text.splitlines())
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in spaced)


def _painted(style: str, text: str, colour: bool) -> str:  # noqa: FBT001 - private
    return f"{style}{text}{_RESET}" if colour else text
