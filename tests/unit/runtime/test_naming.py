from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf.stacks import Stacks
from exporter.bpf.symbols import Symbol
from exporter.errors import SourceError
from exporter.identity.recent import Owners
from exporter.model.event import Connection, Event, Named
from exporter.model.pod import NetnsRef, Pod
from exporter.model.snapshot import Status
from exporter.runtime import naming
from exporter.runtime.collector import Collector, RunningProbe
from exporter.runtime.naming import Naming
from exporter.sources.addresses import Address
from exporter.sources.links import SERVICES, Link
from tests.unit.events.made_events import LOSS, NODE, RESET, TIME, tcp
from tests.unit.runtime.worlds import HOST, POD_A, POD_B, world

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from exporter.model.probe import Env

POD_OWNER = {"type": "pod", "node": NODE, "namespace": POD_A.namespace, "pod": POD_A.name}
NODE_OWNER = {"type": "node", "node": NODE, "namespace": "", "pod": ""}
EXTERNAL = {"type": "external", "node": "", "namespace": "", "pod": ""}


class _Symbols:
    def at(self, addresses: Iterable[int]) -> dict[int, Symbol]:
        return {address: Symbol("f", "", address) for address in addresses}

    known = at

    def close(self) -> None:
        """Nothing was opened."""


class _World:
    """Namespaces that a test changes; time stands still unless told."""

    def __init__(self, root: Path) -> None:
        self.env = replace(world(root), node=NODE)
        self.refs: tuple[NetnsRef, ...] = (NetnsRef(HOST), NetnsRef(POD_A))
        self.looks = 0
        self.now = 1000.0
        self.takes = 0.0
        self.owners = Owners(NODE, lambda: self.now)
        self.owners.now_are(ref.pod for ref in self.refs)
        self.naming = Naming(self.env, self.owners, Stacks(_Symbols), self._discover, lambda: self.now)

    def _discover(self, env: Env) -> tuple[NetnsRef, ...]:
        assert env is self.env
        self.looks += 1
        self.now += self.takes
        return self.refs

    def one(self, netns: int = POD_A.netns, connection: Connection | None = None, **more: Any) -> Named:  # noqa: ANN401
        (named,) = self.naming([Event(RESET, TIME, netns, connection, **more)])
        return named


def _mapped(*numbers: int) -> bytes:
    return bytes(10) + b"\xff\xff" + bytes(numbers)


def test_everybody_in_an_event_is_named(tmp_path: Path) -> None:
    here = _World(tmp_path)
    here.owners.addresses_are({HOST: [_mapped(192, 0, 2, 1)], POD_A: [_mapped(10, 0, 0, 7)]})
    connection = tcp("10.0.0.7", 443, "198.51.100.3", 4000)
    event = Event(LOSS, TIME, POD_A.netns, connection, stack=(0x1F, 0xA3))
    assert here.naming([event]) == [Named(event, NODE, POD_A, POD_OWNER, EXTERNAL, ("f+0x1F", "f+0xA3"))]
    assert here.one(connection=tcp("192.0.2.1", 1, "10.0.0.7", 2)).source == NODE_OWNER


def test_an_address_that_means_something_inside_a_namespace_only_is_its_owners(tmp_path: Path) -> None:
    here = _World(tmp_path)
    assert here.one(connection=tcp("127.0.0.1", 1, "127.8.9.1", 2)).source == POD_OWNER
    assert here.one(connection=tcp("::1", 1, "::1", 2)).destination == POD_OWNER
    assert here.one(HOST.netns, tcp("::1", 1, "::1", 2)).destination == NODE_OWNER
    assert here.one(connection=tcp("fe80::1", 1, "169.254.1.1", 2)).destination == {}
    assert here.one(connection=tcp("fe80::1", 1, "0.0.0.0", 2)).source == {}


def test_an_event_without_a_namespace_is_nobodys(tmp_path: Path) -> None:
    here = _World(tmp_path)
    assert here.one(0) == Named(Event(RESET, TIME, 0), NODE, None)
    assert here.looks == 0


def test_a_pod_that_no_cycle_has_seen_is_found_at_its_first_event(tmp_path: Path) -> None:
    here = _World(tmp_path)
    here.refs += (NetnsRef(POD_B, (1000 + POD_B.netns,)),)
    assert here.one(POD_B.netns).pod == POD_B
    here.one(POD_B.netns)
    assert here.looks == 1


def test_a_namespace_that_is_not_there_is_not_looked_for_all_the_time(tmp_path: Path) -> None:
    here = _World(tmp_path)
    for _ in range(3):
        assert here.one(999).pod is None
    here.now += 5.0
    here.one(999)
    assert here.looks == 2


def test_looking_takes_a_part_of_the_time_at_most(tmp_path: Path) -> None:
    here = _World(tmp_path)
    here.takes = 0.1
    for number in range(900, 910):
        here.one(number)
    assert here.looks == 1
    here.now += 0.51
    here.one(911)
    assert here.looks == 2


def test_a_pod_that_got_the_inode_of_another_is_not_taken_for_it(tmp_path: Path) -> None:
    here = _World(tmp_path)
    live = {1: HOST.netns, 7: POD_A.netns}
    here.owners.list_by(lambda: dict(live))
    here.owners.now_are(ref.pod for ref in here.refs)
    assert here.one(cookie=7).pod == POD_A
    del live[7]
    live[8] = POD_A.netns
    here.takes = 0.1
    heir = Pod("shop", "heir", POD_A.netns)
    assert (here.one(cookie=8).pod, here.looks) == (POD_A, 1)  # so says who looked, when nobody else had the inode
    here.refs = (NetnsRef(HOST), NetnsRef(heir))
    live[9] = live.pop(8)
    assert (here.one(cookie=9).pod, here.looks) == (None, 1)  # it is too early to look again
    here.now += 5
    assert here.one(cookie=9, connection=tcp("127.0.0.1", 1, "127.0.0.1", 2)).source["pod"] == "heir"
    assert here.one(cookie=7).pod == POD_A  # the last events of who had it before


def test_a_namespace_that_came_while_pods_were_looked_for_has_no_name_yet(tmp_path: Path) -> None:
    here = _World(tmp_path)
    live = {1: HOST.netns, 7: POD_A.netns}
    here.owners.list_by(lambda: dict(live))

    def discover(_: Env) -> tuple[NetnsRef, ...]:
        live[8] = live.pop(7)
        return here.refs

    naming = Naming(here.env, here.owners, Stacks(_Symbols), discover, lambda: here.now)
    assert naming([Event(RESET, TIME, POD_A.netns, cookie=7)])[0].pod is None
    assert naming([Event(RESET, TIME, HOST.netns, cookie=1)])[0].pod == HOST


def test_namespaces_that_cannot_be_listed_cost_the_name_only(tmp_path: Path) -> None:
    here = _World(tmp_path)

    def fail() -> dict[int, int]:
        raise SourceError("list of network namespaces in the kernel", "its end")

    with pytest.raises(SourceError):
        here.owners.list_by(fail)
    assert here.one(cookie=7).pod is None
    assert here.one().pod == POD_A


def test_a_tree_that_cannot_be_listed_costs_the_name_only(tmp_path: Path) -> None:
    here = _World(tmp_path)

    def fail(_: Env) -> tuple[NetnsRef, ...]:
        raise SourceError("/proc", "processes")

    broken = Naming(here.env, here.owners, Stacks(_Symbols), fail, lambda: here.now)
    assert broken([Event(RESET, TIME, 999)])[0].pod is None


def test_each_cycle_tells_who_is_there_and_has_which_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = replace(world(tmp_path), node=NODE)
    found = {
        HOST.netns: (Address(2, _mapped(192, 0, 2, 1)), Address(9, _mapped(10, 96, 0, 1))),
        POD_A.netns: (Address(2, _mapped(10, 0, 0, 7)),),
        POD_B.netns: (),
    }
    monkeypatch.setattr(naming.addresses, "read", lambda netns: found[netns.pod.netns])
    monkeypatch.setattr(naming.links, "read", lambda _: (Link(2, "eth0"), Link(9, SERVICES)))
    owners = Owners(NODE)
    spec = naming.step(owners)
    refs = (NetnsRef(HOST, (1,)), NetnsRef(POD_A, (1101,)), NetnsRef(POD_B, (1102,)))
    running = [RunningProbe(spec, spec.open(env))]
    snapshot = Collector(env, running, (), lambda _: refs, max_series=1).cycle()
    assert [(each.probe, each.status) for each in snapshot.outcomes] == [("event_naming", Status.OK)]
    assert [owners.pod(inode) for inode in (HOST.netns, 101, 102)] == [HOST, POD_A, POD_B]
    ends = [owners.end(bytes(address)) for address in ((192, 0, 2, 1), (10, 0, 0, 7), (10, 96, 0, 1))]
    assert ends == [NODE_OWNER, POD_OWNER, EXTERNAL]  # the address of a Service is on every node, and its pod elsewhere


def test_names_of_pods_that_end_outlive_them_for_a_moment(tmp_path: Path) -> None:
    here = _World(tmp_path)
    here.owners.now_are((HOST,))
    assert here.one().pod == POD_A
