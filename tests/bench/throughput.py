"""What the exporter costs those who communicate: the same traffic with and without it, by turns, and by program.

Other work on the machine and its turbo change the absolute numbers by more than the exporter does. So each run with the
exporter is compared with the one right before or after it without, and the median of the ratios counts; the quartiles
tell how far it can be trusted. Work for each second of processor time is steadier than work for each second.
"""

from __future__ import annotations

import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter import registry
from exporter.bpf.loader import BpfObject
from tests.bench import traffic
from tests.bpf import compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.traffic import Carried

    # Name, value, unit, most that is permitted, remark; see `Result`.
    Figure = tuple[str, float, str, float | None, str]

ROOT: Final = Path(__file__).resolve().parents[2]
PAIRS: Final = 10
SECONDS: Final = 1.0
COUNTED_SECONDS: Final = 5.0
DEAREST: Final = 12
EMPTY_RUNS: Final = 1_000_000
_URL: Final = "http://127.0.0.1:19378/metrics"
_START_SECONDS: Final = 60.0
_RUNS: Final = re.compile(
    r"kubeskoop_exporter_ebpf_program_run(s|_seconds)_total\{.*object=\"([^\"]*)\",program=\"([^\"]*)\"} (\S+)"
)
LIMITS: Final = {"default probes": 1.0, "every probe": 5.0}


@contextlib.contextmanager
def exporter(probes: tuple[str, ...], *, counted: bool = False) -> Iterator[None]:
    """A running exporter that has done its first cycle; `counted` lets the kernel count runs of programs."""
    settings = ROOT / "build" / "throughput.yml"
    settings.parent.mkdir(exist_ok=True)
    more = "ebpfStats: true, interval: 1, " if counted else ""
    settings.write_text(f"metrics: {{{more}probes: [{', '.join(probes)}]}}\n")
    command = [sys.executable, "-m", "exporter", "run", "--config", str(settings), "--listen", "127.0.0.1:19378"]
    started = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + _START_SECONDS
        while "probe_status{" not in _metrics():
            if started.poll() is not None or time.monotonic() > until:
                raise ChildProcessError("the exporter of the benchmark does not serve")
            time.sleep(0.1)
        yield
    finally:
        started.terminate()
        started.wait()


def _metrics() -> str:
    with contextlib.suppress(OSError), urllib.request.urlopen(_URL, timeout=10) as answer:
        body: bytes = answer.read()
        return body.decode()
    return ""


def figures() -> list[Figure]:
    """Loss of throughput with the default probes and with all, and what each program takes."""
    known = registry.load().probes
    sets = {
        "default probes": tuple(spec.name for spec in known if spec.default),
        "every probe": tuple(spec.name for spec in known),
    }
    found: list[Figure] = []
    with traffic.joined() as names:
        for what, probes in sets.items():
            found += _losses(what, _pairs(names, probes), LIMITS[what])
        found += _by_program(names, sets["every probe"])
    return found


_Kind = tuple[str, "Callable[[tuple[str, str], float], Carried]", float, str]
_KINDS: Final[tuple[_Kind, ...]] = (
    ("TCP throughput", traffic.stream, 1e-9, "Gbit/s"),
    ("TCP round trips", traffic.requests, 1e-3, "thousand/s"),
)


def _pairs(names: tuple[str, str], probes: tuple[str, ...]) -> list[list[tuple[Carried, Carried]]]:
    """For each kind of traffic, what was carried with the exporter and without."""
    found: list[list[tuple[Carried, Carried]]] = [[] for _ in _KINDS]

    def measure() -> list[Carried]:
        return [carry(names, SECONDS) for _, carry, _, _ in _KINDS]

    for number in range(PAIRS):
        before = measure() if number % 2 else []
        with exporter(probes):
            with_it = measure()
        without = before or measure()
        for pairs, pair in zip(found, zip(with_it, without, strict=True), strict=True):
            pairs.append(pair)
    return found


def _losses(what: str, found: list[list[tuple[Carried, Carried]]], limit: float) -> list[Figure]:
    lines: list[Figure] = []
    for (name, _, factor, unit), pairs in zip(_KINDS, found, strict=True):
        plain = statistics.median(without.rate for _, without in pairs) * factor
        for of, most in (("rate", limit if name == "TCP throughput" else None), ("per_cpu", None)):
            losses = [100 * (1 - getattr(with_it, of) / getattr(without, of)) for with_it, without in pairs]
            low, median, high = statistics.quantiles(losses, n=4, method="inclusive")
            per = "" if of == "rate" else " per CPU second"
            remark = f"quartiles {low:+.1f} to {high:+.1f} %, {len(pairs)} pairs; without {plain:.1f} {unit}"
            lines.append((f"{name}{per} lost, {what}", median, "%", most, remark))
    return lines


def _by_program(names: tuple[str, str], probes: tuple[str, ...]) -> list[Figure]:
    """What the dearest programs take, in relation to the processor time of both ends, during each kind of traffic.

    They also run for whatever else the machine does meanwhile. A run's time as the kernel counts it holds reading the
    clock, which nobody pays who does not count: it is left out of the sum.
    """
    lines: list[Figure] = []
    plain = _empty_run()[0]
    with exporter(probes, counted=True):
        clock = max(0.0, _empty_run()[1] - plain)
        for name, carry, _, _ in _KINDS:
            before = runs(_metrics_of_a_new_cycle())
            carried = carry(names, COUNTED_SECONDS)
            after = runs(_metrics_of_a_new_cycle())
            cpu = COUNTED_SECONDS * carried.rate / carried.per_cpu
            spent = {key: (after[key][0] - n, after[key][1] - took) for key, (n, took) in before.items()}
            for (of, program), (count, seconds) in sorted(spent.items(), key=lambda each: -each[1][1])[:DEAREST]:
                remark = f"{count:,.0f} runs of {1e9 * seconds / count:.0f} ns" if count else "no run"
                lines.append((f"  {of} {program}, {name}", 100 * seconds / cpu, "% CPU", None, remark))
            total = 100 * sum(seconds - count * clock for count, seconds in spent.values()) / cpu
            remark = f"{cpu:.1f} s of both ends; without {1e9 * clock:.0f} ns of each run that counting takes"
            lines.append((f"  all programs together, {name}", total, "% CPU", None, remark))
    return lines


def _empty_run() -> tuple[float, float]:
    """Seconds that a program takes which does nothing: by the clock, and as the kernel counts it, 0 unless it does."""
    compiling.compile_all()
    with BpfObject(compiling.FOLDER / "nothing.bpf.o") as bpf, tempfile.NamedTemporaryFile() as packet:
        bpf.load()
        packet.write(bytes(64))
        packet.flush()
        command = ["bpftool", "prog", "run", "name", "nothing", "data_in", packet.name, "repeat", str(EMPTY_RUNS)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        shown = ["bpftool", "--json", "prog", "show", "name", "nothing"]
        counted = json.loads(subprocess.run(shown, check=True, capture_output=True, text=True).stdout)
        average = re.search(r"\(average\): (\d+)ns", said)
        if average is None:
            raise ChildProcessError(f"bpftool does not say how long a run took: {said}")
        return int(average[1]) / 1e9, counted.get("run_time_ns", 0) / EMPTY_RUNS / 1e9


def runs(body: str) -> dict[tuple[str, str], tuple[float, float]]:
    """Runs and seconds of each program, by object and name."""
    numbers: dict[tuple[str, str], dict[str, float]] = {}
    for what, of, program, number in _RUNS.findall(body):
        numbers.setdefault((of, program), {})[what] = float(number)
    return {key: (each["s"], each["_seconds"]) for key, each in numbers.items()}


def _metrics_of_a_new_cycle() -> str:
    """Self-metrics are rendered with the first scrape after a cycle, and kept until the next cycle."""
    old = body = _metrics()
    while _cycles(body) == _cycles(old):
        time.sleep(0.2)
        body = _metrics()
    return body


def _cycles(body: str) -> list[str]:
    return re.findall(r"^kubeskoop_exporter_cycles_total.*$", body, re.MULTILINE)
