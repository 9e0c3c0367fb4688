from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.errors import CollectError, SourceError, UnsupportedError
from exporter.identity import standalone
from exporter.runtime.sweep import Round, reader_name
from tests.unit.runtime.worlds import HOST, HOST_INODE, POD_A, POD_B, read_number, remove, world

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.model.probe import Netns, Reader


def _sweep(path: Path, *readers: Reader[int], host: tuple[Reader[int], ...] = (), past: Round | None = None) -> Round:
    env = world(path) if past is None else past.env
    done = Round(env, standalone.discover(env), past.memories if past else {})
    done.sweep(readers, host, lambda _: None)
    return done


def test_the_host_comes_first_and_host_readers_run_only_there(tmp_path: Path) -> None:
    def read_root(netns: Netns) -> str:
        return netns.root.name

    done = _sweep(tmp_path, read_number, host=(read_root,))  # type: ignore[arg-type] # a reader of another type
    assert list(done.over(read_number)) == [(HOST, HOST_INODE), (POD_A, 101), (POD_B, 102)]
    assert (done.on_host(read_number), done.on_host(read_root)) == (HOST_INODE, "1")
    assert list(done.over(read_root)) == [(HOST, "1")]


def test_each_file_is_read_once_per_visit_however_many_readers_want_it(tmp_path: Path) -> None:
    def read_twice(netns: Netns) -> int:
        first = netns.read("number")
        (netns.root / "net" / "number").write_text("0\n")
        return int(first) + int(netns.read("number"))

    done = _sweep(tmp_path, read_twice, read_number)
    assert list(done.over(read_number)) == [(HOST, HOST_INODE), (POD_A, 101), (POD_B, 102)]


def test_every_step_is_announced_before_it_runs(tmp_path: Path) -> None:
    told = []
    env = world(tmp_path, [101])
    Round(env, standalone.discover(env)).sweep([read_number], [], lambda reader: told.append(reader_name(reader)))
    assert told == ["worlds.read_number"] * 2


def test_a_reader_may_ask_for_what_it_found_one_cycle_before(tmp_path: Path) -> None:
    def read_growth(netns: Netns) -> tuple[int | None, int]:
        before = netns.last(read_growth)
        return (None if before is None else before[1], read_number(netns))

    first = _sweep(tmp_path, read_growth)  # type: ignore[arg-type] # a reader of another type
    assert list(first.over(read_growth)) == [(HOST, (None, HOST_INODE)), (POD_A, (None, 101)), (POD_B, (None, 102))]
    (tmp_path / "proc" / "1101" / "net" / "number").write_text("111\n")
    remove(tmp_path / "proc" / "1102")
    second = _sweep(tmp_path, read_growth, past=first)  # type: ignore[arg-type] # as above
    assert list(second.over(read_growth)) == [(HOST, (HOST_INODE, HOST_INODE)), (POD_A, (101, 111))]
    assert [list(memory.results) for memory in second.memories.values()] == [[read_growth], [read_growth]]
    third = _sweep(tmp_path, read_number, past=second)
    assert [memory.results for memory in third.memories.values()] == [{}, {}]  # who no longer asks is forgotten


def test_what_did_not_change_is_not_parsed_again(tmp_path: Path) -> None:
    parsed = []

    def parse(content: bytes, path: str) -> int:
        parsed.append(path.split("/")[-3])
        return int(content)

    def read_parsed(netns: Netns) -> int:
        return netns.parsed("number", parse)

    first = _sweep(tmp_path, read_parsed)
    second = _sweep(tmp_path, read_parsed, past=first)
    (tmp_path / "proc" / "1101" / "net" / "number").write_text("111\n")
    third = _sweep(tmp_path, read_parsed, past=second)
    assert parsed == ["1", "1101", "1102", "1101"]
    assert list(third.over(read_parsed)) == [(HOST, HOST_INODE), (POD_A, 111), (POD_B, 102)]


def test_an_error_is_no_past(tmp_path: Path) -> None:
    def read_failing(netns: Netns) -> object:
        found = netns.last(read_failing)
        if found is None:
            raise UnsupportedError("not yet")
        return found

    first = _sweep(tmp_path, read_failing)  # type: ignore[arg-type] # a reader of another type
    second = _sweep(tmp_path, read_failing, past=first)  # type: ignore[arg-type] # as above
    with pytest.raises(UnsupportedError, match="not yet"):
        list(second.over(read_failing))


def test_a_tree_that_is_not_this_kernel_s_offers_files_but_no_sockets(tmp_path: Path) -> None:
    def dump(netns: Netns) -> int:
        return len(netns.netlink(0, b""))

    def read_sysctl(netns: Netns) -> int:
        return len(netns.sysctl("ipv4/ip_forward"))

    done = _sweep(tmp_path, dump, read_sysctl)
    reason = f"{tmp_path}/proc is not the procfs of the running kernel, so no socket can be opened there"
    for reader in (dump, read_sysctl):
        with pytest.raises(UnsupportedError) as raised:
            list(done.over(reader))
        assert str(raised.value) == reason


def test_without_the_host_s_files_every_reader_says_so(tmp_path: Path) -> None:
    env = world(tmp_path)
    refs = standalone.discover(env)
    remove(env.proc / "1" / "net")
    done = Round(env, refs)
    done.sweep([read_number], [], lambda _: None)
    reason = (
        f"{env.proc}/1/net: expected the host's network files (is --proc right?), found 'No such file or directory'"
    )
    with pytest.raises(SourceError) as raised:
        done.on_host(read_number)
    assert str(raised.value) == reason
    with pytest.raises(CollectError):
        list(done.over(read_number))
