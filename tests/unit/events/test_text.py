from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.events import text
from exporter.model.event import EventNaming, Named
from tests.unit.events.made_events import NODE, documents_loss, documents_reset, slow, tcp

FIRST = (
    "type=TCPRESET_NOSOCK pod=storage-monitor-5775dfdc77-fj767 namespace=kube-system "
    "protocol=TCP saddr=100.103.42.233 sport=443 daddr=10.1.17.188 dport=33488"
)
SECOND = (
    "type=PACKETLOSS pod=hostNetwork namespace=hostNetwork "
    "protocol=TCP saddr=10.1.17.172 sport=6443 daddr=10.1.17.176 dport=43018  "
    "stacktrace:skb_release_data+0xA3 __kfree_skb+0xE tcp_recvmsg+0x61D inet_recvmsg+0x58 sock_read_iter+0x92 "
    "new_sync_read+0xE8 vfs_read+0x89 ksys_read+0x5A"
)


@pytest.mark.parametrize(("named", "wanted"), [(documents_reset(), FIRST), (documents_loss(), SECOND)])
def test_the_lines_of_the_documents_are_reproduced_byte_for_byte(named: Named, wanted: str) -> None:
    assert text.line(named, EventNaming.ACK) == wanted


def test_the_naming_chooses_the_type_string_and_nothing_else() -> None:
    assert text.line(documents_loss(), EventNaming.KUBESKOOP) == SECOND.replace("PACKETLOSS", "PacketLoss")


def test_what_is_not_known_is_left_out() -> None:
    assert text.line(slow(), EventNaming.KUBESKOOP) == "type=SOFTIRQ_SCHED_SLOW cpu:3 process:nginx"


@pytest.mark.parametrize(
    ("process", "wanted"),
    [
        ("kworker/0:1", "kworker/0:1"),
        ("my app", '"my app"'),
        ("a\ntype=FAKE", '"a\\ntype=FAKE"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("näme", "näme"),
    ],
)
def test_a_value_never_ends_the_line_nor_starts_another_fact(process: str, wanted: str) -> None:
    assert text.line(slow(process), EventNaming.KUBESKOOP) == f"type=SOFTIRQ_SCHED_SLOW cpu:3 process:{wanted}"


def test_owners_of_both_ends_follow_the_connection() -> None:
    named = replace(
        documents_reset(),
        source={"type": "external", "node": "", "namespace": "", "pod": ""},
        destination={"type": "pod", "node": NODE, "namespace": "kube-system", "pod": "storage"},
    )
    assert text.line(named, EventNaming.ACK) == (
        f"{FIRST}  src_type:external dst_type:pod dst_namespace:kube-system dst_pod:storage"
    )


def test_an_ipv6_address_is_written_as_people_write_it() -> None:
    named = documents_reset()
    event = named.event._replace(connection=tcp("2001:db8::7", 443, "::1", 1))
    assert text.body(replace(named, event=event)) == "protocol=TCP saddr=2001:db8::7 sport=443 daddr=::1 dport=1"


def test_the_body_is_the_line_without_whom_it_happened_to() -> None:
    assert text.body(documents_reset()) == FIRST.partition("kube-system ")[2]
