"""What `check`, `list` and `once` print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from exporter.cli.explain import describe
from exporter.model.event import EventNaming
from exporter.model.metric import Naming
from exporter.model.probe import RequirementKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from exporter.bpf.features import Feature
    from exporter.bpf.hooks import Choice
    from exporter.bpf.running import Program, Running
    from exporter.bpf.types_provider import Types
    from exporter.model.probe import Requirement
    from exporter.model.snapshot import Outcome
    from exporter.registry import Registry


_ORIGINS = {"kernel": "the kernel itself", "file": "a file", "headers": "the kernel's headers"}
# Programs are compiled beforehand and fitted to the kernel's structures when they are loaded, which somebody must tell.
_BACKENDS = {"kernel": "core", "file": "core", "headers": "bcc"}


def node(
    release: str,
    types: Types,
    rows: list[dict[str, Any]],
    shared: Sequence[Running] = (),
    scan: Sequence[Feature] = (),
) -> dict[str, Any]:
    """What `check` found, as plain values: the kernel, where its types come from, and what became of each probe.

    Args:
        release: of the kernel; empty where a captured tree does not tell it.
        types: those that programs were loaded with.
        rows: of the probes, see `checked`.
        shared: loaded eBPF objects that serve more than one probe.
        scan: each part of the kernel scan.
    """
    return {
        "kernel": release,
        "btf": types._asdict(),
        "backend": _BACKENDS.get(types.source, ""),
        "kernel_scan": [{"part": part.name, "lacking": part.lacking} for part in scan],
        "shared_programs": {each.name: [_program(program) for program in each.programs] for each in shared},
        "probes": rows,
    }


def node_text(found: Mapping[str, Any]) -> str:
    """The same without the probes, for people; indented, as it is about none of them alone."""
    types = found["btf"]
    if not types["source"]:
        return f"\n  Linux {found['kernel']} without types, so no eBPF programs: {types['lacking']}"
    origin = f"{_ORIGINS[types['source']]}: {types['path']}"
    return f"\n  Linux {found['kernel']}, back end {found['backend']}, types from {origin}"


def checked(
    registry: Registry,
    outcomes: Sequence[Outcome],
    held: Collection[str],
    objects: Sequence[Running] = (),
) -> list[dict[str, Any]]:
    """Outcome, requirements and eBPF programs of each probe, as plain values.

    Args:
        registry: of the probes.
        outcomes: of one cycle.
        held: capabilities of this process.
        objects: the loaded eBPF objects.
    """
    programs = {each.name: [_program(program) for program in each.programs] for each in objects}
    places = {each.name: [_place(choice) for choice in each.choices] for each in objects}
    rows = []
    for outcome in sorted(outcomes, key=lambda outcome: outcome.probe):
        spec = registry.probe(outcome.probe)
        requirements = [_requirement(need, held) for need in spec.requires]
        rows.append(
            {
                "probe": outcome.probe,
                "default": spec.default,
                "status": outcome.status.value,
                "reason": outcome.reason,
                "seconds": round(outcome.seconds, 6),
                "requires": requirements,
                "programs": programs.get(outcome.probe, []),
                "places": places.get(outcome.probe, []),
            }
        )
    return rows


def _requirement(need: Requirement, held: Collection[str]) -> dict[str, Any]:
    plain = {"kind": need.kind.value, "what": need.what, "why": need.why}
    return plain | ({"held": need.what in held} if need.kind is RequirementKind.CAPABILITY else {})


def _program(program: Program) -> dict[str, Any]:
    return {"name": program.name, "hook": program.hook, "state": program.state.value, "skipped": program.skipped}


def _place(choice: Choice) -> dict[str, Any]:
    return {"place": choice.place, "programs": list(choice.programs), "passed_over": list(choice.passed_over)}


def check_text(rows: list[dict[str, Any]]) -> str:
    """The same for people: one line per probe, its requirements below where they matter."""
    width = max(len(row["probe"]) for row in rows)
    lines = []
    for row in rows:
        remark = row["reason"] or ("" if row["default"] else "not in the default set; select it to collect it")
        lines.append(f"{row['probe']:<{width}}  {row['status'].upper():<12} {remark}".rstrip())
        for need in row["requires"]:
            lacking = "" if need.get("held", True) else ", which is not held"
            lines.append(f"{'':<{width}}  needs {need['what']} ({need['kind']}{lacking}): {need['why']}")
        lines += [f"{'':<{width}}  {each['hook']} ({each['name']}): {each['state']}" for each in row["programs"]]
        for each in row["places"]:
            lines += [f"{'':<{width}}  {each['place']} is not watched by {reason}" for reason in each["passed_over"]]
    return "\n".join(lines)


def features_text(features: Sequence[Feature]) -> str:
    """What this machine offers to eBPF, below the probes; indented, as it is about none of them alone."""
    width = max(len(feature.name) for feature in features)
    rows = [f"  {one.name:<{width}}  {f'no: {one.lacking}' if one.lacking else 'yes'}" for one in features]
    return "\n".join(["", "  eBPF on this machine:", *rows])


def capabilities_text(needs: Mapping[str, Sequence[Requirement]], held: Collection[str]) -> str:
    """Which capabilities are needed, by whom, and whether this process holds them; below the probes."""
    users: dict[str, list[str]] = {}
    for user, each in needs.items():
        for need in each:
            users.setdefault(need.what, []).append(user)
    width = max(map(len, users), default=0)
    rows = [
        f"  {name:<{width}}  {'held' if name in held else 'lacking':<7}  {', '.join(users[name])}"
        for name in sorted(users)
    ]
    rows.append(f"  held and not needed by what was checked: {len(set(held) - users.keys())}")
    return "\n".join(["", "  Capabilities that are needed, and by whom:", *rows])


def listed(registry: Registry) -> list[dict[str, Any]]:
    """The whole registry as plain values."""
    return [describe(registry, metric) for metric in registry.metrics()]


def list_text(registry: Registry) -> str:
    """The registry as a table."""
    header = ("probe", "kubeskoop name", "inspector name", "type", "unit", "scope", "labels", "source")
    rows = [header]
    for metric in registry.metrics():
        names = (metric.name_in(Naming.KUBESKOOP), metric.name_in(Naming.INSPECTOR))
        own = ",".join(label.name for label in metric.labels)
        rows.append(
            (metric.probe, *names, metric.kind.value, metric.unit.value, metric.scope.value, own, metric.source)
        )
    return _table(rows)


def events(registry: Registry) -> list[dict[str, Any]]:
    """Every type of event as plain values."""
    return [
        {
            "probe": each.probe,
            "names": {naming.value: each.name_in(naming) for naming in EventNaming},
            "aliases": list(each.aliases),
            "help": each.help,
            "advice": each.advice,
            "fields": {field.name: field.help for field in each.fields},
        }
        for each in registry.events()
    ]


def events_text(rows: list[dict[str, Any]]) -> str:
    """The same as a table."""
    lines = [("probe", "kubeskoop name", "ack name", "meaning")]
    lines += [(row["probe"], row["names"]["kubeskoop"], row["names"]["ack"], row["help"]) for row in rows]
    return _table(lines)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def as_json(value: object) -> str:
    """Indented, for people and scripts alike."""
    return json.dumps(value, indent=2, ensure_ascii=False)
