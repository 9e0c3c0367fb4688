"""The configuration file and the command line, checked against the declared settings."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from exporter.errors import UsageError
from exporter.model import additional
from exporter.model.event import EventNaming
from exporter.model.metric import IDENTITY_LABELS, Naming
from exporter.settings import entries as settings_entries
from exporter.settings.faults import Faults, Place
from exporter.settings.resolve import DEFAULT, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exporter.model.additional import AdditionalLabels
    from exporter.model.probe import ProbeSpec
    from exporter.registry import Registry
    from exporter.settings.entries import SinkEntry
    from exporter.settings.resolve import Resolved, Value

_PORT = re.compile(r"[0-9]{1,5}")
_LARGEST_PORT = 65_535
_NAMINGS = {
    "kubeskoop": (Naming.KUBESKOOP,),
    "inspector": (Naming.INSPECTOR,),
    "both": (Naming.KUBESKOOP, Naming.INSPECTOR),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventConfig:
    """The settings of events, checked.

    Args:
        naming: family of type strings.
        queue: most events that wait for a sink.
        probes: whose events are taken, sorted by name.
        options: probe name -> option name -> value, defaults filled in.
        sinks: in the order of the file, each with all its arguments.
        implied_sinks: those that run without being named.
    """

    naming: EventNaming = EventNaming.KUBESKOOP
    queue: int = 10_000
    probes: tuple[ProbeSpec, ...] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sinks: tuple[SinkEntry, ...] = ()
    implied_sinks: tuple[SinkEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of a running exporter, checked.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        node: name of this node.
        identity: as in SETTINGS.
        kubeconfig: file, or empty.
        additional: labels that users add to every series.
        log_level: as in SETTINGS.
        interval: seconds between cycles.
        timestamps: whether samples carry their time.
        namings: dialects to expose.
        kernel_scan: whether counters are taken by eBPF where the kernel can.
        ebpf_stats: whether the kernel counts runs of eBPF programs.
        backend: as in SETTINGS.
        headers: whether the kernel's headers may tell its types.
        btf_folder: where types of kernels are, besides the usual places; empty for nowhere.
        drop_privileges: whether capabilities that no running probe declares are given up.
        max_series: most series exposed.
        probes: selected probes, sorted by name.
        options: probe name -> option name -> value, defaults filled in.
        events: of the other half.
        lifecycle: whether `POST /-/reload` is obeyed.
        notes: what was accepted and has no effect, for people.
        web_config: path of the web configuration file; empty for none.
        debug: whether there are pages about the exporter's own inside.
    """

    host: str
    port: int
    node: str
    identity: str
    kubeconfig: str
    additional: AdditionalLabels
    log_level: str
    interval: float
    timestamps: bool
    namings: tuple[Naming, ...]
    kernel_scan: bool
    ebpf_stats: bool
    backend: str
    headers: bool
    btf_folder: str
    drop_privileges: bool
    max_series: int
    probes: tuple[ProbeSpec, ...]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    events: EventConfig = field(default_factory=EventConfig)
    lifecycle: bool = False
    notes: tuple[str, ...] = ()
    web_config: str = ""
    debug: bool = False


def load(  # noqa: PLR0913 - an argument for each option of the command line
    registry: Registry,
    path: str | None,
    *,
    listen: str | None = None,
    backend: str | None = None,
    web_config: str | None = None,
    chosen: Sequence[str] = (),
) -> Config:
    """Read the file (none: all defaults), let environment and command line override it, check everything.

    Args:
        registry: of all probes and sinks.
        path: the file; None for none.
        listen: of the command line, as `listen`.
        backend: of the command line, as `ebpf.backend`.
        web_config: of the command line, as `web.configFile`.
        chosen: further settings of the command line, each as KEY=VALUE.

    Raises:
        FaultsError: names all that is wrong, each with file, line, key and the nearest valid one.
    """
    return read(registry, path, listen=listen, backend=backend, web_config=web_config, chosen=chosen)[0]


def read(  # noqa: PLR0913 - as `load`
    registry: Registry,
    path: str | None,
    *,
    listen: str | None = None,
    backend: str | None = None,
    web_config: str | None = None,
    chosen: Sequence[str] = (),
) -> tuple[Config, Resolved]:
    """As `load`, with the settings and who gave them."""
    faults = Faults()
    resolved = settle(path, listen=listen, backend=backend, web_config=web_config, chosen=chosen, faults=faults)
    config = interpret(registry, resolved, faults)
    faults.check()
    return config, resolved


def settle(  # noqa: PLR0913 - as above
    path: str | None,
    *,
    faults: Faults,
    listen: str | None = None,
    backend: str | None = None,
    web_config: str | None = None,
    chosen: Sequence[str] = (),
) -> Resolved:
    """Which value each setting has and who gave it; arguments as of `load`. Raises FaultsError."""
    overrides = []
    for text in chosen:
        key, equals, value = text.partition("=")
        if not equals:
            faults.add(
                Place("--set"), "", f"--set must be KEY=VALUE, for example metrics.interval=10, is {text!r:.200}"
            )
        else:
            overrides.append((key, value, "--set"))
    named = {
        "listen": (listen, "--listen"),
        "ebpf.backend": (backend, "--backend"),
        "web.configFile": (web_config, "--web.config.file"),
    }
    overrides += [(key, text, option) for key, (text, option) in named.items() if text is not None]
    return resolve(path, os.environ, overrides, faults)


def interpret(registry: Registry, settings: Resolved, faults: Faults) -> Config:
    """What the settings mean; what is wrong is added to the faults."""
    host, port = _address(settings.values["listen"], faults)
    backend = settings["ebpf.backend"]
    probes, options = settings_entries.probes(registry, _list(settings, "metrics.probes", faults))
    if not settings["metrics.enabled"]:
        probes, options = (), {}
    namings = _NAMINGS[settings["metrics.naming"]]
    level = settings.values["logLevel"]
    return Config(
        host=host,
        port=port,
        node=_as_text(settings["node"] or socket.gethostname()),
        identity=settings["identity"],
        kubeconfig=settings["kubeconfig"],
        additional=_additional(registry, settings, faults),
        log_level="debug" if settings["debugmode"] and level.place == DEFAULT else level.value,
        web_config=settings["web.configFile"],
        debug=settings["debugmode"],
        interval=float(settings["metrics.interval"]),
        timestamps=settings["metrics.timestamps"] or Naming.INSPECTOR in namings,
        namings=namings,
        kernel_scan=settings["metrics.kernelScan"],
        ebpf_stats=settings["metrics.ebpfStats"],
        backend=backend,
        headers=backend == "bcc" or (backend == "auto" and settings["enableLegacyVersion"]),
        btf_folder=settings["ebpf.btfFolder"],
        drop_privileges=settings["security.dropPrivileges"],
        max_series=int(settings["metrics.maxSeries"]),
        probes=probes,
        options=options,
        events=_events(registry, settings, faults),
        lifecycle=settings["web.enableLifecycle"],
        notes=tuple(settings.notes),
    )


def _list(settings: Resolved, key: str, faults: Faults) -> settings_entries.List:
    value = settings.values[key]
    return settings_entries.List(key, value.value, value.place, faults)


def _additional(registry: Registry, settings: Resolved, faults: Faults) -> AdditionalLabels:
    identity = {each.name_in(naming) for naming in Naming for each in IDENTITY_LABELS[naming]}
    own = {label.name for metric in registry.metrics() for label in metric.labels}
    taken = identity | own | {"le"}
    listed = _list(settings, "metrics.additionalLabels", faults)
    verbose = settings["metrics.verbose"]
    right: list[object] = []
    for index, entry in enumerate(listed.content):
        try:
            additional.parse([*right, entry], taken, verbose=verbose)
        except UsageError as error:
            faults.add(listed.at(index), listed.key, str(error))
        else:
            right.append(entry)
    return additional.parse(right, taken, verbose=verbose)


def _events(registry: Registry, settings: Resolved, faults: Faults) -> EventConfig:
    probes, options = settings_entries.event_probes(registry, _list(settings, "event.probes", faults))
    port = int(settings["event.port"])
    sinks = settings_entries.sinks(registry, _list(settings, "event.sinks", faults), port)
    return EventConfig(
        naming=EventNaming(settings["event.naming"]),
        queue=int(settings["event.queue"]),
        probes=probes,
        options=options,
        sinks=sinks,
        implied_sinks=settings_entries.implied_sinks(registry, sinks, port),
    )


def _as_text(name: str) -> str:
    """An environment variable may hold any bytes; a label is text."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _address(given: Value, faults: Faults) -> tuple[str, int]:
    host, colon, port = given.value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not _PORT.fullmatch(port) or int(port) > _LARGEST_PORT:
        text = f"{given.spelled} must be ADDRESS:PORT, for example 0.0.0.0:9102, is {given.value!r}"
        faults.add(given.place, given.spelled, text)
        return "", 0
    return host or "0.0.0.0", int(port)


def with_probes(config: Config, registry: Registry) -> Config:
    """The same settings with every probe selected, for `check`."""
    options = {
        spec.name: dict(config.options.get(spec.name) or settings_entries.defaults(spec)) for spec in registry.probes
    }
    return replace(config, probes=registry.probes, options=options)


def with_event_probes(config: Config) -> Config:
    """The same settings with the probes whose events are wanted selected too, for `check`."""
    others = {spec.name: settings_entries.defaults(spec) for spec in config.events.probes}
    probes = {spec.name: spec for spec in (*config.probes, *config.events.probes)}
    selected = tuple(probes[name] for name in sorted(probes))
    return replace(config, probes=selected, options={**others, **config.options})
