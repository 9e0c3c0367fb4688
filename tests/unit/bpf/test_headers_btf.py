"""Types from headers, without a compiler: what is asked, and what instructions answer."""

from __future__ import annotations

import itertools
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from exporter.bpf import headers_btf, objects, wanted
from exporter.bpf.btf import Btf, BtfKind
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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


SOCKET = wanted.Wanted({"sock": {"sk_err": wanted.Field(BtfKind.INT)}})
QUESTIONS = 4  # its size; where a member is, how large, and of what class


def program(*stores: tuple[int, int]) -> str:
    """What bcc prints of a function that stores these: where, and what."""
    code = (instruction(0xB7, target=1, number=value) + instruction(0x7B, 10, 1, place) for place, value in stores)
    return (b"".join(code) + EXIT).hex()


def answers(*values: int | None) -> str:
    """What bcc prints where it answers so; None for what it leaves out."""
    numbered = [[(-8, number), *([] if value is None else [(-16, value)])] for number, value in enumerate(values, 1)]
    return program(*itertools.chain.from_iterable(numbered))


class Bcc:
    """Stands in for the process that compiles: what it prints, complains of, and does, one after the other."""

    def __init__(self, *outcomes: tuple[int, str, str] | Exception) -> None:
        self.outcomes = list(outcomes)
        self.texts: list[str] = []

    def __call__(self, command: list[str], *, input: str, **_: object) -> subprocess.CompletedProcess[str]:  # noqa: A002
        self.texts.append(input)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return subprocess.CompletedProcess(command, *outcome)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Bcc], Btf]:
    """Make types of `struct sock` with a compiler."""

    def make(compiler: Bcc) -> Btf:
        monkeypatch.setattr(subprocess, "run", compiler)
        return Btf(headers_btf.make(SOCKET, tmp_path), "made")

    return make


def test_answers_become_a_struct(made: Callable[[Bcc], Btf]) -> None:
    found = made(Bcc((0, f"warnings first\n{answers(760, 548, 4, 1)}\n", "")))

    sock = found.struct("sock")
    assert (sock.size, [(one.name, one.bit_offset) for one in sock.members]) == (760, [("sk_err", 4384)])
    assert found.size_of(sock.members[0].type_id) == 4


@pytest.mark.parametrize(
    ("size", "found", "kind"),
    [(4, 1, BtfKind.INT), (8, 12, BtfKind.STRUCT), (8, 5, BtfKind.PTR), (16, 5, BtfKind.ARRAY)],
)
def test_a_member_is_what_the_kernel_has_it_for(
    made: Callable[[Bcc], Btf], size: int, found: int, kind: BtfKind
) -> None:
    types = made(Bcc((0, answers(760, 548, size, found), "")))
    (member,) = types.struct("sock").members
    assert (types.resolve(member.type_id).kind, types.size_of(member.type_id)) == (kind, size)


def test_what_the_headers_do_not_have_is_not_asked_again(made: Callable[[Bcc], Btf]) -> None:
    said = "".join(f"question:{line}:10: error: no member named 'sk_err'\n" for line in (2, 3, 4))
    compiler = Bcc((1, "", said), (0, answers(760), ""))

    assert made(compiler).struct("sock").members == ()
    assert [text.count("sk_err") for text in compiler.texts] == [3, 0]


def test_an_answer_that_was_left_out_does_not_move_the_others(made: Callable[[Bcc], Btf]) -> None:
    assert made(Bcc((0, answers(760, None, 4, 1), ""))).struct("sock").members == ()
    assert made(Bcc((0, answers(None, 548, 4, 1), ""))).types[1:] != []


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "no hexadecimal",
        answers(760, 548, 4, 1)[:-24],
        answers(760, 548, 4),
        answers(760, 548, 4, 1, 1),
        program((-8, 2), (-16, 760)),
        program((-8, 1), (-16, 760), (-8, 3), (-16, 4)),
        EXIT.hex(),
    ],
)
def test_a_damaged_output_is_no_answer(made: Callable[[Bcc], Btf], printed: str) -> None:
    with pytest.raises(SourceError, match=rf"compiled by bcc: expected answers to {QUESTIONS} questions"):
        made(Bcc((0, printed, "")))


@pytest.mark.parametrize(
    ("outcomes", "error", "said"),
    [
        (((1, "", "in.h:7:1: error: unknown type name 'x'\n"),), SourceError, "unknown type name"),
        (((-11, "", ""),), SourceError, "found 'nothing'"),
        ((subprocess.TimeoutExpired("bcc", 300),), SourceError, "an end within 300 s"),
        ((FileNotFoundError(), FileNotFoundError()), UnsupportedError, "bcc is not installed"),
        (((1, "", "ModuleNotFoundError: No module named 'bcc'"),) * 2, UnsupportedError, "bcc is not installed"),
        (((1, "", "chdir(/lib/modules/x/build): No such file or directory"),), UnsupportedError, "no headers of Linux"),
        (((1, "", "question:1:1: error: no"),) * 4, SourceError, "error: no"),
    ],
)
def test_a_compiler_that_refuses_says_why(
    made: Callable[[Bcc], Btf],
    outcomes: tuple[tuple[int, str, str] | Exception, ...],
    error: type[Exception],
    said: str,
) -> None:
    with pytest.raises(error, match=said):
        made(Bcc(*outcomes))
