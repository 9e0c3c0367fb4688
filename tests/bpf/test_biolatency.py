"""Requests to a loop device, with /sys/block/*/stat as the second witness."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import subprocess
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import pytest

from exporter.bpf.block_times import BlockRequests
from exporter.bpf.times import Slow
from exporter.errors import UnsupportedError
from exporter.probes import biolatency as probe
from tests.netns.namespaces import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.bpf.block_times import BlockTimes
    from exporter.model.probe import Env
    from tests.conftest import FakeCycle

SYS = Path("/sys")
CONTROL = Path("/dev/loop-control")
ADD, REMOVE = 0x4C80, 0x4C81  # linux/loop.h
MAJOR = 7
NEVER = 1 << 63

# As Documentation/block/stat.rst counts the fields.
FIELDS = {"read": 0, "write": 4, "discard": 11, "flush": 15}


@dataclass
class Disk:
    """A loop device of our own.

    Args:
        name: as in /sys/block.
        path: of its node.
    """

    name: str
    path: str

    def completed(self) -> dict[str, int]:
        """Requests that the kernel has counted, by operation."""
        fields = (SYS / "block" / self.name / "stat").read_text().split()
        return {operation: int(fields[at]) for operation, at in FIELDS.items()}

    def schedule_by(self, scheduler: str) -> None:
        """Choose the I/O scheduler."""
        (SYS / "block" / self.name / "queue" / "scheduler").write_text(scheduler)

    def dd(self, count: int, *, read: bool = False, direct: bool = True) -> None:
        """Read or write so many blocks of 4 KiB, one by one."""
        where = [f"if={self.path}", "of=/dev/null"] if read else ["if=/dev/zero", f"of={self.path}", "conv=fsync"]
        flags = [f"{'i' if read else 'o'}flag=direct"] if direct else []
        run("dd", *where, *flags, "bs=4096", f"count={count}", "status=none")

    def remove(self) -> None:
        """Let the kernel forget it; safe to repeat."""
        subprocess.run(["losetup", "-d", self.path], check=False, capture_output=True)
        Path(self.path).unlink(missing_ok=True)
        number = int(self.name.removeprefix("loop"))
        with CONTROL.open("rb") as control:
            for _ in range(100):
                try:
                    fcntl.ioctl(control, REMOVE, number)
                except OSError as error:
                    if error.strerror == os.strerror(16):  # EBUSY: still being closed
                        continue
                return


@pytest.fixture
def disk(as_root: None) -> Iterator[Disk]:  # noqa: ARG001 -- skips
    """Of 8 MiB in memory, without scheduler."""
    if not CONTROL.exists():
        subprocess.run(["modprobe", "loop"], check=False, capture_output=True)
    if not CONTROL.exists():
        pytest.skip(f"{CONTROL} does not exist: this kernel has no loop devices")
    number = 1000 + secrets.randbelow(100_000)
    with CONTROL.open("rb") as control:
        fcntl.ioctl(control, ADD, number)
    made = Disk(f"loop{number}", f"/dev/loop{number}")
    if not Path(made.path).exists():
        os.mknod(made.path, stat.S_IFBLK | 0o600, os.makedev(MAJOR, number))
    with NamedTemporaryFile(dir="/dev/shm") as backing:  # where files can have holes, so that discarding works
        backing.truncate(8 << 20)
        try:
            run("losetup", made.path, backing.name)
            made.schedule_by("none")
            yield made
        finally:
            made.remove()


@pytest.fixture
def measure(as_root: None) -> Iterator[Callable[..., BlockRequests]]:  # noqa: ARG001 -- skips
    opened: list[BlockRequests] = []

    def make(slow_ns: int = NEVER, very_slow_ns: int = NEVER, entries: int = 64) -> BlockRequests:
        sizes = {"under_way": 1024, "entries": entries}
        opened.append(requests := BlockRequests(SYS, slow_ns=slow_ns, very_slow_ns=very_slow_ns, **sizes))
        return requests

    yield make
    for each in opened:
        each.close()


def of_disk(requests: BlockRequests, disk: Disk) -> dict[str, BlockTimes]:
    """What was measured of one device, by operation."""
    return {operation: times for (name, operation), times in requests.read().times.items() if name == disk.name}


def counts(found: dict[str, BlockTimes]) -> dict[str, int]:
    """Requests by operation; every one is in one slot."""
    assert all(sum(times.device.slots) == times.device.count for times in found.values())
    return {operation: times.device.count for operation, times in found.items()}


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """What the kernel counted in between, operations without any left out.

    To ask for a flush is a write without data, which the kernel counts besides the flush, and no device gets.
    """
    growth = {name: after[name] - before[name] for name in after}
    growth["write"] -= growth["flush"]
    return {name: count for name, count in growth.items() if count}


def test_each_direct_read_and_write_is_one_and_the_kernel_counts_as_many(
    disk: Disk, measure: Callable[..., BlockRequests]
) -> None:
    requests, before = measure(), disk.completed()
    disk.dd(97)
    disk.dd(89, read=True)
    found, kernel = of_disk(requests, disk), grown(before, disk.completed())
    assert (kernel["write"], kernel["flush"], counts(found)) == (97, 1, kernel)
    assert kernel["read"] >= 89  # whoever looks for partitions reads too
    assert all(
        times.device.sum > 1000 * times.device.count for times in found.values()
    )  # no device takes less than 1 us


def test_buffered_writes_merged_or_not_count_as_the_kernel_counts_them(
    disk: Disk, measure: Callable[..., BlockRequests]
) -> None:
    disk.schedule_by("mq-deadline")
    requests, before = measure(), disk.completed()
    disk.dd(1021, direct=False)
    found, kernel = of_disk(requests, disk), grown(before, disk.completed())
    assert counts(found) == kernel
    assert 0 < kernel["write"] <= 1021


def test_discards_and_flushes_are_told_apart(disk: Disk, measure: Callable[..., BlockRequests]) -> None:
    requests = measure()
    disk.dd(3)  # by then is done what had begun on other devices before
    unfinished, before = requests.read().faults["fault_unfinished"], disk.completed()
    for at in range(13):
        run("blkdiscard", "--offset", str(at * 65536), "--length", "4096", disk.path)
    descriptor = os.open(disk.path, os.O_WRONLY)
    for _ in range(7):
        os.fsync(descriptor)
    os.close(descriptor)
    found, kernel = counts(of_disk(requests, disk)), grown(before, disk.completed())
    assert requests.read().faults["fault_unfinished"] == unfinished
    assert (found["discard"], found["flush"]) == (kernel["discard"], kernel["flush"] + 1) == (13, 7 + 1)


def test_every_request_waits_that_a_scheduler_gets(disk: Disk, measure: Callable[..., BlockRequests]) -> None:
    """Without one it depends on the kernel: older ones queue also what they issue at once."""
    requests = measure()
    disk.dd(31)
    without = of_disk(requests, disk)["write"]
    disk.schedule_by("mq-deadline")
    disk.dd(37)
    found = of_disk(requests, disk)["write"]
    assert (without.device.count, found.device.count) == (31, 31 + 37)
    assert found.queue.count - without.queue.count == 37
    assert found.queue.sum > without.queue.sum


def test_slow_ones_are_counted_above_each_threshold(disk: Disk, measure: Callable[..., BlockRequests]) -> None:
    every, none = measure(slow_ns=1, very_slow_ns=NEVER), measure()
    disk.dd(53)
    assert [of_disk(each, disk)["write"].both for each in (every, none)] == [Slow(53, 0), Slow(0, 0)]


def test_a_device_that_is_gone_is_forgotten(disk: Disk, measure: Callable[..., BlockRequests]) -> None:
    requests = measure()
    disk.dd(3)
    here = of_disk(requests, disk)
    disk.remove()
    assert not (SYS / "block" / disk.name).exists()
    gone = of_disk(requests, disk), of_disk(requests, disk)
    _, keys, _ = requests._bpf.map("times").read()
    assert (here["write"].device.count, gone) == (3, ({}, {}))
    assert disk.name.encode() not in keys


def test_what_finds_no_room_is_counted(disk: Disk, measure: Callable[..., BlockRequests]) -> None:
    requests = measure(entries=1)
    disk.dd(1)  # a write and a flush: whichever comes first has the place, unless another device was faster
    disk.dd(5)
    found = requests.read()
    assert len(found.times) == 1
    assert found.faults["fault_map_full"] >= 2


def test_the_probe_has_a_row_for_each_operation(disk: Disk, live_env: Env, fake_cycle: type[FakeCycle]) -> None:
    env = replace(live_env, options={"biolatency": {"slow_ms": 100_000, "very_slow_ms": 100_000}})
    with closing(probe.PROBE.open(env)) as running:
        disk.dd(11)
        table, uncounted = running.collect(fake_cycle())
    rows = {row.labels[1]: row.values for row in table.rows if row.labels[0] == disk.name}
    slow, very_slow, queue, device = rows["write"]
    assert (slow, very_slow) == (0, 0)
    assert sum(device.counts) == 11
    assert queue is None or sum(queue.counts) == 11
    assert device.sum > 0
    assert [row.labels for row in uncounted.rows] == [("map_full",), ("unfinished",)]


def test_without_the_kernel_s_types_there_is_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF"):
        BlockRequests(tmp_path, slow_ns=1, very_slow_ns=1, under_way=1, entries=1)
