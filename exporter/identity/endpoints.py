"""Who is behind an IP address. Without a cluster to ask: the node's own namespaces, by the addresses that they have."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from exporter.model.pod import Pod

POD: Final = "pod"
NODE: Final = "node"
EXTERNAL: Final = "external"
KINDS: Final = (POD, NODE, EXTERNAL)


class Endpoint(NamedTuple):
    """The owner of an address; what is not known is empty.

    Args:
        kind: one of `KINDS`.
        node: name of the node that it is on.
        namespace: of the pod.
        pod: name of the pod.
    """

    kind: str
    node: str = ""
    namespace: str = ""
    pod: str = ""


OUTSIDE: Final = Endpoint(EXTERNAL)  # whoever is not known


def of_node(node: str, addresses: Mapping[Pod, Collection[bytes]]) -> dict[bytes, Endpoint]:
    """Endpoint by address, of one node's namespaces. All that are not in it are `OUTSIDE`.

    An address that two namespaces have is given to neither: a wrong name is worse than none.
    """
    owners = Counter(value for values in addresses.values() for value in set(values))
    return {value: _endpoint(node, pod) for pod, values in addresses.items() for value in values if owners[value] == 1}


def _endpoint(node: str, pod: Pod) -> Endpoint:
    return Endpoint(NODE, node) if pod.is_host else Endpoint(POD, node, pod.namespace, pod.name)
