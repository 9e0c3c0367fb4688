"""Events: those that nobody gets are missed only by whoever looks for them."""

from __future__ import annotations

from alerts.model import AlertRule, Fires, Group, Runbook, Series, Severity, Show, Silent, per_node
from exporter.model import health
from exporter.model.metric import Identity, Label
from exporter.model.promql import aggregate, gauge, increase

_FULL: dict[Identity | Label, str] = {health.SINK_LABEL: "loki", health.LOSS_LABEL: "queue_full"}

LOST = AlertRule(
    name="NetExporterEventsLost",
    expr=per_node(increase(health.EVENTS_LOST, window="10m"), health.SINK_LABEL, health.LOSS_LABEL) > 0,
    hold=5,
    severity=Severity.WARNING,
    summary="A sink of the exporter loses events.",
    description="Sink {sink} on {node} lost {value} events in 10 minutes, reason {reason}.",
    show=Show.COUNT,
    dashboard="exporter",
    runbook=Runbook(
        meaning="Events were taken from the kernel, but this sink did not get or could not deliver them.",
        impact="Logs and watchers behind that sink have gaps; metrics and the other sinks are complete.",
        diagnosis=(
            "The log of the exporter names the sink's place and what it answers.",
            "Which reason? A full queue: the place is slower than events come; a refusal: see its own log.",
            "Which types come most, as the events of the exporter's dashboard show?",
        ),
        mitigation=(
            "Raise `event.queue`, or the sink's own buffer, when the place only lags for a while.",
            "Lower `events_per_second` of the probe that tells most, or take it out of `event.probes`.",
        ),
    ),
    cases=(
        Fires(
            name="a sink loses events",
            series=(Series(health.EVENTS_LOST, "0x4 0+5x30", _FULL),),
            since=6,
            value="30",
            labels=_FULL,
        ),
        Silent(name="losses of long ago", series=(Series(health.EVENTS_LOST, "7x30", _FULL),)),
    ),
)

_PROBE: dict[Identity | Label, str] = {health.PROBE_LABEL: "tcpreset"}

INACTIVE = AlertRule(
    name="NetExporterEventSourceInactive",
    expr=aggregate("max", gauge(health.EVENT_SOURCE_ACTIVE), Identity.NODE, health.PROBE_LABEL).equals(0),
    hold=10,
    severity=Severity.WARNING,
    summary="Events of a probe are wanted and not taken.",
    description="Probe {probe} on {node} tells no events, though it is in the configuration.",
    show=Show.COUNT,
    dashboard="exporter",
    runbook=Runbook(
        meaning="The probe could not be opened there, or its events could not be read any more.",
        impact="Its events are missing from that node on; silence there says nothing.",
        diagnosis=(
            "`net-exporter check` on the node prints what the probe lacks.",
            "The log of the exporter has the reason, at its start or when it gave the events up.",
            "Compare kernels: is it so on all nodes of one kernel version?",
        ),
        mitigation=(
            "Grant the capability, or give the kernel the types, that the reason names.",
            "Take the probe out of `event.probes` where the kernel cannot offer it.",
        ),
    ),
    cases=(
        Fires(
            name="a source is given up",
            series=(Series(health.EVENT_SOURCE_ACTIVE, "1x3 0x20", _PROBE),),
            since=4,
            value="0",
            labels=_PROBE,
        ),
        Silent(name="events are taken", series=(Series(health.EVENT_SOURCE_ACTIVE, "1x30", _PROBE),)),
        Silent(
            name="it was so for a moment", series=(Series(health.EVENT_SOURCE_ACTIVE, "1x8 0 1x20", _PROBE),), at=10
        ),
    ),
)

GROUP = Group("net-exporter.events", (LOST, INACTIVE))
