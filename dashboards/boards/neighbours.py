"""Neighbours: ARP and NDP tables, and the addresses that nobody answers for."""

from __future__ import annotations

from alerts.rules import node as rules
from dashboards.limits import limits
from dashboards.panel import Colour, Step
from dashboards.subject import Subject, worst_pods
from dashboards.units import Show
from dashboards.views import Line, Topic, label_of, line
from exporter.probes import neigh

_FAMILY = label_of(neigh.TABLE_ENTRIES, "family")
_STATE = label_of(neigh.ENTRIES, "state")

SUBJECT = Subject(
    slug="neighbours",
    title="Neighbours",
    description="Neighbour tables of IPv4 (ARP) and IPv6 (NDP), shared by all namespaces of a node.",
    probes=("neigh",),
    tables=(
        worst_pods(
            neigh.ENTRIES,
            "Pods with most neighbours",
            "Neighbour entries of the pod now. One pod that scans its subnet fills the table of the whole node.",
            Step(500, Colour.WATCH),
        ),
    ),
    topics=(
        Topic(
            "Neighbour table in use",
            "Entries of the table for each that it may hold. At 1 new neighbours cannot be reached: raise "
            "net.ipv4.neigh.default.gc_thresh3.",
            Show.SHARE,
            (
                Line(
                    "{family}",
                    lambda view: view.share(
                        view.now(neigh.TABLE_ENTRIES, _FAMILY), view.now(neigh.GC_THRESH3, _FAMILY)
                    ),
                ),
            ),
            limits(rules.NEIGHBOURS_NEARLY_FULL),
            1.0,
        ),
        Topic(
            "Neighbour table and its thresholds",
            "Entries of the table beside the thresholds of the collector: it begins at the second, and refuses at the "
            "third.",
            Show.NUMBER,
            (
                line(neigh.TABLE_ENTRIES, "{family} entries", _FAMILY),
                line(neigh.GC_THRESH1, "{family} first", _FAMILY),
                line(neigh.GC_THRESH2, "{family} second", _FAMILY),
                line(neigh.GC_THRESH3, "{family} third", _FAMILY),
            ),
        ),
        Topic(
            "Neighbours refused and collected",
            "Entries refused by a full table, and forced collections. Each refusal is a packet that went nowhere.",
            Show.PER_SECOND,
            (
                line(neigh.TABLE_FULLS, "{family} table full", _FAMILY),
                line(neigh.FORCED_GC_RUNS, "{family} forced collection", _FAMILY),
            ),
            (Step(0.1, Colour.WATCH),),
        ),
        Topic(
            "Addresses that nobody answers for",
            "Resolutions that failed. A rise means that a pod or node is gone while others still send to it.",
            Show.PER_SECOND,
            (line(neigh.RESOLUTION_FAILURES, "{family}", _FAMILY),),
            (Step(1, Colour.WATCH),),
        ),
        Topic(
            "Packets dropped while resolving",
            "Packets thrown away because the address of the next hop was not known in time.",
            Show.PACKETS_PER_SECOND,
            (line(neigh.UNRESOLVED_DISCARDS, "{family}", _FAMILY),),
            (Step(1, Colour.WATCH),),
        ),
        Topic(
            "Neighbours by state",
            "Entries of each namespace by state. Failed and incomplete ones that grow are addresses that nobody "
            "answers for.",
            Show.NUMBER,
            (line(neigh.ENTRIES, "{state}", _STATE),),
        ),
    ),
)
