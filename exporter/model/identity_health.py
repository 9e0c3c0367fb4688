"""How well the exporter knows whose numbers it has, declared like any other metric; the runtime fills these in."""

from __future__ import annotations

from functools import partial

from exporter.errors import ApiFault
from exporter.model.metric import Kind, Label, Metric, Scope, Unit

_own = partial(Metric, probe="exporter", scope=Scope.NODE, source="the exporter itself")

SOURCE_LABEL = Label(
    name="source",
    help="kubernetes: the API server; standalone: names of network namespaces.",
    values=("kubernetes", "standalone"),
)
API_ERROR_LABEL = Label(
    name="reason",
    help="What the API server, or the way to it, refused; expired: a version to watch from, which is usual.",
    values=tuple(fault.value for fault in ApiFault),
)

SOURCE = _own(
    name="identity_source",
    kind=Kind.GAUGE,
    unit=Unit.STATE,
    help="Always 1; where names of pods come from is a label.",
    labels=(SOURCE_LABEL,),
)
CONNECTED = _own(
    name="identity_connected",
    kind=Kind.GAUGE,
    unit=Unit.STATE,
    help="Whether the API server tells of this node's pods, 1 or 0.",
    advice="The log says what it answers; known pods keep their names, new ones are not shown until it is back.",
)
AGE = _own(
    name="identity_age_seconds",
    kind=Kind.GAUGE,
    unit=Unit.SECONDS,
    help="Time since the API server last told something of this node's pods; absent until it did.",
    advice="Servers say something each minute or so; when it keeps rising, see the log and the errors by reason.",
)
KNOWN = _own(
    name="identity_pods",
    kind=Kind.GAUGE,
    unit=Unit.OBJECTS,
    help="Pods of this node that the API server has told of, ended ones included.",
)
CUT = _own(
    name="identity_pods_dropped_total",
    kind=Kind.COUNTER,
    unit=Unit.OBJECTS,
    help="Pods of this node that were not kept because there are too many, added up over the times they were told of.",
    advice="Delete ended pods of this node, or lower the cluster's terminated-pod-gc-threshold.",
)
UNNAMED = _own(
    name="identity_pods_unnamed",
    kind=Kind.GAUGE,
    unit=Unit.OBJECTS,
    help="Pods with processes on this node that are not shown, as the API server has not told of them.",
    advice="For seconds this is usual. If it stays, see `identity_connected`, and whether `node` is the node's name.",
)
LISTS = _own(
    name="identity_lists_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Times all pods of this node were listed; otherwise only changes are told.",
)
ERRORS = _own(
    name="identity_api_errors_total",
    kind=Kind.COUNTER,
    unit=Unit.ERRORS,
    help="Failures to learn of this node's pods.",
    labels=(API_ERROR_LABEL,),
    advice="forbidden: a ClusterRole with get, list and watch of pods is missing. The log has the server's words.",
)

METRICS = (SOURCE, CONNECTED, AGE, KNOWN, CUT, UNNAMED, LISTS, ERRORS)
