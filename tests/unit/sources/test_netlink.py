from __future__ import annotations

import socket
import struct

import pytest

from exporter.errors import GoneError, SourceError, UnsupportedError
from exporter.sources import netlink

MULTI = netlink.NLM_F_MULTI
DATA = 18


def message(kind: int, payload: bytes = b"", flags: int = MULTI) -> bytes:
    whole = netlink.request(kind, payload, flags)
    return whole + bytes(-len(whole) % 4)


def done(code: int = 0) -> bytes:
    return message(netlink.NLMSG_DONE, struct.pack("=i", code))


def error(code: int) -> bytes:
    return message(netlink.NLMSG_ERROR, struct.pack("=i", code) + bytes(16), 0)


def exchanged(*chunks: bytes) -> bytes:
    """What `exchange` makes of the chunks that a kernel would send, one per receive call."""
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, kernel:
        for chunk in chunks:
            kernel.send(chunk)
        return netlink.exchange(ours, b"request")


def test_a_dump_ends_with_the_end_message_of_its_last_chunk() -> None:
    chunks = message(DATA, b"first") + message(DATA, b"second"), message(DATA, b"third") + done()

    answer = exchanged(*chunks)

    assert answer == b"".join(chunks)
    assert [payload for _, payload in netlink.messages(answer)] == [b"first", b"second", b"third"]


def test_a_dump_ends_with_a_chunk_that_is_only_an_end_message() -> None:
    assert exchanged(message(DATA, b"data"), done()) == message(DATA, b"data") + done()


def test_data_whose_last_bytes_look_like_the_end_is_not_the_end() -> None:
    deceptive = message(DATA, b"xxxx" + done())

    assert exchanged(deceptive, done()) == deceptive + done()


def test_a_single_message_is_a_whole_answer() -> None:
    assert exchanged(message(DATA, b"link", flags=0)) == message(DATA, b"link", flags=0)


def test_an_acknowledgement_without_error_is_a_whole_answer() -> None:
    assert list(netlink.messages(exchanged(error(0)))) == []


@pytest.mark.parametrize(
    ("code", "expected", "text"),
    [
        (-2, UnsupportedError, "No such file or directory"),
        (-95, UnsupportedError, "Operation not supported"),
        (-1, UnsupportedError, "run as root"),
        (-19, GoneError, "No such device"),
        (-12, SourceError, "Cannot allocate memory"),
    ],
)
def test_a_refusal_is_an_error_that_says_why(code: int, expected: type[Exception], text: str) -> None:
    with pytest.raises(expected, match=text):
        exchanged(error(code))


def test_a_dump_that_breaks_off_is_an_error_although_it_gave_data() -> None:
    with pytest.raises(SourceError, match="Cannot allocate memory"):
        exchanged(message(DATA, b"data") + done(-12))


@pytest.mark.parametrize("chunk", [b"\1\2\3", done()[:18], error(-2)[:17]])
def test_an_answer_that_is_cut_short_is_an_error(chunk: bytes) -> None:
    with pytest.raises(SourceError):
        exchanged(chunk)


@pytest.mark.parametrize("cut", [1, 4, 17, 21])
def test_a_truncated_message_is_an_error(cut: int) -> None:
    answer = message(DATA, b"12345678") + message(DATA, b"12345678")

    with pytest.raises(SourceError, match="netlink: expected"):
        list(netlink.messages(answer[:-cut]))


def test_a_message_shorter_than_its_header_is_an_error() -> None:
    with pytest.raises(SourceError):
        list(netlink.messages(struct.pack("=IHHII", 3, DATA, MULTI, 1, 0)))


def test_attributes_are_found_by_type_without_their_flags() -> None:
    payload = b"HEAD" + struct.pack("=HH4s", 8, 1, b"abc\0") + struct.pack("=HHB3x", 5, 2 | 0x8000, 7)

    assert netlink.attributes(payload, 4) == {1: b"abc\0", 2: b"\7"}


@pytest.mark.parametrize("attribute", [struct.pack("=HH", 3, 1), struct.pack("=HH", 9, 1) + b"abcd"])
def test_a_truncated_attribute_is_an_error(attribute: bytes) -> None:
    with pytest.raises(SourceError, match="bytes of attribute"):
        netlink.attributes(attribute)


def test_the_end_is_told_from_leftover_data() -> None:
    assert [netlink.is_end(rest, 0) for rest in (b"", done(), message(DATA, b"1234"), done()[:-1])] == [
        True,
        True,
        False,
        False,
    ]


def test_a_protocol_the_kernel_does_not_have_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="netlink protocol 31 cannot be opened"):
        netlink.open_socket(31)
