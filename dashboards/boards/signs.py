"""What shows at a glance that a pod or a node is in trouble: one row each, a column for every sign."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from alerts import thresholds
from alerts.rules import node as node_rules
from alerts.rules import tcp_path, tcp_socket
from dashboards.limits import limits
from dashboards.panel import Colour, Form, Panel, Query, Step
from dashboards.units import Show
from dashboards.views import NODES, PODS, TO_NODE, TO_POD
from exporter.model import health
from exporter.model.metric import Identity
from exporter.model.promql import Expr, clamp_min, reaches, topk, total
from exporter.probes import conntrack, listen, neigh, netdev, softnet, tcp, tcpext, tcpsummary, udp

if TYPE_CHECKING:
    from dashboards.views import View

_ROWS = 20


@dataclass(frozen=True, slots=True)
class Sign:
    """A number that tells of trouble from its first step on.

    Args:
        title: of its column.
        expr: the number.
        unit: of it.
        steps: thresholds, at least one.
    """

    title: str
    expr: Expr
    unit: Show
    steps: tuple[Step, ...]

    @property
    def watch(self) -> float:
        """From here on it is a sign."""
        return self.steps[0].at

    def column(self, expr: Expr) -> Query:
        """Its values in a table."""
        return Query(expr, self.title, self.unit, self.steps)


def _sign(title: str, expr: Expr, unit: Show, watch: float, bad: float) -> Sign:
    return Sign(title, expr, unit, (Step(watch, Colour.WATCH), Step(bad, Colour.BAD)))


def _sent_again(view: View) -> Sign:
    share = view.rate(tcp.RETRANS_SEGS) / clamp_min(view.rate(tcp.OUT_SEGS), thresholds.SENT_SEGMENTS.value)
    return Sign("Sent again", share, Show.SHARE, limits(tcp_path.RETRANSMITS, tcp_path.RETRANSMITS_CRITICAL))


def _device_drops(view: View) -> Sign:
    dropped = view.rate(netdev.RX_DROPPED) + view.rate(netdev.TX_DROPPED)
    return _sign("Device drops", dropped, Show.PACKETS_PER_SECOND, 1, 100)


def _fill() -> Expr:
    return NODES.share(NODES.now(conntrack.ENTRIES), NODES.now(conntrack.MAX_ENTRIES))


_OF_PODS = (
    _sent_again(PODS),
    _sign("Refused", PODS.rate(tcpext.LISTEN_DROPS), Show.PER_SECOND, 0.01, 1),
    Sign("Accept queue", PODS.now(listen.FULLEST_RATIO), Show.SHARE, limits(tcp_socket.ACCEPT_QUEUE)),
    _sign("Failed or reset", PODS.rate(tcp.ATTEMPT_FAILS) + PODS.rate(tcp.ESTAB_RESETS), Show.PER_SECOND, 5, 50),
    _sign("Not closed", PODS.now(tcpsummary.CLOSE_WAIT), Show.COUNT, 100, 1000),
    _sign("UDP lost", PODS.rate(udp.RCVBUF_ERRORS) + PODS.rate(udp.SNDBUF_ERRORS), Show.PACKETS_PER_SECOND, 0.01, 1),
    _device_drops(PODS),
)
# A pod that listens nowhere has no accept queue, and a probe may be off: neither must take it out of the table.
_NO_POD = PODS.now(tcp.CURR_ESTAB) * 0


def _counted(signs: tuple[Sign, ...], none: Expr) -> Expr:
    """How many of the signs there are; `none` is 0 for all who could have one."""
    return reduce(add, (reaches(sign.expr, sign.watch).otherwise(none) for sign in signs))


_OF_NODES = (
    _sign("Pods in trouble", total(reaches(_counted(_OF_PODS, _NO_POD), 1), Identity.NODE), Show.COUNT, 1, 10),
    Sign("Connection table", _fill(), Show.SHARE, limits(node_rules.CONNTRACK_NEARLY_FULL, node_rules.CONNTRACK_FULL)),
    _sign("Table drops", NODES.rate(conntrack.DROP) + NODES.rate(conntrack.INSERT_FAILED), Show.PER_SECOND, 0.01, 1),
    _sign("Backlog drops", NODES.rate(softnet.DROPPED), Show.PACKETS_PER_SECOND, 0.01, 1),
    _device_drops(NODES),
    _sign("Neighbours silent", NODES.rate(neigh.RESOLUTION_FAILURES), Show.PER_SECOND, 1, 50),
    _sent_again(NODES),
)
_NO_NODE = NODES.now(health.PODS) * 0  # as above, for a probe that a node cannot run

_FEW_OR_MANY = (Step(1, Colour.WATCH), Step(3, Colour.BAD))


def pods_with(signs: tuple[Sign, ...], title: str, description: str) -> Panel:
    """The pods with most signs, and the values of those from their limits on."""
    counted = topk(_ROWS, _counted(signs, _NO_POD) > 0)
    return Panel(
        title=title,
        description=description,
        form=Form.TABLE,
        queries=(
            Query(counted, "Signs", Show.COUNT, _FEW_OR_MANY),
            *(sign.column(topk(_ROWS, sign.expr >= sign.watch)) for sign in signs),
        ),
        links=(TO_NODE, TO_POD),
        width=24,
        height=9,
    )


PODS_IN_TROUBLE = pods_with(
    _OF_PODS,
    "Pods in trouble now",
    "Pods by number of signs; an empty cell is below its limit. Sent again: share of TCP segments. "
    "Refused: connection requests lost at listening sockets. Accept queue: use of the fullest. Failed or reset: "
    "connections. Not closed: connections in close-wait. UDP lost: datagrams that found a socket's queue full.",
)
NODES_IN_TROUBLE = Panel(
    title="Nodes",
    description="All nodes, those with most signs first. Pods in trouble: how many show a sign. Connection table: use "
    "of the connection tracking table; table drops: packets it refused. Backlog drops: packets that found a "
    "processor's backlog full. Device drops and segments sent again are those of the node's own namespace. Neighbours "
    "silent: addresses that nobody answers for.",
    form=Form.TABLE,
    queries=(
        Query(_counted(_OF_NODES, _NO_NODE), "Signs", Show.COUNT, _FEW_OR_MANY),
        *(sign.column(sign.expr) for sign in _OF_NODES),
    ),
    links=(TO_NODE,),
    width=24,
    height=8,
)
