"""Namespaces of a made-up procfs; real ones are in test_namespaces.py."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from exporter.errors import SourceError
from exporter.identity import standalone
from exporter.model.pod import NetnsRef, Pod
from exporter.model.probe import Env

if TYPE_CHECKING:
    from pathlib import Path

HOST_INODE = 4026531840
HOST = Pod("", "", HOST_INODE)


def _env(root: Path, processes: dict[str, int | str]) -> Env:
    """A procfs of processes by number: the inode of their namespace, or the text of the link."""
    (root / "proc").mkdir()
    for number, inode in processes.items():
        folder = root / "proc" / number
        (folder / "ns").mkdir(parents=True)
        (folder / "net").mkdir()
        os.symlink(inode if isinstance(inode, str) else f"net:[{inode}]", folder / "ns" / "net")
    return Env(root / "proc", root / "sys", root / "netns", "node-a")


def test_the_host_is_first_then_namespaces_by_name_with_their_processes(tmp_path: Path) -> None:
    env = _env(tmp_path, {"1": HOST_INODE, "20": 300, "3": 200, "100": 300, "7": HOST_INODE, "5": 300})
    assert standalone.discover(env) == (
        NetnsRef(HOST, (1, 7)),
        NetnsRef(Pod("standalone", "ns200", 200), (3,)),
        NetnsRef(Pod("standalone", "ns300", 300), (5, 20, 100)),
    )


def test_names_stay_the_same_when_others_come_and_go(tmp_path: Path) -> None:
    env = _env(tmp_path, {"1": HOST_INODE, "3": 200, "5": 300})
    before = {ref.pod for ref in standalone.discover(env)}
    os.rename(env.proc / "3", env.proc / "4711")  # another process of the same namespace
    (env.proc / "6" / "ns").mkdir(parents=True)
    os.symlink("net:[100]", env.proc / "6" / "ns" / "net")
    after = {ref.pod for ref in standalone.discover(env)}
    assert after - before == {Pod("standalone", "ns100", 100)}
    assert before < after


def test_processes_without_a_link_and_files_that_are_no_process_are_passed_over(tmp_path: Path) -> None:
    env = _env(tmp_path, {"1": HOST_INODE, "3": 200})
    (env.proc / "9").mkdir()  # ended between listing and looking
    (env.proc / "uptime").write_text("1 2\n")
    (env.proc / "²").mkdir()
    assert [ref.pod.netns for ref in standalone.discover(env)] == [HOST_INODE, 200]


def test_the_host_s_namespace_is_our_own_where_that_of_process_1_may_not_be_seen(tmp_path: Path) -> None:
    env = _env(tmp_path, {"self": HOST_INODE, "3": HOST_INODE})
    assert standalone.discover(env) == (NetnsRef(HOST, (3,)),)


def test_a_tree_whose_host_has_files_but_no_link_has_a_host_without_number(tmp_path: Path) -> None:
    env = _env(tmp_path, {"3": 200})
    (env.proc / "1" / "net").mkdir(parents=True)
    assert [ref.pod for ref in standalone.discover(env)] == [Pod("", "", 0), Pod("standalone", "ns200", 200)]


def test_without_any_sign_of_the_host_the_error_says_what_to_look_at(tmp_path: Path) -> None:
    env = _env(tmp_path, {"3": 200})
    with pytest.raises(SourceError) as raised:
        standalone.discover(env)
    assert str(raised.value) == (
        f"{env.proc}/1/net: expected the host's network files (is --proc right?), found 'no such directory'"
    )


@pytest.mark.parametrize("link", ["net:4026531840", "net:[x]", "mnt:[]"])
def test_a_link_that_names_no_namespace_is_said_with_its_path(tmp_path: Path, link: str) -> None:
    env = _env(tmp_path, {"1": link})
    with pytest.raises(SourceError, match=f"^{env.proc}/1/ns/net: expected "):
        standalone.discover(env)


def test_named_namespaces_of_this_machine_are_no_part_of_a_captured_tree(tmp_path: Path) -> None:
    env = _env(tmp_path, {"1": HOST_INODE, "3": 200})
    env.netns_dir.mkdir()
    os.symlink("/proc/self/ns/net", env.netns_dir / "here")
    assert [ref.pod.name for ref in standalone.discover(env)] == ["", "ns200"]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ({200: "/run/netns/blue", 300: ""}, {200: "blue", 300: "ns300"}),
        ({200: "/run/netns/ns300", 300: ""}, {200: "ns300-200", 300: "ns300-300"}),
        ({200: os.fsdecode(b"/run/netns/caf\xe9")}, {200: "caf\ufffd"}),
        (
            {200: os.fsdecode(b"/run/netns/\xff"), 300: os.fsdecode(b"/run/netns/\xfe")},
            {200: "\ufffd-200", 300: "\ufffd-300"},
        ),
        ({200: '/run/netns/a "quoted"\nname\\'}, {200: 'a "quoted"\nname\\'}),
    ],
)
def test_every_name_is_text_and_no_two_are_alike(paths: dict[int, str], names: dict[int, str]) -> None:
    assert standalone._names(paths) == names


def test_processes_that_may_not_be_looked_at_are_counted(tmp_path: Path) -> None:
    env = _env(tmp_path, {"1": HOST_INODE, "3": 200})
    assert standalone.hidden(env) == 0


def test_links_that_an_old_kernel_shows_empty_are_of_processes_that_may_not_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux 5.10 gives those without the privilege an empty text, where later ones say that it is not permitted."""
    env = _env(tmp_path, {"1": HOST_INODE, "3": 200, "5": 300})
    readlink = os.readlink
    monkeypatch.setattr(os, "readlink", lambda link: readlink(link) if "/5/" in link else "")
    assert standalone.hidden(env) == 1
    assert standalone.discover(env) == (NetnsRef(Pod("", "", 0), ()), NetnsRef(Pod("standalone", "ns300", 300), (5,)))
