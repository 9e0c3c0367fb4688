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
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from exporter.bpf import types_provider
from exporter.errors import CollectError, NetExporterError
from exporter.exposition.answers import Answers
from exporter.exposition.control import Control
from exporter.exposition.debug import DebugPages
from exporter.exposition.events_page import EventsPage
from exporter.exposition.http import Server
from exporter.exposition.pages import Pages
from exporter.exposition.web.live import Web
from exporter.identity import standalone
from exporter.model.health import CAPABILITY_HELD
from exporter.model.probe import Env
from exporter.runtime import identity, privileges
from exporter.runtime.agent import Agent
from exporter.runtime.attempt import attempt
from exporter.runtime.health import Health
from exporter.runtime.kernel_scan import KernelScan
from exporter.runtime.programs import Programs
from exporter.runtime.reload import Reloader
from exporter.runtime.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.bpf.types_provider import Types
    from exporter.config import Config
    from exporter.model.metric import Metric
    from exporter.registry import Registry
    from exporter.runtime.collector import Collector
    from exporter.runtime.health import Samples
    from exporter.runtime.identity import InCluster, Standalone
    from exporter.settings.resolve import Resolved

log = logging.getLogger(__name__)

_M_ARENA_MAX = -8  # malloc.h
_GARBAGE_THRESHOLDS = 50_000, 20, 50
_SYS = Path("/sys")
_LOOK_SECONDS = 1.0  # between two looks at the configuration file


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run consists of, wired together but not started.

    Args:
        agent: owns the probes, and where their events go.
        health: of the self-metrics.
        schedule: of the cycles.
        answers: to scrapes.
        scan: of the kernel, unless switched off.
        types: of the kernel, where eBPF programs have them from.
        programs: of eBPF, those that are loaded.
        identity: of pods.
    """

    agent: Agent
    health: Health
    schedule: Schedule
    answers: Answers
    scan: KernelScan | None
    types: Types
    programs: Programs
    identity: Standalone | InCluster

    @property
    def collector(self) -> Collector:
        """Of the cycles."""
        return self.agent.collector

    def apply(self, config: Config) -> list[str]:
        """Run by another configuration from here on; returns what the machine refuses of it."""
        logging.getLogger().setLevel(config.log_level.upper())

        def change(between: Callable[[], None]) -> None:
            def all_at_once() -> None:
                between()
                self.health.change(config.namings, config.additional)
                self.answers.change(config.namings, timestamps=config.timestamps, additional=config.additional)

            self.schedule.change(config.interval, all_at_once)

        return self.agent.reconcile(config, change)

    def close(self) -> None:
        """Give back what was opened; safe to repeat."""
        self.agent.close_events()  # first, as they use what the probes have opened
        self.identity.stop()
        self.agent.close()
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
    world = Env(Path(proc), Path(sys), Path("/run/netns"), config.node, kernel_scan=config.kernel_scan)
    whose = identity.choose(config, world.proc)
    _tell_hidden(world)
    types = _types(config, world.sys)  # before probes are opened, which use them
    scan = KernelScan(world.proc) if config.kernel_scan else None
    agent = Agent(config, registry, world, whose, scan=scan, events=events)
    programs = Programs(count_runs=config.ebpf_stats)
    more = (programs.samples, whose.samples, partial(_capabilities, agent), partial(_event_samples, agent))
    health = Health(config.node, config.namings, agent.collector.costs, more, config.additional)
    schedule = Schedule(agent.collector, health, config.interval)
    answers = Answers(config.node, config.namings, health, timestamps=config.timestamps, additional=config.additional)
    return Parts(agent, health, schedule, answers, scan, types, programs, whose)


def _event_samples(agent: Agent) -> Mapping[Metric, Samples]:
    return {} if agent.events is None else agent.events.samples()


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


def _capabilities(agent: Agent) -> dict[Metric, Samples]:
    held, needs = privileges.held(), agent.needs()
    return {CAPABILITY_HELD: {(user, need.what): need.what in held for user, each in needs.items() for need in each}}


def _settle_privileges(parts: Parts, *, drop: bool) -> None:
    """Tell what is lost for lack of privileges, and give up those that nobody needs."""
    held = attempt(privileges.held)
    kept = attempt(privileges.drop, parts.agent.keep()) if drop else held
    if isinstance(held, CollectError) or isinstance(kept, CollectError):
        log.warning("capabilities are kept: %s", held if isinstance(held, CollectError) else kept)
        return
    log.info("capabilities: %s", ", ".join(sorted(kept)) or "none")
    for name, losses in privileges.losses(parts.agent.needs(), held).items():
        log.warning("without %s: %s", name, losses)


def _tell_hidden(env: Env) -> None:
    hidden = attempt(standalone.hidden, env)
    if isinstance(hidden, int) and hidden:
        log.warning(
            "%d process(es) may not be looked at, so namespaces that only they hold are missing; "
            "run as root or with CAP_SYS_PTRACE and CAP_SYS_ADMIN",
            hidden,
        )


def run(  # noqa: PLR0913 -- what a process is started with
    config: Config,
    registry: Registry,
    proc: str,
    sys: str,
    *,
    path: str | None = None,
    read: Callable[[], tuple[Config, Resolved]] | None = None,
) -> None:
    """Serve until a signal asks to stop. Raises StartError when the address cannot be had.

    Args:
        config: the settings at the start.
        registry: of all probes and sinks.
        proc: procfs of the host.
        sys: sysfs of the host.
        path: file to look at for changes; None for none.
        read: the configuration anew; None where it cannot change.
    """
    tune_memory()
    web = Web(config.web_config)
    signals: SimpleQueue[int] = SimpleQueue()  # whose `put` may be called by a handler, whatever it interrupts
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: signals.put(number))
    for note in config.notes:
        log.info("%s", note)
    parts = assemble(config, registry, proc, sys, events=True)
    reloader = Reloader(path, read, parts.apply) if read is not None else None
    events = EventsPage(lambda: parts.agent.events, config.node, registry.events())
    debug = DebugPages(parts.schedule) if config.debug else None
    control = Control(reloader, reloads=config.lifecycle)
    pages = Pages(parts.schedule, parts.answers, config.node, events, debug, control=control)
    server = Server(config.host, config.port, pages, web)
    parts.health.also(server.samples)
    _settle_privileges(parts, drop=config.drop_privileges)  # before the first thread, which inherits them
    try:
        parts.agent.start(config)
    except NetExporterError:
        server.server_close()
        parts.close()
        raise
    if reloader is not None:
        parts.health.also(reloader.samples)
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
    _obey(signals, parts, reloader)
    server.finish()
    parts.schedule.stop()
    parts.close()


def _obey(signals: SimpleQueue[int], parts: Parts, reloader: Reloader | None) -> None:
    """Until asked to stop: reload on SIGHUP and when the file has changed."""
    while True:
        try:
            number = signals.get(timeout=_LOOK_SECONDS)
        except Empty:
            if reloader is not None:
                reloader.poll()
            continue
        if number != signal.SIGHUP:
            return
        if reloader is not None:
            reloader.reload("SIGHUP")
        events = parts.agent.events
        if events is not None:
            events.reopen()


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
