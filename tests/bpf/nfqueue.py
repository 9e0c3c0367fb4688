"""Packets that a firewall rule hands to a program for its verdict: the program's side, by netlink."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tests.netns.namespaces import Namespace

_NETLINK_NETFILTER = 12
_SUBSYSTEM = 3 << 8  # NFNL_SUBSYS_QUEUE
_PACKET, _VERDICT, _CONFIG = (_SUBSYSTEM | message for message in range(3))
_REQUEST = 1
_ACCEPT = 1


def _attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


class Held:
    """Holds what matches a rule until it is released.

    Args:
        namespace: where the rule is.
        chain: INPUT or OUTPUT.
        match: of packets, as iptables takes it.
        number: of the queue.
    """

    def __init__(self, namespace: Namespace, chain: str, *match: str, number: int = 7) -> None:
        with namespace.entered():
            self._socket = namespace.sockets.enter_context(
                socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
            )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.settimeout(10)
        self._number = number
        self._waiting: list[bytes] = []
        self._say(_CONFIG, _attribute(1, struct.pack(">BxH", 1, 0)))  # bind
        self._say(_CONFIG, _attribute(2, struct.pack(">IB", 0, 1)))  # tell of packets without their content
        for program in ("iptables", "ip6tables"):
            namespace.run(program, "-A", chain, *match, "-j", "NFQUEUE", "--queue-num", str(number))

    def _say(self, message: int, attributes: bytes) -> None:
        content = struct.pack(">BBH", 0, 0, self._number) + attributes
        self._socket.send(struct.pack("=IHHII", 16 + len(content), message, _REQUEST, 0, 0) + content)

    def wait_for(self, count: int) -> Self:
        """Until so many are held. A machine on which nobody may queue packets gives an error instead."""
        while len(self._waiting) < count:
            answer = self._socket.recv(1 << 16)
            (kind,) = struct.unpack_from("=H", answer, 4)
            assert kind == _PACKET, answer
            self._waiting.append(answer[24:28])  # behind the headers, the first attribute begins with the number
        return self

    def release(self) -> None:
        """Let all go that were waited for."""
        for number in self._waiting:
            self._say(_VERDICT, _attribute(2, struct.pack(">I", _ACCEPT) + number))
        self._waiting.clear()
