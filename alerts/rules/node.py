"""Tables and queues that all pods of a node share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts import thresholds
from alerts.model import AlertRule, Fires, Group, Runbook, Series, Severity, Show, Silent, per_node
from exporter.model.promql import gauge, increase, predict_linear, rate
from exporter.probes import conntrack, neigh, softnet

if TYPE_CHECKING:
    from exporter.model.promql import LabelKey

TRACKED = per_node(gauge(conntrack.ENTRIES))
TRACKABLE = per_node(gauge(conntrack.MAX_ENTRIES))
LIMITED = TRACKABLE > 0  # 0 means no limit

CONNTRACK_RUNBOOK = Runbook(
    meaning="Nearly as many connections are tracked as net.netfilter.nf_conntrack_max allows.",
    impact="Once the table is full, the first packet of every new connection is dropped, for all pods of the node.",
    diagnosis=(
        "`conntrack -L -o extended | awk '{print $1, $4}' | sort | uniq -c`: protocols; for TCP also the states.",
        "`conntrack -L | grep -o 'src=[^ ]*' | sort | uniq -c | sort -n | tail`: who opens that many?",
        "Many in TIME_WAIT or CLOSE_WAIT: short connections. Many UDP: DNS without a cache.",
    ),
    mitigation=(
        "Raise net.netfilter.nf_conntrack_max, and nf_conntrack_buckets to a quarter of it.",
        "Shorten nf_conntrack_tcp_timeout_time_wait and nf_conntrack_udp_timeout.",
        "Reuse connections in the programs; spread pods over more nodes.",
    ),
)


def _table(entries: str, limit: str = "1000000x90") -> tuple[Series, ...]:
    return Series(conntrack.ENTRIES, entries), Series(conntrack.MAX_ENTRIES, limit)


CONNTRACK_NEARLY_FULL = AlertRule(
    name="NetConntrackTableNearlyFull",
    expr=TRACKED / TRACKABLE > thresholds.CONNTRACK_SHARE,
    guards=(LIMITED,),
    hold=5,
    severity=Severity.WARNING,
    summary="The connection tracking table is nearly full.",
    description="The connection tracking table of {node} is filled to {value}.",
    show=Show.PERCENT,
    dashboard="conntrack",
    thresholds=(thresholds.CONNTRACK_SHARE,),
    runbook=CONNTRACK_RUNBOOK,
    cases=(
        Fires(name="filled to 90 %", series=_table("900000x30"), since=0, value="90%"),
        Silent(name="filled to 70 %", series=_table("700000x30")),
        Silent(name="there is no limit", series=_table("900000x30", "0x30")),
    ),
)
CONNTRACK_FULL = AlertRule(
    name="NetConntrackTableFull",
    expr=TRACKED / TRACKABLE > thresholds.CONNTRACK_SHARE_CRITICAL,
    guards=(LIMITED,),
    hold=2,
    severity=Severity.CRITICAL,
    summary="The connection tracking table is full or about to be.",
    description="The connection tracking table of {node} is filled to {value}; new connections will be dropped.",
    show=Show.PERCENT,
    dashboard="conntrack",
    thresholds=(thresholds.CONNTRACK_SHARE_CRITICAL,),
    runbook=CONNTRACK_RUNBOOK,
    cases=(
        Fires(name="filled to 97 %", series=_table("970000x30"), since=0, value="97%"),
        Silent(name="filled to 90 %", series=_table("900000x30")),
        Silent(name="there is no limit", series=_table("970000x30", "0x30")),
    ),
)
CONNTRACK_FILLING = AlertRule(
    name="NetConntrackTableFillingUp",
    expr=TRACKED / TRACKABLE > thresholds.CONNTRACK_TREND_SHARE,
    guards=(
        per_node(predict_linear(conntrack.ENTRIES, window="1h", seconds=4 * 3600)) > TRACKABLE,
        LIMITED,
    ),
    hold=30,
    severity=Severity.WARNING,
    summary="The connection tracking table will be full within four hours.",
    description="The connection tracking table of {node} is filled to {value} and, at this pace, full in four hours.",
    show=Show.PERCENT,
    dashboard="conntrack",
    thresholds=(thresholds.CONNTRACK_TREND_SHARE,),
    runbook=CONNTRACK_RUNBOOK,
    cases=(
        Fires(name="2,000 more every minute", series=_table("650000+2000x60"), since=1, value="71.2%"),
        Silent(name="70 % and steady", series=_table("700000x60")),
        Silent(name="fast growth from little", series=_table("300000+4000x60")),
        Silent(name="there is no limit", series=_table("650000+2000x60", "0x60")),
    ),
)
CONNTRACK_DROPPING = AlertRule(
    name="NetConntrackDropping",
    expr=per_node(rate(conntrack.DROP) + rate(conntrack.EARLY_DROP)) > 0,
    hold=5,
    severity=Severity.CRITICAL,
    summary="Packets or connections are dropped by connection tracking.",
    description="Connection tracking on {node} drops {value} packets or entries a second.",
    show=Show.NUMBER,
    dashboard="conntrack",
    runbook=CONNTRACK_RUNBOOK,
    cases=(
        Fires(
            name="packets are dropped",
            series=(Series(conntrack.DROP, "0+6x20"), Series(conntrack.EARLY_DROP, "0x20")),
            since=1,
            value="0.10",
        ),
        Fires(
            name="entries are dropped to make room",
            series=(Series(conntrack.DROP, "0x20"), Series(conntrack.EARLY_DROP, "0+6x20")),
            since=1,
            value="0.10",
        ),
        Silent(
            name="a single packet",
            series=(Series(conntrack.DROP, "0x5 1x20"), Series(conntrack.EARLY_DROP, "0x30")),
            at=11,
        ),
        Silent(name="long ago", series=(Series(conntrack.DROP, "8x20"), Series(conntrack.EARLY_DROP, "9x20"))),
    ),
)
CONNTRACK_INSERT = AlertRule(
    name="NetConntrackInsertFailed",
    expr=per_node(rate(conntrack.INSERT_FAILED)) > thresholds.INSERT_FAILED,
    hold=5,
    severity=Severity.WARNING,
    summary="Connections are lost because their tracking entry clashes.",
    description="On {node}, {value} connection tracking entries a second cannot be inserted.",
    show=Show.NUMBER,
    dashboard="conntrack",
    thresholds=(thresholds.INSERT_FAILED,),
    runbook=Runbook(
        meaning="When a packet was about to leave, another entry with the same addresses and ports already existed.",
        impact="The packet is dropped. For DNS the A or the AAAA query is lost, and the lookup takes 5 seconds more.",
        diagnosis=(
            "`conntrack -S`: does insert_failed rise together with DNS time-outs?",
            "Many connections through one masquerade address to one destination: source ports clash.",
        ),
        mitigation=(
            "Use a node-local DNS cache without NAT, or `options single-request-reopen` in the pod.",
            "Use `--random-fully` for masquerading, or more source addresses.",
        ),
    ),
    cases=(
        Fires(name="two a second", series=(Series(conntrack.INSERT_FAILED, "0+120x20"),), since=3, value="2.00"),
        Silent(name="one in two seconds", series=(Series(conntrack.INSERT_FAILED, "0+30x30"),)),
    ),
)

SOFTNET_DROPS = AlertRule(
    name="NetSoftnetDrops",
    expr=per_node(rate(softnet.DROPPED)) > 0,
    hold=5,
    severity=Severity.WARNING,
    summary="Packets are dropped at a full processor backlog.",
    description="{node} drops {value} packets a second because a processor's backlog is full.",
    show=Show.NUMBER,
    dashboard="softnet",
    runbook=Runbook(
        meaning="A processor got packets faster than its soft interrupt took them from the backlog.",
        impact="Loss for any pod whose packets that processor handles.",
        diagnosis=(
            "`cat /proc/net/softnet_stat`: the second column, one line per processor. One line or all?",
            "`mpstat -P ALL 1`: a processor with 100 % soft?",
            "Spread of the device's interrupts: `/proc/interrupts`.",
        ),
        mitigation=(
            "Spread the load: more device queues, or RPS.",
            "Raise net.core.netdev_max_backlog against bursts.",
        ),
    ),
    cases=(
        Fires(name="six a minute", series=(Series(softnet.DROPPED, "0+6x20"),), since=1, value="0.10"),
        Silent(name="long ago", series=(Series(softnet.DROPPED, "50x30"),)),
        Silent(name="a single packet", series=(Series(softnet.DROPPED, "0x5 1x20"),), at=11),
    ),
)


def _squeezed(cut_short: int, packets: int) -> tuple[Series, ...]:
    return Series(softnet.TIME_SQUEEZE, f"0+{cut_short}x40"), Series(softnet.PROCESSED, f"0+{packets}x40")


SOFTNET_SQUEEZED = AlertRule(
    name="NetSoftnetTimeSqueeze",
    expr=per_node(rate(softnet.TIME_SQUEEZE)) / per_node(rate(softnet.PROCESSED)) > thresholds.SQUEEZED_SHARE,
    guards=(per_node(rate(softnet.TIME_SQUEEZE)) > thresholds.SQUEEZED,),
    hold=15,
    severity=Severity.WARNING,
    summary="Receive soft interrupts are cut short.",
    description="On {node}, receive loops end with work left at {value} of the packets.",
    show=Show.PERCENT,
    dashboard="softnet",
    thresholds=(thresholds.SQUEEZED_SHARE, thresholds.SQUEEZED),
    runbook=Runbook(
        meaning="The soft interrupt used up its budget of packets or time before the queue was empty.",
        impact="Packets wait for the next turn: latency and jitter, later drops.",
        diagnosis=(
            "Packets per second and per processor: is the node at its limit?",
            "Long rule chains in iptables, or traffic control programs, make every packet dear.",
            "Real-time processes or a hypervisor that takes the processor away: steal time.",
        ),
        mitigation=(
            "Raise net.core.netdev_budget and net.core.netdev_budget_usecs.",
            "Spread the load over more processors.",
        ),
    ),
    cases=(
        Fires(name="0.2 % of the packets", series=_squeezed(120, 60000), since=3, value="0.2%"),
        Silent(name="0.06 % of the packets", series=_squeezed(120, 200000)),
        Silent(name="a quiet node", series=_squeezed(30, 6000)),
    ),
)

IPV4: dict[LabelKey, str] = {neigh.FAMILY: "ipv4"}


def _neighbours(entries: int) -> tuple[Series, ...]:
    return Series(neigh.TABLE_ENTRIES, f"{entries}x30", IPV4), Series(neigh.GC_THRESH3, "1024x30", IPV4)


NEIGHBOUR_RUNBOOK = Runbook(
    meaning="All network namespaces of a node share one neighbour table per address family; gc_thresh3 limits it.",
    impact="Once it is full, packets to addresses not yet in it are dropped at once, in every pod of the node.",
    diagnosis=(
        "`ip neigh | wc -l` on the node and in pods: which namespace holds the entries?",
        "`dmesg` for: neighbour table overflow.",
        "A flat pod network, or a scanner that addresses a whole subnet, needs an entry per address.",
    ),
    mitigation=(
        "Raise net.ipv4.neigh.default.gc_thresh1, gc_thresh2 and gc_thresh3 together (net.ipv6 alike).",
        "Stop the scanner, or route instead of resolving neighbours.",
    ),
)
NEIGHBOURS_NEARLY_FULL = AlertRule(
    name="NetNeighbourTableNearlyFull",
    expr=per_node(gauge(neigh.TABLE_ENTRIES), neigh.FAMILY) / per_node(gauge(neigh.GC_THRESH3), neigh.FAMILY)
    > thresholds.NEIGHBOUR_SHARE,
    hold=5,
    severity=Severity.WARNING,
    summary="The neighbour table is nearly full.",
    description="The {family} neighbour table of {node} is filled to {value}.",
    show=Show.PERCENT,
    dashboard="neighbours",
    thresholds=(thresholds.NEIGHBOUR_SHARE,),
    runbook=NEIGHBOUR_RUNBOOK,
    cases=(
        Fires(name="filled to 88 %", series=_neighbours(900), since=0, value="87.89%", labels=IPV4),
        Silent(name="filled to 68 %", series=_neighbours(700)),
    ),
)
NEIGHBOURS_FULL = AlertRule(
    name="NetNeighbourTableFull",
    expr=per_node(increase(neigh.TABLE_FULLS, window="10m"), neigh.FAMILY) > 0,
    hold=1,
    severity=Severity.CRITICAL,
    summary="The neighbour table was full, so packets were dropped.",
    description="The {family} neighbour table of {node} was full {value} times in 10 minutes.",
    show=Show.COUNT,
    dashboard="neighbours",
    runbook=NEIGHBOUR_RUNBOOK,
    cases=(
        Fires(
            name="three times",
            series=(Series(neigh.TABLE_FULLS, "0x4 3x20", IPV4),),
            since=5,
            value="3",
            labels=IPV4,
        ),
        Silent(name="long ago", series=(Series(neigh.TABLE_FULLS, "5x30", IPV4),)),
    ),
)

GROUP = Group(
    "net-exporter.node",
    (
        CONNTRACK_NEARLY_FULL,
        CONNTRACK_FULL,
        CONNTRACK_FILLING,
        CONNTRACK_DROPPING,
        CONNTRACK_INSERT,
        SOFTNET_DROPS,
        SOFTNET_SQUEEZED,
        NEIGHBOURS_NEARLY_FULL,
        NEIGHBOURS_FULL,
    ),
)
