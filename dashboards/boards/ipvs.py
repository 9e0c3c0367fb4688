"""IPVS: what kube-proxy's virtual services pass on. Node-wide."""

from __future__ import annotations

from dashboards.subject import Subject, worst_nodes
from dashboards.views import topic
from exporter.probes import ipvs

SUBJECT = Subject(
    slug="ipvs",
    title="IPVS",
    description="Connections, packets and bytes that pass the node's virtual services, where kube-proxy uses IPVS.",
    probes=("ipvs",),
    tables=(
        worst_nodes(
            ipvs.CONNECTIONS,
            "Nodes with most connections",
            "Connections given to a server behind a virtual service, over the time shown.",
        ),
    ),
    topics=(
        topic(
            "Connections through IPVS",
            "Connections given to a server behind a virtual service. A fall to zero on one node alone means that its "
            "kube-proxy lost its services.",
            (ipvs.CONNECTIONS, "connections"),
        ),
        topic(
            "Packets through IPVS",
            "Packets from clients and back. Answers that stand still while questions rise: servers do not answer, or "
            "answer past this node.",
            (ipvs.INCOMING_PACKETS, "from clients"),
            (ipvs.OUTGOING_PACKETS, "to clients"),
        ),
        topic(
            "Bytes through IPVS",
            "Bytes from clients and back. A lasting rise is a load that moved to this node.",
            (ipvs.INCOMING_BYTES, "from clients"),
            (ipvs.OUTGOING_BYTES, "to clients"),
        ),
    ),
)
