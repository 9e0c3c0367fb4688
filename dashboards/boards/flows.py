"""Who talks to whom, and how much."""

from __future__ import annotations

from dashboards import node_graph, units
from dashboards.panel import Form, Panel, Query
from dashboards.subject import Subject
from dashboards.views import NODES, SHOWN, TO_NODE, label_of, topic
from exporter.model.promql import aggregate, topk
from exporter.probes import flow

_ENDS = tuple(
    label_of(flow.BYTES, name) for name in ("src_namespace", "src_pod", "src", "dst_namespace", "dst_pod", "dst")
)
_SOURCE = node_graph.End(*(label_of(flow.BYTES, name) for name in ("src", "src_pod", "src_namespace")))
_TARGET = node_graph.End(*(label_of(flow.BYTES, name) for name in ("dst", "dst_pod", "dst_namespace")))
_EDGES = 50  # more of them nobody can follow with the eye
# A pair on two nodes is counted on both.
_PAIRS = topk(_EDGES, aggregate("max", NODES.rate(flow.BYTES, *_ENDS), *_ENDS))

SUBJECT = Subject(
    slug="flows",
    title="Flows",
    description="Bytes and packets by sender and receiver, as they leave or enter the node or pass between its pods.",
    probes=("flow",),
    tables=(
        Panel(
            title="Pairs with most bytes",
            description="Bytes from one address to another, over the time shown. Who fills the network.",
            form=Form.TABLE,
            queries=(Query(topk(SHOWN, NODES.increase(flow.BYTES, *_ENDS) > 0), "In the time shown"),),
            unit=units.total_of(flow.BYTES),
            links=(TO_NODE,),
        ),
        Panel(
            title="Pairs with most packets",
            description="Packets from one address to another, over the time shown. Small ones cost the node the most.",
            form=Form.TABLE,
            queries=(Query(topk(SHOWN, NODES.increase(flow.PACKETS, *_ENDS) > 0), "In the time shown"),),
            unit=units.total_of(flow.PACKETS),
            links=(TO_NODE,),
        ),
        Panel(
            title="Who talks to whom",
            description=f"The {_EDGES} busiest pairs: at a node the bytes per second that it sends, at an edge those "
            "that pass from its one end to the other. Click a node to see its numbers.",
            form=Form.NODE_GRAPH,
            queries=(
                Query(node_graph.nodes(_PAIRS, _SOURCE, _TARGET), ""),
                Query(node_graph.edges(_PAIRS, _SOURCE, _TARGET), ""),
            ),
            unit=units.of(flow.BYTES),
            width=24,
            height=16,
        ),
    ),
    topics=(
        topic(
            "Bytes by pair",
            "Bytes per second between the busiest pairs.",
            (flow.BYTES, ""),
            keep=(label_of(flow.BYTES, "src"), label_of(flow.BYTES, "dst")),
        ),
        topic(
            "Packets by pair",
            "Packets per second between the busiest pairs.",
            (flow.PACKETS, ""),
            keep=(label_of(flow.PACKETS, "src"), label_of(flow.PACKETS, "dst")),
        ),
        topic(
            "Bytes by kind of receiver",
            "Between pods, nodes and what is outside.",
            (flow.BYTES, ""),
            keep=(label_of(flow.BYTES, "src_type"), label_of(flow.BYTES, "dst_type")),
        ),
        topic(
            "Packets missing in the flows",
            "Packets for which there was no room, or whose headers could not be read. Raise the probe's option "
            "`entries` when this is not zero.",
            (flow.UNCOUNTED, ""),
            keep=(label_of(flow.UNCOUNTED, "reason"),),
        ),
    ),
)
