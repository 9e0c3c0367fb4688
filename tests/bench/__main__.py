"""Measure what the README promises, print a table, write JSON.

Absolute times depend on the machine; the last column relates each to a yardstick measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import generate_latest

from exporter import app, config, registry
from exporter.exposition.text import Format, Renderer
from exporter.model.metric import Kind, Metric, Naming, Scope, Unit
from exporter.model.pod import Pod
from exporter.model.snapshot import Table
from exporter.runtime.kernel_scan import PARTS
from tests.bench import cluster, event_bus, event_stream, loki, socket_walk, throughput
from tests.bench.namespaces import many

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
CYCLES = 15
FILES = ("dev", "snmp", "netstat", "snmp6", "sockstat", "sockstat6")


@dataclass(frozen=True)
class Result:
    """One measured figure.

    Args:
        name: what was measured.
        value: median over the runs.
        unit: of value and target.
        target: at most this much; None for a figure without promise.
        ratio: relation to the yardstick named, measured in the same run.
    """

    name: str
    value: float
    unit: str
    target: float | None
    ratio: str = ""


def cpu_ms(function: Callable[[], object], runs: int) -> float:
    """Median processor time of one call."""
    times = []
    for _ in range(runs):
        before = time.process_time()
        function()
        times.append((time.process_time() - before) * 1000)
    return statistics.median(times)


def cycle(count: int, connections: int) -> list[Result]:
    """Processor time of a cycle of the default probes, against merely reading the files it needs."""
    known = registry.load()
    with many(count, connections=connections) as pids:
        parts = app.assemble(config.load(known, None), known, "/proc", "/sys")
        for _ in range(2 + count // 100):  # then the kernel scan has been seen to agree everywhere, and serves
            parts.schedule.cycle()
        spent, readers = [], []
        for _ in range(CYCLES):
            time.sleep(0.4)  # so that busy pods have talked since the last cycle
            before = parts.collector.costs.cpu_seconds
            snapshot = parts.schedule.cycle()
            spent.append((parts.collector.costs.cpu_seconds - before) * 1000)
            readers.append(dict(snapshot.readers))
        floor = cpu_ms(lambda: read_files(pids), CYCLES)
        parts.collector.close()
    busy = f"{connections} busy sockets each" if connections else "a listener each"
    median = statistics.median(spent)
    target = {250: 15.0, 1000: 60.0}.get(count) if not connections else None
    results = [
        Result(
            f"cycle, {count} pods, {busy}",
            median,
            "ms CPU",
            target,
            f"{median / floor:.2f} × reading {len(FILES)} files",
        )
    ]
    for reader in sorted(readers[-1], key=lambda name: -readers[-1][name]):
        took = statistics.median(each.get(reader, 0.0) for each in readers) * 1e6 / (count + 1)
        results.append(Result(f"  {reader}", took, "us/pod", None))
    return results


def scanning(count: int) -> list[Result]:
    """The parts of the kernel scan alone, against reading the files that they replace."""
    with many(count, connections=0) as pids:
        floor = cpu_ms(lambda: read_files(pids), CYCLES)
        results = []
        for part in PARTS:
            with closing(part.open()) as scan:
                spent = cpu_ms(scan.scan, 10 * CYCLES)
            ratio = f"{spent / floor:.3f} × reading {len(FILES)} files"
            results.append(Result(f"kernel scan of {part.name}, {count} pods", spent, "ms CPU", None, ratio))
    return results


def read_files(pids: list[int]) -> None:
    """Open, read and close the files that a cycle without kernel scan cannot do without."""
    for pid in pids:
        for name in FILES:
            descriptor = os.open(f"/proc/{pid}/net/{name}", os.O_RDONLY)
            while os.read(descriptor, 1 << 16):
                pass
            os.close(descriptor)


def rendering() -> list[Result]:
    """50,000 series, every one of them changed since the last time, against the official client."""
    chance = random.Random(1)  # noqa: S311 - reproducible load, no secret
    pods = [Pod("shop", f"web-7d9c{index:04x}-x2k{index % 97}", 4026532000 + index) for index in range(250)]
    metrics = tuple(
        Metric(
            probe="bench",
            name=f"m{index}_total",
            kind=Kind.COUNTER,
            unit=Unit.ONE,
            help="A load.",
            scope=Scope.NETNS,
            source="-",
        )
        for index in range(200)
    )

    def table(most: int) -> Table:
        # As on a real node: most counters of most pods are small, a tenth are large.
        made = Table(metrics)
        for pod in pods:
            made.add(
                pod, [chance.randrange(most) if chance.random() < 0.1 else chance.randrange(1000) for _ in metrics]
            )
        return made

    renderer = Renderer("node-1", (Naming.KUBESKOOP,))
    tables = [table(10**10) for _ in range(8)]
    renderer.render(tables[:1], 0, Format.TEXT)
    rounds = iter(tables[1:])
    ours = cpu_ms(lambda: renderer.render([next(rounds)], 0, Format.TEXT), len(tables) - 1)
    theirs = cpu_ms(lambda: _official(tables[0]), 3)
    results = [Result("rendering 50,000 series", ours, "ms CPU", 10.0, f"{ours / theirs:.3f} × official client")]
    unchanged = cpu_ms(lambda: renderer.render([tables[-1]], 0, Format.TEXT), 7)
    results.append(Result("rendering 50,000 series, none changed", unchanged, "ms CPU", None))
    return results


def _official(table: Table) -> bytes:
    collected = CollectorRegistry()

    class _Collector:
        def collect(self) -> list[CounterMetricFamily]:
            families = []
            for index, metric in enumerate(table.metrics):
                family = CounterMetricFamily(
                    metric.name_in(Naming.KUBESKOOP), metric.help, labels=["k8s_namespace", "k8s_node", "k8s_pod"]
                )
                for row in table.rows:
                    family.add_metric([row.pod.namespace, "node-1", row.pod.name], float(row.values[index] or 0))
                families.append(family)
            return families

    collected.register(_Collector())  # type: ignore[arg-type]
    return generate_latest(collected)


def serving(count: int, *, ebpf: bool) -> list[Result]:
    """A real process with every probe, those of eBPF only if asked: time to answer from cache, and its memory."""
    specs = [spec for spec in registry.load().probes if ebpf or all(need.what != "CAP_BPF" for need in spec.requires)]
    probes = ", ".join(spec.name for spec in specs)
    settings = ROOT / "build" / "bench.yml"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(f"metrics: {{interval: 1, kernelScan: {str(ebpf).lower()}, probes: [{probes}]}}\n")
    command = [sys.executable, "-m", "exporter", "run", "--config", str(settings), "--listen", "127.0.0.1:19377"]
    formats = ({"Accept-Encoding": "gzip"}, {"Accept": "application/openmetrics-text"})
    request, other = (urllib.request.Request("http://127.0.0.1:19377/metrics", headers=each) for each in formats)
    with many(count, connections=0):
        exporter = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            time.sleep(4)
            for _ in range(10):  # two scrapers that want different formats, as the worst that is usual
                for each in (request, other):
                    with urllib.request.urlopen(each, timeout=10) as answer:
                        answer.read()
                time.sleep(1)
            cached = []
            for _ in range(40):
                before = time.perf_counter()
                with urllib.request.urlopen(request, timeout=10) as answer:
                    size = len(answer.read())
                cached.append((time.perf_counter() - before) * 1000)
            status = Path(f"/proc/{exporter.pid}/status").read_text()
        finally:
            exporter.terminate()
            exporter.wait()
    memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
    what = "every probe" if ebpf else "every probe without eBPF"
    answered = f"/metrics from cache, {count} pods, gzip ({size // 1024} KiB)"
    return [
        *([] if ebpf else [Result(answered, statistics.median(cached), "ms", 15.0)]),
        Result(f"resident memory, {count} pods, {what}", memory, "MiB", 80.0 if ebpf else 64.0),
    ]


def generating() -> list[Result]:
    """The whole bundle, as a user runs it."""
    times = []
    for _ in range(3):
        before = time.perf_counter()
        subprocess.run(
            [sys.executable, "generate.py", "--out", "build/bench-bundle"],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        times.append(time.perf_counter() - before)
    return [Result("generate.py", statistics.median(times), "s", 3.0)]


def table(results: list[Result]) -> str:
    """For people."""
    lines = [f"{'figure':<58} {'median':>10} {'unit':<7} {'at most':>8}  relation"]
    for result in results:
        target = "" if result.target is None else f"{result.target:g}"
        lines.append(f"{result.name:<58} {result.value:>10.2f} {result.unit:<7} {target:>8}  {result.ratio}")
    return "\n".join(lines)


def main() -> int:
    """Run all, print, write build/bench.json."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--pods", type=int, default=250, help="network namespaces to make (default: %(default)s)")
    parser.add_argument("--many", action="store_true", help="also with 1,000 pods, which take a while to make")
    parser.add_argument(
        "--throughput", action="store_true", help="measure what others' traffic loses instead; takes some minutes"
    )
    options = parser.parse_args()
    pods = options.pods
    if os.geteuid() != 0:
        print("bench: needs root, it makes network namespaces", file=sys.stderr)
        return 1
    steps: list[tuple[str, Callable[[], list[Result]]]] = [
        ("rendering", rendering),
        ("cycle, idle pods", lambda: cycle(pods, 0)),
        ("cycle, busy pods", lambda: cycle(pods, 10)),
        *([("cycle, 1,000 idle pods", lambda: cycle(1000, 0))] if options.many else []),
        ("kernel scan", lambda: scanning(pods)),
        ("walk over TCP sockets", lambda: [Result(*figure) for figure in socket_walk.figures(pods)]),
        ("events to a null sink", lambda: [Result(*figure) for figure in event_bus.figures()]),
        ("event stream", lambda: [Result(*figure) for figure in event_stream.figures()]),
        ("events to Loki", lambda: [Result(*figure) for figure in loki.figures()]),
        ("serving, without eBPF", lambda: serving(pods, ebpf=False)),
        ("serving, with eBPF", lambda: serving(pods, ebpf=True)),
        ("cold start in a cluster", lambda: [Result(*figure) for figure in cluster.figures(pods)]),
        ("generating", generating),
    ]
    if options.throughput:
        steps = [("throughput", lambda: [Result(*figure) for figure in throughput.figures()])]
    app.tune_memory()  # as the daemon does
    results: list[Result] = []
    for index, (name, step) in enumerate(steps, start=1):
        print(f"[{index}/{len(steps)}] {name}", file=sys.stderr)
        results += step()
    print(table(results))
    record: dict[str, Any] = {"pods": pods, "cpus": os.cpu_count(), "results": [asdict(result) for result in results]}
    (ROOT / "build" / "bench.json").write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
