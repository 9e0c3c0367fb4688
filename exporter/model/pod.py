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
    """

    pod: Pod
    pids: tuple[int, ...] = ()
    path: str = ""
