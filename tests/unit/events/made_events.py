"""Events made by hand, among them those of the documents."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from exporter.model.event import Connection, Event, EventType, Field, Named
from exporter.model.pod import Pod

NODE: Final = "node-a"
TIME: Final = 1_700_000_000_123_456_789
HOST: Final = Pod("", "", 4026531840)
POD: Final = Pod("kube-system", "storage-monitor-5775dfdc77-fj767", 4026532001)

RESET: Final = EventType(probe="tcpreset", name="TCPRESET_NOSOCK", help="A test.")
LOSS: Final = EventType(probe="packetloss", name="PacketLoss", ack="PACKETLOSS", help="A test.")
SLOW: Final = EventType(
    probe="softirq",
    name="SOFTIRQ_SCHED_SLOW",
    ack="NETSOFTIRQ_SCHED_SLOW",
    help="A test.",
    fields=(
        Field(name="cpu", help="A test."),
        Field(name="process", help="A test."),
        Field(name="latency_seconds", help="A test."),
    ),
)
STACK: Final = (
    "skb_release_data+0xA3",
    "__kfree_skb+0xE",
    "tcp_recvmsg+0x61D",
    "inet_recvmsg+0x58",
    "sock_read_iter+0x92",
    "new_sync_read+0xE8",
    "vfs_read+0x89",
    "ksys_read+0x5A",
)


def tcp(source: str, source_port: int, destination: str, destination_port: int) -> Connection:
    """Of TCP."""
    return Connection("TCP", ip_address(source), source_port, ip_address(destination), destination_port)


def documents_reset() -> Named:
    """First sample of the documents."""
    event = Event(RESET, TIME, POD.netns, tcp("100.103.42.233", 443, "10.1.17.188", 33488))
    return Named(event, NODE, POD)


def documents_loss() -> Named:
    """Second sample of the documents."""
    event = Event(LOSS, TIME, HOST.netns, tcp("10.1.17.172", 6443, "10.1.17.176", 43018))
    return Named(event, NODE, HOST, stack=STACK)


def slow(process: str = "nginx", cpu: int = 3) -> Named:
    """Without a connection and a namespace; the latency is not known."""
    return Named(Event(SLOW, TIME, 0, values=(cpu, process, "")), NODE, None)
