"""Control commands of a virtio network device, which the machine must have, with one of qemu's kind at least."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.bpf import hooks, objects
from exporter.bpf.attachable import Attachable
from exporter.bpf.command_times import _COMMAND, CommandTimes
from exporter.bpf.loader import BpfObject
from exporter.bpf.times import Slow
from exporter.errors import UnsupportedError
from exporter.model.metric import Naming
from exporter.probes import virtcmdlatency as probe
from tests.netns.namespaces import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.model.probe import Env
    from tests.conftest import FakeCycle

SYS = Path("/sys")
NEVER = 1 << 63


@pytest.fixture(scope="module")
def device() -> str:
    """Name of a virtio network device."""
    if os.geteuid() != 0:
        pytest.skip("only root may load programs")
    subprocess.run(["modprobe", "virtio_net"], check=False, capture_output=True)
    drivers = {path.parent.name: path / "driver" for path in SYS.glob("class/net/*/device")}
    found = next((name for name, link in drivers.items() if link.resolve().name == "virtio_net"), "")
    if not found:
        pytest.skip("this machine has no virtio network device")
    try:
        with BpfObject(objects.find("virtcmdlatency")) as bpf:
            hooks.choose(bpf, (_COMMAND,), SYS)
    except UnsupportedError as error:
        pytest.skip(str(error))
    return found


@pytest.fixture
def measure(device: str) -> Iterator[Callable[..., CommandTimes]]:  # noqa: ARG001 -- skips
    opened: list[CommandTimes] = []

    def make(slow_ns: int = NEVER, very_slow_ns: int = NEVER) -> CommandTimes:
        opened.append(times := CommandTimes(SYS, slow_ns, very_slow_ns))
        return times

    yield make
    for each in opened:
        each.close()


def add_vlans(device: str, numbers: range) -> None:
    """One command for each, to let its frames in; the device must be up or down throughout."""
    for number in numbers:
        run("ip", "link", "add", "link", device, "name", f"vlan{number}", "type", "vlan", "id", str(number))


def remove_vlans(numbers: range) -> None:
    for number in numbers:
        run("ip", "link", "delete", f"vlan{number}")


@pytest.fixture
def vlans(device: str) -> Iterator[Callable[[int], None]]:
    """Add so many VLANs to the device; they are removed at the end."""
    numbers = range(100, 100)

    def add(count: int) -> None:
        nonlocal numbers
        add_vlans(device, range(numbers.stop, numbers.stop + count))
        numbers = range(numbers.start, numbers.stop + count)

    yield add
    remove_vlans(numbers)


def test_each_command_is_measured_once(measure: Callable[..., CommandTimes], vlans: Callable[[int], None]) -> None:
    vlans(1)  # the first one also changes the list of addresses
    times = measure()
    before = times.read()
    vlans(31)
    after = times.read()
    assert before.times.all.count == 0
    assert (after.times.all.count, sum(after.times.all.slots), after.times.slow) == (31, 31, Slow(0, 0))
    assert after.times.all.sum > 31 * 1000  # the host takes more than a microsecond
    assert (before.unfinished, after.unfinished) == (0, 0)


def test_commands_from_several_threads_at_once_are_each_measured(
    measure: Callable[..., CommandTimes], vlans: Callable[[int], None], device: str
) -> None:
    vlans(1)
    times = measure()
    commands = [
        ["ip", "link", "add", "link", device, "name", f"vlan{number}", "type", "vlan", "id", str(number)]
        for number in range(300, 313)
    ]
    running = [subprocess.Popen(command) for command in commands]
    assert [each.wait() for each in running] == [0] * 13
    found = times.read()
    remove_vlans(range(300, 313))
    assert (found.times.all.count, found.unfinished) == (13, 0)
    assert times.read().times.all.count == 26


def test_slow_ones_are_counted_above_each_threshold(
    measure: Callable[..., CommandTimes], vlans: Callable[[int], None]
) -> None:
    vlans(1)
    every, none = measure(slow_ns=1, very_slow_ns=NEVER), measure()
    vlans(7)
    assert [each.read().times.slow for each in (every, none)] == [Slow(7, 0), Slow(0, 0)]


def test_the_probe_has_a_row_of_the_node(
    device: str,  # noqa: ARG001 -- skips
    live_env: Env,
    fake_cycle: type[FakeCycle],
    vlans: Callable[[int], None],
) -> None:
    vlans(1)
    with closing(probe.PROBE.open(live_env)) as running:
        vlans(5)
        cycle = fake_cycle()
        (table,) = running.collect(cycle)
    (row,) = table.rows
    _, _, seconds, unfinished = row.values
    assert (row.pod, sum(seconds.counts), unfinished) == (cycle.host, 5, 0)


def test_every_way_that_this_kernel_offers_counts_the_same(device: str, vlans: Callable[[int], None]) -> None:
    vlans(1)
    counts = {}
    for way in _COMMAND.ways:
        with BpfObject(objects.find("virtcmdlatency")) as bpf:
            try:
                hooks.choose(bpf, (hooks.Hook("a command", (way,)),), SYS)
            except UnsupportedError:
                continue
            for other in bpf.programs:
                bpf.set_autoload(other, wanted=other in way)
            bpf.load()
            for program in way:
                bpf.attach(program)
            vlans(3)
            raw = bpf.map("times").lookup(bytes(4)) or b""
            words = memoryview(raw).cast("Q")
            size = len(raw) // bpf.map("times").cpus // 8
            counts[way] = sum(words[at] for at in range(33, len(words), size))  # hist.count, behind slots and sum
    assert counts
    assert set(counts.values()) == {3}, device


def test_a_kernel_that_refuses_functions_is_told_with_the_reason_of_each_way(tmp_path: Path) -> None:
    table = tmp_path / "kallsyms"
    table.write_text("0000000000000000 t virtnet_send_command\t[virtio_net]\n")
    kernel = Attachable(tmp_path, kallsyms=table, fentry_refusal=lambda: "the kernel refuses fentry programs")
    with (
        BpfObject(objects.find("virtcmdlatency")) as bpf,
        pytest.raises(UnsupportedError, match="control command of a virtio network device cannot be watched") as caught,
    ):
        hooks.choose(bpf, (_COMMAND,), tmp_path, kernel=kernel)
    assert str(caught.value).count("refuses fentry programs") == 2
    assert str(caught.value).count("needs a kernel with CONFIG_KPROBES") == 2


def test_there_is_a_way_by_entry_and_return_and_one_by_kprobes_to_both_functions() -> None:
    with BpfObject(objects.find("virtcmdlatency")) as bpf:
        sections = [tuple(bpf.section(program).lstrip("?") for program in way) for way in _COMMAND.ways]
    assert sections == [
        (f"{end}/{function}", f"{begin}/{function}")
        for function in ("virtnet_send_command_reply", "virtnet_send_command")
        for begin, end in (("fentry", "fexit"), ("kprobe", "kretprobe"))
    ]


def test_the_names_are_those_that_users_know() -> None:
    assert [metric.name_in(Naming.INSPECTOR) for metric in probe.METRICS[:3]] == [
        "inspector_pod_virtcmdlatency",
        "inspector_pod_virtcmdlatency100ms",
        "inspector_node_virtsendcmdlat",
    ]
    assert "inspector_pod_virtsendcmdlat" in probe.SECONDS.all_names()
