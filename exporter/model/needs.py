"""Capabilities by who needs them: probes, finding and visiting pods, the kernel scan, and loading on old kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.model.probe import Requirement, RequirementKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.model.probe import ProbeSpec

TO_LOAD: Final = Requirement(
    RequirementKind.CAPABILITY,
    "CAP_SYS_RESOURCE",
    "kernels before 5.11 count maps as locked memory, and the limit of that could not be raised",
)  # at the start only, so it is never kept

_OF_VISITS: Final = (
    Requirement(RequirementKind.CAPABILITY, "CAP_SYS_PTRACE", "namespaces of other users' processes are not found"),
    Requirement(
        RequirementKind.CAPABILITY,
        "CAP_SYS_ADMIN",
        "pods' namespaces cannot be entered, only those with a process be read",
    ),
)
_OF_SCAN: Final = (
    Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "every namespace would be visited for its counters"),
    Requirement(RequirementKind.CAPABILITY, "CAP_PERFMON", "every namespace would be visited for its counters"),
)


def declared(specs: Iterable[ProbeSpec], *, scan: bool) -> dict[str, tuple[Requirement, ...]]:
    """Capabilities by who needs them: probes, `namespaces` for finding and visiting pods, and `kernel_scan`.

    Args:
        specs: the probes that run.
        scan: whether the kernel scan runs.
    """
    of_probes = {
        spec.name: tuple(need for need in spec.requires if need.kind is RequirementKind.CAPABILITY) for spec in specs
    }
    found = {"namespaces": _OF_VISITS, **({"kernel_scan": _OF_SCAN} if scan else {}), **of_probes}
    return {user: needs for user, needs in found.items() if needs}


def union(needs: Mapping[str, Iterable[Requirement]]) -> frozenset[str]:
    """Names of all capabilities that somebody needs."""
    return frozenset(need.what for each in needs.values() for need in each)
