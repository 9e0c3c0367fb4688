"""RDMA adapters. Node-wide; their hundred hardware counters stand in the row of further counters."""

from __future__ import annotations

from dashboards.subject import Subject
from dashboards.units import Show
from dashboards.views import Topic, label_of, line
from exporter.probes import rdma

_DEVICE = label_of(rdma.QP, "device")

SUBJECT = Subject(
    slug="rdma",
    title="RDMA",
    description="Objects in use and hardware counters of the node's RDMA adapters, where there are any.",
    probes=("rdma",),
    topics=(
        Topic(
            "Queues and contexts in use",
            "Queue pairs, completion queues, shared receive queues and contexts by adapter. At the adapter's limit "
            "programs can open no more.",
            Show.NUMBER,
            (
                line(rdma.QP, "{device} queue pairs", _DEVICE),
                line(rdma.CQ, "{device} completion queues", _DEVICE),
                line(rdma.SRQ, "{device} shared receive queues", _DEVICE),
                line(rdma.CTX, "{device} contexts", _DEVICE),
            ),
        ),
        Topic(
            "Memory regions, domains and identifiers in use",
            "Memory regions, protection domains and connection identifiers by adapter. Steady growth is a leak.",
            Show.NUMBER,
            (
                line(rdma.MR, "{device} memory regions", _DEVICE),
                line(rdma.PD, "{device} protection domains", _DEVICE),
                line(rdma.CM_ID, "{device} connection identifiers", _DEVICE),
            ),
        ),
    ),
)
