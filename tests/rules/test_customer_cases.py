"""Four troubles told in the documents, as series: a dashboard shows each, and only the alerts meant for it fire."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import alerts
import dashboards
from exporter import registry
from exporter.model.metric import Naming

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

POD = '{k8s_node="node-1", k8s_namespace="shop", k8s_pod="frontend-0", job="net-exporter", instance="10.0.0.1:9102"}'
NODE = POD.replace('"shop"', '""').replace('"frontend-0"', '""')
HEALTHY = {f"up{NODE}": "1x60", f"kubeskoop_exporter_cycles_total{NODE}": "0+12x60"}


@dataclass(frozen=True)
class Case:
    """What was seen, minute by minute, and where it must show at minute 30."""

    series: dict[str, str]
    dashboard: str
    panel: str
    above: float
    alerts: tuple[str, ...]
    labels: str = POD


LATE_ANSWERS = Case(
    series={
        "kubeskoop_udp_noports": "0+1x60",
        "kubeskoop_udp_indatagrams": "0+300x60",
        "kubeskoop_packetloss_total": "0+1x60",
    },
    dashboard="dns-timeouts",
    panel="Late answers: pods",
    above=0.01,
    alerts=("NetUdpUnexpectedDatagrams",),
)
PAUSES = Case(
    series={
        "kubeskoop_tcpext_listendrops": "0+20x60",
        "kubeskoop_tcpext_listenoverflows": "0+20x60",
        "kubeskoop_tcp_passiveopens": "0+600x60",
    },
    dashboard="nginx-errors",
    panel="Accept queue overflows: pods",
    above=0.1,
    alerts=("NetTcpListenOverflow",),
)
SLOW_COMMANDS = Case(  # two commands to the host, of 40 ms and of 210 ms, among many quick ones
    series={
        f'kubeskoop_virtcmdlatency_seconds_bucket{{le="{limit}"': f"0+{each}x60"
        for limit, each in (("0.001", 60), ("0.032768", 60), ("0.065536", 61), ("0.131072", 61), ("0.262144", 62))
    }
    | {'kubeskoop_virtcmdlatency_seconds_bucket{le="+Inf"': "0+62x60"},
    dashboard="jitter",
    panel="Slow commands to the host: nodes",
    above=0.131072,
    alerts=(),
    labels=NODE,
)
THROTTLED = Case(
    series={
        "kubeskoop_tcpsummary_tcprxqueue": "2000000x60",
        "kubeskoop_tcpsummary_tcptxqueue": "2000000x60",
        "kubeskoop_tcpsummary_tcpestablishedconn": "100+10x60",
        "kubeskoop_tcpsummary_tcptimewaitconn": "900-10x60",
        "kubeskoop_tcpext_tcptimeouts": "0+30x60",
    },
    dashboard="jitter",
    panel="Data unread: pods",
    above=1_000_000,
    alerts=("NetTcpRecvQueueStuck", "NetTcpSendQueueStuck"),
)
CASES = {
    "DNS answers come after the time-out": LATE_ANSWERS,
    "a server pauses and its accept queue overflows": PAUSES,
    "commands to the host are slow": SLOW_COMMANDS,
    "a processor quota lets receive queues pile up": THROTTLED,
}


def _panels(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels", []))


def _query(dashboard: str, title: str) -> str:
    """The query of that panel, of all nodes and pods, over five minutes."""
    files = dashboards.files(registry.load(), Naming.KUBESKOOP)
    found = json.loads(files[f"dashboards/{dashboard}.json"])
    (panel,) = [panel for panel in _panels(found["panels"]) if panel["title"] == title]
    (target,) = panel["targets"]
    return re.sub(r"\$\w+", ".*", target["expr"].replace("$__rate_interval", "5m"))


def _input(case: Case) -> list[dict[str, str]]:
    named = {
        f"{name}, {case.labels[1:]}" if "{" in name else f"{name}{case.labels}": values
        for name, values in case.series.items()
    }
    return [{"series": name, "values": values} for name, values in (HEALTHY | named).items()]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_shows_on_its_dashboard_and_only_its_alerts_fire(
    promtool: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, case: Case
) -> None:
    rules = []
    for path, content in alerts.files(registry.load(), Naming.KUBESKOOP).items():
        if path.startswith("alerts/rules/"):
            rules.append(Path(path).name)
            (tmp_path / Path(path).name).write_bytes(content)
    shown = f"count(({_query(case.dashboard, case.panel)}) > {case.above:.12g})"
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in case.alerts]
    test = {
        "interval": "1m",
        "input_series": _input(case),
        "promql_expr_test": [
            {"expr": shown, "eval_time": "30m", "exp_samples": [{"labels": "{}", "value": 1}]},
            {"expr": firing, "eval_time": "30m", "exp_samples": expected},
        ],
    }
    file = tmp_path / "case.test.yml"
    file.write_text(yaml.safe_dump({"rule_files": rules, "evaluation_interval": "1m", "tests": [test]}), "utf-8")
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
