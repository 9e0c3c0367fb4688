"""The configuration changes under a running exporter, many times in a row, while it is scraped."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.unit.cli.daemon import daemon
from tests.unit.cli.program import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.cli.daemon import Daemon

PREFIX = "kubeskoop_exporter_"
SUCCESS = f"{PREFIX}config_last_reload_successful"
NOW = "--web.enable-lifecycle"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def post(started: Daemon) -> tuple[int, str]:
    try:
        with urlopen(Request(started.address + "/-/reload", method="POST"), timeout=SECONDS) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(body: str) -> dict[str, float]:
    found = (line.rpartition(" ") for line in body.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in found}


def value(started: Daemon, name: str) -> float:
    (found,) = (number for series, number in samples(started.get("/metrics")[1]).items() if series.startswith(name))
    return found


def statuses(body: str) -> dict[str, str]:
    """Status of each probe."""
    found = re.findall(r'probe_status\{.*probe="(\w+)",status="(\w+)"\} 1', body)
    return {probe: status for probe, status in found if status != "disabled"}


class Scraper(threading.Thread):
    """Scrapes all the time, and keeps what must not be: failures, and counters that fell."""

    def __init__(self, started: Daemon, watched: re.Pattern[str]) -> None:
        super().__init__(name="scraper")
        self.scrapes = 0
        self.wrong: list[str] = []
        self._daemon = started
        self._watched = watched
        self._ending = threading.Event()
        self._last: dict[str, float] = {}

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                status, body = self._daemon.get("/metrics")
            except OSError as error:
                self.wrong.append(str(error))
                continue
            self.scrapes += 1
            counters = set(re.findall(r"^# TYPE (\S+) counter$", body, re.MULTILINE))
            found = {
                name: number
                for name, number in samples(body).items()
                if name.partition("{")[0] in counters and self._watched.match(name)
            }
            self.wrong += [f"status {status}"] if status != 200 else []
            self.wrong += [f"{name} is gone" for name in self._last if name not in found]
            self.wrong += [f"{name} fell" for name, number in found.items() if number < self._last.get(name, 0)]
            self._last = found

    def end(self) -> None:
        self._ending.set()
        self.join()


@contextmanager
def scraping(started: Daemon, watched: str) -> Iterator[Scraper]:
    scraper = Scraper(started, re.compile(watched))
    scraper.start()
    try:
        yield scraper
    finally:
        scraper.end()


def held(pid: int) -> dict[str, int]:
    """Open descriptors, those of eBPF programs and maps, and threads."""
    links = []
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/{pid}/fd/{entry}"))
    kinds = ("anon_inode:bpf-prog", "anon_inode:bpf-map", "anon_inode:[perf_event]")
    found = {kind: links.count(kind) for kind in kinds}
    return {**found, "descriptors": len(links), "threads": len(os.listdir(f"/proc/{pid}/task"))}


def at_rest(pid: int) -> dict[str, int]:
    """The least of what is held over some cycles: connections and cycles come and go."""
    seen = []
    for _ in range(50):
        seen.append(held(pid))
        time.sleep(0.02)
    return {kind: min(each[kind] for each in seen) for kind in seen[0]}


VARIANTS = (
    "probes: [tcp, udp, netdev, tcpreset]",
    "probes: [tcp, udp, netdev, tcpreset, packetloss]",
    "probes: [tcp, udp, netdev, tcpreset, {name: packetloss, args: {entries: 2048}}, softnet]\n  interval: 0.3",
    "probes: [tcp, udp, netdev, tcpreset, {name: tcpext, args: {extra: [all]}}]\n  maxSeries: 90000",
)
EVENTS = (
    "",
    "event: {port: 0, probes: [packetloss], sinks: [{name: file, args: {path: %s}}]}",
    "event: {port: 0, probes: [packetloss], sinks: [{name: file, args: {path: %s, keep: 2}}, stderr]}",
)


def written(number: int, folder: Path) -> str:
    metrics, events = VARIANTS[number % len(VARIANTS)], EVENTS[number % len(EVENTS)]
    log = events % (folder / "events.log") if "%s" in events else events
    interval = "" if "interval" in metrics else "\n  interval: 0.2"
    return f"metrics:\n  {metrics}{interval}\n{log}\n"


def test_hundreds_of_reloads_leave_scrapes_counters_and_resources_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(written(0, tmp_path))
    with daemon("--config", str(path), NOW) as started:
        started.wait_until_serving().get("/metrics")

        def reload(number: int) -> None:
            path.write_text(written(number, tmp_path))
            assert post(started) == (200, "configuration taken over\n")

        cycle = len(VARIANTS) * len(EVENTS)
        for number in range(1, cycle + 1):  # everything that is opened once has been
            reload(number)
        pid = started.process.pid
        before = at_rest(pid)
        with scraping(
            started, r'kubeskoop_(tcp|udp|netdev|tcpreset)_.*k8s_pod="".*|kubeskoop_exporter_cycles_total.*'
        ) as scraper:
            for number in range(1, 17 * cycle + 1):
                reload(number)
        assert at_rest(pid) == before
        assert scraper.wrong == []
        assert scraper.scrapes > 10
        code, log = started.end(signal.SIGTERM)
    assert (code, "Traceback" in log, "defect" in log) == (0, False, False)


def test_a_probe_is_switched_on_and_off_without_touching_another(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("metrics: {interval: 0.2, probes: [tcp]}")
    with daemon("--config", str(path), NOW) as started:
        started.wait_until_serving()
        assert statuses(started.get("/metrics")[1]) == {"tcp": "ok"}
        for content, wanted in (
            ("metrics: {interval: 0.2, probes: [tcp, softnet, packetloss]}", {"packetloss", "softnet", "tcp"}),
            ("metrics: {interval: 0.2, probes: [softnet]}", {"softnet"}),
        ):
            path.write_text(content)
            assert post(started)[0] == 200
            until(lambda wanted=wanted: statuses(started.get("/metrics")[1]) == dict.fromkeys(wanted, "ok"))  # type: ignore[misc]


def test_names_interval_and_level_change_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("metrics: {interval: 3600, probes: [tcp]}")
    with daemon("--config", str(path), NOW) as started:
        started.wait_until_serving().get("/metrics")
        path.write_text("logLevel: debug\nmetrics: {interval: 0.2, naming: inspector, probes: [tcp]}")
        assert post(started)[0] == 200
        until(lambda: "inspector_pod_tcpactiveopens{" in started.get("/metrics")[1])
        assert "kubeskoop_tcp_" not in started.get("/metrics")[1]
        until(lambda: any("DEBUG" in line for line in started.log))


def test_additional_labels_change_while_it_runs_and_counters_go_on(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    added = re.compile(r'(zone|area|app|ip)="((?:[^"\\]|\\.)*)"')

    def counted(labels: dict[str, str]) -> list[float]:
        """Cycles, and segments that the host received; every series has the labels and no others of ours."""
        found = samples(started.get("/metrics")[1])
        own = [name for name in found if name.startswith(("kubeskoop_tcp_", PREFIX))]
        assert [name for name in own if dict(added.findall(name)) != labels] == []
        wanted = re.compile(rf'({PREFIX}cycles_total|kubeskoop_tcp_insegs)\{{.*k8s_pod=""')
        return [found[name] for name in sorted(own) if wanted.match(name)]

    path.write_text("metrics: {interval: 0.2, probes: [tcp]}")
    with daemon("--config", str(path), NOW) as started:
        started.wait_until_serving()
        before = counted({})
        for more, labels in (
            (', additionalLabels: ["zone=a \\"b\\""]', {"zone": r"a \"b\""}),
            (', additionalLabels: ["area=c${ip}"]', {"area": "c"}),
            (', verbose: true, additionalLabels: ["area=d"]', {"area": "d", "app": "", "ip": ""}),
            ("", {}),
        ):
            path.write_text(f"metrics: {{interval: 0.2, probes: [tcp]{more}}}")
            assert post(started) == (200, "configuration taken over\n")
            after = counted(labels)
            assert [now >= then for now, then in zip(after, before, strict=True)] == [True, True]
            before = after
        assert "takes effect at the next start" not in started.get("/-/ready")[1]


def test_kubernetes_replaces_the_folder_and_every_change_is_seen(tmp_path: Path) -> None:
    def publish(number: int, content: str) -> None:
        """As the kubelet does: a folder of its own for each version, and one link that is replaced as a whole."""
        folder = tmp_path / f"..version_{number}"
        folder.mkdir()
        (folder / "config.yaml").write_text(content)
        fresh = tmp_path / "..data_tmp"
        fresh.symlink_to(folder.name)
        fresh.replace(tmp_path / "..data")

    publish(0, "metrics: {interval: 0.2, probes: [tcp]}")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    with daemon("--config", str(tmp_path / "config.yaml")) as started:
        started.wait_until_serving().get("/metrics")
        for number, probes in enumerate(("udp", "tcp, udp", "ip", "tcp"), start=1):
            publish(number, f"metrics: {{interval: 0.2, probes: [{probes}]}}")
            wanted = dict.fromkeys(probes.split(", "), "ok")
            until(lambda wanted=wanted: statuses(started.get("/metrics")[1]) == wanted)  # type: ignore[misc]
        _, log = started.end(signal.SIGTERM)
    assert log.count("configuration taken over (the file has changed)") == 4


BROKEN = [
    (b"metrics: {probes: [tcp, tcp]}", "1:25: metrics.probes: 'tcp' is there twice"),
    (b"metrics: {intervall: 1}", "1:11: unknown key 'metrics.intervall'; did you mean 'metrics.interval'?"),
    (b"metrics:\n\tinterval: 1\n", "2:1: found character '\\t' that cannot start any token"),
    (b"\x7fELF\x02\x01\x01\x00", "special characters are not allowed"),
    (b"a: 1\na: 2\n", "2:1: key 'a' is there twice, first in line 1"),
]


def test_an_invalid_file_keeps_what_runs_and_is_told_in_log_metric_and_ready(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    good = "metrics: {interval: 0.2, probes: [tcp]}"
    path.write_text(good)
    with daemon("--config", str(path), NOW) as started:
        started.wait_until_serving().get("/metrics")
        assert value(started, SUCCESS) == 1
        succeeded = value(started, f"{PREFIX}config_last_reload_success_timestamp_seconds")
        number = value(started, f"{PREFIX}config_hash")
        for content, said in BROKEN:
            path.write_bytes(content)
            code, text = post(started)
            assert (code, said in text) == (500, True)
            assert f"configuration: {path}:" in started.get("/-/ready")[1]
            assert said in started.get("/-/ready")[1]
            assert statuses(started.get("/metrics")[1]) == {"tcp": "ok"}
            until(lambda: value(started, SUCCESS) == 0)
        path.unlink()
        assert post(started) == (500, f"{path}: No such file or directory\n")
        assert value(started, f"{PREFIX}config_last_reload_success_timestamp_seconds") == succeeded
        path.write_text(good)
        assert post(started)[0] == 200
        until(lambda: value(started, SUCCESS) == 1)
        assert value(started, f"{PREFIX}config_hash") == number
        assert "configuration:" not in started.get("/-/ready")[1]
        code, log = started.end(signal.SIGTERM)
    assert (code, "Traceback" in log) == (0, False)
    for _, said in BROKEN:
        assert f": {said}\n" in log or said in log


def test_what_cannot_change_is_said_and_waits(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("metrics: {interval: 0.2, probes: [tcp]}")
    with daemon("--config", str(path), NOW) as started:
        started.wait_until_serving().get("/metrics")
        path.write_text("node: other\nmetrics: {interval: 0.2, probes: [tcp], kernelScan: false}")
        assert post(started)[0] == 200
        ready = started.get("/-/ready")[1]
        assert [line for line in ready.splitlines() if line.startswith("configuration:")] == [
            "configuration: node takes effect at the next start",
            "configuration: metrics.kernelScan takes effect at the next start",
        ]
        until(lambda: value(started, f"{PREFIX}config_settings_waiting") == 2)


def test_hangup_reloads_and_a_post_needs_permission(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("metrics: {interval: 0.2, probes: [tcp]}")
    with daemon("--config", str(path)) as started:
        started.wait_until_serving().get("/metrics")
        code, text = post(started)
        assert (code, text.startswith("reloading over HTTP is switched off; start with --web.enable-lifecycle")) == (
            403,
            True,
        )
        path.write_text("metrics: {interval: 0.2, probes: [udp]}")
        started.process.send_signal(signal.SIGHUP)
        until(lambda: statuses(started.get("/metrics")[1]) == {"udp": "ok"})
    with daemon(NOW) as started:
        started.wait_until_serving()
        started.process.send_signal(signal.SIGHUP)
        assert post(started)[0] == 200
        assert started.get("/-/healthy") == (200, "ok\n")


@pytest.mark.parametrize("sink", ["file", "stderr"])
def test_a_changed_sink_takes_over_and_its_counters_do_not_fall(tmp_path: Path, sink: str) -> None:
    log, path = tmp_path / "events.log", tmp_path / "config.yaml"
    args = {"file": f"{{path: {log}, keep: %d}}", "stderr": "{format: %s}"}[sink]
    head = "metrics: {interval: 0.2, probes: [tcp]}\nevent: {port: 0, probes: [tcpreset], sinks: [{name: "
    contents = [
        f"{head}{sink}, args: {args % each}}}]}}"
        for each in ((1, 2, 3) if sink == "file" else ("text", "json", "text"))
    ]
    path.write_text(contents[0])
    with daemon("--config", str(path), NOW) as started:
        started.wait_until_serving().get("/metrics")
        with scraping(started, rf'{PREFIX}events_(sent|lost)_total.*sink="{sink}"') as scraper:
            for number in range(30):
                path.write_text(contents[number % 3])
                assert post(started)[0] == 200
        assert scraper.wrong == []
        if sink == "file":
            (found,) = [
                link for link in Path(f"/proc/{started.process.pid}/fd").iterdir() if os.path.realpath(link) == str(log)
            ]
            assert found.exists()
