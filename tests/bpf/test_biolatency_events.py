"""Slow requests to a loop device are told one by one."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from exporter.probes.biolatency import REQUEST, VERY_SLOW_REQUEST
from tests.bpf.test_biolatency import Disk, disk

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.event import Event
    from tests.bpf.event_watch import Watched
    from tests.netns.namespaces import Namespace

__all__ = ["disk"]

MANY = 100_000  # events each second: none is suppressed for those of other disks
HOUR = 3_600_000  # ms; on a busy machine any request may take longer than by default
ALL_SLOW = {"slow_ms": 0, "very_slow_ms": HOUR}
ALL_VERY_SLOW = {"slow_ms": 0, "very_slow_ms": 0}


def of_disk(watched: Watched, disk: Disk, operation: str = "write") -> list[Event]:
    """Events so far of one device and operation, in order."""
    while found := watched.source.take():
        watched.told.extend(found)
    return [event for event in watched.told if event.values[3:5] == (disk.name, operation)]


def write_inside(namespace: Namespace, disk: Disk, count: int) -> int:
    """Write so many blocks of 4 KiB one by one from inside a namespace: the number of the process."""
    command = ["ip", "netns", "exec", namespace.name, "dd", "if=/dev/zero", f"of={disk.path}"]
    flags = ["oflag=direct", "bs=4096", f"count={count}", "status=none"]
    process = subprocess.Popen([*command, *flags])
    assert process.wait() == 0
    return process.pid


def test_each_is_told_with_device_operation_place_and_who_made_it(
    disk: Disk, make_netns: Callable[[], Namespace], watch_events: Callable[..., Watched]
) -> None:
    namespace = make_netns()
    watched = watch_events("biolatency", ALL_SLOW, events_per_second=MANY)
    pid = write_inside(namespace, disk, 13)
    found = of_disk(watched, disk)

    assert [event.values[4:] for event in found] == [("write", 4096, at * 8, "dd", pid) for at in range(13)]
    assert {(event.type, event.connection, event.netns) for event in found} == {(REQUEST, None, namespace.pod.netns)}
    for event in found:
        latency, queue, device = map(int, event.values[:3])
        assert latency - (queue + device) in {0, 1}  # each is rounded down
        assert device > 0


def test_what_waited_for_the_device_says_how_long_of_it(
    disk: Disk, make_netns: Callable[[], Namespace], watch_events: Callable[..., Watched]
) -> None:
    disk.schedule_by("mq-deadline")
    watched = watch_events("biolatency", ALL_SLOW, events_per_second=MANY)
    pid = write_inside(make_netns(), disk, 13)
    found = of_disk(watched, disk)

    assert [event.values[4:] for event in found] == [("write", 4096, at * 8, "dd", pid) for at in range(13)]
    assert sum(int(event.values[1]) for event in found) > 0


def test_pages_that_the_kernel_writes_back_are_nobodys(disk: Disk, watch_events: Callable[..., Watched]) -> None:
    watched = watch_events("biolatency", ALL_SLOW, events_per_second=MANY)
    descriptor = os.open(disk.path, os.O_WRONLY)
    os.write(descriptor, bytes(4096))
    os.close(descriptor)  # the last one that has it open waits until all is written
    found = of_disk(watched, disk)

    assert sum(int(event.values[5]) for event in found) == 4096
    kernels = [event for event in found if str(event.values[7]).startswith(("kworker", "loop"))]
    assert {event.netns for event in kernels} <= {0}


def test_the_very_slow_ones_have_a_type_of_their_own(disk: Disk, watch_events: Callable[..., Watched]) -> None:
    every = watch_events("biolatency", ALL_VERY_SLOW, events_per_second=MANY)
    none = watch_events("biolatency", {"slow_ms": HOUR, "very_slow_ms": HOUR})
    disk.dd(7)
    assert {event.type for event in of_disk(every, disk)} == {VERY_SLOW_REQUEST}
    assert of_disk(none, disk) == []


@pytest.mark.parametrize("rate", [1, MANY])
def test_what_is_told_and_what_is_suppressed_make_up_what_is_counted(
    rate: int, disk: Disk, watch_events: Callable[..., Watched]
) -> None:
    watched = watch_events("biolatency", ALL_SLOW, events_per_second=rate)
    disk.dd(97)
    before = watched.counted("slow_total")  # before and after, as others use their disks meanwhile
    here = of_disk(watched, disk)
    told_or_not = len(watched.told) + watched.counted("events_suppressed_total")
    after = watched.counted("slow_total")

    assert (len(here) == 97) == (rate > 1)
    assert before <= told_or_not <= after
    assert watched.counted("events_lost_total") == 0
