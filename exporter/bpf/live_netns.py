"""The network namespaces that exist, by cookie: the user side of bpf/include/netns_list.h.

Programs keep what they find under the cookie of a namespace, which is never given away again. Its inode, by which pods
are known, is: the next pod often gets the inode of the last one that ended. So a program lists which cookie has which
inode now; what is not on the list belongs to no one any more.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf import layout
from exporter.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.bpf.attachable import Attachable
    from exporter.bpf.loader import BpfObject

UNKNOWN: Final = 0  # cookie of what could not be attributed
_AT_ONCE: Final = "list_netns"
_IN_STEPS: Final = "list_netns_in_steps"
_STEP: Final = "walk_on"
_MOST_IN_STEPS: Final = 33 * 64

_ATTEMPTS: Final = 3  # a namespace that ends just then can lead a walk astray


def prepare(bpf: BpfObject, kernel: Attachable) -> None:
    """Let the program be loaded that can list the namespaces of this kernel, if the object has any. Before load.

    `exporter.bpf.hooks.choose` does this. Raises UnsupportedError.
    """
    if _AT_ONCE in bpf.programs:
        at_once = kernel.has_helper("loop")
        bpf.set_autoload(_AT_ONCE, wanted=at_once)
        for program in (_IN_STEPS, _STEP):
            bpf.set_autoload(program, wanted=not at_once)


class LiveNetns(NamedTuple):
    """As struct live_netns.

    Args:
        cookie: of the namespace.
        inode: of the namespace, as in /proc/<pid>/ns/net.
    """

    cookie: int
    inode: int


class LiveList:
    """The list that a loaded object's `list_netns` fills.

    Args:
        bpf: the object.
    """

    def __init__(self, bpf: BpfObject) -> None:
        self._bpf = bpf
        self._rows = layout.bind(bpf.btf, "live_netns", LiveNetns)
        self._memory = bpf.map("live_netns").mapped()
        self._most = len(self._memory) // self._rows.size
        self._program = _IN_STEPS if bpf.autoload(_IN_STEPS) else _AT_ONCE
        if self._program == _IN_STEPS:
            self._most = _MOST_IN_STEPS
            bpf.map("netns_steps").update(bytes(4), struct.pack("=I", bpf.program_fd(_STEP)))
        self._listed: tuple[bytes, Mapping[int, int]] = b"", {}

    def read(self) -> Mapping[int, int]:
        """Inode by cookie of all namespaces that exist. Raises SourceError."""
        for _ in range(_ATTEMPTS):
            count = self._bpf.run(self._program)
            if count >= 0:
                raw = self._memory[: count * self._rows.size]
                if raw != self._listed[0]:  # namespaces come and go more rarely than we ask
                    self._listed = raw, {row.cookie: row.inode for row in self._rows.iter_unpack(raw)}
                return self._listed[1]
        raise SourceError("list of network namespaces in the kernel", f"its end, within {self._most} namespaces")

    def close(self) -> None:
        """Give the memory back; safe to repeat."""
        self._memory.close()


class Absences:
    """Which cookies were not on the list twice in a row: a namespace that is being made counts before it is listed."""

    def __init__(self) -> None:
        self._once: frozenset[int] = frozenset()

    def confirmed(self, absent: Iterable[int]) -> frozenset[int]:
        """Those of the absent cookies that were absent the last time as well."""
        now = frozenset(absent)
        both = now & self._once
        self._once = now
        return both
