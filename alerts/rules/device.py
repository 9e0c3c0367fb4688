"""Devices, their queues and the routes: what loses packets below TCP and UDP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts import thresholds
from alerts.model import AlertRule, Fires, Group, Runbook, Series, Severity, Show, Silent, per_pod
from exporter.model.promql import clamp_min, rate
from exporter.probes import ip, ip6, netdev, qdisc

if TYPE_CHECKING:
    from exporter.model.metric import Metric
    from exporter.model.promql import LabelKey

LOST = per_pod(rate(netdev.RX_DROPPED) + rate(netdev.TX_DROPPED))
CARRIED = per_pod(rate(netdev.RX_PACKETS) + rate(netdev.TX_PACKETS))


def _carried(received: int, sent: int, each_way: int) -> tuple[Series, ...]:
    return (
        Series(netdev.RX_DROPPED, f"0+{received}x40"),
        Series(netdev.TX_DROPPED, f"0+{sent}x40"),
        Series(netdev.RX_PACKETS, f"0+{each_way}x40"),
        Series(netdev.TX_PACKETS, f"0+{each_way}x40"),
    )


DROPS = AlertRule(
    name="NetInterfaceDrops",
    expr=LOST / clamp_min(CARRIED, 1) > thresholds.DROPPED_SHARE,
    guards=(LOST > thresholds.DROPPED,),
    hold=10,
    severity=Severity.WARNING,
    summary="Network devices drop packets.",
    description="The devices of {owner} drop {value} of their packets.",
    show=Show.PERCENT,
    dashboard="traffic",
    thresholds=(thresholds.DROPPED_SHARE, thresholds.DROPPED),
    runbook=Runbook(
        meaning="A device had no room for packets, or got packets that nobody here understands.",
        impact="TCP slows down, UDP loses datagrams.",
        diagnosis=(
            "`ip -s -s link` in the namespace: which device, which direction?",
            "`ethtool -S <device> | grep -i drop` on the node: ring full, or filtered?",
            "In a pod, receive drops on the pair mostly mean that the processor's backlog was full.",
        ),
        mitigation=(
            "Enlarge the ring (`ethtool -G`), spread interrupts over more processors.",
            "Lift the packet rate limit of the instance, or take a larger one.",
        ),
    ),
    cases=(
        Fires(name="received packets", series=_carried(120, 0, 30000), since=3, value="0.2%"),
        Fires(name="sent packets", series=_carried(0, 120, 30000), since=3, value="0.2%"),
        Silent(name="0.06 % of the packets", series=_carried(120, 0, 100000)),
        Silent(name="a quiet device", series=_carried(30, 0, 6000)),
    ),
)


def _errors(rising: Metric) -> tuple[Series, ...]:
    both = (netdev.RX_ERRORS, netdev.TX_ERRORS)
    return tuple(Series(each, "0+1x40" if each is rising else "0x40") for each in both)


ERRORS = AlertRule(
    name="NetInterfaceErrors",
    expr=per_pod(rate(netdev.RX_ERRORS) + rate(netdev.TX_ERRORS)) > 0,
    hold=15,
    severity=Severity.WARNING,
    summary="Network devices report errors.",
    description="The devices of {owner} report {value} errors a second.",
    show=Show.NUMBER,
    dashboard="traffic",
    runbook=Runbook(
        meaning="Packets were damaged, too long, or could not be sent; the device or its driver says so.",
        impact="Loss that no setting of the kernel can mend.",
        diagnosis=(
            "`ip -s -s link` names the kind of error; `ethtool -S <device>` has the driver's own counts.",
            "`dmesg` for resets of the device or of the link.",
            "Tunnel devices count an error for every packet without a route to the other end.",
        ),
        mitigation=(
            "Replace cable, transceiver or instance; update driver or firmware.",
            "Correct the tunnel's remote end.",
        ),
    ),
    cases=(
        Fires(name="on receive", series=_errors(netdev.RX_ERRORS), since=1, value="0.02"),
        Fires(name="on send", series=_errors(netdev.TX_ERRORS), since=1, value="0.02"),
        Silent(name="long ago", series=(Series(netdev.RX_ERRORS, "9x40"), Series(netdev.TX_ERRORS, "9x40"))),
        Silent(
            name="a single packet",
            series=(Series(netdev.RX_ERRORS, "0x5 1x40"), Series(netdev.TX_ERRORS, "0x40")),
            at=21,
        ),
    ),
)

ON_ETH0: dict[LabelKey, str] = {qdisc.DEVICE: "eth0", qdisc.KIND: "fq_codel"}


def _queued(drops: int, packets: int) -> tuple[Series, ...]:
    return Series(qdisc.DROPS, f"0+{drops}x40", ON_ETH0), Series(qdisc.PACKETS, f"0+{packets}x40", ON_ETH0)


QDISC_DROPS = AlertRule(
    name="NetQdiscDrops",
    expr=per_pod(rate(qdisc.DROPS)) / clamp_min(per_pod(rate(qdisc.PACKETS)), 1) > thresholds.DROPPED_SHARE,
    guards=(per_pod(rate(qdisc.DROPS)) > thresholds.DROPPED,),
    hold=10,
    severity=Severity.WARNING,
    summary="Queueing disciplines drop packets before they are sent.",
    description="The send queues of {owner} drop {value} of their packets.",
    show=Show.PERCENT,
    dashboard="traffic",
    thresholds=(thresholds.DROPPED_SHARE, thresholds.DROPPED),
    runbook=Runbook(
        meaning="The queue in front of a device was full, or a rate limit was exceeded.",
        impact="TCP slows down to the limit, UDP loses datagrams.",
        diagnosis=(
            "`tc -s qdisc` in the namespace: which device, which kind, how large a backlog?",
            "A tbf or htb is a limit that somebody set, for example by `kubernetes.io/egress-bandwidth`.",
            "fq_codel and cake drop on purpose to keep the queue short; look whether the link is saturated.",
        ),
        mitigation=(
            "Lift the limit, or enlarge txqueuelen or the limit of the discipline.",
            "Spread the traffic over more nodes.",
        ),
    ),
    cases=(
        Fires(name="one of 500", series=_queued(120, 60000), since=3, value="0.2%"),
        Silent(name="0.06 % of the packets", series=_queued(120, 200000)),
        Silent(name="a quiet device", series=_queued(30, 6000)),
    ),
)

NO_ROUTE_RUNBOOK = Runbook(
    meaning="A local program sent packets to a destination that no route leads to.",
    impact="The program sees network is unreachable; with both address families it loses time before the other one.",
    diagnosis=(
        "`ip route get <address>` and `ip -6 route get <address>` inside the pod.",
        "Is the default route of the pod there, and is the agent of the network plugin running on the node?",
        "Only IPv6: does a name resolve to IPv6 addresses in a cluster that has no IPv6?",
    ),
    mitigation=(
        "Restart the pod, so that the network plugin sets its routes again.",
        "Let the DNS server answer no AAAA queries, where the cluster has no IPv6.",
    ),
)
IPV4_NO_ROUTE = AlertRule(
    name="NetIpNoRoute",
    expr=per_pod(rate(ip.OUT_NO_ROUTES)) > thresholds.NO_ROUTE,
    hold=10,
    severity=Severity.WARNING,
    summary="IPv4 packets find no route.",
    description="{owner} sends {value} IPv4 packets a second that no route leads anywhere.",
    show=Show.NUMBER,
    dashboard="traffic",
    thresholds=(thresholds.NO_ROUTE,),
    runbook=NO_ROUTE_RUNBOOK,
    cases=(
        Fires(name="two a second", series=(Series(ip.OUT_NO_ROUTES, "0+120x40"),), since=3, value="2.00"),
        Silent(name="one in two seconds", series=(Series(ip.OUT_NO_ROUTES, "0+30x40"),)),
    ),
)
IPV6_NO_ROUTE = AlertRule(
    name="NetIpv6NoRoute",
    expr=per_pod(rate(ip6.OUT_NO_ROUTES)) > thresholds.NO_ROUTE,
    hold=10,
    severity=Severity.INFO,
    summary="IPv6 packets find no route.",
    description="{owner} sends {value} IPv6 packets a second that no route leads anywhere.",
    show=Show.NUMBER,
    dashboard="traffic",
    thresholds=(thresholds.NO_ROUTE,),
    runbook=NO_ROUTE_RUNBOOK,
    cases=(
        Fires(name="two a second", series=(Series(ip6.OUT_NO_ROUTES, "0+120x40"),), since=3, value="2.00"),
        Silent(name="one in two seconds", series=(Series(ip6.OUT_NO_ROUTES, "0+30x40"),)),
    ),
)

GROUP = Group("net-exporter.device", (DROPS, ERRORS, QDISC_DROPS, IPV4_NO_ROUTE, IPV6_NO_ROUTE))
