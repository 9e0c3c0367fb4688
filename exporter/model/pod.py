"""Whose numbers they are: a pod and the network namespace it lives in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Pod(NamedTuple):
    """The owner of a network namespace. The host itself has an empty namespace and name.

    A named tuple because thousands are hashed in every cycle.
    """

    namespace: str
    name: str
    netns: int  # inode of the network namespace

    @property
    def is_host(self) -> bool:
        """Whether this is the node itself."""
        return not self.name


class PodFacts(NamedTuple):
    """What labels that users add are made of.

    Args:
        labels: of the pod, by key.
        address: of the pod; empty while it has none.
    """

    labels: Mapping[str, str]
    address: str


@dataclass(frozen=True, slots=True)
class NetnsRef:
    """How to reach one network namespace, without holding it open.

    Args:
        pod: its owner.
        pids: processes in it, ascending; empty for a namespace that is only named.
        path: file under /run/netns that names it, or empty.
        elsewhere: the owner's processes in other namespaces. A pod in the host's has these alone, and then there is
            nothing to visit.
        facts: of its owner; None where nobody has told any.
    """

    pod: Pod
    pids: tuple[int, ...] = ()
    path: str = ""
    elsewhere: tuple[int, ...] = ()
    facts: PodFacts | None = None
