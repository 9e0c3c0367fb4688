"""The composition root: the only place that builds the object graph."""

from __future__ import annotations

import ctypes
import logging
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.bpf import types_provider
from exporter.errors import CollectError
from exporter.exposition.answers import Answers
from exporter.exposition.http import Server
from exporter.identity import standalone
from exporter.model.health import CAPABILITY_HELD
from exporter.model.probe import Env
from exporter.runtime import privileges
from exporter.runtime.attempt import attempt
from exporter.runtime.collector import Collector, RunningProbe
from exporter.runtime.health import Health
from exporter.runtime.kernel_scan import KernelScan
from exporter.runtime.programs import Programs
from exporter.runtime.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.bpf.types_provider import Types
    from exporter.config import Config
    from exporter.model.metric import Metric
    from exporter.model.probe import Requirement
    from exporter.registry import Registry
    from exporter.runtime.health import Samples

log = logging.getLogger(__name__)

_M_ARENA_MAX = -8  # malloc.h
_SYS = Path("/sys")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run consists of, wired together but not started.

    Args:
        collector: of the cycles.
        health: of the self-metrics.
        schedule: of the cycles.
        answers: to scrapes.
        scan: of the kernel, unless switched off.
        types: of the kernel, where eBPF programs have them from.
        programs: of eBPF, those that are loaded.
        needs: capabilities by who needs them, see `privileges.declared`.
        keep: capabilities that what could be opened needs.
    """

    collector: Collector
    health: Health
    schedule: Schedule
    answers: Answers
    scan: KernelScan | None
    types: Types
    programs: Programs
    needs: Mapping[str, tuple[Requirement, ...]]
    keep: frozenset[str]

    def close(self) -> None:
        """Give back what was opened; safe to repeat."""
        self.collector.close()
        self.programs.close()


def assemble(config: Config, registry: Registry, proc: str, sys: str) -> Parts:
    """Open the selected probes and wire everything up. A probe that cannot be opened only costs itself."""
    env = Env(Path(proc), Path(sys), Path("/run/netns"), config.node, config.options, kernel_scan=config.kernel_scan)
    _tell_hidden(env)
    types = _types(config, env.sys)  # before probes are opened, which use them
    running = [RunningProbe(spec, attempt(spec.open, env)) for spec in config.probes]
    selected = {spec.name for spec in config.probes}
    disabled = [spec.name for spec in registry.probes if spec.name not in selected]
    per_naming = config.max_series // len(config.namings)  # each dialect repeats every series
    scan = KernelScan(env.proc) if config.kernel_scan else None
    collector = Collector(env, running, disabled, standalone.discover, max_series=per_naming, scan=scan)
    programs = Programs(count_runs=config.ebpf_stats)
    needs = privileges.declared(config.probes, scan=config.kernel_scan)
    opened = [each.spec for each in running if not isinstance(each.probe, CollectError)]
    scanning = scan is not None and any(part.active for part in scan.parts)
    keep = privileges.union(privileges.declared(opened, scan=scanning))
    more = (programs.samples, partial(_capabilities, needs))
    health = Health(config.node, config.namings, collector.costs, more)
    schedule = Schedule(collector, health, config.interval)
    answers = Answers(config.node, config.namings, health, timestamps=config.timestamps)
    return Parts(collector, health, schedule, answers, scan, types, programs, needs, keep)


def _types(config: Config, sys: Path) -> Types:
    """What the kernel's types are taken from; tells where that is not the kernel itself."""
    began = time.monotonic()
    folder = Path(config.btf_folder) if config.btf_folder else None
    types = types_provider.provide(sys, folder, headers=config.headers, distrust=config.backend == "bcc")
    if sys != _SYS:
        return types  # a captured tree is of another machine
    if types.lacking:
        effect = "the kernel's own are used" if types.source else "metrics from /proc are served, those of eBPF are not"
        log.warning("types of the kernel: %s; %s", types.lacking, effect)
    elif types.source != "kernel":
        log.info("types of the kernel: %s, from %s, after %.1f s", types.path, types.source, time.monotonic() - began)
    return types


def _capabilities(needs: Mapping[str, tuple[Requirement, ...]]) -> dict[Metric, Samples]:
    held = privileges.held()
    return {CAPABILITY_HELD: {(user, need.what): need.what in held for user, each in needs.items() for need in each}}


def _settle_privileges(parts: Parts, *, drop: bool) -> None:
    """Tell what is lost for lack of privileges, and give up those that nobody needs."""
    held = attempt(privileges.held)
    kept = attempt(privileges.drop, parts.keep) if drop else held
    if isinstance(held, CollectError) or isinstance(kept, CollectError):
        log.warning("capabilities are kept: %s", held if isinstance(held, CollectError) else kept)
        return
    log.info("capabilities: %s", ", ".join(sorted(kept)) or "none")
    for name, losses in privileges.losses(parts.needs, held).items():
        log.warning("without %s: %s", name, losses)


def _tell_hidden(env: Env) -> None:
    hidden = attempt(standalone.hidden, env)
    if isinstance(hidden, int) and hidden:
        log.warning(
            "%d process(es) may not be looked at, so namespaces that only they hold are missing; "
            "run as root or with CAP_SYS_PTRACE and CAP_SYS_ADMIN",
            hidden,
        )


def run(config: Config, registry: Registry, proc: str, sys: str) -> None:
    """Serve until a signal asks to stop. Raises StartError when the address cannot be had."""
    _share_one_heap()
    stop = threading.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: stop.set())
    parts = assemble(config, registry, proc, sys)
    server = Server(config.host, config.port, parts.schedule, parts.answers, config.node)
    _settle_privileges(parts, drop=config.drop_privileges)  # before the first thread, which inherits them
    parts.schedule.start()
    serving = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    serving.start()
    shown = "localhost" if config.host in ("0.0.0.0", "::") else config.host
    shown = f"[{shown}]" if ":" in shown else shown
    base = f"http://{shown}:{server.server_port}"
    log.info("metrics  %s/metrics", base)
    log.info("page     %s/", base)
    log.info("%d probes every %g s; stop with Ctrl-C", len(config.probes), config.interval)
    stop.wait()
    server.shutdown()
    server.server_close()
    parts.schedule.stop()
    parts.close()


def _share_one_heap() -> None:
    """Keep glibc from giving each thread a heap of its own.

    Every cycle and every scrape runs in a thread, and megabytes of exposition allocated in one heap after the other
    would never be given back; it saves a fifth of the resident memory. Other C libraries have no such setting.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
