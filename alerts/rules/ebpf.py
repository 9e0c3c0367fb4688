"""The exporter's eBPF programs: what they could not count is missing without a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.model import AlertRule, Fires, Group, Runbook, Series, Severity, Show, Silent, per_node
from exporter.model import health
from exporter.model.metric import Identity
from exporter.model.promql import Matcher, aggregate, gauge, increase

if TYPE_CHECKING:
    from exporter.model.promql import LabelKey

UNCOUNTED = Matcher(health.FAULT_LABEL, "=~", "map_full|unfinished")  # lost events are counted all the same

_FULL: dict[LabelKey, str] = {health.OBJECT_LABEL: "packetloss", health.FAULT_LABEL: "map_full"}
_EVENTS: dict[LabelKey, str] = {health.OBJECT_LABEL: "tcpreset", health.FAULT_LABEL: "suppressed"}

FAULTS = AlertRule(
    name="NetExporterEbpfFaults",
    expr=per_node(increase(health.FAULTS, UNCOUNTED, window="10m"), health.OBJECT_LABEL, health.FAULT_LABEL) > 0,
    hold=5,
    severity=Severity.WARNING,
    summary="An eBPF program has no room to count in.",
    description="eBPF object {object} on {node} missed {value} events in 10 minutes, fault {fault}.",
    show=Show.COUNT,
    dashboard="exporter",
    runbook=Runbook(
        meaning="A map of the object was full, so new namespaces or reasons were not counted (map_full), or what had "
        "begun was forgotten before its end (unfinished).",
        impact="The counters of that probe are too low on that node, and some pods are missing from them.",
        diagnosis=(
            "The exporter dashboard: entries of the object's maps against their room.",
            "Does the node have more namespaces, connections or requests in flight than others?",
        ),
        mitigation=(
            "Raise the probe's option `entries` in `metrics.options`.",
            "Take the probe out of `metrics.probes` where nobody needs it.",
        ),
    ),
    cases=(
        Fires(
            name="a map is full",
            series=(Series(health.FAULTS, "0x4 0+5x30", _FULL),),
            since=6,
            value="30",
            labels=_FULL,
        ),
        Silent(name="a map was full long ago", series=(Series(health.FAULTS, "7x30", _FULL),)),
        Silent(name="events beyond the permitted rate", series=(Series(health.FAULTS, "0+9x30", _EVENTS),)),
    ),
)

DETACHED = Matcher(health.STATE_LABEL, "=", "detached")


def _state(state: str) -> dict[LabelKey, str]:
    return {
        health.OBJECT_LABEL: "tcpreset",
        health.PROGRAM_LABEL: "send_reset",
        health.HOOK_LABEL: "tp_btf/tcp_send_reset",
        health.STATE_LABEL: state,
    }


UNHOOKED = AlertRule(
    name="NetExporterEbpfDetached",
    expr=aggregate(
        "max", gauge(health.PROGRAM_STATE, DETACHED), Identity.NODE, health.OBJECT_LABEL, health.PROGRAM_LABEL
    ).equals(1),
    hold=5,
    severity=Severity.WARNING,
    summary="An eBPF program is loaded and not attached.",
    description="eBPF program {program} of {object} on {node} is detached, so what it counts stands still.",
    show=Show.COUNT,
    dashboard="exporter",
    runbook=Runbook(
        meaning="The exporter attached the program, and the kernel no longer runs it.",
        impact="The counters of that probe do not move on that node, which looks like silence.",
        diagnosis=(
            "`bpftool link show` on the node: is the program's link still there?",
            "The kernel's log: was a module unloaded that the program was attached to?",
        ),
        mitigation=("Restart the exporter on that node, and report what detached the program.",),
    ),
    cases=(
        Fires(
            name="a program is detached",
            series=(Series(health.PROGRAM_STATE, "_x3 1x20", _state("detached")),),
            since=3,
            value="1",
            labels={key: text for key, text in _state("detached").items() if key is not health.STATE_LABEL},
        ),
        Silent(
            name="attached, run on demand, or not loaded",
            series=tuple(
                Series(health.PROGRAM_STATE, "1x30", _state(state)) for state in ("attached", "on_demand", "not_loaded")
            ),
        ),
    ),
)

GROUP = Group("net-exporter.ebpf", (FAULTS, UNHOOKED))
