"""What user space makes of the memory that the program fills."""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf import socket_walk
from exporter.bpf.layout import LayoutMismatchError
from exporter.bpf.socket_walk import Row, SocketWalk
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

STATES = tuple(range(16))


class Memory(bytearray):
    def close(self) -> None:
        """As the memory of a map has it."""


class Program:
    """A program that has found these rows and listeners."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.listeners: list[tuple[int, int, int, int]] = []
        self.unsettled = 0
        self.codes: dict[str, list[int]] = {"begin": [], "walk": [], "end": []}
        self.ran: list[str] = []
        self.refusal: Exception | None = None
        self.closed = False
        self.memory = {"rows": Memory(8 * 120), "listeners": Memory(8 * 16), "outcomes": Memory(24)}
        self.btf = None

    def __call__(self, _: Path) -> Program:
        return self

    def set_max_entries(self, _: str, __: int) -> None:
        """Sizes are fixed here."""

    def set_variable(self, _: str, __: int) -> None:
        """There are none."""

    def load(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def map(self, name: str) -> Any:  # noqa: ANN401 -- just enough of a map
        return type("Map", (), {"mapped": lambda _: self.memory[name]})()

    def run(self, program: str) -> int:
        self.ran.append(program)
        rows = b"".join(struct.pack("=2I4Q4I16I", *row[:10], *row.states) for row in self.rows)
        listeners = b"".join(struct.pack("=4I", *each) for each in self.listeners)
        numbers = len(self.rows) + 2, len(self.rows), len(self.listeners), 7, 0, self.unsettled
        self.memory["rows"][: len(rows)] = rows
        self.memory["listeners"][: len(listeners)] = listeners
        self.memory["outcomes"][:] = struct.pack("=6I", *numbers)
        return self.codes[program].pop(0) if self.codes[program] else 0

    def close(self) -> None:
        self.closed = True


class Outcomes:
    def unpack(self, raw: bytes) -> socket_walk.Outcome:
        return socket_walk.Outcome(*struct.unpack("=6I", raw))


def bound(_: object, name: str, __: object) -> Outcomes | None:
    return Outcomes() if name == "outcome" else None


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Program:
    made = Program()
    monkeypatch.setattr(socket_walk, "BpfObject", made)
    monkeypatch.setattr(socket_walk, "bind", bound)
    monkeypatch.setattr(socket_walk.objects, "find", lambda _: tmp_path)
    return made


def row(inode: int, *, incomplete: int = 0, rxqueue: int = 0) -> Row:
    return Row(inode, incomplete, 2**63, 5, rxqueue, 3, 32768, 60999, 2, 4, STATES)


def both(*of_row: Any) -> tuple[Any, ...]:  # noqa: ANN401 -- a row and its listeners
    return of_row


def test_each_namespace_has_its_row_and_its_listeners(program: Program) -> None:
    program.rows = [row(41), row(43, rxqueue=2**40)]
    program.listeners = [(1, 80, 3, 128), (0, 53, 0, 7), (1, 443, 0, 64)]
    walk = SocketWalk(both)

    walk.scan()

    assert walk.row(41) == (row(41), ((53, 0, 7),))
    assert walk.row(43) == (row(43, rxqueue=2**40), ((80, 3, 128), (443, 0, 64)))
    assert walk.row(47) is None
    assert walk.over_capacity == 2


def test_the_program_runs_until_it_is_done(program: Program) -> None:
    walk = SocketWalk(both)
    program.codes["walk"] = [1, 1, 0]
    program.ran.clear()

    walk.scan()

    assert program.ran == ["begin", "walk", "walk", "walk", "end"]


def test_rows_that_ended_or_are_incomplete_count_as_none(program: Program) -> None:
    program.rows = [row(0), row(41, incomplete=1), row(43)]
    walk = SocketWalk(both)

    walk.scan()

    assert [walk.row(inode) is not None for inode in (0, 41, 43)] == [False, False, True]
    assert walk.over_capacity == 4


def test_nothing_is_believed_of_a_walk_with_a_chain_that_did_not_settle(program: Program) -> None:
    program.rows = [row(41)]
    walk = SocketWalk(both)
    walk.scan()
    before = walk.row(41)
    program.unsettled = 1
    walk.scan()
    unsettled = walk.row(41)
    program.unsettled = 0
    walk.scan()

    assert (before, unsettled, walk.row(41)) == ((row(41), ()), None, (row(41), ()))


def test_a_row_is_made_anew_when_it_or_its_listeners_change(program: Program) -> None:
    program.rows = [row(41)]
    walk = SocketWalk(both)
    found = []
    changes: list[dict[str, Any]] = [
        {},
        {},
        {"listeners": [(0, 80, 0, 128)]},
        {"listeners": [(0, 80, 1, 128)]},
        {"listeners": [(0, 80, 1, 128)]},
        {"rows": [row(41, rxqueue=3)]},
        {"rows": [row(37), row(41, rxqueue=3)], "listeners": [(1, 80, 1, 128)]},
    ]
    for change in changes:
        vars(program).update(change)
        walk.scan()
        found.append(walk.row(41))

    assert [one is other for one, other in itertools.pairwise(found)] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]
    assert found[-1] == (row(41, rxqueue=3), ((80, 1, 128),))


def test_a_kernel_with_other_tables_is_unsupported_and_nothing_stays_open(program: Program) -> None:
    program.codes["begin"] = [1]

    with pytest.raises(UnsupportedError, match=r"tables of TCP sockets .* needs Linux 5\.19"):
        SocketWalk(both)
    assert program.closed


def test_a_kernel_that_refuses_the_program_is_told_which_one_would_not(program: Program) -> None:
    program.refusal = UnsupportedError("unknown func bpf_loop")

    with pytest.raises(UnsupportedError, match=r"unknown func bpf_loop; .* needs Linux 5\.19"):
        SocketWalk(both)
    assert program.closed


def test_a_program_that_fails_is_an_error(program: Program) -> None:
    walk = SocketWalk(both)
    program.codes["begin"] = [1]

    with pytest.raises(SourceError, match="the walk over TCP sockets"):
        walk.scan()


def test_an_object_with_another_row_is_an_error(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise LayoutMismatchError("struct row", "the fields of Row")

    monkeypatch.setattr(socket_walk, "bind", refuse)

    with pytest.raises(LayoutMismatchError):
        SocketWalk(both)
    assert program.closed


def test_what_was_made_outlives_the_program(program: Program) -> None:
    program.rows = [row(41)]
    walk = SocketWalk(both)
    walk.scan()
    found = walk.row(41)

    walk.close()

    assert program.closed
    assert found == (row(41), ())
