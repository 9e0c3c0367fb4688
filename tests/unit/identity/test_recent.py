from __future__ import annotations

import socket

import pytest

from exporter.identity.recent import EXTERNAL, NOBODY, REMEMBERED_SECONDS, Owners
from exporter.model.pod import Pod

NODE = "node-a"
HOST = Pod("", "", 1)
WEB, DB = Pod("shop", "web-0", 101), Pod("shop", "db-0", 102)


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def owners(clock: _Clock) -> Owners:
    return Owners(NODE, clock)


def _mapped(address: str) -> bytes:
    """As the source of addresses gives them."""
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address)
    return bytes(10) + b"\xff\xff" + _packed(address)


def _packed(address: str) -> bytes:
    """As an event has it."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _of(pod: Pod) -> dict[str, str]:
    if pod.is_host:
        return {"type": "node", "node": NODE, "namespace": "", "pod": ""}
    return {"type": "pod", "node": NODE, "namespace": pod.namespace, "pod": pod.name}


def test_a_namespace_has_its_pod_and_nobody_else(owners: Owners) -> None:
    owners.now_are((HOST, WEB))
    assert (owners.pod(1), owners.pod(101), owners.pod(102), owners.pod(0)) == (HOST, WEB, None, None)


def test_a_pod_that_has_ended_is_remembered_for_a_while(owners: Owners, clock: _Clock) -> None:
    owners.now_are((HOST, WEB))
    clock.now += 5
    owners.now_are((HOST,))
    clock.now += REMEMBERED_SECONDS
    assert owners.pod(101) == WEB
    clock.now += 0.1
    assert owners.pod(101) is None


def test_whoever_has_an_inode_now_is_told_and_not_whoever_had_it(owners: Owners) -> None:
    owners.now_are((HOST, WEB))
    owners.now_are((HOST,))
    successor = Pod("shop", "web-1", 101)
    owners.now_are((HOST, successor))
    assert owners.pod(101) == successor
    owners.now_are((HOST,))
    assert owners.pod(101) == successor


def test_a_cookie_is_told_only_of_who_had_the_inode_all_the_time(owners: Owners, clock: _Clock) -> None:
    live = {5: 1, 6: 101}
    owners.list_by(lambda: dict(live))
    owners.now_are((HOST, WEB))
    assert (owners.pod(1, 5), owners.pod(101, 6), owners.pod(101, 7)) == (HOST, WEB, None)
    live = {5: 1, 7: 101, 8: 102}
    owners.now_are((HOST, WEB, DB))  # found before their namespaces ended and others came
    assert (owners.pod(101, 6), owners.pod(101, 7), owners.pod(102, 8)) == (WEB, None, None)
    owners.now_are((HOST, DB))
    assert (owners.pod(101, 7), owners.pod(102, 8)) == (None, DB)
    clock.now += REMEMBERED_SECONDS + 1
    assert owners.pod(101, 6) is None


@pytest.mark.parametrize(("web", "node"), [("10.0.0.7", "192.0.2.1"), ("2001:db8::7", "2001:db8::1")])
def test_an_address_has_its_pod_or_node_and_all_others_are_external(owners: Owners, web: str, node: str) -> None:
    owners.addresses_are({HOST: [_mapped(node)], WEB: [_mapped(web)]})
    assert owners.end(_packed(web)) == _of(WEB)
    assert owners.end(_packed(node)) == _of(HOST)
    assert owners.end(_packed("198.51.100.3")) == EXTERNAL


def test_an_address_that_two_pods_have_is_nobodys(owners: Owners) -> None:
    owners.addresses_are({WEB: [_mapped("10.0.0.7")], DB: [_mapped("10.0.0.7")]})
    assert owners.end(_packed("10.0.0.7")) == NOBODY


def test_the_address_of_a_pod_that_has_ended_is_remembered_until_somebody_has_it(owners: Owners, clock: _Clock) -> None:
    address = _mapped("10.0.0.7")
    owners.addresses_are({WEB: [address]})
    owners.addresses_are({})
    clock.now += REMEMBERED_SECONDS
    assert owners.end(_packed("10.0.0.7")) == _of(WEB)
    clock.now += 0.1
    assert owners.end(_packed("10.0.0.7")) == EXTERNAL
    owners.addresses_are({DB: [address]})
    assert owners.end(_packed("10.0.0.7")) == _of(DB)


def test_a_pod_may_be_added_between_two_updates(owners: Owners) -> None:
    owners.now_are((HOST, WEB))
    owners.addresses_are({WEB: [_mapped("10.0.0.7")]})
    owners.add(DB, [_mapped("10.0.0.8"), _mapped("10.0.0.7")])
    assert (owners.pod(101), owners.pod(102)) == (WEB, DB)
    assert owners.end(_packed("10.0.0.8")) == _of(DB)
    assert owners.end(_packed("10.0.0.7")) == NOBODY


def test_what_is_remembered_is_bounded(owners: Owners) -> None:
    owners.now_are(Pod("shop", f"web-{number}", number) for number in range(1, 12_001))
    owners.now_are(())
    assert (owners.pod(2000), owners.pod(2001)) == (None, Pod("shop", "web-2001", 2001))
