from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from exporter.errors import GoneError, SourceError, UnsupportedError
from exporter.sources import process

if TYPE_CHECKING:
    from pathlib import Path

STAT = b"42 (a b) S (c) S 7 42 42 0 -1 4194304 103 0 0 0 0 0 0 0 20 0 1 0 2903 8 0 18446744073709551615\n"
IO = b"rchar: 6976\nwchar: 7\nsyscr: 10\nsyscw: 1\nread_bytes: 4096\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"


def test_a_program_name_with_spaces_and_parentheses_does_not_shift_the_fields() -> None:
    assert process.parse_birth(STAT, "/proc/42/stat") == process.Birth(parent=7, started=2903)


@pytest.mark.parametrize("content", [b"", b"42 (sh", STAT[:40], STAT.replace(b"2903", b"soon")])
def test_a_malformed_stat_is_an_error(content: bytes) -> None:
    with pytest.raises(SourceError, match="/proc/42/stat: expected the fields"):
        process.parse_birth(content, "/proc/42/stat")


def test_io_counters_carry_the_kernel_s_names() -> None:
    assert process.parse_io(IO, "/proc/42/io") == {
        "rchar": 6976,
        "wchar": 7,
        "syscr": 10,
        "syscw": 1,
        "read_bytes": 4096,
        "write_bytes": 0,
        "cancelled_write_bytes": 0,
    }


def test_io_counters_above_2_to_63_are_read() -> None:
    assert process.parse_io(b"rchar: 18446744073709551615\n", "io") == {"rchar": 2**64 - 1}


@pytest.mark.parametrize("content", [IO[:-2], IO.replace(b"6976", b"much")])
def test_a_malformed_io_file_is_an_error(content: bytes) -> None:
    with pytest.raises(SourceError, match="/proc/42/io: expected lines like"):
        process.parse_io(content, "/proc/42/io")


def test_an_io_file_that_did_not_change_is_told_without_its_content(tmp_path: Path) -> None:
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / "io").write_bytes(IO)
    first = process.read_io(str(tmp_path), 42)
    assert first == process.IoFile((tmp_path / "42" / "io").stat().st_ino, IO)
    assert process.read_io(str(tmp_path), 42, IO) is None


def test_a_process_that_ended_is_gone(tmp_path: Path) -> None:
    for read in (process.read_io, process.read_birth, process.read_descriptors):
        with pytest.raises(GoneError):
            read(str(tmp_path), 42)


def test_a_kernel_without_io_accounting_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "42").mkdir()
    with pytest.raises(UnsupportedError, match="CONFIG_TASK_IO_ACCOUNTING"):
        process.read_io(str(tmp_path), 42)


def test_a_process_of_another_user_needs_the_capability() -> None:
    """Asked by a process without privileges, in which only process 1 is another user's."""
    program = """
import os, sys
from exporter.errors import UnsupportedError
from exporter.sources import process
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for read in (process.read_io, process.read_descriptors):
    try:
        read("/proc", 1)
    except UnsupportedError as error:
        print(error)
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == [
        "/proc/1/io may not be read; run as root or with CAP_SYS_PTRACE",
        "/proc/1/fd may not be read; run as root or with CAP_SYS_PTRACE",
    ]


def test_descriptors_are_what_the_links_say(tmp_path: Path) -> None:
    directory = tmp_path / "42" / "fd"
    directory.mkdir(parents=True)
    for name, target in (("0", "/dev/null"), ("3", "socket:[8231]"), ("4", "pipe:[17]")):
        os.symlink(target, directory / name)
    assert sorted(process.read_descriptors(str(tmp_path), 42)) == ["/dev/null", "pipe:[17]", "socket:[8231]"]


def test_the_birth_of_a_real_process_agrees_with_its_parent() -> None:
    assert process.read_birth("/proc", os.getpid()).parent == os.getppid()
