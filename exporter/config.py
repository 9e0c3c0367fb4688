"""The configuration file and the command line, checked against the declared settings."""

from __future__ import annotations

import os
import re
import reprlib
import socket
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from exporter import settings_file
from exporter.errors import UsageError
from exporter.model.metric import Naming
from exporter.model.settings import SETTINGS, Setting
from exporter.registry import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.model.probe import ProbeSpec
    from exporter.registry import Registry


_PORT = re.compile(r"[0-9]{1,5}")
_LARGEST_PORT = 65_535
_WORD = 64  # bits
_NAMINGS = {
    "kubeskoop": (Naming.KUBESKOOP,),
    "inspector": (Naming.INSPECTOR,),
    "both": (Naming.KUBESKOOP, Naming.INSPECTOR),
}


class _Short(reprlib.Repr):
    """Values for error messages: aliases can make one that is endless when written out."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2

    def repr_int(self, value: int, level: int) -> str:
        """A number, or what can be said of one that Python refuses to print."""
        return (
            super().repr_int(value, level) if value.bit_length() <= _WORD else f"a number of {value.bit_length()} bits"
        )


_shown = _Short().repr


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


def load(registry: Registry, path: str | None, *, listen: str | None = None, backend: str | None = None) -> Config:
    """Read the file (none: all defaults), let the command line override it, check everything.

    Raises UsageError naming the file, the key and the nearest valid one.
    """
    values = _flatten(settings_file.read(path), path) if path is not None else {}
    settings = {each.key: _value(each, values.get(each.key, each.default), path or "") for each in SETTINGS}
    host, port = _address(settings["listen"], f"{path}: listen") if listen is None else _address(listen, "--listen")
    backend = backend or settings["ebpf.backend"]
    try:
        probes, options = _select(registry, settings["metrics.probes"])
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
        raise UsageError(f"{where} must be {setting.kind}, is {_shown(value)}")
    if setting.choices and value not in setting.choices:
        raise UsageError(f"{where} must be one of {', '.join(setting.choices)}{nearest(str(value), setting.choices)}")
    if setting.least is not None and not setting.least <= value <= setting.most:
        raise UsageError(f"{where} must be from {setting.least:g} to {setting.most:.12g}, is {_shown(value)}")
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


def _select(registry: Registry, entries: list[Any]) -> tuple[tuple[ProbeSpec, ...], dict[str, dict[str, Any]]]:
    """Probes named, or the default set, with their options. Raises UsageError."""
    chosen: dict[str, dict[str, Any]] = {}
    if not entries:
        chosen = {spec.name: {} for spec in registry.probes if spec.default}
    else:
        for entry in entries:
            name, args = (entry, {}) if isinstance(entry, str) else _entry(entry)
            if name in chosen:
                raise UsageError(f"metrics.probes: {name!r} is there twice")
            chosen[name] = args
    specs = sorted((registry.probe(name) for name in chosen), key=lambda spec: spec.name)
    return tuple(specs), {spec.name: _options(spec, chosen[spec.name]) for spec in specs}


def _entry(entry: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - what YAML holds is any type
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or set(entry) - {"name", "args"}:
        raise UsageError(f"metrics.probes: an entry is a name, or `name` with `args`, not {_shown(entry)}")
    args = {} if entry.get("args") is None else entry["args"]
    if not isinstance(args, dict):
        raise UsageError(f"metrics.probes: args of {entry['name']!r} must be a mapping")
    return entry["name"], args


def _options(spec: ProbeSpec, args: Mapping[str, Any]) -> dict[str, Any]:
    known = {option.name: option for option in spec.options}
    for name in args:
        if name not in known:
            raise UsageError(f"metrics.probes: {spec.name} has no option {name!r}{nearest(str(name), known)}")
    values = {}
    for option in spec.options:
        value = args.get(option.name, option.default)
        value = tuple(value) if isinstance(value, list) else value
        wanted = int | float if isinstance(option.default, float) else type(option.default)
        if not isinstance(value, wanted) or (isinstance(value, bool) and not isinstance(option.default, bool)):
            raise UsageError(f"metrics.probes: option {option.name!r} of {spec.name} cannot be {_shown(value)}")
        if isinstance(value, int | float) and not (isinstance(value, bool) or option.least <= value <= option.most):
            wanted_range = f"from {option.least:g} to {option.most:.12g}"
            raise UsageError(f"metrics.probes: {option.name} of {spec.name} must be {wanted_range}, is {_shown(value)}")
        for each in value if isinstance(value, tuple) else (value,):
            if option.choices and each not in option.choices:
                hint = nearest(each, option.choices) if isinstance(each, str) else ""
                raise UsageError(f"metrics.probes: {_shown(each)} is no {option.name} of {spec.name}{hint}")
        values[option.name] = value
    return values


def with_probes(config: Config, registry: Registry) -> Config:
    """The same settings with every probe selected, for `check`."""
    options = {spec.name: dict(config.options.get(spec.name) or _options(spec, {})) for spec in registry.probes}
    return replace(config, probes=registry.probes, options=options)
