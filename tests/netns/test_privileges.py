"""What each declared capability is good for once every probe is open, and that no other one is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter import registry
from exporter.runtime import privileges
from tests.netns.conftest import joined, making
from tests.unit.cli.daemon import daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root holds capabilities")

ROOT = Path(__file__).parents[2]
NOBODY = "65534"
TO_OPEN = ("CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON")  # which nobody needs later on
DROPPED = (*TO_OPEN, "CAP_SYS_ADMIN", "CAP_SYS_PTRACE")


@pytest.fixture(scope="module")
def hold() -> Iterator[Callable[..., str]]:
    """Start a process that waits in a namespace, or with "" in one of its own, and tell the inode of that."""
    with ExitStack() as stack:

        def start(namespace: str, *words: str) -> str:
            enter = ["ip", "netns", "exec", namespace] if namespace else ["unshare", "--net"]
            command = [*enter, *words, "sh", "-c", "echo ready; exec sleep 600"]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            return os.readlink(f"/proc/{process.pid}/ns/net").strip("net:[]")

        yield start


@pytest.fixture(scope="module")
def world(hold: Callable[..., str]) -> Iterator[tuple[str, str, str]]:
    """Pods: one of root, one of another user, and one of another user that no name leads to."""
    with making() as make:
        pair = joined(make(), make())
        for side, words in ((pair.left, ()), (pair.right, ("setpriv", "--reuid", NOBODY, "--clear-groups", "--"))):
            hold(side.name, *words)
            side.listen(80, 10)
            # The kernel forgets others when the node has many.
            side.run(
                "ip", "neigh", "add", "10.77.0.9", "lladdr", "02:00:00:00:00:09", "dev", "eth0", "nud", "permanent"
            )
        pair.left.connect(pair.right4, 80)
        nameless = hold("", "setpriv", "--reuid", NOBODY, "--clear-groups", "--")
        yield pair.left.name, pair.right.name, f"ns{nameless}"


@pytest.fixture(scope="module")
def cycles(world: tuple[str, str, str]) -> dict[str, dict[str, Any]]:  # noqa: ARG001 -- is what they see
    """What `tests.netns.dropped_cycles` prints for each word."""
    command = [sys.executable, "-m", "tests.netns.dropped_cycles", "all", "declared", *DROPPED]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(command[3:], map(json.loads, done.stdout.splitlines()), strict=True))


def lost(before: dict[str, Any], after: dict[str, Any], pods: tuple[str, ...]) -> dict[str, set[int]]:
    """Probe -> which of these pods (by place) are missing in it."""
    found = {
        probe: {place for place, pod in enumerate(pods) if pod in names and pod not in after["pods"].get(probe, [])}
        for probe, names in before["pods"].items()
    }
    return {probe: places for probe, places in found.items() if places}


def test_with_exactly_what_is_declared_nothing_is_lost(
    world: tuple[str, str, str], cycles: dict[str, dict[str, Any]]
) -> None:
    before, after = cycles["all"], cycles["declared"]
    assert set(after["kept"]) < set(before["kept"])
    assert lost(before, after, world) == {}
    assert after["statuses"] == before["statuses"]
    assert after["scanned"] == before["scanned"]


def declaring(capability: str) -> set[str]:
    """Probes that declare a capability."""
    return {spec.name for spec in registry.load().probes if capability in {need.what for need in spec.requires}}


def test_without_entering_namespaces_only_what_is_listed_inside_them_is_lost(
    world: tuple[str, str, str], cycles: dict[str, dict[str, Any]]
) -> None:
    found = lost(cycles["declared"], cycles["CAP_SYS_ADMIN"], world)
    assert found.keys() <= declaring("CAP_SYS_ADMIN")
    expected = {
        "conntrack_netns": {0, 1, 2},
        "listen": {0, 1, 2},
        "neigh": {0, 1},  # the third has no neighbour
        "ports": {0, 1, 2},
        "tcpsummary": {0, 1, 2},
    }
    assert {probe: found.get(probe) for probe in expected} == expected


def test_without_looking_at_others_processes_they_and_what_only_they_hold_are_lost(
    world: tuple[str, str, str], cycles: dict[str, dict[str, Any]]
) -> None:
    whole = cycles["declared"]
    found = lost(whole, cycles["CAP_SYS_PTRACE"], world)
    assert {probe for probe, pods in found.items() if pods != {2}} == {"fd", "io"} <= declaring("CAP_SYS_PTRACE")
    assert found.keys() == {probe for probe, names in whole["pods"].items() if world[2] in names}


READ = """
from exporter.runtime import privileges
from exporter.sources import process
privileges.drop({keep})
print(process.read_io("/proc", {pid}) is not None, bool(process.read_descriptors("/proc", {pid})))
"""


@pytest.mark.parametrize("lacking", ["", "CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"])
def test_files_of_others_processes_take_both_capabilities(lacking: str) -> None:
    command = ["setpriv", "--reuid", NOBODY, "--clear-groups", "--", "cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=0) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write("ready\n")
        other.stdout.readline()
        keep = {need.what for need in registry.load().probe("io").requires} - {lacking}
        script = READ.format(keep=keep, pid=other.pid)
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True, text=True)
        other.stdin.close()
    assert done.stdout == ("" if lacking else "True True\n")
    assert ("UnsupportedError" in done.stderr) == bool(lacking)


@pytest.mark.parametrize("name", TO_OPEN)
def test_what_is_needed_to_open_only_costs_nothing_later_on_this_kernel(
    name: str, world: tuple[str, str, str], cycles: dict[str, dict[str, Any]]
) -> None:
    whole, without = cycles["declared"], cycles[name]
    assert (lost(whole, without, world), without["statuses"]) == ({}, whole["statuses"])


def statuses(pid: int) -> set[tuple[str, ...]]:
    """Effective, permitted and bounding capabilities of the threads of a process."""
    found = set()
    content = Path(f"/proc/{pid}/status").read_text()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a cycle's thread ended just then
            content = (task / "status").read_text()
        lines = dict(line.split(":\t") for line in content.splitlines() if ":\t" in line)
        found.add((lines["CapEff"], lines["CapPrm"], lines["CapBnd"]))
    return found


def test_the_daemon_keeps_what_is_declared_in_every_thread(tmp_path: Path) -> None:
    settings = tmp_path / "config.yaml"
    settings.write_text("metrics: {interval: 0.5, kernelScan: false, probes: [tcp, listen, fd]}\n")
    declared = {
        "CAP_SYS_ADMIN",
        *(need.what for name in ("listen", "fd") for need in registry.load().probe(name).requires),
    }
    names = {name for name in (*declared, "CAP_SYS_PTRACE") if name in privileges.NAMES}
    mask = f"{sum(1 << privileges.NAMES.index(name) for name in names):016x}"
    with daemon("--config", str(settings)) as started:
        body = started.wait_until_serving().get("/metrics")[1]
        kept = statuses(started.process.pid)
        code, log = started.end(signal.SIGTERM)
    assert (code, kept) == (0, {(mask, mask, mask)})
    held = {line for line in body.splitlines() if line.startswith("kubeskoop_exporter_capability_held{")}
    assert {line.partition("} ")[2] for line in held} == {"1.0"}
    assert "WARNING" not in log


def test_the_daemon_keeps_everything_when_told_so(tmp_path: Path) -> None:
    settings = tmp_path / "config.yaml"
    settings.write_text("security: {dropPrivileges: false}\nmetrics: {probes: [tcp]}\n")
    with daemon("--config", str(settings)) as started:
        started.wait_until_serving().get("/metrics")
        kept = statuses(started.process.pid)
    assert kept == statuses(os.getpid())


def test_the_daemon_says_what_is_lost_for_lack_of_a_capability(tmp_path: Path) -> None:
    settings = tmp_path / "config.yaml"
    settings.write_text("metrics: {kernelScan: false, probes: [tcp, listen]}\n")
    without = "-sys_admin,-perfmon"
    with daemon("--config", str(settings), before=["setpriv", "--bounding-set", without, "--"]) as started:
        body = started.wait_until_serving().get("/metrics")[1]
        _, log = started.end(signal.SIGTERM)
    (line,) = (line for line in log.splitlines() if "without CAP_" in line)
    assert line.partition("WARNING ")[2] == (
        "without CAP_SYS_ADMIN: namespaces: pods' namespaces cannot be entered, only those with a process be read; "
        "listen: sockets are listed from inside each pod's network namespace"
    )
    held = [line for line in body.splitlines() if line.startswith("kubeskoop_exporter_capability_held{")]
    assert [line.rpartition(" ")[2] for line in held if 'capability="CAP_SYS_ADMIN"' in line] == ["0.0", "0.0"]
