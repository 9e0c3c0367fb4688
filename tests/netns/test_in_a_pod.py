"""What the pod of the manifests may do is enough: nothing is missing of what root sees on the node."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import yaml

from exporter import registry
from exporter.model.metric import Naming
from scrape import kubernetes
from tests.netns.conftest import joined, making
from tests.unit.cli.program import BIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces")

FILES = kubernetes.files(registry.load(), Naming.KUBESKOOP)
POD = yaml.safe_load(FILES["kubernetes/daemonset.yaml"])["spec"]["template"]["spec"]
CONTEXT = POD["containers"][0]["securityContext"]
STATUS = re.compile(r"^kubeskoop_exporter_probe_status\{.*?\} 1(?:\.0)?$", re.MULTILINE)

# As a container runtime does it: namespaces of its own but for processes, which hostPID says; a root that is read-only,
# nothing of the node's /run.
RUNTIME = """
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir /run/net-exporter
mount -t tmpfs tmpfs /run/net-exporter
mount -o remount,bind,ro /run
mount -o remount,bind,ro /sys
mount -o remount,bind,ro /
ip link set lo up
! touch /run/probe /var/probe 2>/dev/null
exec "$@"
"""


def in_the_pod(*words: str) -> str:
    assert (POD["hostPID"], POD["hostNetwork"]) == (True, False)
    assert (CONTEXT["readOnlyRootFilesystem"], CONTEXT["allowPrivilegeEscalation"]) == (True, False)
    names = ",".join(f"+{name.lower()}" for name in CONTEXT["capabilities"]["add"])
    limits = ["setpriv", f"--bounding-set=-all,{names}", "--inh-caps=-all", "--no-new-privs", "--"]
    apart = ["unshare", "--net", "--mount", "--uts", "--ipc", "--cgroup", "sh", "-euc", RUNTIME, "sh"]
    done = subprocess.run([*apart, *limits, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def held(namespace: str) -> Iterator[str]:
    """A process in a namespace, which makes it a pod for who does not see its name; the inode tells which."""
    command = ["ip", "netns", "exec", namespace, "sh", "-c", "echo ready; exec sleep 600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield os.readlink(f"/proc/{process.pid}/ns/net").strip("net:[]")
        finally:
            process.kill()


def families(body: str, pod: str) -> set[str]:
    """Without those that are there once something has happened."""
    happened = {
        each.name_in(Naming.KUBESKOOP) for spec in registry.load().probes if spec.events for each in spec.metrics
    }
    return {line.partition("{")[0] for line in body.splitlines() if f'k8s_pod="{pod}"' in line} - happened


def test_a_pod_sees_what_root_sees_on_the_node(tmp_path: Path) -> None:
    (content,) = yaml.safe_load(FILES["kubernetes/configmap.yaml"])["data"].values()
    (tmp_path / "config.yaml").write_text(content)
    once = (str(BIN / "net-exporter"), "once", "--config", str(tmp_path / "config.yaml"))
    with making() as make:
        pair = joined(make(), make())
        pair.right.listen(80, 10)
        pair.left.connect(pair.right4, 80)
        with held(pair.left.name) as left, held(pair.right.name) as right:
            body = in_the_pod(*once)
            expected = subprocess.run(once, capture_output=True, text=True, check=True).stdout
    for name, inode in ((pair.left.name, left), (pair.right.name, right)):
        wanted = families(expected, name)
        assert len(wanted) > 100, shlex.join(sorted(wanted))
        assert families(body, f"ns{inode}") == wanted
    # Where process 1 may not be looked at, as in a container, the reader's own network is taken for the node's, which
    # here is that of the pod; the node's own is one more pod then, and some settings exist on the node alone.
    own = os.readlink("/proc/self/ns/net").strip("net:[]")
    of_node = set() if os.path.exists("/proc/1/ns/net") else {f"kubeskoop_neigh_gc_thresh{each}" for each in (1, 2, 3)}
    assert families(expected, "") - of_node <= families(body, "") | families(body, f"ns{own}")
    assert STATUS.findall(body) == STATUS.findall(expected) != []
