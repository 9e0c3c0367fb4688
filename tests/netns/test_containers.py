"""The container of an event's process: a real process in a real cgroup, and those of which nothing can be told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from exporter.bpf.stacks import Stacks
from exporter.events import record, text
from exporter.identity.recent import Owners
from exporter.model.event import Event, EventNaming, EventType, Field
from exporter.runtime import containers
from exporter.runtime.naming import Naming
from exporter.sources import netns
from tests.netns.pods import CONTAINER, real_pods

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.model.probe import Env

WAITED = EventType(
    probe="biolatency",
    name="WAITED",
    help="A test.",
    fields=(Field(name="bytes", help="A test."), Field(name="pid", help="A test.")),
)
SILENT = EventType(probe="tcpreset", name="SILENT", help="A test.")


def told(pid: int | str, inode: int) -> Event:
    return Event(WAITED, 1, inode, values=(4096, pid))


def test_an_event_tells_the_container_of_its_process(tmp_path: Path, live_env: Env) -> None:
    with real_pods(tmp_path) as pods:
        pods.start(1)
        pid = pods.processes[1].pid
        inode = netns.inode_of(f"/proc/{pid}/ns/net")
        naming = Naming(live_env, Owners("node-a"), Stacks(), lambda _: ())
        (named,) = naming([told(pid, inode)])
        assert named.container == CONTAINER
        assert record.record(named, EventNaming.KUBESKOOP)["container"] == CONTAINER
        assert text.body(named) == f"bytes:4096 pid:{pid} container:{CONTAINER}"
        pods.end(1)
        (named,) = naming([told(pid, inode)])
        assert named.container == ""
        assert "container" not in record.record(named, EventNaming.KUBESKOOP)
        naming.close()


def test_nothing_is_told_of_who_is_in_no_container_or_not_the_same_process() -> None:
    own = netns.inode_of("/proc/self/ns/net")
    for event in (
        told(os.getpid(), own),  # in no container of a pod
        told(0, own),
        told("", own),
        told(2**31 - 1, own),
        told(os.getpid(), 0),
        Event(SILENT, 1, own),
    ):
        assert containers.of_events("/proc", [event]) == {}


def test_a_number_that_another_process_has_taken_over_is_not_taken_for_the_same(tmp_path: Path) -> None:
    with real_pods(tmp_path) as pods:
        pods.start(1)
        pid = pods.processes[1].pid
        inode = netns.inode_of(f"/proc/{pid}/ns/net")
        assert containers.of_events("/proc", [told(pid, inode), told(pid, inode + 1)]) == {(pid, inode): CONTAINER}
