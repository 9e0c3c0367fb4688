"""The exporter itself: does it run, what does it cost, what does it leave out."""

from __future__ import annotations

from dashboards import configuration
from dashboards.panel import Board, Colour, Form, Mapping, Panel, Query, Row, Step
from dashboards.units import Show
from dashboards.views import NODES, ON_NODE, SHOWN, TO_NODE, Line, Topic, line, topic
from exporter.model import health, identity_health
from exporter.model.metric import Identity
from exporter.model.promql import Matcher, aggregate, gauge, rate, topk, total

BROKEN = Matcher(health.STATUS_LABEL, "=~", "failed|timed_out")


def _status(words: str) -> Matcher:
    return Matcher(health.STATUS_LABEL, "=", words)


DOWN = Panel(
    title="Exporters not answering",
    description="Exporters that Prometheus could not scrape. Their nodes are blind: look at the DaemonSet's pods.",
    form=Form.STAT,
    # Not count(up == 0), which has no value at all while every exporter answers.
    queries=(Query(aggregate("count", gauge(health.UP)) - total(gauge(health.UP)), ""),),
    steps=(Step(1, Colour.BAD),),
    width=4,
    height=4,
)
FAILING = Panel(
    title="Probes failing",
    description="Probes that failed or timed out, over all nodes. `net-exporter check` on the node says why.",
    form=Form.STAT,
    queries=(Query(total(gauge(health.PROBE_STATUS, BROKEN, ON_NODE)), ""),),
    steps=(Step(1, Colour.BAD),),
    width=4,
    height=4,
)
CUT = Panel(
    title="Series cut",
    description="Series cut by a limit each second, over all nodes. What is cut is in no panel: raise the limit.",
    form=Form.STAT,
    queries=(Query(total(rate(health.SERIES_DROPPED, ON_NODE)), ""),),
    unit=Show.PER_SECOND,
    steps=(Step(0.001, Colour.WATCH),),
    width=4,
    height=4,
)


def _tile(panel_title: str, description: str, query: Query, unit: Show = Show.NUMBER) -> Panel:
    return Panel(
        title=panel_title,
        description=description,
        form=Form.STAT,
        queries=(query,),
        unit=unit,
        base=Colour.PLAIN,
        width=4,
        height=4,
    )


HEALTH = Panel(
    title="Probe health",
    description="For each probe, whether it failed or timed out on any of the nodes chosen.",
    form=Form.STATE_TIMELINE,
    queries=(
        Query(
            aggregate("max", gauge(health.PROBE_STATUS, BROKEN, ON_NODE), health.PROBE_LABEL),
            "{probe}",
        ),
    ),
    mappings=(Mapping(0, "no failure", Colour.GOOD), Mapping(1, "failing", Colour.BAD)),
    steps=(Step(1, Colour.BAD),),
    height=16,
)
FAILURES = Panel(
    title="Probes that do not deliver",
    description="Probes that failed, timed out or are not supported, by node. `net-exporter check` says why.",
    form=Form.TABLE,
    queries=(
        Query(
            total(
                gauge(
                    health.PROBE_STATUS, Matcher(health.STATUS_LABEL, "=~", "failed|timed_out|unsupported"), ON_NODE
                ).equals(1),
                Identity.NODE,
                health.PROBE_LABEL,
                health.STATUS_LABEL,
            ),
            "",  # always 1
        ),
    ),
    ascending=True,
    links=(TO_NODE,),
    height=16,
)

_COST = (
    Topic(
        "Processor time of collecting",
        "Share of one processor that collection cycles take. A rise means more namespaces or a probe gone slow.",
        Show.SHARE,
        (line(health.CYCLE_CPU_SECONDS, ""),),
        (Step(0.05, Colour.WATCH), Step(0.2, Colour.BAD)),
    ),
    topic(
        "Length of a cycle",
        "Wall time of the last collection cycle, and of writing the answer. Above the scrape interval numbers age.",
        (health.CYCLE_SECONDS, "collecting"),
        (health.RENDER_SECONDS, "writing"),
        steps=(Step(1, Colour.WATCH), Step(5, Colour.BAD)),
    ),
    Topic(
        "Slowest probes",
        "Time that each probe took in its last cycle. The one that rises is the one to switch off or to ask about.",
        Show.SECONDS,
        (line(health.PROBE_SECONDS, "{probe}", health.PROBE_LABEL),),
        (Step(0.5, Colour.WATCH), Step(2, Colour.BAD)),
    ),
    Topic(
        "Slowest kernel interfaces",
        "Time that the last cycle spent reading one kernel interface in all namespaces.",
        Show.SECONDS,
        (line(health.READER_SECONDS, "{reader}", health.READER_LABEL),),
        (Step(0.5, Colour.WATCH),),
    ),
    topic(
        "Kernel scan in use",
        "Nodes on which eBPF finds these numbers of all namespaces at once; on the others each namespace is visited "
        "for them, which costs more and loses nothing.",
        (health.SCAN_ACTIVE, ""),
        keep=(health.PART_LABEL,),
    ),
    topic(
        "Kernel scan given up or full",
        "Disagreements with procfs, which end the use of the scan, and namespaces that it had no place for.",
        (health.SCAN_DISAGREEMENTS, "disagreements"),
        (health.SCAN_OVER_CAPACITY, "no place"),
        steps=(Step(0.001, Colour.WATCH),),
    ),
    topic(
        "Processor time of eBPF programs",
        "Share of one processor that each program takes wherever it is hooked in. Empty unless metrics.ebpfStats makes "
        "the kernel measure it.",
        (health.PROGRAM_SECONDS, ""),
        keep=(health.OBJECT_LABEL, health.PROGRAM_LABEL),
        steps=(Step(0.05, Colour.WATCH),),
    ),
    topic(
        "Events that eBPF missed",
        "What programs could not count or hand over: full maps and buffers, and events while the program was running "
        "on the same processor already. Raise the room by the probe's options.",
        (health.FAULTS, ""),
        keep=(health.OBJECT_LABEL, health.FAULT_LABEL),
        steps=(Step(0.1, Colour.WATCH),),
    ),
    topic(
        "Runs of eBPF programs",
        "How often each program runs, and how often it was missed because it was running on the same processor "
        "already. The former is empty unless metrics.ebpfStats makes the kernel count.",
        (health.PROGRAM_RUNS, ""),
        (health.PROGRAM_SKIPPED, "missed"),
        keep=(health.OBJECT_LABEL, health.PROGRAM_LABEL),
    ),
    topic(
        "eBPF programs by state",
        "Programs that are attached, run on demand, or left out because another does the same on this kernel. A "
        "detached one counts nothing any more.",
        (health.PROGRAM_STATE, ""),
        keep=(health.STATE_LABEL,),
    ),
    topic(
        "Capabilities that are held",
        "1 where the exporter holds what a probe says it needs, 0 where it does not; net-exporter check says what is "
        "lost then.",
        (health.CAPABILITY_HELD, ""),
        keep=(health.NEEDED_BY_LABEL, health.CAPABILITY_LABEL),
    ),
    Topic(
        "Fullest eBPF maps",
        "Share of a map's room that is taken. At 100% new namespaces, reasons or connections are not counted.",
        Show.SHARE,
        (
            Line(
                "{object} {map}",
                lambda view: view.share(
                    view.now(health.MAP_ENTRIES, health.OBJECT_LABEL, health.MAP_LABEL),
                    view.now(health.MAP_ROOM, health.OBJECT_LABEL, health.MAP_LABEL),
                ),
            ),
        ),
        (Step(0.8, Colour.WATCH), Step(0.95, Colour.BAD)),
        maximum=1,
    ),
    topic(
        "Namespaces seen",
        "Network namespaces of pods in the last cycle. Compare with the pods that the node should run.",
        (health.PODS, "namespaces"),
    ),
    topic(
        "Series exposed",
        "Series of the last cycle. Prometheus pays for each: a jump means a probe with an open label.",
        (health.SERIES, "series"),
        steps=(Step(50_000, Colour.WATCH),),
    ),
    topic(
        "Cycles and namespaces that ended meanwhile",
        "Cycles completed, and namespaces that ended while they were read. The latter is normal where pods come and "
        "go.",
        (health.CYCLES, "cycles"),
        (health.NETNS_GONE, "ended meanwhile"),
    ),
    Topic(
        "Series cut by probe",
        "Series cut because a limit was reached. What is cut is in no panel: raise `metrics.maxSeries` or select less.",
        Show.PER_SECOND,
        (line(health.SERIES_DROPPED, "{probe}", health.PROBE_LABEL),),
        (Step(0.001, Colour.WATCH),),
    ),
)

_ENDPOINT = (
    topic(
        "Refused by the endpoint",
        "Connections and requests refused, by reason: clients without the right password or certificate, too many or "
        "too slow ones, and what is no request.",
        (health.HTTP_REFUSED, ""),
        keep=(health.REFUSAL_LABEL,),
        steps=(Step(1, Colour.WATCH),),
    ),
    topic(
        "Web configuration in force",
        "1 where the web configuration file holds as it is, 0 where it was changed and is wrong; the log says where.",
        (health.WEB_CONFIG_VALID, ""),
    ),
)

_AGE = Panel(
    title="Last cycle",
    description="When each exporter began its last cycle. One that lags far behind the others hangs.",
    form=Form.TABLE,
    queries=(Query(total(gauge(health.CYCLE_TIME, ON_NODE), Identity.NODE) * 1000, "Last cycle"),),
    unit=Show.AGO,
    ascending=True,
    links=(TO_NODE,),
    base=Colour.PLAIN,
)
_VERSIONS = Panel(
    title="Versions",
    description="How many nodes run which version of the exporter. More than one only during a rollout.",
    form=Form.TABLE,
    queries=(Query(aggregate("count", gauge(health.BUILD_INFO, ON_NODE), health.VERSION_LABEL), "Nodes"),),
    base=Colour.PLAIN,
)
_PROCESS_CPU = Panel(
    title="Processor time of the process",
    description="Share of one processor that each exporter's process takes, scrapes included.",
    queries=(Query(topk(SHOWN, total(rate(health.PROCESS_CPU), health.INSTANCE_LABEL)), "{instance}"),),
    unit=Show.SHARE,
    steps=(Step(0.1, Colour.WATCH), Step(0.5, Colour.BAD)),
)
_PROCESS_MEMORY = Panel(
    title="Memory of the process",
    description="Resident memory of each exporter. Steady growth is a leak: please report it.",
    queries=(Query(topk(SHOWN, total(gauge(health.PROCESS_MEMORY), health.INSTANCE_LABEL)), "{instance}"),),
    unit=Show.BYTES,
    steps=(Step(200e6, Colour.WATCH), Step(500e6, Colour.BAD)),
)

_IDENTITY = (
    topic(
        "Where names come from",
        "Nodes by where the names of pods come from.",
        (identity_health.SOURCE, ""),
        keep=(identity_health.SOURCE_LABEL,),
    ),
    topic(
        "API server tells of pods",
        "1 where the API server tells of the node's pods, 0 where it does not; nothing where it is not asked.",
        (identity_health.CONNECTED, ""),
    ),
    topic(
        "Pods without a name",
        "Pods that run here and are not shown, as the API server has not told of them. For seconds that is usual.",
        (identity_health.UNNAMED, ""),
        steps=(Step(1, Colour.WATCH),),
    ),
    topic(
        "Pods known",
        "Pods of the node that the API server has told of, ended ones included.",
        (identity_health.KNOWN, ""),
    ),
    topic(
        "Since the API server last spoke",
        "Bookmarks come about once a minute even where no pod changes.",
        (identity_health.AGE, ""),
        steps=(Step(180, Colour.WATCH),),
    ),
    topic(
        "Failures to learn of pods",
        "By reason. Versions expire now and then, and pods are listed anew; all else is told in the log.",
        (identity_health.ERRORS, ""),
        keep=(identity_health.API_ERROR_LABEL,),
    ),
    topic(
        "Lists of all pods, and pods beyond the limit",
        "Times all pods of the node were listed, as otherwise changes are told, and pods that found no place.",
        (identity_health.LISTS, "lists"),
        (identity_health.CUT, "too many"),
    ),
)

_EVENTS = (
    topic(
        "Events taken by type",
        "Events that probes told. Empty until the configuration names event probes.",
        (health.EVENTS, ""),
        keep=(health.EVENT_TYPE_LABEL,),
    ),
    topic(
        "Events sent by sink",
        "Events that a sink has delivered; of Loki, those that it has acknowledged.",
        (health.EVENTS_SENT, ""),
        keep=(health.SINK_LABEL,),
    ),
    topic(
        "Events lost by sink",
        "Events that a sink lost, by reason: it was too slow, away, refused them, or its disk was full. The others do "
        "not notice.",
        (health.EVENTS_LOST, ""),
        keep=(health.SINK_LABEL, health.LOSS_LABEL),
        steps=(Step(0.001, Colour.BAD),),
    ),
    topic(
        "Events waiting",
        "Events in the queue of each sink, and those that wait until Loki takes them. Growth means that a sink cannot "
        "follow or is away.",
        (health.EVENT_QUEUE, "queue"),
        (health.EVENT_BACKLOG, "backlog"),
        keep=(health.SINK_LABEL,),
    ),
    topic(
        "Deliveries tried again, events without a stream of their own",
        "Requests repeated because Loki was away or busy, and events of pods beyond the permitted number of streams.",
        (health.EVENT_RETRIES, "tried again"),
        (health.EVENTS_FOLDED, "folded"),
        keep=(health.SINK_LABEL,),
    ),
    topic(
        "Probes whose events are taken",
        "1 where a probe's events are taken, 0 where taking them has failed; the log says why.",
        (health.EVENT_SOURCE_ACTIVE, ""),
        keep=(health.PROBE_LABEL,),
    ),
)

BOARD = Board(
    slug="exporter",
    title="net-exporter / Exporter",
    description="Whether the exporters run, what they cost, and what they leave out.",
    rows=(
        Row(
            "Now",
            (
                DOWN,
                FAILING,
                CUT,
                _tile(
                    "Exporters",
                    "Exporters that Prometheus scrapes.",
                    Query(aggregate("count", gauge(health.UP)), ""),
                ),
                _tile(
                    "Namespaces",
                    "Network namespaces of pods, over all nodes.",
                    Query(total(gauge(health.PODS, ON_NODE)), ""),
                ),
                _tile("Series", "Series that all exporters expose.", Query(total(gauge(health.SERIES, ON_NODE)), "")),
            ),
        ),
        Row("Probes", (HEALTH, FAILURES)),
        Row("Cost", (*(each.panel(NODES) for each in _COST), _PROCESS_CPU, _PROCESS_MEMORY)),
        Row("Identity", tuple(each.panel(NODES) for each in _IDENTITY)),
        Row("Events", tuple(each.panel(NODES) for each in _EVENTS)),
        Row("Endpoint", tuple(each.panel(NODES) for each in _ENDPOINT)),
        Row("Configuration", configuration.PANELS),
        Row("Fleet", (_AGE, _VERSIONS)),
    ),
)
