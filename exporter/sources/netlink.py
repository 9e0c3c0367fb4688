"""Netlink dumps over a raw socket: one request, all answers, no message objects.

A general netlink library costs 10 to 56 times as much per message, which would be most of a cycle.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING

from exporter.errors import GoneError, SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.errors import CollectError

ROUTE = 0  # the protocol numbers that sources pass to Netns.netlink
SOCK_DIAG = 4

# linux/netlink.h
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
ATTRIBUTE = struct.Struct("=HH")  # length, type
NLM_F_REQUEST = 0x001
NLM_F_REQUEST_DUMP = 0x301
NLM_F_MULTI = 0x002
NLMSG_ERROR = 2
NLMSG_DONE = 3
_TYPE_MASK = 0x3FFF  # the upper two bits are flags (nested, byte order)
_CHUNK = 1 << 15  # the kernel fills no more; with a larger buffer allocating costs more than the dump
_ERRNO = struct.Struct("=i")
_DONE_SIZE = HEADER.size + _ERRNO.size

_ABSENT = {errno.ENOENT, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EINVAL, errno.EAFNOSUPPORT}
_GONE = {errno.ENODEV, errno.ENXIO}


def request(message_type: int, payload: bytes, flags: int = NLM_F_REQUEST_DUMP) -> bytes:
    """One netlink message, ready to send."""
    return HEADER.pack(HEADER.size + len(payload), message_type, flags, 1, 0) + payload


def open_socket(protocol: int) -> socket.socket:
    """A netlink socket in the calling thread's network namespace. Raises UnsupportedError."""
    try:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    except OSError as error:
        message = f"netlink protocol {protocol} cannot be opened: {error.strerror}"
        raise UnsupportedError(message) from error


def exchange(sock: socket.socket, message: bytes) -> bytes:
    """Send a request and gather all answers up to the end of the dump or the acknowledgement.

    Raises UnsupportedError when the kernel does not know the request, GoneError when the device asked for does not
    exist any more, SourceError for any other refusal.
    """
    try:
        sock.send(message)
        chunks = []
        while True:
            chunk = sock.recv(_CHUNK)
            chunks.append(chunk)
            if _is_last(chunk):
                return b"".join(chunks)
    except OSError as error:
        raise _refusal(error.errno or errno.EIO) from error


def _is_last(chunk: bytes) -> bool:
    """Whether nothing follows. Looks at both ends only: walking every message here would double the cost of a dump."""
    if len(chunk) < HEADER.size:
        raise SourceError("netlink", "a whole message header", chunk)
    _, kind, flags, _, _ = HEADER.unpack_from(chunk)
    if kind in (NLMSG_ERROR, NLMSG_DONE):
        _check_end(chunk, 0)
        return True
    if not flags & NLM_F_MULTI:  # a single message is a whole answer
        return True
    # A full chunk ends in data, whose last bytes a stranger may choose; only a whole walk tells them from the end.
    end = len(chunk) - _DONE_SIZE
    if end < 0 or HEADER.unpack_from(chunk, end)[:2] != (_DONE_SIZE, NLMSG_DONE) or not _is_message(chunk, end):
        return False
    _check_end(chunk, end)
    return True


def _is_message(chunk: bytes, place: int) -> bool:
    offset = 0
    while offset < place:
        offset += HEADER.unpack_from(chunk, offset)[0] + 3 & ~3 or HEADER.size
    return offset == place


def _check_end(chunk: bytes, offset: int) -> None:
    """The end of a dump and an acknowledgement both carry an error number, 0 when all went well."""
    if offset + _DONE_SIZE > len(chunk):
        raise SourceError("netlink", f"{_DONE_SIZE} bytes at the end of a dump", chunk[offset:])
    (code,) = _ERRNO.unpack_from(chunk, offset + HEADER.size)
    if code:
        raise _refusal(-code)


def _refusal(code: int) -> CollectError:
    text = os.strerror(code)
    if code in _GONE:
        return GoneError(f"what this netlink request asks for has gone: {text}")
    if code == errno.EPERM:
        return UnsupportedError(f"the kernel refuses this netlink request ({text}); run as root or with CAP_NET_ADMIN")
    if code in _ABSENT:
        return UnsupportedError(f"the kernel does not answer this netlink request: {text}")
    return SourceError("netlink", "an answer", text)


def messages(answer: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each data message. Raises SourceError on a truncated one."""
    offset, end = 0, len(answer)
    while offset < end:
        if offset + HEADER.size > end:
            raise SourceError("netlink", "a whole message header", answer[offset:])
        length, kind, _, _, _ = HEADER.unpack_from(answer, offset)
        if length < HEADER.size or offset + length > end:
            raise SourceError("netlink", f"{length} bytes of message", answer[offset : offset + 32])
        if kind not in (NLMSG_DONE, NLMSG_ERROR):
            yield kind, answer[offset + HEADER.size : offset + length]
        offset += length + 3 & ~3


def is_end(answer: bytes, offset: int) -> bool:
    """Whether the rest of an answer is just the end of the dump, for parsers that walk it themselves."""
    rest = len(answer) - offset
    return rest == 0 or (rest == _DONE_SIZE and HEADER.unpack_from(answer, offset)[:2] == (_DONE_SIZE, NLMSG_DONE))


def attributes(payload: bytes, offset: int = 0) -> dict[int, bytes]:
    """Attribute type -> value from `offset` on. Raises SourceError on a truncated one."""
    found: dict[int, bytes] = {}
    end = len(payload)
    while offset + ATTRIBUTE.size <= end:
        length, kind = ATTRIBUTE.unpack_from(payload, offset)
        if length < ATTRIBUTE.size or offset + length > end:
            raise SourceError("netlink", f"{length} bytes of attribute", payload[offset : offset + 32])
        found[kind & _TYPE_MASK] = payload[offset + ATTRIBUTE.size : offset + length]
        offset += length + 3 & ~3
    return found
