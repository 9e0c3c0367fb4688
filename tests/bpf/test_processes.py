"""What programs find of processes, with procfs as the second witness: it must show the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.bpf import running
from exporter.bpf.processes import ProcessFiles, ProcessIo, ProcessScan
from exporter.errors import GoneError, UnsupportedError
from exporter.probes import fd, io
from exporter.sources import process
from exporter.sources.descriptors import DescriptorLinks, DescriptorScan, Opened
from exporter.sources.io_readings import IoFiles, IoScan
from exporter.sources.process_io import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.model.pod import Pod
    from exporter.model.probe import Env
    from tests.conftest import FakeCycle

PROC, SYS = Path("/proc"), Path("/sys")

THREADS = """
import os, sys, threading
null = os.open("/dev/null", os.O_WRONLY)
stay, written = threading.Event(), threading.Barrier(8)
def write(calls, last):
    for _ in range(calls):
        os.write(null, b"1234567")
    last()
ending = [threading.Thread(target=write, args=(11, lambda: None)) for _ in range(5)]
for each in ending:
    each.start()
for each in ending:
    each.join()
for _ in range(7):
    threading.Thread(target=write, args=(23, lambda: (written.wait(), stay.wait())), daemon=True).start()
written.wait()
if os.fork() == 0:
    write(31, lambda: os._exit(0))
os.wait()
os.write(1, b"r")
os.read(0, 1)
"""

FILES = """
import os, socket, sys
sockets = [socket.socket(*kind) for kind in
           ((socket.AF_INET,), (socket.AF_INET6, socket.SOCK_DGRAM), (socket.AF_UNIX,), (socket.AF_NETLINK, 3))]
sockets += socket.socketpair()
sockets[2].bind(sys.argv[1])
same = os.dup(sockets[0].fileno())
path_only = os.open(sys.argv[1], os.O_PATH)
pipes = os.pipe()
os.dup2(pipes[0], 200)
os.write(1, b"r")
os.read(0, 1)
"""

RESTLESS = """
import os, threading
null = os.open("/dev/null", os.O_WRONLY)
def write():
    for _ in range(9):
        os.write(null, b"1234567")
os.write(1, b"r")
while True:
    threads = [threading.Thread(target=write) for _ in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
"""

MANY = """
import os, signal, sys
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        signal.pause()
os.write(1, b"r")
os.read(0, 1)
os.killpg(0, signal.SIGKILL)
"""


@pytest.fixture
def start(as_root: None) -> Iterator[Callable[..., int]]:  # noqa: ARG001 -- skips
    """Run a Python program until it has said that it is ready, and until the end of the test."""
    with ExitStack() as stack:

        def run(program: str, *arguments: str) -> int:
            command = [sys.executable, "-S", "-E", "-c", program, *arguments]
            pipe = subprocess.PIPE
            made = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
            stack.callback(made.communicate, b"x")
            assert made.stdout is not None
            assert made.stdout.read(1) == b"r"
            until_asleep(made.pid)
            return made.pid

        yield run


def until_asleep(pid: int) -> None:
    """A call is counted when it returns, which may be after the other side has read what it wrote."""
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def bpf_loop() -> None:
    """For tests of the program that goes through the threads of a process."""
    if tuple(map(int, os.uname().release.split(".")[:2])) < (5, 17):
        pytest.skip("the kernel is older than 5.17, which has bpf_loop")


@pytest.fixture
def io_scan(as_root: None, bpf_loop: None) -> Iterator[IoScan]:  # noqa: ARG001 -- skip
    with closing(IoScan(PROC, SYS)) as scan:
        yield scan


@pytest.fixture
def descriptor_scan(as_root: None) -> Iterator[DescriptorScan]:  # noqa: ARG001 -- skips
    with closing(DescriptorScan(PROC, SYS)) as scan:
        yield scan


def everybody() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def shown_io(pid: int) -> dict[str, int]:
    """What /proc/<pid>/io shows; nothing for a process that has ended or that even root may not look at."""
    try:
        file = process.read_io("/proc", pid)
    except (GoneError, UnsupportedError):
        return {}
    assert file is not None
    return process.parse_io(file.content, f"/proc/{pid}/io")


def listed(pid: int) -> Opened | None:
    """What /proc/<pid>/fd lists, likewise."""
    try:
        return DescriptorLinks("/proc").of((pid,))
    except UnsupportedError:
        return None


def test_every_process_has_the_counters_that_procfs_shows(io_scan: IoScan) -> None:
    pids = everybody()
    before = {pid: shown_io(pid) for pid in pids}
    io_scan.begin()
    found = {pid: reading.counters for pid in pids if shown_io(pid) and (reading := io_scan.read(pid))}
    after = {pid: shown_io(pid) for pid in pids}
    quiet = {pid for pid in pids if before[pid] and before[pid] == after[pid]}
    assert len(quiet) > 5
    assert {pid: found[pid] for pid in quiet} == {pid: before[pid] for pid in quiet}
    for pid in found.keys() - quiet:
        if after[pid]:
            assert all(before[pid][name] <= found[pid][name] <= after[pid][name] for name in before[pid])


def test_live_and_ended_threads_and_children_that_were_waited_for_all_count(
    start: Callable[..., int], io_scan: IoScan
) -> None:
    pid = start(THREADS)
    io_scan.begin()
    reading = io_scan.read(pid)
    assert reading is not None
    assert len(os.listdir(f"/proc/{pid}/task")) == 8
    assert reading.counters == shown_io(pid)
    # The byte that tells comes on top; joining and forking do not write.
    assert reading.counters["syscw"] == 5 * 11 + 7 * 23 + 31 + 1
    assert reading.counters["wchar"] == 7 * (5 * 11 + 7 * 23 + 31) + 1
    assert reading.birth.parent == os.getpid() == process.read_birth("/proc", pid).parent
    assert reading.birth.started * os.sysconf("SC_CLK_TCK") // 10**9 == process.read_birth("/proc", pid).started


def test_bytes_that_go_to_storage_are_those_that_procfs_shows(
    start: Callable[..., int], io_scan: IoScan, tmp_path: Path
) -> None:
    program = "import os, sys; f = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR); os.write(f, bytes(13 * 4096))\n"
    program += "os.fsync(f); os.ftruncate(f, 4096); os.write(1, b'r'); os.read(0, 1)"
    pid = start(program, str(tmp_path / "file"))
    io_scan.begin()
    reading = io_scan.read(pid)
    assert reading is not None
    assert reading.counters == shown_io(pid)
    assert reading.counters["wchar"] == 13 * 4096 + 1


def test_counters_never_fall_while_threads_end(as_root: None, io_scan: IoScan) -> None:  # noqa: ARG001 -- skips
    """What a thread did is at no moment missing, nor counted twice."""
    command = [sys.executable, "-S", "-E", "-c", RESTLESS]
    calls: list[int] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE) as restless:
        assert restless.stdout is not None
        restless.stdout.read(1)
        deadline = time.monotonic() + 30
        while len(calls) < 211 and time.monotonic() < deadline:
            io_scan.begin()
            reading = io_scan.read(restless.pid)
            if reading is not None:
                calls.append(reading.counters["syscw"])
        restless.kill()
    assert len(calls) == 211
    assert calls == sorted(calls)


def test_a_process_that_could_not_be_read_at_one_moment_is_as_it_was(
    start: Callable[..., int], io_scan: IoScan
) -> None:
    pid = start(THREADS)
    io_scan.begin()
    layout = io_scan._scan.layout
    io_scan._found[pid] = layout.pack(layout.unpack(io_scan._found[pid])._replace(torn=1))
    torn = io_scan.read(pid)
    io_scan.begin()
    whole = io_scan.read(pid)
    assert torn is None
    assert whole is not None
    assert whole.counters == shown_io(pid)


def test_what_did_not_change_is_not_told_again_and_an_ended_process_is_gone(
    start: Callable[..., int], io_scan: IoScan
) -> None:
    pid = start("import os; os.write(1, b'r'); os.read(0, 1)")
    io_scan.begin()
    first = io_scan.read(pid)
    io_scan.begin()
    second = io_scan.read(pid)
    os.kill(pid, 9)
    deadline = time.monotonic() + 10
    while process.read_birth("/proc", pid) and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]:
        assert time.monotonic() < deadline
    io_scan.begin()
    zombie, shown = io_scan.read(pid), shown_io(pid)
    os.waitpid(pid, 0)
    io_scan.begin()
    with pytest.raises(GoneError, match=str(pid)):
        io_scan.read(pid)
    assert first is not None
    assert zombie is not None
    assert (second, zombie) == (None, first._replace(counters=shown))


def test_sums_are_the_same_whichever_way_processes_are_read(
    start: Callable[..., int], io_scan: IoScan, web: Pod
) -> None:
    pids = {web: (start(THREADS), start(THREADS))}
    ledgers = Ledger(io_scan), Ledger(IoFiles("/proc"))
    for ledger in ledgers:
        ledger.update(pids)
    assert ledgers[0].totals == ledgers[1].totals
    assert ledgers[0].totals[web]["syscw"] == 2 * 248


def test_files_and_sockets_are_those_that_procfs_lists(
    start: Callable[..., int], descriptor_scan: DescriptorScan, tmp_path: Path
) -> None:
    """A path to a socket is no socket; a duplicate is a descriptor of its own; the table has gaps."""
    pid = start(FILES, str(tmp_path / "socket"))
    descriptor_scan.begin()
    assert descriptor_scan.of((pid,)) == listed(pid) == Opened(descriptors=3 + 6 + 1 + 1 + 2 + 1, sockets=7)


def test_every_process_has_as_many_descriptors_as_procfs_lists(descriptor_scan: DescriptorScan) -> None:
    pids = [pid for pid in everybody() if pid != os.getpid()]
    before = {pid: listed(pid) for pid in pids}
    descriptor_scan.begin()
    found = {pid: descriptor_scan.of((pid,)) for pid in pids}
    after = {pid: listed(pid) for pid in pids}
    quiet = {pid for pid in pids if before[pid] == after[pid] is not None}
    assert len(quiet) > 5
    assert {pid: found[pid] for pid in quiet} == {pid: before[pid] for pid in quiet}


def test_descriptors_that_threads_share_are_counted_once(
    start: Callable[..., int], descriptor_scan: DescriptorScan
) -> None:
    pid = start(THREADS)
    descriptor_scan.begin()
    assert descriptor_scan.of((pid,)) == Opened(descriptors=4, sockets=0)


def test_a_process_without_descriptors_has_none_and_an_ended_one_is_left_out(
    start: Callable[..., int], descriptor_scan: DescriptorScan
) -> None:
    pid = start("import os; os.write(1, b'r'); os.read(0, 1)")
    bare = start("import os, signal; os.write(1, b'r'); os.closerange(0, 99); signal.pause()")
    descriptor_scan.begin()
    ended = descriptor_scan.of((2**22 + 1,))
    found = descriptor_scan.of((bare,)), descriptor_scan.of((bare, pid, 2**22 + 1))
    os.kill(bare, 9)
    assert (ended, *found) == (None, Opened(0, 0), Opened(3, 0))


@pytest.mark.usefixtures("bpf_loop")
def test_more_processes_than_the_kernel_s_buffer_holds_are_each_found_once(start: Callable[..., int]) -> None:
    """It has 32 KiB, so the programs are called again for what did not fit."""
    parent = start(MANY, "3001")
    with closing(ProcessScan(ProcessIo, PROC, SYS)) as ios, closing(ProcessScan(ProcessFiles, PROC, SYS)) as files:
        rows = [ios.layout.unpack(raw) for raw in ios.read().values()]
        children = {row.pid for row in rows if row.parent == parent}
        raw = files._link.read()
        counted = [row for row in files.layout.iter_unpack(raw) if row.pid in children]
    assert len(children) == 3001
    assert sorted(counted) == [(pid, 3, 0) for pid in sorted(children)]


@pytest.mark.usefixtures("bpf_loop")
def test_the_probes_use_the_programs_and_give_what_procfs_does(
    start: Callable[..., int], live_env: Env, fake_cycle: type[FakeCycle], web: Pod, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    pid = start(THREADS)
    with closing(io.PROBE.open(live_env)) as calls, closing(fd.PROBE.open(live_env)) as opened:
        cycle = fake_cycle(pids={web: (pid,)})
        values = [each.collect(cycle)[0].rows[0].values for each in (calls, opened)]
    shown = shown_io(pid)
    assert caplog.messages == []
    assert values == [tuple(shown[each.column] for each in io.METRICS), (4, 0)]


def test_without_the_kernel_scan_nothing_is_loaded(live_env: Env, as_root: None) -> None:  # noqa: ARG001 -- skips
    env = replace(live_env, kernel_scan=False)
    with closing(io.PROBE.open(env)), closing(fd.PROBE.open(env)):
        names = [each.name for each in running.survey()]
    assert [name for name in names if name.startswith("process_")] == []


@pytest.mark.parametrize("scan", [IoScan, DescriptorScan])
def test_the_procfs_of_another_machine_is_not_scanned(scan: type[IoScan | DescriptorScan], tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="self/ns/pid does not exist"):
        scan(tmp_path, SYS)


@pytest.mark.parametrize("scan", [IoScan, DescriptorScan])
def test_within_another_pid_namespace_procfs_is_read(
    scan: type[IoScan | DescriptorScan],
    as_root: None,  # noqa: ARG001 -- skips
) -> None:
    program = f"from pathlib import Path; from {scan.__module__} import {scan.__name__} as Scan; "
    program += "Scan(Path('/proc'), Path('/sys'))"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith("/proc/self/ns/pid is not the initial pid namespace; run the container with hostPID")
