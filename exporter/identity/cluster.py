"""Pods of a cluster: a process's cgroup tells the UID of its pod, the API server who that is.

A namespace belongs to the pod whose oldest process is in it. What cannot be told for sure has no name and is not shown,
as a wrong name is worse than none: pods that the API server has not told of, namespaces that are home to two pods.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from exporter.identity import namespaces
from exporter.identity.members import Members
from exporter.model.pod import NetnsRef, Pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from exporter.identity.members import Member
    from exporter.identity.pod_object import KnownPod
    from exporter.model.probe import Env

_MOST_WITNESSES: Final = 4  # processes of a namespace that are looked at again, as the first may have ended


class Cluster:
    """Finds namespaces and their pods. Threads may ask.

    Args:
        proc: root of a procfs.
        pods: those of this node now, by UID.
    """

    def __init__(self, proc: Path, pods: Callable[[], Mapping[str, KnownPod]]) -> None:
        self.unnamed = 0  # pods with processes here that the API server has not told of, when last looked
        self._pods = pods
        self._looking = threading.Lock()
        self._members = Members(str(proc))
        self._seen: Mapping[int, Member] = {}

    def discover(self, env: Env) -> tuple[NetnsRef, ...]:
        """The host's namespace first, then those of pods by name, pods in the host's among them.

        Raises SourceError when not even the host's can be determined.
        """
        with self._looking:
            host = namespaces.host_inode(env.proc)
            pids = namespaces.pids_by_inode(env.proc)
            members = self._seen = self._members.update(pid for each in pids.values() for pid in each)
        known = self._pods()  # after the processes, so that whoever is deleted by now has no name
        owners, unnamed = _owners(members, known)
        self.unnamed = len(unnamed)
        inodes = {pid: inode for inode, each in pids.items() for pid in each}
        of_pods: dict[str, list[int]] = defaultdict(list)
        for pid, uid in owners.items():
            of_pods[uid].append(pid)
        homes = _homes(of_pods, known, inodes, members, host)
        strangers = {pid for pid, member in members.items() if member.placements}
        refs = [NetnsRef(Pod("", "", host), tuple(pid for pid in pids.get(host, ()) if pid not in strangers))]
        found = []
        for uid, own in of_pods.items():
            pod, home = known[uid], homes.get(uid, 0)
            if pod.in_host_network:
                found.append(NetnsRef(Pod(*pod[1:3], host), elsewhere=tuple(own), facts=pod.facts))
            elif home:
                inside = tuple(pid for pid in pids[home] if pid not in strangers or owners.get(pid) == uid)
                away = tuple(pid for pid in own if inodes[pid] != home)
                found.append(NetnsRef(Pod(*pod[1:3], home), inside, elsewhere=away, facts=pod.facts))
        return (*refs, *sorted(found, key=lambda ref: ref.pod))

    def ended(self, refs: Iterable[NetnsRef]) -> set[Pod]:
        """Pods of which it is not sure that they have had their namespaces ever since `discover`.

        An inode is given to a new namespace as soon as the old one has ended, so numbers that were found under it may
        be another pod's by the time they are read.
        """
        with self._looking:
            seen = self._seen
        return {ref.pod for ref in refs if ref.pids and ref.pod.name and not self._lives(ref, seen)}

    def _lives(self, ref: NetnsRef, seen: Mapping[int, Member]) -> bool:
        witnesses = [pid for pid in ref.pids if pid in seen and seen[pid].placements][:_MOST_WITNESSES]
        return any(self._members.is_still(pid, seen[pid], ref.pod.netns) for pid in witnesses)


def _owners(members: Mapping[int, Member], known: Mapping[str, KnownPod]) -> tuple[dict[int, str], set[str]]:
    """UID of each process's pod, and UIDs that nobody knows."""
    owners: dict[int, str] = {}
    unnamed: set[str] = set()
    for pid, member in members.items():
        if member.placements:
            uid = next((each.pod for each in member.placements if each.pod in known), "")
            if uid:
                owners[pid] = uid
            else:
                unnamed.add(member.placements[0].pod)
    return owners, unnamed


def _homes(
    of_pods: Mapping[str, Iterable[int]],
    known: Mapping[str, KnownPod],
    inodes: Mapping[int, int],
    members: Mapping[int, Member],
    host: int,
) -> dict[str, int]:
    """The namespace of each pod: where the oldest of its processes is, not of those in containers within containers."""
    homes: dict[str, int] = {}
    for uid, pids in of_pods.items():
        # A process in the host's namespace is the runtime's, which has yet to move it.
        inside = [pid for pid in pids if inodes[pid] != host and not known[uid].in_host_network]
        if inside:
            oldest = min((_is_nested(members[pid], uid), members[pid].started, pid) for pid in inside)
            homes[uid] = inodes[oldest[-1]]
    users = Counter(homes.values())
    return {uid: inode for uid, inode in homes.items() if users[inode] == 1}


def _is_nested(member: Member, uid: str) -> bool:
    return next(each.nested for each in member.placements if each.pod == uid)
