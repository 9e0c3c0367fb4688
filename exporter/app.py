"""The composition root: the only place that builds the object graph."""

from __future__ import annotations

import ctypes
import gc
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
from exporter.errors import CollectError, NetExporterError
from exporter.exposition.answers import Answers
from exporter.exposition.debug import DebugPages
from exporter.exposition.events_page import EventsPage
from exporter.exposition.http import Server
from exporter.exposition.pages import Pages
from exporter.exposition.web.live import Web
from exporter.identity import standalone
from exporter.identity.recent import Owners
from exporter.model.health import CAPABILITY_HELD
from exporter.model.probe import Env
from exporter.runtime import identity, naming, privileges
from exporter.runtime.attempt import attempt
from exporter.runtime.collector import Collector, RunningProbe
from exporter.runtime.events import Events
from exporter.runtime.health import Health
from exporter.runtime.kernel_scan import KernelScan
from exporter.runtime.programs import Programs
from exporter.runtime.schedule import Schedule
from exporter.settings.entries import defaults

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from exporter.bpf.types_provider import Types
    from exporter.config import Config
    from exporter.model.metric import Metric
    from exporter.model.probe import ProbeSpec, Requirement
    from exporter.registry import Registry
    from exporter.runtime.health import Samples
    from exporter.runtime.identity import InCluster, Standalone

log = logging.getLogger(__name__)

_M_ARENA_MAX = -8  # malloc.h
_GARBAGE_THRESHOLDS = 50_000, 20, 50
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
        events: from the probes to the sinks; None where none are wanted.
        identity: of pods.
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
    events: Events | None
    identity: Standalone | InCluster
    needs: Mapping[str, tuple[Requirement, ...]]
    keep: frozenset[str]

    def close(self) -> None:
        """Give back what was opened; safe to repeat."""
        if self.events is not None:
            self.events.close()  # first, as it uses what the probes have opened
        self.identity.stop()
        self.collector.close()
        self.programs.close()


def assemble(config: Config, registry: Registry, proc: str, sys: str, *, events: bool = False) -> Parts:
    """Open the selected probes and wire everything up. A probe that cannot be opened only costs itself.

    Args:
        config: the settings.
        registry: of all probes.
        proc: procfs of the host.
        sys: sysfs of the host.
        events: whether events are taken too; otherwise what the configuration says of them has no effect.
    """
    telling = config.events.probes if events else ()
    env = _env(config, proc, sys, telling)
    whose = identity.choose(config, env.proc)
    _tell_hidden(env)
    types = _types(config, env.sys)  # before probes are opened, which use them
    selected = {spec.name: spec for spec in (*config.probes, *telling)}
    specs = [selected[name] for name in sorted(selected)]
    running = [RunningProbe(spec, attempt(spec.open, env), exposed=spec.name in config.options) for spec in specs]
    disabled = [spec.name for spec in registry.probes if spec.name not in selected]
    owners = Owners(env.node)
    sources = [each for each in running if each.spec.name in env.events]
    wanted = Events(config.events, env, sources, owners, whose.discover) if sources else None
    if wanted is not None:
        step = naming.step(owners)
        running.append(RunningProbe(step, attempt(step.open, env), exposed=False))
    per_naming = config.max_series // len(config.namings)  # each dialect repeats every series
    scan = KernelScan(env.proc) if config.kernel_scan else None
    collector = Collector(env, running, disabled, whose.discover, max_series=per_naming, scan=scan, ended=whose.ended)
    programs = Programs(count_runs=config.ebpf_stats)
    needs = privileges.declared(specs, scan=config.kernel_scan)
    opened = [each.spec for each in running if not isinstance(each.probe, CollectError)]
    scanning = scan is not None and any(part.active for part in scan.parts)
    keep = privileges.union(privileges.declared(opened, scan=scanning))
    more = (
        programs.samples,
        whose.samples,
        partial(_capabilities, needs),
        *((wanted.samples,) if wanted is not None else ()),
    )
    health = Health(config.node, config.namings, collector.costs, more, config.additional)
    schedule = Schedule(collector, health, config.interval)
    answers = Answers(config.node, config.namings, health, timestamps=config.timestamps, additional=config.additional)
    return Parts(collector, health, schedule, answers, scan, types, programs, wanted, whose, needs, keep)


def _env(config: Config, proc: str, sys: str, telling: Collection[ProbeSpec]) -> Env:
    only_events = {spec.name: defaults(spec) for spec in telling if spec.name not in config.options}
    return Env(
        Path(proc),
        Path(sys),
        Path("/run/netns"),
        config.node,
        {**only_events, **config.options},
        {spec.name: config.events.options[spec.name] for spec in telling},
        kernel_scan=config.kernel_scan,
    )


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
    tune_memory()
    web = Web(config.web_config)
    stop = threading.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, lambda *_: None)  # files are looked at whenever they matter; this must not end us
    parts = assemble(config, registry, proc, sys, events=True)
    events = EventsPage(parts.events, config.node, registry.events())
    debug = DebugPages(parts.schedule) if config.debug else None
    pages = Pages(parts.schedule, parts.answers, config.node, events, debug)
    server = Server(config.host, config.port, pages, web)
    parts.health.also(server.samples)
    _settle_privileges(parts, drop=config.drop_privileges)  # before the first thread, which inherits them
    try:
        _start_events(parts, config)
    except NetExporterError:
        server.server_close()
        parts.close()
        raise
    parts.identity.start()
    parts.schedule.start()
    serving = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    serving.start()
    shown = "localhost" if config.host in ("0.0.0.0", "::") else config.host
    shown = f"[{shown}]" if ":" in shown else shown
    base = f"{server.scheme}://{shown}:{server.server_port}"
    log.info("metrics  %s/metrics", base)
    log.info("page     %s/", base)
    log.info("%d probes every %g s; stop with Ctrl-C", len(config.probes), config.interval)
    while not stop.wait(1.0):  # a signal that the kernel gives to another thread does not wake this one
        pass
    server.finish()
    parts.schedule.stop()
    parts.close()


def _start_events(parts: Parts, config: Config) -> None:
    events = parts.events
    if events is None:
        if config.events.sinks:
            log.warning("event.sinks get nothing, as event.probes is empty; name the probes whose events are wanted")
        return
    signal.signal(signal.SIGHUP, lambda *_: events.reopen())
    events.start()


def tune_memory() -> None:
    """Make the process fit for cycles that each allocate a lot and keep it until the next one.

    One heap for all threads: every cycle and every scrape runs in a thread, and megabytes of exposition allocated in
    one heap after the other would never be given back; it saves a fifth of the resident memory. Only glibc has such a
    setting. And the search for rings of references, of which a cycle leaves none, comes after 50,000 new objects rather
    than after 700: with tens of thousands of rows it took a sixth of each cycle.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
