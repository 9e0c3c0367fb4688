"""Types from headers, without a compiler: what is asked, and what instructions answer."""

from __future__ import annotations

import struct

import pytest

from exporter.bpf import headers_btf, objects, wanted
from exporter.bpf.btf import BtfKind
from exporter.errors import SourceError, UnsupportedError


def instruction(operation: int, target: int = 0, source: int = 0, offset: int = 0, number: int = 0) -> bytes:
    return struct.pack("<BBhi", operation, source << 4 | target, offset, number)


STORE = instruction(0x7B, target=10, source=1, offset=-8)
EXIT = instruction(0x95)


def test_each_stored_constant_is_an_answer() -> None:
    code = b"".join(
        [
            instruction(0xB7, target=1, number=232),
            STORE,
            STORE,  # an equal answer is not moved again
            instruction(0xB7, target=1, number=-1),
            STORE,
            instruction(0xB4, target=1, number=-1),
            STORE,
            instruction(0x18, target=1, number=-2),
            instruction(0, number=0x12345678),
            STORE,
            EXIT,
        ]
    )

    values = (232, 232, 2**64 - 1, 2**32 - 1, 0x12345678FFFFFFFE)
    assert list(headers_btf.stored(code)) == [(-8, value) for value in values]


def test_a_call_among_the_instructions_is_not_believed() -> None:
    with pytest.raises(SourceError, match=r"expected constants only, found 'operation 0x85'"):
        list(headers_btf.stored(instruction(0x85, number=5) + EXIT))


def test_objects_want_members_by_the_kernels_names() -> None:
    try:
        path = objects.find("tcpretrans")
    except UnsupportedError as error:
        pytest.skip(str(error))

    found = wanted.by([path])

    assert found.structs["inet_connection_sock"]["icsk_ca_state"].bits
    assert found.structs["sock"]["__sk_common"].kind is BtfKind.STRUCT
    assert "skc_net" in found.structs["sock"]["__sk_common"].members
    assert not [name for name in found.structs if "___" in name]
