"""From the kernel through an exporter, as users start it, to its page, a file and standard error."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from exporter.identity.standalone import NAMESPACE
from tests.netns.namespaces import run
from tests.unit.cli.daemon import daemon

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.netns.namespaces import Namespace, Pair

SOON = 10.0
COUNT = 7
NODE = "node-a"


def _addresses(pair: Pair) -> dict[int, tuple[str, str]]:
    """Addresses of both sides by family, which no other test on the machine has at the same time."""
    low, high = os.getpid() & 0xFF, os.getpid() >> 8 & 0xFF
    found = {
        socket.AF_INET: (f"10.{high}.{low}.1", f"10.{high}.{low}.2"),
        socket.AF_INET6: (f"fd78:{os.getpid():x}::1", f"fd78:{os.getpid():x}::2"),
    }
    for both in found.values():
        for side, address in zip((pair.left, pair.right), both, strict=True):
            words = (f"{address}/64", "nodad") if ":" in address else (f"{address}/24",)
            side.run("ip", "address", "add", words[0], "dev", "eth0", *words[1:])
    return found


def _refused(left: Namespace, family: int, ends: tuple[str, str], port: int) -> int:
    """Connect to where nobody listens; the port that it came from."""
    with left.open(family) as client:
        client.bind((ends[0], 0))
        with pytest.raises(ConnectionRefusedError):
            client.connect((ends[1], port))
        return int(client.getsockname()[1])


def _until(found: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:  # noqa: ANN401 - whatever is looked for
    deadline = time.monotonic() + SOON
    while not wanted(now := found()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return now


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _owner(side: str, pod: str) -> list[tuple[str, str]]:
    facts = {"type": "pod", "node": NODE, "namespace": NAMESPACE, "pod": pod}
    return [(f"{side}_{name}", value) for name, value in facts.items()]


@pytest.mark.usefixtures("as_root")
def test_each_reset_is_told_everywhere_with_both_ends_named(pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "events.log"
    config = tmp_path / "config.yaml"
    event = {
        "port": 0,
        "probes": [{"name": "tcpreset", "args": {"enableStack": True}}],
        "sinks": ["stderr", {"name": "file", "args": {"path": str(file)}}],
    }
    config.write_text(yaml.safe_dump({"node": NODE, "metrics": {"probes": ["tcp"]}, "event": event}))
    addresses = _addresses(pair)
    owners = {"left": pair.left.pod.name, "right": pair.right.pod.name}
    with daemon("--config", str(config)) as exporter:
        exporter.wait_until_serving()
        _until(lambda: exporter.get("/metrics")[1], lambda text: 'probe="event_naming",status="ok"} 1.0' in text)
        connections = [
            (family, ends, _refused(pair.left, family, ends, 81)) for family, ends in [*addresses.items()] * COUNT
        ]
        path = f"/events?format=json&limit=1000&type=TCPRESET_NOSOCK&pod={owners['right']}"
        shown = _until(lambda: json.loads(exporter.get(path)[1]), lambda found: len(found) >= len(connections))[::-1]
        expected = [
            [
                ("pod", owners["right"]),
                ("namespace", NAMESPACE),
                ("node", NODE),
                ("protocol", "TCP"),
                ("src", ends[0]),
                *_owner("src", owners["left"]),
                ("dst", ends[1]),
                *_owner("dst", owners["right"]),
                ("sport", str(port)),
                ("dport", "81"),
            ]
            for _, ends, port in connections
        ]
        assert [[(each["name"], each["value"]) for each in one["labels"]] for one in shown] == expected
        stacks = [" ".join(one["stack"]) for one in shown]
        assert all("tcp_v6_rcv+0x" in stack or "tcp_v4_rcv+0x" in stack for stack in stacks)

        def written() -> list[dict[str, Any]]:
            return [each for each in _records(file) if each["labels"][0]["value"] == owners["right"]]

        assert _until(written, lambda found: len(found) >= len(connections)) == shown

        file.rename(tmp_path / "moved.log")
        exporter.process.send_signal(signal.SIGHUP)
        assert _until(file.exists, bool)
        metrics = exporter.get("/metrics")[1]
        assert "kubeskoop_tcpreset_" not in metrics
        assert 'kubeskoop_exporter_events_lost_total{k8s_namespace="",k8s_node="node-a",k8s_pod="",' in metrics
        code, log = exporter.end(signal.SIGTERM)
    assert code == 0
    lines = [line for line in log.splitlines() if line.startswith("type=TCPRESET_NOSOCK ") and owners["right"] in line]
    assert len(lines) == len(connections)


@pytest.mark.usefixtures("as_root")
def test_the_last_reset_of_a_pod_is_told_with_its_name(make_netns: Callable[[], Namespace], tmp_path: Path) -> None:
    """It comes and goes between two cycles."""
    file = tmp_path / "events.log"
    config = tmp_path / "config.yaml"
    event = {"port": 0, "probes": ["tcpreset"], "sinks": [{"name": "file", "args": {"path": str(file)}}]}
    config.write_text(yaml.safe_dump({"metrics": {"probes": ["tcp"], "interval": 60}, "event": event}))
    with daemon("--config", str(config)) as exporter:
        exporter.wait_until_serving()
        pod = make_netns()
        pod.run("ip", "link", "set", "lo", "up")
        inode, name = pod.pod.netns, pod.pod.name
        ends = ("127.0.0.1", "127.0.0.1")

        def told(port: int) -> list[dict[str, str]]:
            """Labels of what happened there to connections to a port."""
            labels = [
                {each["name"]: each["value"] for each in one["labels"]}
                for one in _records(file)
                if one.get("netns") == inode
            ]
            return [each for each in labels if str(port) in (each["sport"], each["dport"])]

        def connect_and_look() -> list[str]:
            _refused(pod, socket.AF_INET, ends, 81)
            return [each.get("pod", "") for each in told(81)]

        assert name in _until(connect_and_look, lambda found: name in found)
        _refused(pod, socket.AF_INET, ends, 82)
        run("ip", "netns", "delete", name)
        last = _until(lambda: told(82), lambda found: len(found) >= 2)  # sent and received
    assert [(each["pod"], each["src_pod"], each["dst_pod"]) for each in last] == [(name, name, name)] * 2


@pytest.mark.usefixtures("as_root")
def test_a_pod_is_not_taken_for_the_one_whose_inode_it_got(make_netns: Callable[[], Namespace], tmp_path: Path) -> None:
    """It comes before the next cycle, so that only the cookie tells the two apart."""
    file = tmp_path / "events.log"
    config = tmp_path / "config.yaml"
    event = {"port": 0, "probes": ["tcpreset"], "sinks": [{"name": "file", "args": {"path": str(file)}}]}
    config.write_text(yaml.safe_dump({"metrics": {"probes": ["tcp"], "interval": 60}, "event": event}))
    first = make_netns()
    first.run("ip", "link", "set", "lo", "up")
    inode, name = first.pod.netns, first.pod.name

    def told() -> list[str]:
        """Pods of what happened under the inode."""
        labels = [one["labels"] for one in _records(file) if one.get("netns") == inode]
        return [next((each["value"] for each in one if each["name"] == "pod"), "") for one in labels]

    with daemon("--config", str(config)) as exporter:
        exporter.wait_until_serving()
        _refused(first, socket.AF_INET, ("127.0.0.1", "127.0.0.1"), 81)
        before = _until(told, lambda found: len(found) >= 2)
        run("ip", "netns", "delete", name)
        heir = _until(make_netns, lambda made: made.pod.netns == inode)
        assert heir.pod.netns == inode
        heir.run("ip", "link", "set", "lo", "up")

        def connect_and_look() -> list[str]:
            _refused(heir, socket.AF_INET, ("127.0.0.1", "127.0.0.1"), 81)
            return told()[len(before) :]

        after = _until(connect_and_look, lambda found: heir.pod.name in found)
    assert set(before) == {name}
    assert set(after) in ({heir.pod.name}, {heir.pod.name, ""})
