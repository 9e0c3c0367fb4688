"""What shows at a glance that a pod or a node is in trouble: one row each, a column for every sign."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

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
_FEW = 10  # segments per second below which the share of those sent again is chance


@dataclass(frozen=True, slots=True)
class _Sign:
    title: str
    expr: Expr
    unit: Show
    watch: float  # from here on it is a sign
    bad: float

    def column(self, expr: Expr) -> Query:
        steps = (Step(self.watch, Colour.WATCH), Step(self.bad, Colour.BAD))
        return Query(expr, self.title, self.unit, steps)


def _sent_again(view: View) -> _Sign:
    share = view.rate(tcp.RETRANS_SEGS) / clamp_min(view.rate(tcp.OUT_SEGS), _FEW)
    return _Sign("Sent again", share, Show.SHARE, 0.01, 0.05)


def _device_drops(view: View) -> _Sign:
    dropped = view.rate(netdev.RX_DROPPED) + view.rate(netdev.TX_DROPPED)
    return _Sign("Device drops", dropped, Show.PACKETS_PER_SECOND, 1, 100)


def _fill() -> Expr:
    return NODES.share(NODES.now(conntrack.ENTRIES), NODES.now(conntrack.MAX_ENTRIES))


_OF_PODS = (
    _sent_again(PODS),
    _Sign("Refused", PODS.rate(tcpext.LISTEN_DROPS), Show.PER_SECOND, 0.01, 1),
    _Sign("Accept queue", PODS.now(listen.FULLEST_RATIO), Show.SHARE, 0.5, 0.9),
    _Sign("Failed or reset", PODS.rate(tcp.ATTEMPT_FAILS) + PODS.rate(tcp.ESTAB_RESETS), Show.PER_SECOND, 5, 50),
    _Sign("Not closed", PODS.now(tcpsummary.CLOSE_WAIT), Show.COUNT, 100, 1000),
    _Sign("UDP lost", PODS.rate(udp.RCVBUF_ERRORS) + PODS.rate(udp.SNDBUF_ERRORS), Show.PACKETS_PER_SECOND, 0.01, 1),
    _device_drops(PODS),
)
# A pod that listens nowhere has no accept queue, and a probe may be off: neither must take it out of the table.
_NO_POD = PODS.now(tcp.CURR_ESTAB) * 0
_PODS_SIGNS = reduce(add, (reaches(sign.expr, sign.watch).otherwise(_NO_POD) for sign in _OF_PODS))

_OF_NODES = (
    _Sign("Pods in trouble", total(reaches(_PODS_SIGNS, 1), Identity.NODE), Show.COUNT, 1, 10),
    _Sign("Connection table", _fill(), Show.SHARE, 0.75, 0.9),
    _Sign("Table drops", NODES.rate(conntrack.DROP) + NODES.rate(conntrack.INSERT_FAILED), Show.PER_SECOND, 0.01, 1),
    _Sign("Backlog drops", NODES.rate(softnet.DROPPED), Show.PACKETS_PER_SECOND, 0.01, 1),
    _device_drops(NODES),
    _Sign("Neighbours silent", NODES.rate(neigh.RESOLUTION_FAILURES), Show.PER_SECOND, 1, 50),
    _sent_again(NODES),
)
_NO_NODE = NODES.now(health.PODS) * 0  # as above, for a probe that a node cannot run
_NODES_SIGNS = reduce(add, (reaches(sign.expr, sign.watch).otherwise(_NO_NODE) for sign in _OF_NODES))

PODS_IN_TROUBLE = Panel(
    title="Pods in trouble now",
    description="Pods by number of signs; an empty cell is below its limit. Sent again: share of TCP segments. "
    "Refused: connection requests lost at listening sockets. Accept queue: use of the fullest. Failed or reset: "
    "connections. Not closed: connections in close-wait. UDP lost: datagrams that found a socket's queue full.",
    form=Form.TABLE,
    queries=(
        Query(topk(_ROWS, _PODS_SIGNS > 0), "Signs", Show.COUNT, (Step(1, Colour.WATCH), Step(3, Colour.BAD))),
        *(sign.column(topk(_ROWS, sign.expr >= sign.watch)) for sign in _OF_PODS),
    ),
    links=(TO_NODE, TO_POD),
    width=24,
    height=9,
)
NODES_IN_TROUBLE = Panel(
    title="Nodes",
    description="All nodes, those with most signs first. Pods in trouble: how many show a sign. Connection table: use "
    "of the connection tracking table; table drops: packets it refused. Backlog drops: packets that found a "
    "processor's backlog full. Device drops and segments sent again are those of the node's own namespace. Neighbours "
    "silent: addresses that nobody answers for.",
    form=Form.TABLE,
    queries=(
        Query(_NODES_SIGNS, "Signs", Show.COUNT, (Step(1, Colour.WATCH), Step(3, Colour.BAD))),
        *(sign.column(sign.expr) for sign in _OF_NODES),
    ),
    links=(TO_NODE,),
    width=24,
    height=8,
)
