"""The exporter itself: a blind spot looks like a healthy network."""

from __future__ import annotations

from dataclasses import replace

from alerts import thresholds
from alerts.model import AlertRule, Fires, Group, Runbook, Series, Severity, Show, Silent, per_node
from exporter.model import health, identity_health
from exporter.model.metric import Identity
from exporter.model.promql import Matcher, absent, aggregate, gauge, increase, over_time

JOB = Matcher(health.JOB_LABEL, "=", "net-exporter")
BROKEN = Matcher(health.STATUS_LABEL, "=~", "failed|timed_out")

DOWN = AlertRule(
    name="NetExporterDown",
    expr=aggregate("max", gauge(health.UP, JOB), health.JOB_LABEL, health.INSTANCE_LABEL).equals(0),
    hold=5,
    severity=Severity.CRITICAL,
    summary="Prometheus cannot scrape the exporter on a node.",
    description="{job} on {instance} has not answered scrapes, so nothing is known about that node's network.",
    show=Show.COUNT,
    dashboard="exporter",
    runbook=Runbook(
        meaning="Prometheus knows the target, but its scrapes fail.",
        impact="No metrics and no other alerts for any pod of that node; everything there looks quiet.",
        diagnosis=(
            "`kubectl -n kube-system get pods -l app=net-exporter -o wide`: is the pod of that node running?",
            "`kubectl -n kube-system logs` of that pod, with `--previous` when it restarts.",
            "From the Prometheus pod, `curl http://<node address>:9102/metrics`: refused, timed out or cut short?",
            "The Targets page of Prometheus shows the error, also when `sample_limit` was exceeded.",
        ),
        mitigation=(
            "Allow port 9102 from Prometheus in network policies and security groups.",
            "Raise the memory limit when the container was killed for memory.",
            "Raise `sample_limit` in the scrape configuration, or `scrape_timeout` on very large nodes.",
        ),
    ),
    cases=(
        Fires(name="scrapes fail", series=(Series(health.UP, "1 1 0x20"),), since=2, value="0"),
        Silent(name="one scrape fails", series=(Series(health.UP, "1x8 0 1x20"),), at=10),
        Silent(name="scrapes succeed", series=(Series(health.UP, "1x30"),)),
        Silent(name="another job fails", series=(Series(health.UP, "0x30", {health.JOB_LABEL: "other"}),)),
    ),
)

ABSENT = AlertRule(
    name="NetExporterAbsent",
    # absent() takes over the labels of its equality matchers.
    expr=replace(absent(gauge(health.UP, JOB)), labels=frozenset({health.JOB_LABEL})),
    hold=10,
    severity=Severity.CRITICAL,
    summary="Prometheus knows no exporter at all.",
    description="There is no target of job {job}: service discovery finds none.",
    show=Show.COUNT,
    dashboard="exporter",
    on_absence=True,
    runbook=Runbook(
        meaning="Not a single target of this job exists in Prometheus, on any node.",
        impact="Network monitoring is off in the whole cluster.",
        diagnosis=(
            "`kubectl -n kube-system get daemonset,endpoints net-exporter`: do both exist, with addresses?",
            "The Service Discovery page of Prometheus: was the target found and then dropped by relabelling?",
            "`promtool check config` on the configuration, and the log of Prometheus for denied list or watch calls.",
        ),
        mitigation=(
            "Install one of the generated scrape configurations, and give Prometheus the rights to list endpoints.",
            "With the operator: give the monitor the label by which the Prometheus object selects monitors.",
        ),
    ),
    cases=(
        Fires(name="no target", series=(), since=0, value="1"),
        Fires(name="only other jobs", series=(Series(health.UP, "1x30", {health.JOB_LABEL: "x"}),), since=0, value="1"),
        Silent(name="a target that fails is a target", series=(Series(health.UP, "0x30"),)),
    ),
)

STALLED = AlertRule(
    name="NetExporterStalled",
    expr=per_node(increase(health.CYCLES, window="5m")).equals(0),
    hold=5,
    severity=Severity.CRITICAL,
    summary="The exporter answers but collects nothing new.",
    description="The exporter on {node} completed no collection cycle for 5 minutes; its numbers stand still.",
    show=Show.COUNT,
    dashboard="exporter",
    runbook=Runbook(
        meaning="Scrapes succeed, but the number of completed cycles does not move.",
        impact="All rates of that node become zero, which looks like silence on the network.",
        diagnosis=(
            "The log of the exporter names the kernel interface that it was reading last.",
            "`cat /proc/<pid>/stack` of the exporter: a kernel lock held by somebody else shows here.",
            "`net-exporter check` on the node runs every probe once and times it.",
        ),
        mitigation=(
            "Restart the pod of that node.",
            "Switch the hanging probe off in `metrics.probes` and keep the rest.",
        ),
    ),
    cases=(
        Fires(name="cycles stop", series=(Series(health.CYCLES, "0+12x10 120x20"),), since=15, value="0"),
        Silent(name="cycles go on", series=(Series(health.CYCLES, "0+12x30"),)),
        Silent(name="cycles are rare", series=(Series(health.CYCLES, "0+1x30"),)),
    ),
)

PROBE_FAILING = AlertRule(
    name="NetExporterProbeFailing",
    expr=aggregate(
        "max", gauge(health.PROBE_STATUS, BROKEN), Identity.NODE, health.PROBE_LABEL, health.STATUS_LABEL
    ).equals(1),
    hold=10,
    severity=Severity.WARNING,
    summary="A probe fails, so its metrics are missing.",
    description="Probe {probe} on {node} has ended in status {status} for 10 minutes; its series are gaps.",
    show=Show.COUNT,
    dashboard="exporter",
    runbook=Runbook(
        meaning="The probe ended cycle after cycle with an error or past its deadline.",
        impact="Panels and alerts that use its metrics show nothing for that node. Other probes are not affected.",
        diagnosis=(
            "`net-exporter check` on the node prints the reason and what would mend it.",
            "The log of the exporter has the reason once per change of status.",
            "Compare kernels: does it fail on all nodes of one kernel version?",
        ),
        mitigation=(
            "Grant the capability or mount the path that the reason names.",
            "Switch the probe off on kernels that cannot offer it; it is then reported as disabled, not as failing.",
        ),
    ),
    cases=(
        Fires(
            name="a probe fails",
            series=(
                Series(health.PROBE_STATUS, "0x3 1x20", {health.PROBE_LABEL: "udp", health.STATUS_LABEL: "failed"}),
            ),
            since=4,
            value="1",
            labels={health.PROBE_LABEL: "udp", health.STATUS_LABEL: "failed"},
        ),
        Fires(
            name="a probe is too slow",
            series=(Series(health.PROBE_STATUS, "1x20", {health.PROBE_LABEL: "fd", health.STATUS_LABEL: "timed_out"}),),
            since=0,
            value="1",
            labels={health.PROBE_LABEL: "fd", health.STATUS_LABEL: "timed_out"},
        ),
        Silent(
            name="the kernel lacks it, it has nothing to tell, or it is well",
            series=tuple(
                Series(health.PROBE_STATUS, values, {health.PROBE_LABEL: "ipvs", health.STATUS_LABEL: status})
                for status, values in (
                    ("unsupported", "1x30"),
                    ("no_data", "1x30"),
                    ("ok", "1x30"),
                    ("failed", "0x30"),
                )
            ),
        ),
    ),
)

SLOW = AlertRule(
    name="NetExporterCollectionSlow",
    expr=per_node(over_time("avg", health.CYCLE_SECONDS, window="10m")) > thresholds.SLOW_CYCLE,
    hold=10,
    severity=Severity.WARNING,
    summary="Collecting takes too long.",
    description="A collection cycle on {node} takes {value}.",
    show=Show.SECONDS,
    dashboard="exporter",
    thresholds=(thresholds.SLOW_CYCLE,),
    runbook=Runbook(
        meaning="The average wall time of a cycle over 10 minutes is far above what the work costs.",
        impact="Numbers are older than they look, probes reach their deadline and leave gaps.",
        diagnosis=(
            "The exporter dashboard: which reader or probe takes the time?",
            "Processor throttling of the exporter's container: `container_cpu_cfs_throttled_periods_total`.",
            "The number of network namespaces and of sockets on the node.",
        ),
        mitigation=(
            "Raise the processor limit of the container.",
            "Switch off the probe that costs most, or collect less often.",
        ),
    ),
    cases=(
        Fires(name="cycles of 1.5 s", series=(Series(health.CYCLE_SECONDS, "1.5x30"),), since=0, value="1.5s"),
        Silent(name="cycles of 0.7 s", series=(Series(health.CYCLE_SECONDS, "0.7x40"),)),
        Silent(name="one slow cycle", series=(Series(health.CYCLE_SECONDS, "0.1x15 9 0.1x30"),), at=27),
    ),
)

SERIES_DROPPED = AlertRule(
    name="NetExporterSeriesDropped",
    expr=per_node(increase(health.SERIES_DROPPED, window="10m"), health.PROBE_LABEL) > 0,
    hold=5,
    severity=Severity.WARNING,
    summary="The exporter cuts series at a limit.",
    description="Probe {probe} on {node} lost {value} series in 10 minutes at a limit.",
    show=Show.COUNT,
    dashboard="exporter",
    runbook=Runbook(
        meaning="A probe handed over more series than the limits allow; the rest was cut and counted.",
        impact="Some pods, ports or devices are missing from the metrics of that probe.",
        diagnosis=(
            "Which probe, and on how many nodes? One node: something there creates namespaces or listeners.",
            "Compare the number of series exposed with `metrics.maxSeries`.",
        ),
        mitigation=(
            "Raise `metrics.maxSeries`, together with `sample_limit` in the scrape configuration.",
            "Select fewer probes, or narrow the probe's options.",
        ),
    ),
    cases=(
        Fires(
            name="series are cut",
            series=(Series(health.SERIES_DROPPED, "0x4 0+5x30", {health.PROBE_LABEL: "listen"}),),
            since=6,
            value="30",
            labels={health.PROBE_LABEL: "listen"},
        ),
        Silent(name="nothing is cut", series=(Series(health.SERIES_DROPPED, "7x30", {health.PROBE_LABEL: "listen"}),)),
    ),
)

NAMELESS = AlertRule(
    name="NetExporterApiUnreachable",
    expr=per_node(gauge(identity_health.CONNECTED)).equals(0),
    hold=10,
    severity=Severity.WARNING,
    summary="The exporter does not learn of new pods.",
    description="The API server has not told the exporter on {node} of pods for 10 minutes.",
    show=Show.COUNT,
    dashboard="exporter",
    runbook=Runbook(
        meaning="Listing and watching the pods of that node fails again and again.",
        impact="Known pods keep their names; pods that have come since are not shown at all.",
        diagnosis=(
            "The log of the exporter has the server's words, once for each kind of failure.",
            "The exporter dashboard: failures by reason, and how many pods have no name.",
            "`kubectl auth can-i watch pods --as system:serviceaccount:<namespace>:<service account>`.",
        ),
        mitigation=(
            "forbidden: bind a ClusterRole with get, list and watch of pods to the service account.",
            "unreachable: allow the node to reach the API server's address and port.",
            "certificate, unauthorised: see whether the service account's token and authority are of this cluster.",
        ),
    ),
    cases=(
        Fires(name="the server is away", series=(Series(identity_health.CONNECTED, "1 0x30"),), since=1, value="0"),
        Silent(name="the server answers", series=(Series(identity_health.CONNECTED, "1x30"),)),
        Silent(name="a short outage", series=(Series(identity_health.CONNECTED, "1x10 0x5 1x20"),), at=15),
    ),
)

WEB_CONFIG = AlertRule(
    name="NetExporterWebConfigInvalid",
    expr=per_node(gauge(health.WEB_CONFIG_VALID)).equals(0),
    hold=5,
    severity=Severity.WARNING,
    summary="The exporter cannot take its changed web configuration over.",
    description="The changed web configuration of the exporter on {node} is refused; the former one is in force.",
    show=Show.COUNT,
    dashboard="exporter",
    runbook=Runbook(
        meaning="The file, or a certificate or key that it names, was changed into something that cannot be used.",
        impact="Nothing yet. A renewed certificate is not served, and after a restart the exporter does not start.",
        diagnosis=(
            "The log of the exporter names the line and the key, or the certificate.",
            "`openssl x509 -in <certificate> -noout -dates`, and `-pubkey` against that of the key.",
        ),
        mitigation=("Correct the file; it is read again without a restart.",),
    ),
    cases=(
        Fires(name="the file is refused", series=(Series(health.WEB_CONFIG_VALID, "1x3 0x20"),), since=4, value="0"),
        Silent(name="the file is fine", series=(Series(health.WEB_CONFIG_VALID, "1x30"),)),
        Silent(
            name="it was half written for a moment", series=(Series(health.WEB_CONFIG_VALID, "1x8 0x2 1x20"),), at=14
        ),
    ),
)

GROUP = Group(
    "net-exporter.exporter", (DOWN, ABSENT, STALLED, PROBE_FAILING, SLOW, SERIES_DROPPED, NAMELESS, WEB_CONFIG)
)
