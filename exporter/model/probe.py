"""What a probe is: its declaration, and the world it may touch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from exporter.model.event import EventSource, EventType
    from exporter.model.metric import Metric
    from exporter.model.pod import Pod
    from exporter.model.snapshot import Table

T = TypeVar("T")

_LINUX = re.compile(r"Linux (\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Env:
    """What the world is. Passed in, so that a test or a container can pass another one.

    Args:
        proc: root of a procfs; host values are read from `proc/1/net`.
        sys: root of a sysfs.
        netns_dir: where `ip netns` keeps named namespaces.
        node: name of this node, as put into labels.
        options: probe name -> option name -> value, from the configuration.
        events: as `options`, of the probes whose events are wanted; the others need not make any.
        kernel_scan: whether eBPF programs may find in one run what sources would read file by file.
    """

    proc: Path
    sys: Path
    netns_dir: Path
    node: str
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    events: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    kernel_scan: bool = True


class Counters(Protocol):
    """Counters of a namespace by the kernel's names, in sections such as `Tcp` and `TcpExt`."""

    def pick(self, section: str, columns: tuple[str, ...]) -> tuple[int | None, ...]:
        """The numbers under `columns`, None for what this kernel does not count. Raises SourceError on garbage."""


class Netns(Protocol):
    """A network namespace for the length of a visit: the only way a source reaches into one."""

    @property
    def pod(self) -> Pod:
        """Its owner."""

    @property
    def root(self) -> Path:
        """Where its files are, for error messages and for files that are not under net/."""

    def read(self, name: str) -> bytes:
        """Content of its `/proc/net/<name>`. Raises UnsupportedError when this kernel has no such file."""

    def sysctl(self, name: str) -> bytes:
        """Content of its `/proc/sys/net/<name>`. Raises UnsupportedError when there is none."""

    def netlink(self, protocol: int, request: bytes) -> bytes:
        """Send one dump request on a netlink socket inside the namespace; all answers, concatenated."""

    def parsed(self, name: str, parse: Callable[[bytes, str], T]) -> T:
        """`parse(content, path)` of `/proc/net/<name>`; the object of the previous cycle if the content is the same.

        What a quiet pod prints does not change, so the result must not be changed by whoever gets it.
        """

    def last(self, reader: Callable[[Netns], T]) -> T | None:
        """What `reader` found here in the previous cycle; None in a new namespace or where it failed."""


# Runs inside a namespace, once per cycle and namespace however many probes ask for its result.
Reader: TypeAlias = Callable[[Netns], T]


class Cycle(Protocol):
    """One round of collection, as a probe sees it."""

    @property
    def env(self) -> Env:
        """The world."""

    @property
    def host(self) -> Pod:
        """The owner of node-wide numbers."""

    @property
    def pids(self) -> Mapping[Pod, tuple[int, ...]]:
        """Processes of each owner, the host's included."""

    def over(self, reader: Reader[T]) -> Iterable[tuple[Pod, T]]:
        """What `reader` found in each namespace still alive, the host first. Raises what it raised in any."""

    def on_host(self, reader: Reader[T]) -> T:
        """What `reader` found in the host's namespace. Raises what it raised there."""


class Probe(Protocol):
    """A running probe."""

    def collect(self, cycle: Cycle) -> list[Table]:
        """All tables of one cycle, complete, or an exception from `exporter.errors`."""

    def close(self) -> None:
        """Give back what `open` took."""


class EventProbe(Probe, Protocol):
    """A running probe that also tells single events."""

    def event_source(self) -> EventSource:
        """Where they come from; asked for once, and only when `Env.events` has options for this probe."""


class RequirementKind(Enum):
    """What a probe may need from the machine; feeds `check`, the manifests and the reference."""

    FILE = "file"
    MODULE = "kernel module"
    CAPABILITY = "capability"
    KERNEL = "kernel"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing a probe needs.

    Args:
        kind: what sort of thing.
        what: its name, for example CAP_SYS_ADMIN or /proc/slabinfo.
        why: what would be missing without it, one clause.
    """

    kind: RequirementKind
    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A setting of one probe, in the configuration under `metrics.probes[].args`.

    Args:
        name: key.
        help: one sentence.
        default: value used when the key is absent; its type is the type accepted.
        choices: for lists and strings, the values accepted; empty accepts all.
        least: smallest number accepted.
        most: largest number accepted.
        aliases: further spellings of the key, of other programs' configurations.
    """

    name: str
    help: str
    default: Any
    choices: tuple[str, ...] = ()
    least: float = 1
    most: float = 10_000_000
    aliases: tuple[str, ...] = ()


def option_spelling(name: str) -> str:
    """Options are taken as `enable_stack`, `enableStack` and `enable-stack`, as others' configurations have them."""
    return name.replace("_", "").replace("-", "").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpec:
    """The declaration of one probe: the constant `PROBE` of its module.

    Args:
        name: equals the module's name.
        summary: one sentence.
        metrics: everything it can ever emit.
        events: every type of event it can ever tell; then its running probe has `event_source`.
        open: makes the running probe; touches the machine, so never called on import.
        readers: what it needs read inside every namespace; shared with other probes.
        host_readers: what it needs read in the host's namespace only.
        requires: what the machine must offer.
        options: its settings.
        event_options: settings of its events, in the configuration under `event.probes[].args`.
        default: whether it runs without being asked for.
        advice: what to do when its metrics rise.
        deadline: seconds after which it counts as TIMED_OUT.
        aliases: names that other programs' configurations and documents have for it.
    """

    name: str
    summary: str
    metrics: tuple[Metric, ...]
    events: tuple[EventType, ...] = ()
    open: Callable[[Env], Probe]
    readers: tuple[Reader[Any], ...] = ()
    host_readers: tuple[Reader[Any], ...] = ()
    requires: tuple[Requirement, ...] = ()
    options: tuple[Option, ...] = ()
    event_options: tuple[Option, ...] = ()
    default: bool = True
    advice: str = ""
    deadline: float = 2.0
    aliases: tuple[str, ...] = ()

    @property
    def since(self) -> tuple[int, int]:
        """The first Linux that it is said to run on, be it with fewer numbers; (0, 0) where it says nothing."""
        said = (_LINUX.match(need.what) for need in self.requires if need.kind is RequirementKind.KERNEL)
        return min(((int(found[1]), int(found[2])) for found in said if found), default=(0, 0))


@dataclass(frozen=True, slots=True)
class _Stateless:
    function: Callable[[Cycle], list[Table]]

    def collect(self, cycle: Cycle) -> list[Table]:
        return self.function(cycle)

    def close(self) -> None:
        """Nothing was taken."""


def stateless(function: Callable[[Cycle], list[Table]]) -> Callable[[Env], Probe]:
    """Make `open` for a probe that keeps nothing between cycles."""
    return lambda _env: _Stateless(function)
