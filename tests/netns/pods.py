"""Real pods of one node: cgroups, processes and namespaces, and an API server that tells of them."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.api_server import TOKEN, ApiServer, Truth, pod

if TYPE_CHECKING:
    from collections.abc import Iterator

LOW = 20_000
CONTAINER = "e" * 64
# Each pod has as many ports as no other has, so that a number tells whose it is.
_INSIDE = 'echo "$1 $2" > /proc/sys/net/ipv4/ip_local_port_range && echo ready && exec sleep 1000'
_START = 'echo $$ > "$1/cgroup.procs" && exec unshare --net sh -c "$4" sh "$2" "$3"'


def uid(number: int) -> str:
    """Of the pod `web-<number>`, which has so many ports and one more."""
    return f"{number:08x}-7c1d-4b2e-9a55-3d1c0b9e8f70"


class RealPods:
    """Pods that can be started and ended, and the API server.

    Args:
        root: cgroup for all of them.
        folder: for files.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.truth = Truth()
        self.server = ApiServer(self.truth)
        self.kubeconfig = folder / "kubeconfig"
        self.sign_in(TOKEN)
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._cgroups: list[Path] = []

    def sign_in(self, token: str) -> None:
        """Write the kubeconfig."""
        content = {
            "clusters": [{"name": "c", "cluster": {"server": self.server.url}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        self.kubeconfig.write_text(json.dumps(content))

    def cgroup(self, number: int) -> Path:
        """Make that of a pod's container."""
        path = self.root / f"pod{uid(number)}" / CONTAINER
        path.mkdir(parents=True)
        self._cgroups.append(path)
        return path

    def start(self, number: int, **more: Any) -> None:  # noqa: ANN401 - of a pod
        """A pod: its cgroup, its process, its namespace, then the word of the API server."""
        words = ["sh", "-c", _START, "sh", str(self.cgroup(number)), str(LOW), str(LOW + number), _INSIDE]
        process = self.processes[number] = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        self.truth.put(pod(f"web-{number}", uid(number), labels={"app": f"app-{number}"}, **more))

    def end(self, number: int) -> None:
        """The process ends first, as it does on a node."""
        process = self.processes.pop(number)
        process.kill()
        process.communicate()
        self.truth.delete(uid(number))
        path = self.root / f"pod{uid(number)}" / CONTAINER
        self._cgroups.remove(path)
        _remove(path)

    def outage(self) -> None:
        """The server goes away."""
        self.server.stop()

    def back(self) -> None:
        """The server is there again, where it was."""
        self.server = ApiServer(self.truth, port=self.server.server_port)

    def close(self) -> None:
        """End all."""
        for number in tuple(self.processes):
            self.end(number)
        self.server.stop()
        for path in self._cgroups:
            _remove(path)
        self.root.rmdir()


def _remove(path: Path) -> None:
    path.rmdir()
    path.parent.rmdir()


@contextmanager
def real_pods(folder: Path) -> Iterator[RealPods]:
    """A node without pods; the server has to have been asked as it should be."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces can only be made by root")
    mounted = Path("/sys/fs/cgroup")
    hierarchy = mounted if (mounted / "cgroup.controllers").exists() else mounted / "pids"
    root = hierarchy / f"kubepods-{os.getpid()}{secrets.token_hex(3)}"
    try:
        root.mkdir()
    except OSError as error:
        pytest.skip(f"cgroups cannot be made here: {error}")
    made = RealPods(root, folder)
    try:
        yield made
    finally:
        made.close()
    assert made.truth.faults == []
