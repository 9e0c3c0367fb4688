"""Connection tracking: how full the table is, and what was refused."""

from __future__ import annotations

from alerts.rules import node as rules
from dashboards.limits import limits
from dashboards.panel import Colour, Step
from dashboards.subject import Subject, worst_nodes, worst_pods
from dashboards.units import Show
from dashboards.views import Line, Topic, topic
from exporter.probes import conntrack, conntrack_netns

FILL_STEPS = limits(rules.CONNTRACK_NEARLY_FULL, rules.CONNTRACK_FULL)

FILL = Topic(
    "Connection table in use",
    "Tracked connections for each that the table may hold. When it is full, packets of new connections are dropped.",
    Show.SHARE,
    (Line("", lambda view: view.share(view.now(conntrack.ENTRIES), view.now(conntrack.MAX_ENTRIES))),),
    FILL_STEPS,
    1.0,
)

SUBJECT = Subject(
    slug="conntrack",
    title="Connection tracking",
    description="The table behind Service addresses and masquerading: its size, its lookups and its refusals.",
    probes=("conntrack", "conntrack_netns"),
    tables=(
        worst_nodes(
            conntrack.INSERT_FAILED,
            "Nodes with insert races",
            "Entries refused because an equal one had come first, over the time shown. Typical for two DNS questions "
            "sent at once, felt as delays of five seconds.",
            Step(1, Colour.WATCH),
            Step(100, Colour.BAD),
        ),
        worst_pods(
            conntrack_netns.ENTRIES,
            "Pods that track most connections",
            "Connections tracked within the pod's own namespace. Only pods with rules of their own have any.",
        ),
    ),
    topics=(
        FILL,
        topic(
            "Connections tracked on the node",
            "Entries of the host's table. A steep rise is a scan, a connection storm or a leak.",
            (conntrack.ENTRIES, "entries"),
        ),
        topic(
            "Packets dropped for want of an entry",
            "Packets dropped because no entry could be made, and packets that a protocol's tracker found malformed. "
            "A rise of drops means a full table: raise net.netfilter.nf_conntrack_max.",
            (conntrack.DROP, "dropped"),
            (conntrack.ERROR, "malformed"),
            steps=limits(rules.CONNTRACK_DROPPING, window=300),
        ),
        topic(
            "Entries refused or thrown out",
            "Insert races, chains too long, and entries thrown out to make room. Each refused entry is a lost packet, "
            "each thrown out one a broken connection.",
            (conntrack.INSERT_FAILED, "insert race lost"),
            (conntrack.EARLY_DROP, "thrown out"),
            (conntrack.CHAIN_TOOLONG, "chain too long"),
            (conntrack.CLASH_RESOLVE, "race resolved without loss"),
            steps=limits(rules.CONNTRACK_INSERT),
        ),
        topic(
            "Packets that fit no connection",
            "Packets that fit no tracked connection, and packets that needed none. A rise of invalid ones points at "
            "asymmetric routes or late answers.",
            (conntrack.INVALID, "invalid"),
            (conntrack.IGNORE, "not tracked"),
            steps=(Step(10, Colour.WATCH),),
        ),
        topic(
            "Table lookups",
            "Lookups that found an entry, and lookups begun anew because the table changed under them. Many restarts "
            "mean that very many connections come and go.",
            (conntrack.FOUND, "found"),
            (conntrack.SEARCH_RESTART, "begun anew"),
        ),
        topic(
            "Entries made",
            "Entries put into the table. Recent kernels count only those that a program puts there.",
            (conntrack.INSERT, "made"),
        ),
        topic(
            "Connections tracked in the namespace",
            "Entries of each network namespace. A rise within a pod comes from rules in the pod itself.",
            (conntrack_netns.ENTRIES, "entries"),
        ),
    ),
)
