"""The configuration file and the command line, checked against the declared settings."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from exporter import settings_entries, settings_file
from exporter.errors import UsageError
from exporter.model.event import EventNaming
from exporter.model.metric import Naming
from exporter.model.settings import SETTINGS, Setting
from exporter.registry import nearest
from exporter.settings_entries import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.model.probe import ProbeSpec
    from exporter.registry import Registry
    from exporter.settings_entries import SinkEntry

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
    """

    host: str
    port: int
    node: str
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


def load(registry: Registry, path: str | None, *, listen: str | None = None, backend: str | None = None) -> Config:
    """Read the file (none: all defaults), let the command line override it, check everything.

    Raises UsageError naming the file, the key and the nearest valid one.
    """
    values = _flatten(settings_file.read(path), path) if path is not None else {}
    settings = {each.key: _value(each, values.get(each.key, each.default), path or "") for each in SETTINGS}
    host, port = _address(settings["listen"], f"{path}: listen") if listen is None else _address(listen, "--listen")
    backend = backend or settings["ebpf.backend"]
    try:
        probes, options = settings_entries.probes(registry, settings["metrics.probes"])
        events = _events(registry, settings)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    namings = _NAMINGS[settings["metrics.naming"]]
    return Config(
        host=host,
        port=port,
        node=_as_text(settings["node"] or os.environ.get("INSPECTOR_NODENAME") or socket.gethostname()),
        log_level=settings["logLevel"],
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
        events=events,
    )


def _events(registry: Registry, settings: Mapping[str, Any]) -> EventConfig:
    probes, options = settings_entries.event_probes(registry, settings["event.probes"])
    port = int(settings["event.port"])
    sinks = settings_entries.sinks(registry, settings["event.sinks"], port)
    return EventConfig(
        naming=EventNaming(settings["event.naming"]),
        queue=int(settings["event.queue"]),
        probes=probes,
        options=options,
        sinks=sinks,
        implied_sinks=settings_entries.implied_sinks(registry, sinks, port),
    )


def _flatten(content: Mapping[Any, Any], path: str, prefix: str = "") -> dict[str, Any]:
    """Nested mappings -> dotted keys, each of which must exist."""
    known = {each.key for each in SETTINGS}
    sections = {key.rpartition(".")[0] for key in known} - {""}
    flat: dict[str, Any] = {}
    for name, value in content.items():
        key = f"{prefix}{name}"
        if key in sections:
            if not isinstance(value, dict | None):
                raise UsageError(f"{path}: {key} must be a mapping")
            flat |= _flatten(value or {}, path, f"{key}.")
        elif key in known:
            flat[key] = value
        else:
            raise UsageError(f"{path}: unknown key {key!r}{nearest(key, known | sections)}")
    return flat


def _value(setting: Setting, value: Any, path: str) -> Any:  # noqa: ANN401 - what YAML holds is any type
    where = f"{path}: {setting.key}"
    wanted = int | float if isinstance(setting.default, float) else type(setting.default)
    if not isinstance(value, wanted) or (isinstance(value, bool) and not isinstance(setting.default, bool)):
        raise UsageError(f"{where} must be {setting.kind}, is {shown(value)}")
    if setting.choices and value not in setting.choices:
        raise UsageError(f"{where} must be one of {', '.join(setting.choices)}{nearest(str(value), setting.choices)}")
    if setting.least is not None and not setting.least <= value <= setting.most:
        raise UsageError(f"{where} must be from {setting.least:g} to {setting.most:.12g}, is {shown(value)}")
    return value


def _as_text(name: str) -> str:
    """An environment variable may hold any bytes; a label is text."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _address(text: str, where: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not _PORT.fullmatch(port) or int(port) > _LARGEST_PORT:
        raise UsageError(f"{where} must be ADDRESS:PORT, for example 0.0.0.0:9102, is {text!r}")
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
