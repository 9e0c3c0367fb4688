"""Programs of the tests on the running kernel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from exporter.bpf.entries import Entries, counters
from exporter.bpf.kernel_btf import VMLINUX
from exporter.bpf.layout import LayoutMismatchError, bind
from exporter.bpf.loader import BpfObject
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("as_root")

RENAMES = 23


class Row(NamedTuple):
    values: tuple[int, ...]
    netns: int


class Key(NamedTuple):
    tgid: int
    zero: int
    name: bytes


class Renames(NamedTuple):
    twice: int
    count: int


class Event(NamedTuple):
    sequence: int
    tgid: int
    name: bytes


class Number(NamedTuple):
    number: int


class Hist(NamedTuple):
    slots: tuple[int, ...]
    sum: int
    count: int


@pytest.fixture
def bpf(probe_object: Path) -> Iterator[BpfObject]:
    """An opened object that looks at this process only."""
    with BpfObject(probe_object) as opened:
        opened.set_variable("only_tgid", os.getpid())
        yield opened


@pytest.fixture
def rename() -> Iterator[None]:
    """The name of this process is the same after the test."""
    comm = Path("/proc/self/comm")
    before = comm.read_bytes()
    yield
    comm.write_bytes(before.strip())


def call_it(name: str, times: int = 1) -> None:
    """Set the name of this process: the event that the program under test counts."""
    for _ in range(times):
        Path("/proc/self/comm").write_text(name)


def test_a_syscall_program_fills_memory_and_answers_in_its_context(bpf: BpfObject) -> None:
    bpf.set_variable("factor", 3)
    bpf.load()
    context = bytearray((5).to_bytes(8, "little"))
    assert bpf.run("fill", context) == -7
    assert context == (5).to_bytes(4, "little") * 2
    with bpf.map("rows").mapped() as memory:
        rows = list(bind(bpf.btf, "row", Row).iter_unpack(memory))
    filled = [Row((3 * row, 6 * row, 9 * row, 12 * row), 4026531840 + row) for row in range(5)]
    assert rows == filled + [Row((0, 0, 0, 0), 0)] * 11


@pytest.mark.usefixtures("rename")
def test_events_are_counted_over_all_cpus_and_put_into_slots(bpf: BpfObject) -> None:
    bpf.load()
    bpf.attach("on_rename")
    for cpu in sorted(os.sched_getaffinity(0)):
        with pinned(cpu):
            call_it("ab", RENAMES)
    cpus = len(os.sched_getaffinity(0))
    entries = Entries(bpf.map("renames"), bind(bpf.btf, "key", Key), bind(bpf.btf, "renames", Renames))
    assert list(entries.read()) == [(Key(os.getpid(), 0, b"ab"), Renames(2 * RENAMES * cpus, RENAMES * cpus))]
    hist = bind(bpf.btf, "hist", Hist).unpack(bpf.map("sizes").lookup(bytes(4)) or b"")
    # Each CPU counted 1 to 23, and a slot holds what is above the bound of the one before: 1; 2; 3, 4; 5 to 8; ...
    per_cpu = (1, 1, 2, 4, 8, 7)
    assert hist == Hist(tuple(cpus * n for n in per_cpu) + (0,) * 26, cpus * 23 * 24 // 2, cpus * RENAMES)


class pinned:  # noqa: N801 -- used like a function
    """Stay on one CPU for the length of a with-block."""

    def __init__(self, cpu: int) -> None:
        self.cpu = cpu
        self.before = os.sched_getaffinity(0)

    def __enter__(self) -> None:
        os.sched_setaffinity(0, {self.cpu})

    def __exit__(self, *_: object) -> None:
        os.sched_setaffinity(0, self.before)


@pytest.mark.usefixtures("rename")
def test_a_full_map_is_counted_as_a_fault(bpf: BpfObject) -> None:
    bpf.load()
    bpf.attach("on_rename")
    for name in ("aa", "bb", "cc", "dd", "ee", "ff", "gg"):  # there is room for four
        call_it(name)
    assert counters(bpf.map("faults"), bpf.btf, "fault") == {
        "fault_map_full": 3,
        "fault_lost": 0,
        "fault_suppressed": 0,
        "fault_unfinished": 0,
    }


@pytest.mark.usefixtures("rename")
def test_events_arrive_whole_and_in_order(bpf: BpfObject) -> None:
    bpf.set_variable("event_copies", 7)
    bpf.load()
    event = bind(bpf.btf, "event", Event)
    ring = bpf.ring("events")
    assert ring.consume() == []
    bpf.attach("on_rename")
    call_it("hello")
    name = b"hello".ljust(16, b"\0")
    expected = [Event(number, os.getpid(), name) for number in range(7)]
    first = ring.consume(limit=5)
    assert [event.unpack(record) for record in first + ring.consume()] == expected
    assert (len(first), ring.consume()) == (5, [])


@pytest.mark.usefixtures("rename")
def test_events_above_the_rate_are_suppressed_and_counted(bpf: BpfObject) -> None:
    bpf.set_variable("event_copies", 200)
    bpf.set_variable("events_per_second", 0)
    bpf.load()
    ring = bpf.ring("events")
    bpf.attach("on_rename")
    call_it("hello")
    assert ring.consume() == []
    assert counters(bpf.map("faults"), bpf.btf, "fault")["fault_suppressed"] == 200


@pytest.mark.usefixtures("rename")
def test_events_that_found_no_room_are_lost_and_counted(bpf: BpfObject) -> None:
    bpf.set_variable("event_copies", 255)
    bpf.set_variable("events_per_second", 1000)
    bpf.set_max_entries("events", 4096)
    bpf.load()
    ring = bpf.ring("events")
    bpf.attach("on_rename")
    call_it("hello")
    kept = len(ring.consume())
    assert kept == 4096 // (32 + 8) - (4096 % (32 + 8) == 0)  # a full ring cannot be told from an empty one
    assert counters(bpf.map("faults"), bpf.btf, "fault")["fault_lost"] == 255 - kept


def test_ten_thousand_entries_come_in_batches(bpf: BpfObject) -> None:
    bpf.load()
    plain = bpf.map("plain")
    for number in range(10000):
        plain.update(number.to_bytes(4, "little"), (number * number).to_bytes(8, "little"))
    count, keys, values = plain.read()
    assert count == 10000
    found = {
        int.from_bytes(keys[4 * at : 4 * at + 4], "little"): int.from_bytes(values[8 * at : 8 * at + 8], "little")
        for at in range(count)
    }
    assert found == {number: number * number for number in range(10000)}
    with_each = plain._read_one_by_one()
    assert sorted(with_each[1]) == sorted(keys)
    assert plain.lookup((7).to_bytes(4, "little")) == (49).to_bytes(8, "little")
    assert plain.delete((7).to_bytes(4, "little"))
    assert not plain.delete((7).to_bytes(4, "little"))
    assert plain.lookup((7).to_bytes(4, "little")) is None


def test_an_empty_map_has_no_entries(bpf: BpfObject) -> None:
    bpf.load()
    assert bpf.map("plain").read() == (0, b"", b"")


def test_a_full_map_refuses_from_here_too(bpf: BpfObject) -> None:
    bpf.set_max_entries("plain", 2)
    bpf.load()
    plain = bpf.map("plain")
    assert plain.max_entries == 2
    for number in range(2):
        plain.update(bytes([number, 0, 0, 0]), bytes(8))
    with pytest.raises(SourceError, match=r"map plain: expected room for a key, found 'Argument list too long"):
        plain.update(bytes([2, 0, 0, 0]), bytes(8))
    with pytest.raises(SourceError, match=r"expected 4 and 8 bytes, found \(4, 4\)"):
        plain.update(bytes(4), bytes(4))


def test_an_iterator_is_read_to_its_end(bpf: BpfObject) -> None:
    bpf.set_autoload("tasks", wanted=True)
    bpf.load()
    found = bind(bpf.btf, "task_row", Number).iter_unpack(bpf.attach("tasks").read())
    assert Number(os.getpid()) in set(found)


def test_maps_of_another_shape_are_not_bound(bpf: BpfObject) -> None:
    bpf.load()
    key, row = bind(bpf.btf, "key", Key), bind(bpf.btf, "row", Row)
    with pytest.raises(LayoutMismatchError, match=r"map renames: expected keys and values of 8 and 40 bytes"):
        Entries(bpf.map("renames"), key, row)
    with pytest.raises(SourceError, match=r"map plain: expected an array with BPF_F_MMAPABLE"):
        bpf.map("plain").mapped()
    with pytest.raises(SourceError, match=r"map plain: expected a ring buffer"):
        bpf.ring("plain")


def test_what_an_object_lacks_is_named(bpf: BpfObject) -> None:
    with pytest.raises(SourceError, match=r"probe\.bpf\.o: expected a global variable colour"):
        bpf.set_variable("colour", 1)
    with pytest.raises(SourceError, match=r"expected a value of 4 bytes for factor, found 4294967296"):
        bpf.set_variable("factor", 1 << 32)
    with pytest.raises(SourceError, match=r"expected one of the programs fill, .*, found 'nothing'"):
        bpf.set_autoload("nothing", wanted=True)
    with pytest.raises(SourceError, match=r"expected one of the maps .*plain.*, found 'nothing'"):
        bpf.set_max_entries("nothing", 1)


def test_a_refused_kind_of_program_is_unsupported_with_the_reason(bpf: BpfObject) -> None:
    bpf.set_autoload("on_connect", wanted=True)
    try:
        bpf.load()
    except UnsupportedError as error:
        pattern = r"probe\.bpf\.o program on_connect \(fentry/tcp_v4_connect\) is refused by the kernel \(.+\): .+; .+"
        assert re.search(pattern, str(error))  # noqa: PT017 -- kernels that do not refuse are fine
    else:
        pytest.skip("this kernel accepts fentry programs")


def test_a_tracepoint_that_does_not_exist_is_unsupported(bpf: BpfObject) -> None:
    bpf.set_autoload("on_nothing", wanted=True)
    with pytest.raises(UnsupportedError, match=r"on_nothing .*failed to find kernel BTF type ID of 'no_such_trace"):
        bpf.load()


def test_the_verifier_has_the_last_word(bpf: BpfObject) -> None:
    bpf.set_autoload("rejected", wanted=True)
    with pytest.raises(SourceError, match=r"program rejected .*verifier accepts, found \"R\d invalid mem access"):
        bpf.load()


def test_without_privileges_it_says_which(probe_object: Path) -> None:
    code = f"""
import os, sys
from pathlib import Path
sys.path[:] = {sys.path!r}
from exporter.bpf.loader import BpfObject
from exporter.errors import UnsupportedError
with BpfObject(Path({str(probe_object)!r})) as bpf:
    os.setuid(65534)
    try:
        bpf.load()
    except UnsupportedError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "run as root or with CAP_BPF and CAP_PERFMON" in done.stdout


def test_btf_from_elsewhere_is_used(probe_object: Path, tmp_path: Path) -> None:
    copy = tmp_path / "vmlinux.btf"
    copy.write_bytes(VMLINUX.read_bytes())
    with BpfObject(probe_object, btf=copy) as bpf:
        bpf.load()
    copy.write_bytes(b"something else")
    with BpfObject(probe_object, btf=copy) as bpf, pytest.raises(UnsupportedError, match=rf"is {copy} the BTF of the"):
        bpf.load()
    copy.unlink()
    with pytest.raises(UnsupportedError, match=rf"there is no BTF in {copy}"):
        BpfObject(probe_object, btf=copy)


def test_a_kernel_without_btf_is_named_as_the_reason(probe_object: Path) -> None:
    code = f"""
from pathlib import Path
from exporter.bpf.loader import BpfObject
from exporter.errors import UnsupportedError
with BpfObject(Path({str(probe_object)!r})) as bpf:
    try:
        bpf.load()
    except UnsupportedError as error:
        print(error)
"""
    hide = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs none /sys/kernel/btf && exec "$0" -c "$1"',
        sys.executable,
    ]
    done = subprocess.run([*hide, code], check=True, capture_output=True, text=True)
    assert "so a kernel built with CONFIG_DEBUG_INFO_BTF" in done.stdout


def test_a_damaged_object_is_an_error(probe_object: Path, tmp_path: Path) -> None:
    content = probe_object.read_bytes()
    for name, damaged in (("cut", content[: len(content) // 2]), ("text", b"not an object"), ("empty", b"")):
        path = tmp_path / f"{name}.bpf.o"
        path.write_bytes(damaged)
        with pytest.raises(SourceError, match=rf"{name}\.bpf\.o: expected an eBPF object"):
            BpfObject(path)


def test_an_absent_object_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"gone\.bpf\.o does not exist; install clang.* and run: make bpf"):
        BpfObject(tmp_path / "gone.bpf.o")


def test_without_libbpf_it_says_how_to_install_it(probe_object: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"libnothing\.so cannot be loaded .*apt install libbpf1"):
        BpfObject(probe_object, library_name="libnothing.so")
    with pytest.raises(UnsupportedError, match=r"libc\.so\.6 has no libbpf_set_print; install libbpf 1\.0"):
        BpfObject(probe_object, library_name="libc.so.6")


def test_nothing_is_left_behind(probe_object: Path) -> None:
    def descriptors() -> list[str]:
        return sorted(
            os.readlink(f"/proc/self/fd/{number}")
            for number in os.listdir("/proc/self/fd")
            if os.path.exists(f"/proc/self/fd/{number}")
        )

    before = descriptors()
    bpf = BpfObject(probe_object)
    bpf.load()
    ids = {program: program_id(bpf.program_fd(program)) for program in ("fill", "on_rename")}
    link = bpf.attach("on_rename")
    bpf.ring("events")
    bpf.map("rows").mapped().close()
    assert set(ids.values()) <= loaded()
    link.close()
    bpf.close()
    bpf.close()
    assert descriptors() == before
    deadline = time.monotonic() + 10
    while set(ids.values()) & loaded():  # the kernel frees a traced program once no CPU can be in it
        assert time.monotonic() < deadline


def program_id(descriptor: int) -> int:
    """Number of a program in the kernel."""
    return int(Path(f"/proc/self/fdinfo/{descriptor}").read_text().split("prog_id:")[1].split()[0])


def loaded() -> set[int]:
    """Numbers of all programs in the kernel, as bpftool sees them."""
    if shutil.which("bpftool") is None:
        pytest.skip("there is no bpftool to list programs with")
    listing = subprocess.run(["bpftool", "prog", "list"], check=True, capture_output=True, text=True).stdout
    return {int(number) for number in re.findall(r"^(\d+): ", listing, re.MULTILINE)}
