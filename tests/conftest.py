"""Small worlds for unit tests: captured trees, a namespace made of bytes, a cycle made of results.

Tests get them as fixtures, most of which are factories: `netns = fake_netns({"snmp": b"..."})`.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import UnsupportedError
from exporter.model.pod import Pod
from exporter.model.probe import Env

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from exporter.model.metric import Metric
    from exporter.model.probe import Reader
    from exporter.model.snapshot import Number, Table

# A shell starts its background jobs deaf to Ctrl-C, and programs that tests start and end so would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

TREES = Path(__file__).parent / "trees"
HOST = Pod("", "", 4026531840)
WEB = Pod("shop", "web-0", 4026532001)
DNS = Pod("kube-system", "coredns-7d", 4026532002)


@dataclass
class FakeNetns:
    """A namespace whose files are given. What is not given does not exist.

    Args:
        files: content by name below /proc/net.
        sysctls: content by name below /proc/sys/net.
        answers: netlink answers by (protocol, request), or by protocol alone where the request does not matter.
        pod: its owner.
        root: where its files claim to be.
        previous: what readers found in the cycle before.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    sysctls: Mapping[str, bytes] = field(default_factory=dict)
    answers: Mapping[Any, bytes] = field(default_factory=dict)
    pod: Pod = WEB
    root: Path = Path("/proc/42")
    previous: Mapping[Reader[Any], Any] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise UnsupportedError(f"{self.root}/net/{name} does not exist on this kernel")
        return self.files[name]

    def sysctl(self, name: str) -> bytes:
        if name not in self.sysctls:
            raise UnsupportedError(f"/proc/sys/net/{name} does not exist on this kernel")
        return self.sysctls[name]

    def netlink(self, protocol: int, request: bytes) -> bytes:
        for key in ((protocol, request), protocol):
            if key in self.answers:
                return self.answers[key]
        raise UnsupportedError(f"the kernel does not answer netlink protocol {protocol}")

    def parsed(self, name: str, parse: Callable[[bytes, str], Any]) -> Any:  # noqa: ANN401 -- whatever it parses to
        return parse(self.read(name), f"{self.root}/net/{name}")

    def last(self, reader: Reader[Any]) -> Any:  # noqa: ANN401 -- whatever the test put in
        return self.previous.get(reader)


@dataclass
class FakeCycle:
    """A cycle whose readers found what is given; a result that is an exception is raised.

    Args:
        results: for each reader, what it found for each owner, the host first.
        env: the world.
        host: the owner of node-wide numbers.
        pids: processes of each owner.
    """

    results: Mapping[Reader[Any], Sequence[tuple[Pod, Any]]] = field(default_factory=dict)
    env: Env = field(default_factory=lambda: Env(Path("/proc"), Path("/sys"), Path("/run/netns"), "node-a"))
    host: Pod = HOST
    pids: Mapping[Pod, tuple[int, ...]] = field(default_factory=dict)

    def over(self, reader: Reader[Any]) -> Iterator[tuple[Pod, Any]]:
        for pod, result in self.results[reader]:
            if isinstance(result, Exception):
                raise result
            yield pod, result

    def on_host(self, reader: Reader[Any]) -> Any:  # noqa: ANN401 -- whatever the test put in
        result = dict(self.results[reader])[self.host]
        if isinstance(result, Exception):
            raise result
        return result


def _values_of(tables: Sequence[Table]) -> dict[tuple[Any, ...], dict[str, Number | None]]:
    found: dict[tuple[Any, ...], dict[str, Number | None]] = {}
    for table in tables:
        names = [metric.name for metric in table.metrics]
        for row in table.rows:
            found.setdefault((row.pod, *row.labels), {}).update(zip(names, row.values, strict=True))
    return found


def _env_of(tree: str, **options: Mapping[str, Any]) -> Env:
    root = TREES / tree
    assert (root / "MANIFEST.toml").is_file(), f"no captured tree {tree}"
    return Env(proc=root / "proc", sys=root / "sys", netns_dir=root / "netns", node="node-a", options=options)


@pytest.fixture
def host() -> Pod:
    return HOST


@pytest.fixture
def web() -> Pod:
    """Some pod."""
    return WEB


@pytest.fixture
def dns() -> Pod:
    """Some other pod."""
    return DNS


@pytest.fixture
def fake_netns() -> type[FakeNetns]:
    return FakeNetns


@pytest.fixture
def fake_cycle() -> type[FakeCycle]:
    return FakeCycle


@pytest.fixture
def env_of() -> Callable[..., Env]:
    """Make the `Env` of a captured tree: `env_of("6.18-x86_64-two-pods", tcpext={"extra": ["all"]})`."""
    return _env_of


@pytest.fixture
def values_of() -> Callable[[Sequence[Table]], dict[tuple[Any, ...], dict[str, Number | None]]]:
    """Tables as a dictionary: (pod, *labels) -> metric name -> value."""
    return _values_of


@pytest.fixture
def names_of() -> Callable[[Sequence[Metric]], tuple[str, ...]]:
    """Names of metrics without the probe."""
    return lambda metrics: tuple(metric.name for metric in metrics)
