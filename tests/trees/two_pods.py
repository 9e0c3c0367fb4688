"""Make two namespaces, let them talk, and capture them: `python tests/trees/two_pods.py NAME` as root.

The client meets what operators meet: a closed port in TCP and UDP, a server that hangs up with data unread, an
address that nobody has, half a packet; all over IPv4 and much of it over IPv6.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

SERVER, CLIENT = "web", "client"
ADDRESSES = {SERVER: ("198.51.100.1", "2001:db8:1::1"), CLIENT: ("198.51.100.2", "2001:db8:1::2")}
FAMILIES = {socket.AF_INET: 0, socket.AF_INET6: 1}
OPEN, ABRUPT, CLOSED, UDP = 8080, 8081, 8089, 5353
SCENE = "tests/trees/two_pods.py"
CAPTURE = Path(__file__).parents[1] / "capture.py"


def main() -> None:
    tree = Path(__file__).parent / sys.argv[1]
    _ip("netns", "add", SERVER)
    _ip("netns", "add", CLIENT)
    try:
        _join()
        with _program("serve", SERVER) as server, _program("ask", CLIENT) as client:
            special = (
                "Two namespaces joined by a veth pair, IPv4 and IPv6; closed ports, an abrupt server, lost fragments."
            )
            command = [sys.executable, str(CAPTURE), str(tree), "--special", special, "--scene", SCENE]
            processes = ["--process", f"{server.pid}=101", "--process", f"{client.pid}=102"]
            subprocess.run([*command, *processes], check=True)
    finally:
        _ip("netns", "del", SERVER)
        _ip("netns", "del", CLIENT)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _join() -> None:
    _ip("link", "add", "eth0", "netns", SERVER, "type", "veth", "peer", "name", "eth0", "netns", CLIENT)
    for name, (four, six) in ADDRESSES.items():
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "addr", "add", f"{four}/24", "dev", "eth0")
        _ip("-n", name, "addr", "add", f"{six}/64", "dev", "eth0", "nodad")
        _ip("-n", name, "link", "set", "eth0", "up")
    _ip("-n", CLIENT, "route", "add", "default", "via", ADDRESSES[SERVER][0])


@contextlib.contextmanager
def _program(role: str, name: str):  # noqa: ANN202 -- a context manager of a process
    """Run one role of this file inside a namespace; it says `ready`, then waits."""
    command = ["ip", "netns", "exec", name, sys.executable, __file__, f"--{role}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.communicate()


def serve() -> None:
    kept = []
    for family, place in FAMILIES.items():
        address = ADDRESSES[SERVER][place]
        kept += [socket.create_server((address, port), family=family, backlog=2) for port in (OPEN, ABRUPT)]
        kept.append(socket.socket(family, socket.SOCK_DGRAM))
        kept[-1].bind((address, UDP))
    _ready()
    listeners = {sock.getsockname()[:2]: sock for sock in kept}
    for place in FAMILIES.values():
        abrupt, _ = listeners[ADDRESSES[SERVER][place], ABRUPT].accept()
        time.sleep(0.2)  # so that data is there, unread
        abrupt.close()
        polite, _ = listeners[ADDRESSES[SERVER][place], OPEN].accept()
        polite.recv(100)
        polite.close()  # before the client does, so that TIME_WAIT is on this side
    sys.stdin.read()


def ask() -> None:
    kept = []
    for family, place in FAMILIES.items():
        server = ADDRESSES[SERVER][place]
        for _ in range(3):
            kept.append(socket.create_connection((server, OPEN)))
            kept[-1].send(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            socket.create_connection((server, CLOSED))
        with socket.create_connection((server, ABRUPT)) as abrupt, contextlib.suppress(ConnectionError):
            abrupt.send(b"x" * 1000)
            abrupt.recv(1)
        with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            for port in (UDP, UDP, CLOSED):
                datagrams.sendto(b"question", (server, port))
            time.sleep(0.2)  # for the refusal of the closed port
            address = "203.0.113.9" if place == 0 else "2001:db8:2::9"
            with contextlib.suppress(OSError):  # no route in IPv6, no neighbour behind the default route in IPv4
                datagrams.sendto(b"question", (address, UDP))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        addresses = (socket.inet_aton(ADDRESSES[name][0]) for name in (CLIENT, SERVER))
        first_fragment = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 84, 7, 0x2000, 64, socket.IPPROTO_UDP, 0, *addresses)
        raw.sendto(first_fragment + bytes(64), (ADDRESSES[SERVER][0], 0))
    for polite in kept[::3]:
        polite.recv(1)
        polite.close()
    time.sleep(0.5)  # for the server's resets and the counters of both sides to settle
    _ready()
    sys.stdin.read()


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


if __name__ == "__main__":
    {"--serve": serve, "--ask": ask}.get(sys.argv[1], main)()
