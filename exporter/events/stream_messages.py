"""Messages of the event stream on the wire: package `proto`, service `inspector`, in protobuf's encoding.

    WatchRequest  1 name  2 filter (Meta)
    WatchReply    1 name  2 event (Event)             15 lost, ours
    Event         1 meta (Meta)  2 name  3 value      15 time, ours
    Meta          1 node  2 pod  3 namespace  4 netns

All are texts but `lost`, events that this client missed before this one, and `time`, nanoseconds since 1970. Clients
that do not know these two skip them. Four messages of texts are not worth a runtime of 6 MiB in a daemon on every node;
the official one is the oracle in the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE, METHOD = "proto.inspector", "WatchEvent"
PORT = 19102

_OURS = 15  # highest number whose tag is one byte
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_VARINT_BITS, _MORE = 64, 0x80  # _MORE: in every byte of a number but its last


class Meta(NamedTuple):
    """Whose event it is; in a request, whose events are wanted: empty means everybody's.

    Args:
        node: name of the node.
        pod: name of the pod.
        namespace: of the pod.
        netns: `ns` and the inode of the network namespace.
    """

    node: str = ""
    pod: str = ""
    namespace: str = ""
    netns: str = ""


class Watch(NamedTuple):
    """A request.

    Args:
        name: type of the wanted events, empty for all.
        wanted: whose.
    """

    name: str = ""
    wanted: Meta = Meta()


class Reply(NamedTuple):
    """One event as it is sent.

    Args:
        name: its type.
        meta: whose it is.
        value: the rest, as text.
        time: nanoseconds since 1970; 0 from a server that does not tell.
        lost: events that this client missed since the previous one.
    """

    name: str
    meta: Meta = Meta()
    value: str = ""
    time: int = 0
    lost: int = 0


def encode_watch(watch: Watch) -> bytes:
    """A request as bytes."""
    return _text(1, watch.name) + _nested(2, _meta(watch.wanted))


def encode_event(reply: Reply) -> bytes:
    """A reply as bytes, but for `lost`, which differs from client to client."""
    event = _nested(1, _meta(reply.meta)) + _text(2, reply.name) + _text(3, reply.value) + _number(_OURS, reply.time)
    return _text(1, reply.name) + _nested(2, event)


def encode_lost(lost: int) -> bytes:
    """What to append to an encoded event when its client missed others before."""
    return _number(_OURS, lost)


def decode_watch(content: bytes) -> Watch:
    """A request from bytes. Raises SourceError."""
    place = "watch request"
    fields = dict(_fields(content, place))
    return Watch(_as_text(fields.get(1, b""), place), _as_meta(fields.get(2, b""), place))


def decode_reply(content: bytes) -> Reply:
    """A reply from bytes. Raises SourceError."""
    place = "watch reply"
    fields = dict(_fields(content, place))
    event = dict(_fields(_as_bytes(fields.get(2, b""), place), place))
    return Reply(
        _as_text(event.get(2) or fields.get(1, b""), place),
        _as_meta(event.get(1, b""), place),
        _as_text(event.get(3, b""), place),
        _as_number(event.get(_OURS, 0), place),
        _as_number(fields.get(_OURS, 0), place),
    )


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= _MORE:
        out.append(number & 0x7F | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(number) if number else b""


def _text(field: int, text: str) -> bytes:
    return _nested(field, text.encode("utf-8", "replace"))  # others refuse a message that is not UTF-8


def _nested(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content if content else b""


def _meta(meta: Meta) -> bytes:
    return b"".join(_text(field, text) for field, text in enumerate(meta, 1))


def _fields(content: bytes, place: str) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and contents; where one is repeated, the last counts."""
    at = 0
    while at < len(content):
        tag, at = _take_varint(content, at, place)
        field, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            number, at = _take_varint(content, at, place)
            yield field, number
            continue
        length, at = _take_varint(content, at, place) if wire == _BYTES else (_FIXED.get(wire, -1), at)
        if length < 0 or at + length > len(content):
            raise SourceError(place, f"{length} bytes of field {field}", content[at:])
        yield field, content[at : at + length]
        at += length


def _take_varint(content: bytes, at: int, place: str) -> tuple[int, int]:
    number = 0
    for shift in range(0, _VARINT_BITS + 6, 7):
        if at >= len(content):
            break
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < _MORE:
            return number & (1 << _VARINT_BITS) - 1, at
    raise SourceError(place, "a number of at most ten bytes", content[-10:])


def _as_bytes(found: int | bytes, place: str) -> bytes:
    if isinstance(found, int):
        raise SourceError(place, "a text or message", found)
    return found


def _as_text(found: int | bytes, place: str) -> str:
    return _as_bytes(found, place).decode("utf-8", "replace")


def _as_number(found: int | bytes, place: str) -> int:
    if isinstance(found, bytes):
        raise SourceError(place, "a number", found)
    return found


def _as_meta(found: int | bytes, place: str) -> Meta:
    fields = dict(_fields(_as_bytes(found, place), place))
    return Meta(*(_as_text(fields.get(field, b""), place) for field in range(1, 1 + len(Meta._fields))))
