"""The exporter as a process of its own, on a node with real pods and an API server that is not always well."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from typing import TYPE_CHECKING
from urllib.error import HTTPError

import pytest

from tests.api_server import TOKEN, pod, status
from tests.netns.pods import real_pods, uid
from tests.unit.cli.daemon import daemon
from tests.unit.cli.program import SECONDS, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.api_server import Request
    from tests.netns.pods import RealPods
    from tests.unit.cli.daemon import Daemon

PREFIX = "kubeskoop_exporter_identity_"
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[RealPods]:
    """A node without pods."""
    with real_pods(tmp_path) as made:
        yield made


def configure(path: Path, pods: RealPods, *labels: str) -> tuple[str, ...]:
    """Write the configuration; options to run with it."""
    metrics = {"interval": 0.2, "probes": ["ports", "fd"], "additionalLabels": list(labels)}
    content = {"kubeconfig": str(pods.kubeconfig), "node": "node-a", "metrics": metrics}
    path.write_text(json.dumps(content))
    return "--config", str(path)


def series(body: str, name: str) -> list[tuple[dict[str, str], float]]:
    """Labels and value of each."""
    lines = [line for line in body.splitlines() if line.startswith(f"{name}{{")]
    return [(dict(LABEL.findall(line)), float(line.rpartition(" ")[2])) for line in lines]


def named(started: Daemon, *labels: str) -> dict[str, tuple[object, ...]]:
    """Ports of each pod, and these labels."""
    body = started.get("/metrics")[1]
    found = {
        own["k8s_pod"]: (value, *(own[label] for label in labels))
        for own, value in series(body, "kubeskoop_ports_range")
        if own["k8s_pod"]
    }
    host = [own for own, _ in series(body, "kubeskoop_ports_range") if not own["k8s_pod"]]
    assert len(host) == 1  # whatever the API server says
    return found


def told(started: Daemon, name: str, **labels: str) -> float:
    """A self-metric of identity."""
    (value,) = (
        value for own, value in series(started.get("/metrics")[1], f"{PREFIX}{name}") if labels.items() <= own.items()
    )
    return value


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not get there"
        time.sleep(0.02)


def test_the_first_scrape_has_all_pods_and_labels_change_with_the_configuration(pods: RealPods, tmp_path: Path) -> None:
    for number in range(1, 13):
        pods.start(number, ip=f"10.0.0.{number}")
    path = tmp_path / "config.json"
    options = configure(path, pods, "app=${labels:app}", "at=${ip}")
    with daemon(*options, "--web.enable-lifecycle") as started:
        started.wait_until_serving()
        assert named(started, "app", "at") == {
            f"web-{number}": (number + 1.0, f"app-{number}", f"10.0.0.{number}") for number in range(1, 13)
        }
        configure(path, pods, "who=<${labels:app}>")
        started.process.send_signal(signal.SIGHUP)
        until(lambda: any("configuration taken over" in line for line in started.log))
        assert named(started, "who") == {f"web-{number}": (number + 1.0, f"<app-{number}>") for number in range(1, 13)}
        code, log = started.end(signal.SIGTERM)
    assert (code, "Traceback" in log) == (0, False)


def test_it_is_not_ready_before_the_api_server_has_told_of_pods(pods: RealPods, tmp_path: Path) -> None:
    pods.start(1)
    asked, go = threading.Event(), threading.Event()

    def slowly(_: Request) -> None:
        asked.set()
        assert go.wait(SECONDS)

    pods.truth.answer = slowly
    with daemon(*configure(tmp_path / "config.json", pods)) as started:
        started.wait_until_serving()
        assert asked.wait(SECONDS)
        assert series(started.get("/metrics")[1], "kubeskoop_ports_range") == []  # rather than those of the host alone
        code, said = unready(started)
        go.set()
        assert (code, said) == (503, "not ready: no cycle has completed lately\n")
        until(lambda: unready(started)[0] == 200)
        assert named(started) == {"web-1": (2.0,)}


def unready(started: Daemon) -> tuple[int, str]:
    try:
        return started.get("/-/ready")
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_names_outlive_an_outage_and_new_pods_get_theirs_after_it(pods: RealPods, tmp_path: Path) -> None:
    pods.start(1)
    with daemon(*configure(tmp_path / "config.json", pods)) as started:
        started.wait_until_serving()
        assert named(started) == {"web-1": (2.0,)}
        assert told(started, "connected") == 1
        pods.outage()
        pods.start(2)
        until(lambda: told(started, "connected") == 0 and told(started, "pods_unnamed") == 1)
        assert named(started) == {"web-1": (2.0,)}
        pods.back()
        until(lambda: len(named(started)) == 2)
        assert named(started) == {"web-1": (2.0,), "web-2": (3.0,)}
        until(lambda: told(started, "pods_unnamed") == 0)
        pods.end(1)
        until(lambda: "web-1" not in named(started))
        code, log = started.end(signal.SIGTERM)
    assert (code, "Traceback" in log) == (0, False)
    assert log.count("pods are not told of by the API server, 1 pods keep their names: ") >= 1
    assert log.count("no longer: pods are not told of by the API server") >= 1


def test_whoever_is_refused_serves_the_host_says_so_once_and_recovers(pods: RealPods, tmp_path: Path) -> None:
    pods.start(1)
    for reason, refusal, advice in (
        ("unauthorised", status(401, "Unauthorized"), "the token is not accepted"),
        ("forbidden", status(403, "pods is forbidden"), "needs a ClusterRole with get, list and watch of pods"),
    ):
        code = json.loads(refusal)["code"]
        pods.truth.answer = lambda _, code=code, refusal=refusal: (code, refusal)  # type: ignore[misc]
        with daemon(*configure(tmp_path / "config.json", pods)) as started:
            started.wait_until_serving()
            assert named(started) == {}
            until(lambda reason=reason: told(started, "api_errors_total", reason=reason) >= 2)  # type: ignore[misc]
            assert started.get("/-/ready")[0] == 200
            pods.truth.answer = lambda _: None
            until(lambda: named(started) == {"web-1": (2.0,)})
            _, log = started.end(signal.SIGTERM)
        assert len([line for line in log.splitlines() if advice in line and str(code) in line]) == 1
        assert "Traceback" not in log


def test_a_wrong_token_is_replaced_without_a_restart(pods: RealPods, tmp_path: Path) -> None:
    pods.start(1)
    pods.sign_in("of-another-cluster")
    with daemon(*configure(tmp_path / "config.json", pods)) as started:
        started.wait_until_serving()
        assert named(started) == {}
        pods.sign_in(TOKEN)
        until(lambda: named(started) == {"web-1": (2.0,)})


def test_an_api_server_that_cannot_be_reached_at_the_start_costs_names_only(pods: RealPods, tmp_path: Path) -> None:
    pods.start(1)
    pods.outage()
    with daemon(*configure(tmp_path / "config.json", pods)) as started:
        started.wait_until_serving()
        assert named(started) == {}
        assert told(started, "pods_unnamed") == 1
        until(lambda: any("no pod has a name yet" in line and "Connection refused" in line for line in started.log))
        pods.back()
        until(lambda: named(started) == {"web-1": (2.0,)})


@pytest.mark.parametrize(
    "content", [None, b"", b"\x7fELF\x00", b"{}", b"clusters: [", b"[1]", b'{"current-context": "x"}']
)
def test_a_kubeconfig_that_is_of_no_use_ends_the_start_with_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_bytes(content)
    code, out, error = run("run", "--kubeconfig", str(path), "--listen", "127.0.0.1:0")
    assert (code, out) == (2, "")
    assert str(path) in error
    assert error.count("\n") == 1, error


# The shell is process 1 of what the exporter sees, and is in the cgroup namespace that the test is in.
BEHIND = """sh -c 'echo $$ > "$0/cgroup.procs" && exec unshare --cgroup "$@"' "$0" "$@" & wait"""


def test_the_exporter_s_own_pod_has_its_name_behind_a_cgroup_namespace(pods: RealPods, tmp_path: Path) -> None:
    cgroup = pods.cgroup(7)
    pods.truth.put(pod("net-exporter-x", uid(7), namespace="kube-system", host_network=True))
    apart = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", BEHIND, str(cgroup))
    with daemon(*configure(tmp_path / "config.json", pods), before=apart) as started:
        started.wait_until_serving()
        body = started.get("/metrics")[1]
        owners = {(own["k8s_namespace"], own["k8s_pod"]) for own, _ in series(body, "kubeskoop_fd_openfd")}
        assert owners == {("", ""), ("kube-system", "net-exporter-x")}
    until(lambda: not (cgroup / "cgroup.procs").read_text())
