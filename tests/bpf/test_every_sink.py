"""The same events through all sinks of one exporter, while one of these is replaced."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import yaml

from tests.netns.test_reload import post
from tests.unit.cli.daemon import daemon
from tests.unit.cli.watching import watching
from tests.unit.sinks.loki.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.netns.namespaces import Namespace

SOON = 20.0
CONNECTIONS = 60  # each is refused: one event of who sent the reset, one of who got it
LOCAL = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
TYPES = ("TCPRESET_NOSOCK", "TCPRESET_RECEIVE")
CLOSED = 81
FIRST_PORT = 20_000  # of the counted connections: below those that the kernel gives away
Key: TypeAlias = tuple[str, str]  # type, and port of the client


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _refused(inside: Namespace, family: int, port: int = 0) -> int:
    """Connect from a port to where nobody listens; which port that was."""
    with inside.open(family) as client:
        client.bind((LOCAL[family], port))
        with pytest.raises(ConnectionRefusedError):
            client.connect((LOCAL[family], CLOSED))
        return int(client.getsockname()[1])


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SOON
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)


def _lines(*paths: Path) -> list[str]:
    return [line for path in paths if path.exists() for line in path.read_text().splitlines()]


def _settings(file: Path, port: int, loki: str) -> str:
    sinks = [
        {"name": "stderr", "args": {"format": "json"}},
        {"name": "file", "args": {"path": str(file)}},
        {"name": "loki", "args": {"addr": loki, "batchWait": 0.05}},
    ]
    probes = [{"name": "tcpreset", "args": {"eventsPerSecond": 100_000}}]
    event = {"port": port, "probes": probes, "sinks": sinks}
    return yaml.safe_dump({"metrics": {"probes": ["tcp"], "interval": 60}, "event": event})


def _record_key(record: dict[str, Any]) -> Key:
    labels = {each["name"]: each["value"] for each in record["labels"]}
    return record["type"], _client(labels["sport"], labels["dport"])


def _watched_key(line: str) -> Key:
    """Of what `inspector watch -d` prints."""
    record = json.loads(line)
    ends = dict(word.split("=") for word in record["event"].split("  ")[0].split(" "))
    return record["msg"], _client(ends["sport"], ends["dport"])


def _client(source: str, destination: str) -> str:
    return source if destination == str(CLOSED) else destination


@pytest.mark.usefixtures("as_root")
def test_each_event_is_once_in_every_sink_though_one_is_replaced(
    make_netns: Callable[[], Namespace], tmp_path: Path
) -> None:
    first, second, config, port = tmp_path / "a.log", tmp_path / "b.log", tmp_path / "config.yaml", _free_port()
    inside = make_netns()
    inside.run("ip", "link", "set", "lo", "up")
    name = inside.pod.name
    ports: set[str] = set()

    def ours(found: Iterable[str]) -> Counter[Key]:
        """Records on lines, of the counted connections alone."""
        records = [json.loads(line) for line in found]
        keys = [_record_key(each) for each in records if {"name": "pod", "value": name} in each["labels"]]
        return Counter(key for key in keys if key[1] in ports)

    with Receiver() as loki:
        config.write_text(_settings(first, port, loki.addr))
        with (
            daemon("--config", str(config), "--web.enable-lifecycle") as exporter,
            watching("-s", f"127.0.0.1:{port}", "--pod", name, "-d", "-v") as client,
        ):
            exporter.wait_until_serving().get("/metrics")
            _until(lambda: _refused(inside, socket.AF_INET) and client.ready(0.1))
            for number in range(CONNECTIONS):
                ports.add(str(_refused(inside, (socket.AF_INET, socket.AF_INET6)[number % 2], FIRST_PORT + number)))
                if number == CONNECTIONS // 2:
                    config.write_text(_settings(second, port, loki.addr))
                    assert post(exporter)[0] == 200
            wanted = Counter((kind, each) for kind in TYPES for each in ports)
            _until(lambda: ours(loki.lines) == ours(_lines(first, second)) == wanted)
            watched: list[Key] = []
            while len(watched) < len(wanted):
                watched += [key for key in map(_watched_key, client.lines(1)) if key[1] in ports]
            code, log = exporter.end(signal.SIGTERM)
    assert len(ports) == CONNECTIONS
    assert Counter(watched) == wanted
    assert ours(loki.lines) == wanted
    assert ours(_lines(first, second)) == wanted
    assert ours(line for line in log.splitlines() if line.startswith('{"timestamp"')) == wanted
    assert _lines(first)
    assert _lines(second)
    assert code == 0
