"""What the exporter keeps of a pod as the API server tells of it. All else is dropped while it is parsed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from exporter.errors import SourceError
from exporter.model.pod import PodFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

_MIRROR: Final = "kubernetes.io/config.mirror"
# Most of a pod, and nothing that is looked at. As values of labels and annotations, texts have any key.
_UNUSED: Final = frozenset(
    {
        *("managedFields", "ownerReferences", "finalizers", "conditions", "containers", "initContainers", "volumes"),
        *("ephemeralContainers", "containerStatuses", "initContainerStatuses", "tolerations", "affinity", "resources"),
        *("env", "envFrom", "volumeMounts", "ports", "securityContext", "livenessProbe", "readinessProbe", "args"),
    }
)


class KnownPod(NamedTuple):
    """A pod of this node.

    Args:
        uid: by which its cgroups are named.
        namespace: of the cluster.
        name: of the pod.
        in_host_network: whether it has no network namespace of its own.
        facts: its labels and its address.
    """

    uid: str
    namespace: str
    name: str
    in_host_network: bool
    facts: PodFacts


def decode(content: bytes, place: str) -> dict[str, Any]:
    """A JSON object without what nobody looks at. Raises SourceError.

    Args:
        content: what the server sent.
        place: where it came from, for people.
    """
    try:
        found = json.loads(content, object_pairs_hook=_without_unused)
    except (ValueError, RecursionError) as error:
        raise SourceError(place, "JSON", content) from error
    if not isinstance(found, dict):
        raise SourceError(place, "a JSON object", content)
    return found


def _without_unused(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if key not in _UNUSED or isinstance(value, str)}


def parse(found: Mapping[str, Any], place: str) -> KnownPod:
    """The pod that an object describes. Raises SourceError where it describes none.

    Args:
        found: the object, decoded.
        place: where it came from, for people.
    """
    metadata, spec, status = (_section(found, name) for name in ("metadata", "spec", "status"))
    uid, namespace, name = (metadata.get(key) for key in ("uid", "namespace", "name"))
    if not (isinstance(uid, str) and isinstance(namespace, str) and isinstance(name, str) and uid and name):
        raise SourceError(place, "a pod with uid, namespace and name", metadata)
    labels = {key: _text(value) for key, value in _section(metadata, "labels").items() if isinstance(value, str)}
    address = status.get("podIP")
    # A static pod's cgroups are named by the kubelet, which does not know the UID of its mirror in the API.
    mirrored = _section(metadata, "annotations").get(_MIRROR)
    return KnownPod(
        mirrored if isinstance(mirrored, str) and mirrored else uid,
        _text(namespace),
        _text(name),
        spec.get("hostNetwork") is True,
        PodFacts(labels, _text(address) if isinstance(address, str) else ""),
    )


def version(found: Mapping[str, Any]) -> str:
    """From which to watch for what comes after this object; empty where it does not say."""
    told = _section(found, "metadata").get("resourceVersion")
    return told if isinstance(told, str) else ""


def _text(value: str) -> str:
    """JSON may hold half of a surrogate pair, which no exposition can."""
    return value.encode("utf-8", "replace").decode("utf-8")


def _section(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = found.get(name)
    return section if isinstance(section, dict) else {}
