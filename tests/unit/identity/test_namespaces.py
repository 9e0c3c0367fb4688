"""Real namespaces, in a folder of our own that stands for /run/netns."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.errors import UnsupportedError
from exporter.identity import standalone
from exporter.model.metric import Kind, Metric, Scope, Unit
from exporter.model.probe import Env, ProbeSpec, stateless
from exporter.model.snapshot import Status, Table
from exporter.runtime.collector import Collector, RunningProbe
from exporter.runtime.sweep import Round
from exporter.sources import snmp
from exporter.sources.netns import CLONE_NEWNET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.model.pod import Pod
    from exporter.model.probe import Cycle, Netns

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces")

MS_BIND, MNT_DETACH = 0x1000, 2
libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Namespaces:
    """Named namespaces, made as `ip netns` makes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str | bytes) -> bytes:
        return os.path.join(os.fsencode(self.folder), os.fsencode(name))

    def add(self, name: str | bytes) -> int:
        """Make one; its inode. A thread of its own is in it for the moment that takes."""
        path, failures = self.path(name), []
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))

        def make() -> None:
            try:
                _check(libc.unshare(CLONE_NEWNET))
                own = f"/proc/self/task/{threading.get_native_id()}/ns/net".encode()
                _check(libc.mount(own, path, b"", MS_BIND, None))
            except OSError as error:
                failures.append(error)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        for failure in failures:
            raise failure
        return os.stat(path).st_ino

    def alias(self, name: str, of: str) -> None:
        """A second name of one."""
        os.close(os.open(self.path(name), os.O_CREAT | os.O_EXCL))
        _check(libc.mount(self.path(of), self.path(name), b"", MS_BIND, None))

    def remove(self, name: str | bytes, *, leave_file: bool = False) -> None:
        """Unmount one; the file may be left, as after a crash."""
        with suppress(OSError):
            _check(libc.umount2(self.path(name), MNT_DETACH))
        if not leave_file:
            os.unlink(self.path(name))


@pytest.fixture
def namespaces(tmp_path: Path) -> Iterator[Namespaces]:
    made = Namespaces(tmp_path / "netns")
    made.folder.mkdir()
    yield made
    for name in os.listdir(os.fsencode(made.folder)):
        made.remove(name)


@pytest.fixture
def env(namespaces: Namespaces) -> Env:
    return Env(Path("/proc"), Path("/sys"), namespaces.folder, "node-a")


def _named(env: Env) -> dict[str, int]:
    """Names and inodes of what is named in our folder; other namespaces of the machine are not ours."""
    return {ref.pod.name: ref.pod.netns for ref in standalone.discover(env) if ref.path}


def test_a_namespace_has_the_name_of_its_file(env: Env, namespaces: Namespaces) -> None:
    made = {name: namespaces.add(name) for name in ("blue", "red", "a b")}
    assert _named(env) == made
    refs = standalone.discover(env)
    assert refs[0].pod.is_host
    assert os.getpid() in refs[0].pids
    namespaces.remove("red")
    del made["red"]
    assert _named(env) == made


def test_two_names_of_one_namespace_are_one_pod(env: Env, namespaces: Namespaces) -> None:
    inode = namespaces.add("blue")
    namespaces.alias("azure", of="blue")
    found = _named(env)
    assert (list(found.values()), found.keys() <= {"azure", "blue"}) == ([inode], True)
    assert _named(env) == found


def test_a_file_whose_namespace_is_gone_names_none(env: Env, namespaces: Namespaces) -> None:
    namespaces.add("blue")
    namespaces.add("red")
    namespaces.remove("red", leave_file=True)
    (namespaces.folder / "folder").mkdir()
    (namespaces.folder / "dangling").symlink_to("nowhere")
    assert set(_named(env)) == {"blue"}
    (namespaces.folder / "folder").rmdir()


def test_the_host_s_namespace_under_a_name_is_still_the_host(env: Env, namespaces: Namespaces) -> None:
    os.symlink("/proc/self/ns/net", namespaces.folder / "host")
    assert _named(env) == {}
    assert standalone.discover(env)[0].pod.name == ""


def test_names_that_are_no_text_become_text(env: Env, namespaces: Namespaces) -> None:
    odd = [b"\xff", b"\xfe", 'quo"te', "back\\slash", "line\nend", "\N{SNOWMAN}"]
    inodes = {name: namespaces.add(name) for name in odd}
    assert _named(env) == {
        f"\ufffd-{inodes[odd[0]]}": inodes[odd[0]],
        f"\ufffd-{inodes[odd[1]]}": inodes[odd[1]],
        **{str(name): inodes[name] for name in odd[2:]},
    }


def _round(env: Env, reader: Callable[[Netns], object]) -> dict[Pod, object]:
    done = Round(env, standalone.discover(env))
    done.sweep([reader], [], lambda _: None)
    return dict(done.over(reader))


def test_each_namespace_shows_its_own_files_and_the_thread_comes_home(env: Env, namespaces: Namespaces) -> None:
    made = {namespaces.add(f"pod-{number}") for number in range(3)}
    home = os.stat("/proc/self/ns/net").st_ino
    seen: dict[int, int] = {}

    def read_own(netns: Netns) -> str:
        seen[netns.pod.netns] = os.stat(f"/proc/self/task/{threading.get_native_id()}/ns/net").st_ino
        return netns.read("dev").decode()

    found = _round(env, read_own)
    assert {pod.netns for pod in found} >= made | {home}
    assert all(seen[inode] == inode for inode in made)
    assert os.stat(f"/proc/self/task/{threading.get_native_id()}/ns/net").st_ino == home
    for pod, devices in found.items():
        if pod.netns in made:
            assert [line.split(":")[0].strip() for line in str(devices).splitlines()[2:]] == ["lo"]


def test_nothing_is_left_open_and_a_removed_namespace_is_gone(env: Env, namespaces: Namespaces) -> None:
    namespaces.add("blue")
    before = sorted(os.listdir("/proc/self/fd"))
    _round(env, snmp.read)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_namespace_that_may_not_be_entered_is_unsupported_and_says_what_would_help(
    env: Env, namespaces: Namespaces
) -> None:
    inode = namespaces.add("blue")
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:  # a process of its own, since rights that were given up do not come back
        try:
            os.setresuid(65534, 65534, 65534)
            refs = tuple(
                ref for ref in standalone.discover(Env(env.proc, env.sys, namespaces.folder, "n")) if ref.pod.is_host
            )
            blue = standalone.NetnsRef(standalone.Pod("standalone", "blue", inode), (), str(namespaces.folder / "blue"))
            done = Round(env, (*refs, blue))
            done.sweep([snmp.read], [], lambda _: None)
            result = done._results[snmp.read][blue.pod]
            told = f"{type(result).__name__} {len(done.gone)} {result}"
        except BaseException as error:  # noqa: BLE001 - the child must not go on as a test runner
            told = repr(error)
        os.write(write_end, told.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    assert told.startswith(f"{UnsupportedError.__name__} 0 {namespaces.folder}/blue may not be ")
    assert "run as root or with CAP_SYS_" in told


VALUE = Metric(
    probe="udp_rows",
    name="rows",
    kind=Kind.GAUGE,
    unit=Unit.OBJECTS,
    help="Rows.",
    scope=Scope.NETNS,
    source="/proc/<pid>/net/snmp",
)


def _collect(cycle: Cycle) -> list[Table]:
    table = Table((VALUE,))
    for pod, sections in cycle.over(snmp.read):
        table.add(pod, sections.pick("Udp", ("InDatagrams",)))
    return [table]


SPEC = ProbeSpec(
    name="udp_rows", summary="A test.", metrics=(VALUE,), open=stateless(_collect), readers=(snmp.read,), deadline=30.0
)


def test_hundreds_of_namespaces_come_and_go_while_cycles_run(env: Env, namespaces: Namespaces) -> None:
    kept = {namespaces.add(f"kept-{number}") for number in range(20)}
    ending = threading.Event()
    failures: list[BaseException] = []

    def churn() -> None:
        try:
            for turn in range(10):
                names = [f"brief-{turn}-{number}" for number in range(20)]
                for name in names:
                    namespaces.add(name)
                for name in names:
                    namespaces.remove(name)
        except OSError as error:
            failures.append(error)
        finally:
            ending.set()

    collector = Collector(env, [RunningProbe(SPEC, SPEC.open(env))], [], standalone.discover, max_series=100_000)
    churning = threading.Thread(target=churn)
    churning.start()
    cycles, most = 0, 0
    while not ending.is_set() or cycles == 0:
        snapshot = collector.cycle()
        assert [outcome.status for outcome in snapshot.outcomes] == [Status.OK], snapshot.outcomes
        seen = {row.pod.netns for row in snapshot.tables[0].rows}
        assert kept <= seen
        cycles, most = cycles + 1, max(most, len(seen))
    churning.join()
    assert failures == []
    assert most > len(kept)
    last = collector.cycle()
    assert not {row.pod.name for row in last.tables[0].rows if row.pod.name.startswith("brief-")}


def test_a_namespace_held_by_a_process_alone_is_found_and_gone_when_it_ends(env: Env) -> None:
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, b"x" if libc.unshare(CLONE_NEWNET) == 0 else b"!")
        signal.pause()
        os._exit(0)
    try:
        assert os.read(ready, 1) == b"x"
        inode = int(os.readlink(f"/proc/{child}/ns/net")[5:-1])
        found = {ref.pod: ref.pids for ref in standalone.discover(env)}
        assert found[standalone.Pod("standalone", f"ns{inode}", inode)] == (child,)
        assert inode in {pod.netns for pod in _round(env, snmp.read)}
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(tell)
    assert inode not in {ref.pod.netns for ref in standalone.discover(env)}
