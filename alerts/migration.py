"""Recording rules that give metrics the names which other dashboards ask for.

Whoever exposes one family of names and has dashboards for the other, or for an older spelling, loads these instead of
exposing everything twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.model.metric import IDENTITY_LABELS, Identity, Kind, Metric, Naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.registry import Registry

PATH = "alerts/migration.yml"

_PARTS = ("_bucket", "_count", "_sum")
_OLD_FAMILY = "inspector_"


def rules(registry: Registry, exposed: Naming) -> dict[str, Any]:
    """One group per probe, so that what nobody asks for is deleted easily; `exposed` are the names that exist."""
    return {
        "groups": [
            {"name": f"net-exporter.migration.{spec.name}", "rules": found}
            for spec in registry.probes
            if (found := [rule for metric in spec.metrics for rule in _of(metric, exposed)])
        ]
    }


def recorded(metric: Metric, exposed: Naming) -> tuple[str, ...]:
    """The names under which a metric can be recorded: of the other family, and older spellings."""
    names = dict.fromkeys((*(metric.name_in(naming) for naming in Naming), *metric.aliases))
    return tuple(name for name in names if name != metric.name_in(exposed))


def numbered_buckets(metric: Metric, name: str, exposed: Naming) -> bool:
    """Whether users of a name know its buckets by number, which no rule can make of their bounds, or back."""
    return metric.level_labels and family(name) is not exposed


def family(name: str) -> Naming:
    """Whose labels the users of a name expect."""
    return Naming.INSPECTOR if name.startswith(_OLD_FAMILY) else Naming.KUBESKOOP


def _of(metric: Metric, exposed: Naming) -> Iterator[dict[str, str]]:
    parts = _PARTS if metric.kind is Kind.HISTOGRAM else ("",)
    for name in recorded(metric, exposed):
        for part in parts:
            if part == "_bucket" and numbered_buckets(metric, name, exposed):
                continue
            yield {
                "record": f"{name}{part}",
                "expr": _labelled(f"{metric.name_in(exposed)}{part}", exposed, family(name)),
            }


def _labelled(series: str, exposed: Naming, wanted: Naming) -> str:
    """The series with the identity labels of the family wanted; a network namespace's inode is known to one only."""
    if exposed is wanted:
        return series
    copied = series
    for identity in Identity:
        if all(identity in IDENTITY_LABELS[naming] for naming in (exposed, wanted)):
            new, old = identity.name_in(wanted), identity.name_in(exposed)
            copied = f'label_replace({copied}, "{new}", "$1", "{old}", "(.*)")'
    gone = ", ".join(identity.name_in(exposed) for identity in IDENTITY_LABELS[exposed])
    return f"sum without ({gone}) ({copied})"
