"""Whose namespaces and processes they are, over a made-up procfs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from exporter.identity.cluster import Cluster
from exporter.identity.pod_object import KnownPod
from exporter.model.pod import NetnsRef, Pod, PodFacts
from exporter.model.probe import Env

if TYPE_CHECKING:
    from pathlib import Path

HOST = 4026531840
A, B, AGENT = (f"{digit * 8}-7c1d-4b2e-9a55-3d1c0b9e8f70" for digit in "abc")
KNOWN = {
    A: KnownPod(A, "shop", "web-0", in_host_network=False, facts=PodFacts({"app": "web"}, "")),
    B: KnownPod(B, "shop", "web-1", in_host_network=False, facts=PodFacts({"app": "web"}, "")),
    AGENT: KnownPod(AGENT, "kube-system", "agent-x", in_host_network=True, facts=PodFacts({"app": "agent"}, "")),
}


class World:
    """A procfs that can be changed.

    Args:
        root: folder for it.
    """

    def __init__(self, root: Path) -> None:
        self.known = dict(KNOWN)
        self.proc = root / "proc"
        self.env = Env(self.proc, root / "sys", root / "netns", "node-a")
        self.process(1, HOST, "/init.scope")
        self.cluster = Cluster(self.proc, lambda: self.known)

    def process(self, pid: int, netns: int, cgroup: str, started: int | None = None) -> None:
        """A process; one of that number is replaced."""
        folder = self.proc / str(pid)
        if folder.exists():
            self.end(pid)
        (folder / "ns").mkdir(parents=True)
        os.symlink(f"net:[{netns}]", folder / "ns" / "net")
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        fields = ["S", "1", *["0"] * 17, str(pid if started is None else started)]
        (folder / "stat").write_text(f"{pid} (a (b) c) {' '.join(fields)} 0\n")

    def in_pod(self, pid: int, netns: int, uid: str, started: int | None = None, inner: str = "") -> None:
        self.process(pid, netns, f"/kubepods/burstable/pod{uid}/{'e' * 64}{inner}", started)

    def end(self, pid: int) -> None:
        # Kept, as the inode of a removed folder is given away at once, which one of procfs is not.
        os.rename(self.proc / str(pid), self.proc.parent / f"ended-{len(os.listdir(self.proc.parent))}")

    def found(self) -> tuple[NetnsRef, ...]:
        return self.cluster.discover(self.env)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_namespaces_have_the_names_of_their_pods_and_the_host_is_first(world: World) -> None:
    world.in_pod(10, 500, A)
    world.in_pod(11, 500, A)
    world.in_pod(20, 400, B)
    assert world.found() == (
        NetnsRef(Pod("", "", HOST), (1,)),
        NetnsRef(Pod("shop", "web-0", 500), (10, 11), facts=PodFacts({"app": "web"}, "")),
        NetnsRef(Pod("shop", "web-1", 400), (20,), facts=PodFacts({"app": "web"}, "")),
    )
    assert world.cluster.unnamed == 0


def test_a_pod_in_the_host_s_network_has_its_processes_and_no_namespace(world: World) -> None:
    world.in_pod(10, HOST, AGENT)
    world.process(11, HOST, "/system.slice/sshd.service")
    assert world.found() == (
        NetnsRef(Pod("", "", HOST), (1, 11)),
        NetnsRef(Pod("kube-system", "agent-x", HOST), elsewhere=(10,), facts=PodFacts({"app": "agent"}, "")),
    )


def test_what_the_api_server_has_not_told_of_is_not_shown_and_counted(world: World) -> None:
    del world.known[A]
    world.in_pod(10, 500, A)
    world.in_pod(11, 500, A)
    world.process(12, 600, "/system.slice/a-service-with-a-namespace.service")
    assert world.found() == (NetnsRef(Pod("", "", HOST), (1,)),)
    assert world.cluster.unnamed == 1


def test_a_pod_that_is_deleted_in_the_cluster_has_no_name_though_its_processes_go_on(world: World) -> None:
    world.in_pod(10, 500, A)
    assert len(world.found()) == 2
    del world.known[A]
    assert len(world.found()) == 1
    world.known[AGENT] = KnownPod(
        AGENT, "shop", "web-0", in_host_network=False, facts=PodFacts({}, "")
    )  # of the same name
    assert len(world.found()) == 1


def test_an_inode_that_is_given_away_again_has_the_new_pod_s_name_at_once(world: World) -> None:
    world.in_pod(10, 500, A)
    world.found()
    world.end(10)
    world.in_pod(11, 500, B)
    assert [ref.pod for ref in world.found()] == [Pod("", "", HOST), Pod("shop", "web-1", 500)]


def test_a_process_number_that_is_given_away_again_is_looked_at_again(world: World) -> None:
    world.in_pod(10, 500, A, started=1)
    world.found()
    world.in_pod(10, 600, B, started=2)
    assert [ref.pod for ref in world.found()] == [Pod("", "", HOST), Pod("shop", "web-1", 600)]


def test_a_visitor_from_another_pod_does_not_take_the_namespace_over(world: World) -> None:
    world.in_pod(10, 500, A)
    world.in_pod(20, 600, B)
    world.in_pod(5, 500, B, started=30)  # a smaller number, but younger
    assert world.found()[1:] == (
        NetnsRef(Pod("shop", "web-0", 500), (10,), facts=PodFacts({"app": "web"}, "")),
        NetnsRef(Pod("shop", "web-1", 600), (20,), elsewhere=(5,), facts=PodFacts({"app": "web"}, "")),
    )


def test_a_program_of_the_host_in_a_pod_s_namespace_is_the_pod_s(world: World) -> None:
    world.in_pod(10, 500, A)
    world.process(11, 500, "/user.slice/session-1.scope")
    assert world.found()[1] == NetnsRef(Pod("shop", "web-0", 500), (10, 11), facts=PodFacts({"app": "web"}, ""))


def test_a_namespace_that_is_home_to_two_pods_has_no_name(world: World) -> None:
    world.in_pod(10, 500, A)
    world.in_pod(20, 500, B)
    assert [ref.pod for ref in world.found()] == [Pod("", "", HOST)]


def test_containers_that_a_container_runs_have_no_series_of_their_own(world: World) -> None:
    world.in_pod(10, 500, A, started=5)
    world.in_pod(11, 600, A, started=1, inner="/docker/" + "f" * 64)
    assert world.found()[1:] == (
        NetnsRef(Pod("shop", "web-0", 500), (10,), elsewhere=(11,), facts=PodFacts({"app": "web"}, "")),
    )


def test_a_container_that_is_being_made_in_the_host_s_network_is_nobody_s_yet(world: World) -> None:
    world.in_pod(10, HOST, A)
    assert world.found() == (NetnsRef(Pod("", "", HOST), (1,)),)
    world.process(10, 500, f"/kubepods/burstable/pod{A}/{'e' * 64}")
    assert [ref.pod.name for ref in world.found()] == ["", "web-0"]


def test_a_process_that_moves_into_a_pod_is_seen_there(world: World) -> None:
    world.process(10, 500, "/system.slice/containerd.service")
    assert len(world.found()) == 1
    (world.proc / "10" / "cgroup").write_text(f"0::/kubepods/pod{A}/{'e' * 64}\n")
    assert [ref.pod.name for ref in world.found()] == ["", "web-0"]


def test_what_lives_through_a_cycle_is_sure(world: World) -> None:
    world.in_pod(10, 500, A)
    world.in_pod(11, 500, A)
    refs = world.found()
    assert world.cluster.ended(refs) == set()
    world.end(10)
    assert world.cluster.ended(refs) == set()  # another process of it was there all the time


def test_a_namespace_that_passed_to_another_pod_during_a_cycle_is_not_sure(world: World) -> None:
    world.in_pod(10, 500, A)
    refs = world.found()
    world.end(10)
    assert world.cluster.ended(refs) == {Pod("shop", "web-0", 500)}
    world.in_pod(10, 500, B, started=99)  # with the same process number too
    assert world.cluster.ended(refs) == {Pod("shop", "web-0", 500)}


def test_a_process_that_left_the_namespace_is_no_witness(world: World) -> None:
    world.in_pod(10, 500, A, started=1)
    refs = world.found()
    world.in_pod(10, 501, A, started=1)
    assert world.cluster.ended(refs) == {Pod("shop", "web-0", 500)}


def test_a_static_pod_in_the_host_s_network_is_known_by_its_hash(world: World) -> None:
    uid = "d41d8cd98f00b204e9800998ecf8427e"
    world.known[uid] = KnownPod(uid, "kube-system", "etcd-a", in_host_network=True, facts=PodFacts({}, ""))
    world.process(10, HOST, f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice")
    assert world.found()[1:] == (NetnsRef(Pod("kube-system", "etcd-a", HOST), elsewhere=(10,), facts=PodFacts({}, "")),)
