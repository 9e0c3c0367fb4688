from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.identity import endpoints
from exporter.identity.endpoints import Endpoint

if TYPE_CHECKING:
    from exporter.model.pod import Pod

ONE, TWO, BOTH = (bytes([*bytes(15), number]) for number in (1, 2, 3))


def test_addresses_lead_to_the_pod_or_to_the_node(host: Pod, web: Pod) -> None:
    assert endpoints.of_node("node-a", {host: [ONE], web: [TWO]}) == {
        ONE: Endpoint("node", "node-a"),
        TWO: Endpoint("pod", "node-a", web.namespace, web.name),
    }


def test_an_address_of_two_pods_is_given_to_neither(web: Pod, dns: Pod) -> None:
    found = endpoints.of_node("node-a", {web: [ONE, BOTH], dns: [BOTH]})

    assert found == {ONE: Endpoint("pod", "node-a", web.namespace, web.name)}


def test_an_address_that_one_pod_has_on_two_devices_is_its_own(web: Pod) -> None:
    assert endpoints.of_node("node-a", {web: [ONE, ONE]}).keys() == {ONE}
