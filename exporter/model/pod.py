"""Whose numbers they are: a pod and the network namespace it lives in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


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


@dataclass(frozen=True, slots=True)
class NetnsRef:
    """How to reach one network namespace, without holding it open.

    Args:
        pod: its owner.
        pids: processes in it, ascending; empty for a namespace that is only named.
        path: file under /run/netns that names it, or empty.
        elsewhere: the owner's processes in other namespaces. A pod in the host's has these alone, and then there is
            nothing to visit.
        labels: values of the additional labels, in their order; none for an owner that has no values of its own.
    """

    pod: Pod
    pids: tuple[int, ...] = ()
    path: str = ""
    elsewhere: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
