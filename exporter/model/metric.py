"""A metric is a value: declared once, imported by everything that names it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Naming(Enum):
    """The two families of names that users already run; every metric has a name in each."""

    KUBESKOOP = "kubeskoop"
    INSPECTOR = "inspector"


class Kind(Enum):
    """Prometheus sample semantics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Scope(Enum):
    """What one number is about; it decides the identity labels and what a query may do."""

    NODE = "node"  # once per node: pod labels stay empty
    NETNS = "netns"  # once per network namespace: the host's and each pod's
    POD = "pod"  # once per pod and for the host, from its processes rather than from its namespace


class Unit(Enum):
    """What is counted. Names new with us end in the base units SECONDS, BYTES or RATIO."""

    BYTES = "bytes"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    RATIO = "ratio"
    PACKETS = "packets"
    SEGMENTS = "segments"
    DATAGRAMS = "datagrams"
    FRAGMENTS = "fragments"
    MESSAGES = "messages"
    CONNECTIONS = "connections"
    SOCKETS = "sockets"
    ENTRIES = "entries"
    LOOKUPS = "lookups"
    DESCRIPTORS = "descriptors"
    CALLS = "calls"
    OBJECTS = "objects"
    PAGES = "pages"
    PORTS = "ports"
    HOPS = "hops"
    WORDS = "4-byte words"
    TICKS = "ticks"
    REQUESTS = "requests"
    TIMEOUTS = "timeouts"
    ERRORS = "errors"
    EVENTS = "events"
    STATE = "state"
    ONE = "1"


class Identity(Enum):
    """Labels that say whose number it is. Attached by the exposition; a probe never declares them."""

    NODE = "node"
    NAMESPACE = "namespace"
    POD = "pod"
    NETNS = "netns"

    def name_in(self, naming: Naming) -> str:
        """Label name in one dialect, for example `k8s_pod` or `pod`."""
        return f"k8s_{self.value}" if naming is Naming.KUBESKOOP else self.value


# Order matters: it is the order on the exposition line. `netns` exists only in the inspector dialect.
IDENTITY_LABELS: dict[Naming, tuple[Identity, ...]] = {
    Naming.KUBESKOOP: (Identity.NODE, Identity.NAMESPACE, Identity.POD),
    Naming.INSPECTOR: (Identity.NAMESPACE, Identity.NETNS, Identity.NODE, Identity.POD),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A label that a probe adds to the identity labels.

    Args:
        name: label name on the wire.
        help: what the value means.
        values: the closed set of values, or empty for an open set.
        budget: for an open set, how many rows one pod may have before further ones are cut and counted.
    """

    name: str
    help: str
    values: tuple[str, ...] = ()
    budget: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """One metric family. Declared once, so it equals only itself; that also makes it a cheap key.

    Args:
        probe: name of the probe that measures it; part of both names.
        name: rest of the name. New names follow Prometheus conventions; inherited ones are kept as users know them.
        kind: counter, gauge or histogram.
        unit: what is counted.
        help: one sentence; appears as HELP and in the reference.
        scope: node, network namespace or pod.
        source: kernel interface it is read from, for people.
        column: the kernel's own name of the number within the source; the key by which it is picked from a row.
        labels: labels besides the identity labels.
        buckets: of a histogram, the upper bounds in its unit, ascending; a bucket without bound follows.
        level_labels: whether `le` in the inspector dialect is the number of the bucket, as users of it know.
        advice: what to do when it rises; falls back to the probe's advice.
        kubeskoop: full name in that dialect where it is not `kubeskoop_<probe>_<name>`.
        inspector: full name in that dialect where it is not `inspector_pod_<probe><name>`.
        aliases: further names in documents, accepted by `explain`, never exposed.
        default: whether it is exposed without being selected by name.
        external: exposed by somebody else (Prometheus itself), so no naming applies and no identity labels exist.
    """

    probe: str
    name: str
    kind: Kind
    unit: Unit
    help: str
    scope: Scope
    source: str
    column: str = ""
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    level_labels: bool = False
    advice: str = ""
    kubeskoop: str = ""
    inspector: str = ""
    aliases: tuple[str, ...] = ()
    default: bool = True
    external: bool = False

    def name_in(self, naming: Naming) -> str:
        """Full name in one dialect."""
        if naming is Naming.KUBESKOOP:
            return self.kubeskoop or f"kubeskoop_{self.probe}_{self.name}"
        return self.inspector or f"inspector_pod_{self.probe}{self.name}"

    @property
    def width(self) -> int:
        """Series that one value of it makes: for a histogram its buckets, their sum and their count."""
        return len(self.buckets) + 3 if self.kind is Kind.HISTOGRAM else 1

    def all_names(self) -> tuple[str, ...]:
        """Every name that leads here: of both dialects, of a histogram's series, and aliases; without repetition."""
        names = dict.fromkeys(self.name_in(naming) for naming in Naming)
        parts = ("_bucket", "_count", "_sum") if self.kind is Kind.HISTOGRAM else ()
        series = (f"{name}{part}" for name in names for part in parts)
        return tuple(dict.fromkeys((*names, *series, *self.aliases)))

    def label_names(self, naming: Naming) -> tuple[str, ...]:
        """All label names of a sample in one dialect, in the order of the exposition line."""
        own = tuple(label.name for label in self.labels)
        if self.external:
            return own
        return (*(identity.name_in(naming) for identity in IDENTITY_LABELS[naming]), *own)
