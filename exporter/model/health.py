"""The exporter's own health, declared like any other metric; the runtime fills these in."""

from __future__ import annotations

from functools import partial

from exporter.model.metric import Kind, Label, Metric, Scope, Unit

_own = partial(Metric, probe="exporter", scope=Scope.NODE, source="the exporter itself")
_process = partial(Metric, probe="exporter", scope=Scope.NODE, source="/proc/self", external=True)

PROBE_LABEL = Label(name="probe", help="Name of the probe; event_naming: who has which address, for events.", budget=64)
STATUS_LABEL = Label(
    name="status",
    help="How the probe ended its last cycle.",
    values=("ok", "no_data", "unsupported", "failed", "timed_out", "disabled"),
)
READER_LABEL = Label(name="reader", help="Kernel interface that was read.", budget=64)
PART_LABEL = Label(name="part", help="What a program of the kernel scan looks at, for example counters.", budget=16)
OBJECT_LABEL = Label(name="object", help="Compiled eBPF object, most of which have the name of their probe.", budget=64)
PROGRAM_LABEL = Label(name="program", help="eBPF program within its object.", budget=16)
HOOK_LABEL = Label(name="hook", help="Where the program attaches, for example tp_btf/kfree_skb.", budget=64)
STATE_LABEL = Label(
    name="state",
    help="attached; on_demand: the exporter runs it; detached: loaded, but nothing runs it; not_loaded: another "
    "program does the same on this kernel.",
    values=("attached", "on_demand", "detached", "not_loaded"),
)
FAULT_LABEL = Label(
    name="fault",
    help="map_full: no room for a new key; lost: no room for an event; suppressed: more events than permitted; "
    "unfinished: what had begun was forgotten before its end, for lack of room.",
    values=("map_full", "lost", "suppressed", "unfinished"),
)
MAP_LABEL = Label(name="map", help="eBPF map within its object.", budget=16)
NEEDED_BY_LABEL = Label(
    name="probe", help="Name of the probe; namespaces: finding and visiting pods, for all; kernel_scan.", budget=64
)
CAPABILITY_LABEL = Label(name="capability", help="Linux capability, for example CAP_BPF.", budget=41)
EVENT_TYPE_LABEL = Label(name="type", help="Type of event, by its name in the kubeskoop family.", budget=64)
SINK_LABEL = Label(
    name="sink", help="Where events go to, for example loki; a second one of a kind is loki_2.", budget=16
)
REFUSAL_LABEL = Label(
    name="reason",
    help="room: turned away or ended for others as too many were open; deadline: too slow; request: wrong, too long or "
    "of another method; handshake and certificate: of TLS; password: missing or wrong; rate: above rate_limit.",
    budget=8,
)
LOSS_LABEL = Label(
    name="reason",
    help="queue_full: the sink is slower than events come; failed: it could not deliver them; further ones are the "
    "sink's own, for example no_space.",
    budget=16,
)
VERSION_LABEL = Label(name="version", help="Version of the exporter.", budget=1)
JOB_LABEL = Label(name="job", help="Scrape job.", budget=1)
INSTANCE_LABEL = Label(name="instance", help="Scraped address.", budget=1)

PROBE_STATUS = _own(
    name="probe_status",
    kind=Kind.GAUGE,
    unit=Unit.STATE,
    help="Whether the probe ended its last cycle in this status, 1 or 0.",
    labels=(PROBE_LABEL, STATUS_LABEL),
    advice="Run `net-exporter check`: it prints the reason and what would mend it.",
)
PROBE_SECONDS = _own(
    name="probe_duration_seconds",
    kind=Kind.GAUGE,
    unit=Unit.SECONDS,
    help="Time the probe took in its last cycle, without the shared reading of namespaces.",
    labels=(PROBE_LABEL,),
)
READER_SECONDS = _own(
    name="reader_duration_seconds",
    kind=Kind.GAUGE,
    unit=Unit.SECONDS,
    help="Time the last cycle spent reading one kernel interface in all namespaces.",
    labels=(READER_LABEL,),
)
CYCLE_SECONDS = _own(
    name="cycle_duration_seconds",
    kind=Kind.GAUGE,
    unit=Unit.SECONDS,
    help="Wall time of the last collection cycle.",
)
CYCLE_CPU_SECONDS = _own(
    name="cycle_cpu_seconds_total",
    kind=Kind.COUNTER,
    unit=Unit.SECONDS,
    help="Processor time spent in collection cycles.",
)
CYCLES = _own(
    name="cycles_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Collection cycles completed.",
)
CYCLE_TIME = _own(
    name="last_cycle_timestamp_seconds",
    kind=Kind.GAUGE,
    unit=Unit.SECONDS,
    help="Unix time at which the last cycle started.",
)
RENDER_SECONDS = _own(
    name="render_duration_seconds",
    kind=Kind.GAUGE,
    unit=Unit.SECONDS,
    help="Time it took to render the last exposition.",
)
PODS = _own(
    name="pods",
    kind=Kind.GAUGE,
    unit=Unit.OBJECTS,
    help="Network namespaces seen in the last cycle, the host's excluded.",
)
SERIES = _own(
    name="series",
    kind=Kind.GAUGE,
    unit=Unit.OBJECTS,
    help="Series exposed by the last cycle.",
)
SERIES_DROPPED = _own(
    name="series_dropped_total",
    kind=Kind.COUNTER,
    unit=Unit.OBJECTS,
    help="Series cut because a limit was reached.",
    labels=(PROBE_LABEL,),
    advice="Raise `metrics.maxSeries`, or select fewer probes or devices.",
)
NETNS_GONE = _own(
    name="namespaces_gone_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Network namespaces that ended while they were being read.",
)
SCAN_ACTIVE = _own(
    name="kernel_scan_active",
    kind=Kind.GAUGE,
    unit=Unit.STATE,
    help="Whether the kernel scan finds these numbers of all namespaces (1) or each namespace is visited for them (0).",
    labels=(PART_LABEL,),
    advice="Nothing is lost, collecting costs more: `net-exporter check` prints why the scan is not used.",
)
SCAN_DISAGREEMENTS = _own(
    name="kernel_scan_disagreements_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Times a part of the kernel scan found other numbers than a visit, which ends its use.",
    labels=(PART_LABEL,),
    advice="The log names numbers and kernel: report them; namespaces are visited until the next start.",
)
SCAN_OVER_CAPACITY = _own(
    name="kernel_scan_over_capacity_total",
    kind=Kind.COUNTER,
    unit=Unit.OBJECTS,
    help="Namespaces visited because the kernel scan had no place for them, added up over the cycles.",
    labels=(PART_LABEL,),
)
PROGRAM_STATE = _own(
    name="ebpf_program_state",
    kind=Kind.GAUGE,
    unit=Unit.STATE,
    help="Always 1; how a program of a loaded eBPF object stands is a label.",
    labels=(OBJECT_LABEL, PROGRAM_LABEL, HOOK_LABEL, STATE_LABEL),
    advice="A detached program counts nothing any more: restart the exporter and report it.",
)
PROGRAM_RUNS = _own(
    name="ebpf_program_runs_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Times an eBPF program ran; absent unless `metrics.ebpfStats` makes the kernel count.",
    labels=(OBJECT_LABEL, PROGRAM_LABEL),
)
PROGRAM_SECONDS = _own(
    name="ebpf_program_run_seconds_total",
    kind=Kind.COUNTER,
    unit=Unit.SECONDS,
    help="Processor time that an eBPF program took; absent unless `metrics.ebpfStats` makes the kernel count.",
    labels=(OBJECT_LABEL, PROGRAM_LABEL),
    advice="Leave the probe of the costliest program out of `metrics.probes`, or lower its rates by its options.",
)
PROGRAM_SKIPPED = _own(
    name="ebpf_program_skipped_runs_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Events that an eBPF program missed because it was running on the same CPU already.",
    labels=(OBJECT_LABEL, PROGRAM_LABEL),
)
FAULTS = _own(
    name="ebpf_faults_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Events that an eBPF object could not count or hand over, by what was lacking.",
    labels=(OBJECT_LABEL, FAULT_LABEL),
    advice="map_full: raise the probe's option `entries`; lost, suppressed: events are missing, counters are right.",
)
MAP_ENTRIES = _own(
    name="ebpf_map_entries",
    kind=Kind.GAUGE,
    unit=Unit.ENTRIES,
    help="Entries of an eBPF hash map when it was last read as a whole.",
    labels=(OBJECT_LABEL, MAP_LABEL),
    advice="Compare with the room that the map has; when it is full, new namespaces or reasons are not counted.",
)
MAP_ROOM = _own(
    name="ebpf_map_max_entries",
    kind=Kind.GAUGE,
    unit=Unit.ENTRIES,
    help="Entries for which an eBPF hash map has room.",
    labels=(OBJECT_LABEL, MAP_LABEL),
)
CAPABILITY_HELD = _own(
    name="capability_held",
    kind=Kind.GAUGE,
    unit=Unit.STATE,
    help="Whether the exporter holds a capability that is declared to be needed, 1 or 0.",
    labels=(NEEDED_BY_LABEL, CAPABILITY_LABEL),
    advice="`net-exporter check` says what is missing without it; grant it in the container's security context.",
)
EVENTS = _own(
    name="events_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Events taken from the kernel; the probes' own counters also have those that found no room there.",
    labels=(EVENT_TYPE_LABEL,),
)
EVENT_SOURCE_ACTIVE = _own(
    name="event_source_active",
    kind=Kind.GAUGE,
    unit=Unit.STATE,
    help="Whether events of a probe that is in `event.probes` are taken, 1 or 0.",
    labels=(PROBE_LABEL,),
    advice="The log says why it was given up; it is tried again at the next start.",
)
EVENTS_SENT = _own(
    name="events_sent_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Events that a sink has delivered.",
    labels=(SINK_LABEL,),
)
EVENTS_LOST = _own(
    name="events_lost_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Events that a sink did not get or could not deliver.",
    labels=(SINK_LABEL, LOSS_LABEL),
    advice="The log names the sink's place and what it lacks; raise `event.queue` if it only lags for a while.",
)
EVENT_QUEUE = _own(
    name="event_queue_length",
    kind=Kind.GAUGE,
    unit=Unit.OBJECTS,
    help="Events that wait for a sink.",
    labels=(SINK_LABEL,),
    advice="When it reaches `event.queue` further events are lost to this sink; see whether its place answers.",
)
EVENT_BACKLOG = _own(
    name="event_backlog_length",
    kind=Kind.GAUGE,
    unit=Unit.OBJECTS,
    help="Events that a sink has taken over and keeps until its place takes them.",
    labels=(SINK_LABEL,),
    advice="It falls by itself when the place answers again; the log says what it answers now.",
)
EVENT_RETRIES = _own(
    name="event_delivery_retries_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Attempts to deliver that followed a failed one.",
    labels=(SINK_LABEL,),
)
EVENTS_FOLDED = _own(
    name="events_folded_total",
    kind=Kind.COUNTER,
    unit=Unit.EVENTS,
    help="Events whose pod is in the text but not in the labels, because a sink has as many streams as it may.",
    labels=(SINK_LABEL,),
    advice="Raise `maxStreams` of the sink loki if Loki's limit for streams has room.",
)
HTTP_REFUSED = _own(
    name="http_refused_total",
    kind=Kind.COUNTER,
    unit=Unit.OBJECTS,
    help="Connections and requests that the endpoint has refused.",
    labels=(REFUSAL_LABEL,),
    advice="password, certificate and handshake: who asks, and with what; room and deadline: too many or slow clients.",
)
WEB_CONFIG_VALID = _own(
    name="web_config_valid",
    kind=Kind.GAUGE,
    unit=Unit.STATE,
    help="Whether the web configuration file and what it names could be taken over when they last changed, 1 or 0.",
    advice="The log names the line and the key, or the certificate; the former configuration stays in force.",
)
BUILD_INFO = _own(
    name="build_info",
    kind=Kind.GAUGE,
    unit=Unit.ONE,
    help="Always 1; the version is a label.",
    labels=(VERSION_LABEL,),
)

# Exposed by prometheus_client's process collector and by Prometheus itself: not ours to name.
PROCESS_CPU = _process(
    name="process_cpu",
    kind=Kind.COUNTER,
    unit=Unit.SECONDS,
    help="Processor time of the exporter.",
    kubeskoop="process_cpu_seconds_total",
    inspector="process_cpu_seconds_total",
    labels=(JOB_LABEL, INSTANCE_LABEL),
)
PROCESS_MEMORY = _process(
    name="process_memory",
    kind=Kind.GAUGE,
    unit=Unit.BYTES,
    help="Resident memory of the exporter.",
    kubeskoop="process_resident_memory_bytes",
    inspector="process_resident_memory_bytes",
    labels=(JOB_LABEL, INSTANCE_LABEL),
)
UP = Metric(
    probe="exporter",
    name="up",
    kind=Kind.GAUGE,
    unit=Unit.STATE,
    help="Whether Prometheus could scrape the exporter, 1 or 0.",
    scope=Scope.NODE,
    source="Prometheus",
    external=True,
    kubeskoop="up",
    inspector="up",
    labels=(JOB_LABEL, INSTANCE_LABEL),
    advice="See whether the DaemonSet's pod runs on that node and whether port 9102 is reachable.",
)

METRICS = (
    PROBE_STATUS,
    PROBE_SECONDS,
    READER_SECONDS,
    CYCLE_SECONDS,
    CYCLE_CPU_SECONDS,
    CYCLES,
    CYCLE_TIME,
    RENDER_SECONDS,
    PODS,
    SERIES,
    SERIES_DROPPED,
    NETNS_GONE,
    SCAN_ACTIVE,
    SCAN_DISAGREEMENTS,
    SCAN_OVER_CAPACITY,
    PROGRAM_STATE,
    PROGRAM_RUNS,
    PROGRAM_SECONDS,
    PROGRAM_SKIPPED,
    FAULTS,
    MAP_ENTRIES,
    MAP_ROOM,
    CAPABILITY_HELD,
    EVENTS,
    EVENT_SOURCE_ACTIVE,
    EVENTS_SENT,
    EVENTS_LOST,
    EVENT_QUEUE,
    EVENT_BACKLOG,
    EVENT_RETRIES,
    EVENTS_FOLDED,
    HTTP_REFUSED,
    WEB_CONFIG_VALID,
    BUILD_INFO,
    PROCESS_CPU,
    PROCESS_MEMORY,
    UP,
)
