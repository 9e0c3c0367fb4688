"""The text of /proc/<pid>/cgroup -> the pods that a process is in, for every runtime, cgroup driver and version.

Paths differ in everything but this: one component has the pod's UID after `pod`, and the next one the container's id.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_DELETED: Final = " (deleted)"
_UID: Final = r"([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})"
# `pod<uid>` of cgroupfs, `kubepods-burstable-pod<uid>.slice` of systemd, and what containerd makes of the latter where
# it was told to expect the former: `kubepods-pod<uid>.slice:cri-containerd:<id>`.
_POD: Final = re.compile(rf"(?:^|-)pod{_UID}(?:\.slice)?(?::[a-z-]+:([0-9a-f]{{64}}))?$")
# `<id>`, `cri-containerd-<id>.scope`, `crio-<id>.scope`, `docker-<id>.scope`, `kata_<id>`.
_CONTAINER: Final = re.compile(r"^(?:[a-z-]+[-_])?([0-9a-f]{64})(?:\.scope)?$")
_MONITOR: Final = "conmon"  # it watches a container from the host, in a cgroup of the container's pod


class Placement(NamedTuple):
    """A pod that a process is in.

    Args:
        pod: UID as in the cluster; of a static pod the hash of its configuration.
        container: id; empty where the process is in none of the pod's containers.
        nested: whether it is in a cgroup below the container's, as in containers that a container runs.
    """

    pod: str
    container: str
    nested: bool


def parse(content: bytes) -> tuple[Placement, ...]:
    """Pods by their nesting, the outermost first: a node may itself be a container in a pod of another cluster.

    Empty for a process of the host, and where hierarchies disagree, as a wrong pod is worse than none.
    """
    found = {
        placed
        for line in content.decode("utf-8", "replace").splitlines()
        if (placed := _in_path(line.split(":", 2)[-1].removesuffix(_DELETED)))
    }
    # While a process is moved, and in hierarchies that its runtime does not use, some paths tell less than others.
    pods = {tuple(each.pod for each in placed) for placed in found}
    return max(found, key=lambda placed: (bool(placed[-1].container), placed)) if len(pods) == 1 else ()


def _in_path(path: str) -> tuple[Placement, ...]:
    parts = path.split("/")
    placed = []
    for index, part in enumerate(parts):
        pod = _POD.search(part)
        if pod is None:
            continue
        rest = parts[index + 1 :]
        container = pod[2] or ""
        if not container and rest:
            if _MONITOR in rest[0]:
                return ()
            inner = _CONTAINER.match(rest.pop(0))
            container = inner[1] if inner else ""
        placed.append(Placement(pod[1].replace("_", "-"), container, bool(rest)))
    return tuple(placed)
