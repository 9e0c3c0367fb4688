"""The fleet at a glance: what is wrong now, where, and whom to ask next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.rules import node as node_rules
from alerts.rules import tcp_path
from dashboards.boards.exporter import CUT, DOWN, FAILING, HEALTH
from dashboards.boards.signs import NODES_IN_TROUBLE, PODS_IN_TROUBLE
from dashboards.limits import limits
from dashboards.panel import Board, Colour, Form, Link, Panel, Query, Row, Step
from dashboards.units import Show
from dashboards.views import NODES, ON_NODE, PODS, TO_NODE
from exporter.model.promql import Expr, aggregate, clamp_min, rate, topk, total
from exporter.probes import conntrack, neigh, netdev, softnet, tcp, tcpext, udp

if TYPE_CHECKING:
    from exporter.model.metric import Metric

_IDLE = 0.001

_TCP = Link("TCP", "tcp", ())
_UDP = Link("UDP", "udp", ())
_TRAFFIC = Link("Traffic and devices", "traffic", ())
_CONNTRACK = Link("Connection tracking", "conntrack", ())
_SOFTNET = Link("Receive path", "softnet", ())
_NEIGHBOURS = Link("Neighbours", "neighbours", ())


def _fleet(*metrics: Metric) -> Expr:
    """Sum of rates over all nodes chosen and all their namespaces."""
    first, *others = (total(rate(metric, ON_NODE)) for metric in metrics)
    for other in others:
        first = first + other
    return first


def _tile(title: str, description: str, board: Link, expr: Expr, unit: Show, *steps: Step) -> Panel:
    return Panel(
        title=title,
        description=description,
        form=Form.STAT,
        queries=(Query(expr, ""),),
        unit=unit,
        steps=steps,
        links=(board,),
        width=4,
        height=4,
    )


_FILL = NODES.share(NODES.now(conntrack.ENTRIES), NODES.now(conntrack.MAX_ENTRIES))

_WRONG_NOW = (
    DOWN,
    FAILING,
    CUT,
    _tile(
        "Segments sent again",
        "Share of TCP segments sent again, over all nodes and pods. Users feel it before the limit.",
        _TCP,
        _fleet(tcp.RETRANS_SEGS) / clamp_min(_fleet(tcp.OUT_SEGS), _IDLE),
        Show.SHARE,
        *limits(tcp_path.RETRANSMITS, tcp_path.RETRANSMITS_CRITICAL),
    ),
    _tile(
        "Connections refused",
        "Connection requests lost at listening sockets. Clients see time-outs: open the TCP board.",
        _TCP,
        _fleet(tcpext.LISTEN_DROPS),
        Show.PER_SECOND,
        Step(0.01, Colour.WATCH),
        Step(1, Colour.BAD),
    ),
    _tile(
        "Connections failed or reset",
        "Attempts that failed and established connections that were reset. Behind a proxy they become 502 and 504.",
        _TCP,
        _fleet(tcp.ATTEMPT_FAILS, tcp.ESTAB_RESETS),
        Show.PER_SECOND,
        Step(10, Colour.WATCH),
        Step(100, Colour.BAD),
    ),
    _tile(
        "UDP datagrams lost",
        "Datagrams lost because a socket's queue was full. DNS suffers first: open the UDP board.",
        _UDP,
        _fleet(udp.RCVBUF_ERRORS, udp.SNDBUF_ERRORS),
        Show.PACKETS_PER_SECOND,
        Step(0.01, Colour.WATCH),
        Step(1, Colour.BAD),
    ),
    _tile(
        "Fullest connection table",
        "Use of the connection tracking table on the node where it is fullest. At 1 new connections are dropped.",
        _CONNTRACK,
        aggregate("max", _FILL),
        Show.SHARE,
        *limits(node_rules.CONNTRACK_NEARLY_FULL, node_rules.CONNTRACK_FULL),
    ),
    _tile(
        "Connection table drops",
        "Packets dropped because the table was full or another entry came first. Open the connection tracking board.",
        _CONNTRACK,
        _fleet(conntrack.DROP) + _fleet(conntrack.INSERT_FAILED),
        Show.PER_SECOND,
        Step(0.01, Colour.WATCH),
        Step(1, Colour.BAD),
    ),
    _tile(
        "Backlog drops",
        "Packets dropped because a processor's backlog was full. Open the receive path board.",
        _SOFTNET,
        _fleet(softnet.DROPPED),
        Show.PACKETS_PER_SECOND,
        Step(0.01, Colour.WATCH),
        Step(1, Colour.BAD),
    ),
    _tile(
        "Device drops",
        "Packets dropped by devices of nodes and pods on receive and send. Open the traffic board.",
        _TRAFFIC,
        _fleet(netdev.RX_DROPPED, netdev.TX_DROPPED),
        Show.PACKETS_PER_SECOND,
        Step(1, Colour.WATCH),
        Step(100, Colour.BAD),
    ),
    _tile(
        "Neighbours not answering",
        "Address resolutions that failed. A pod or node is gone while others still send to it.",
        _NEIGHBOURS,
        _fleet(neigh.RESOLUTION_FAILURES),
        Show.PER_SECOND,
        Step(1, Colour.WATCH),
        Step(50, Colour.BAD),
    ),
)

_FLEET = (
    Panel(
        title="Traffic of the busiest nodes",
        description="Bytes that the nodes' own devices receive and send. A flat top is the limit of a link.",
        queries=(
            Query(topk(10, NODES.rate(netdev.RX_BYTES)), "{node} received"),
            Query(topk(10, NODES.rate(netdev.TX_BYTES)), "{node} sent"),
        ),
        unit=Show.BYTES_PER_SECOND,
        links=(TO_NODE,),
    ),
    Panel(
        title="Retransmission of the worst pods",
        description="Share of segments sent again. One pod alone: look at its peer. Many of one node: at its link.",
        queries=(
            Query(
                topk(10, PODS.share(PODS.rate(tcp.RETRANS_SEGS), PODS.rate(tcp.OUT_SEGS))),
                "{namespace}/{pod}",
            ),
        ),
        unit=Show.SHARE,
        steps=limits(tcp_path.RETRANSMITS, tcp_path.RETRANSMITS_CRITICAL),
        links=(PODS.link,),
    ),
)

_ABOUT = Panel(
    title="Reading this board",
    description="How the boards belong together.",
    form=Form.TEXT,
    text="""\
Read from top to bottom: a tile that is not green says **what** is wrong, the tables below say **where**.
Click a tile for the board of its subject, or a pod or a node in the tables to see it by subject; the menu
*By subject* above leads everywhere, and *By complaint* to boards that begin with what somebody complains of.
All of them keep the time range and the choices above.

Numbers of the node itself carry an empty pod label. Node-wide numbers, such as the connection table, the receive path
and neighbour tables, exist once per node and are never counted per pod.""",
    width=24,
    height=5,
)

BOARD = Board(
    slug="overview",
    title="net-exporter / Overview",
    description="What is wrong now on all nodes, which nodes and pods suffer, and whether the probes work.",
    rows=(
        Row("Wrong now, over all nodes", _WRONG_NOW),
        Row("Where", (PODS_IN_TROUBLE, NODES_IN_TROUBLE)),
        Row("Over time", _FLEET),
        Row("Probes", (HEALTH,), collapsed=True),
        Row("About", (_ABOUT,), collapsed=True),
    ),
)
