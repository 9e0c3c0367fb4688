from __future__ import annotations

import json
from dataclasses import replace

from exporter.events import record
from exporter.model.event import EventNaming
from tests.unit.events.made_events import HOST, NODE, POD, STACK, TIME, documents_loss, documents_reset, slow


def _labels(**values: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


_NOBODY = {"type": "", "node": "", "namespace": "", "pod": ""}


def _end(side: str, address: str, **owner: str) -> dict[str, str]:
    return {side: address} | {f"{side}_{key}": value for key, value in (_NOBODY | owner).items()}


def test_the_first_sample_of_the_documents_as_a_record() -> None:
    named = replace(
        documents_reset(),
        source={"type": "external"},
        destination={"type": "pod", "node": NODE, "namespace": POD.namespace, "pod": POD.name},
    )
    assert record.record(named, EventNaming.KUBESKOOP) == {
        "timestamp": TIME,
        "type": "TCPRESET_NOSOCK",
        "labels": _labels(
            pod=POD.name,
            namespace=POD.namespace,
            node=NODE,
            protocol="TCP",
            **_end("src", "100.103.42.233", type="external"),
            **_end("dst", "10.1.17.188", type="pod", node=NODE, namespace=POD.namespace, pod=POD.name),
            sport="443",
            dport="33488",
        ),
        "msg": "protocol=TCP saddr=100.103.42.233 sport=443 daddr=10.1.17.188 dport=33488  "
        f"src_type:external dst_type:pod dst_namespace:{POD.namespace} dst_pod:{POD.name}",
        "netns": POD.netns,
    }


def test_the_second_sample_of_the_documents_as_a_record_has_its_stack() -> None:
    found = record.record(documents_loss(), EventNaming.ACK)
    assert found == {
        "timestamp": TIME,
        "type": "PACKETLOSS",
        "labels": _labels(
            pod="hostNetwork",
            namespace="hostNetwork",
            node=NODE,
            protocol="TCP",
            **_end("src", "10.1.17.172"),
            **_end("dst", "10.1.17.176"),
            sport="6443",
            dport="43018",
        ),
        "msg": f"protocol=TCP saddr=10.1.17.172 sport=6443 daddr=10.1.17.176 dport=43018  stacktrace:{' '.join(STACK)}",
        "netns": HOST.netns,
        "stack": list(STACK),
    }


def test_the_node_itself_has_empty_labels_in_the_peers_family() -> None:
    found = record.record(documents_loss(), EventNaming.KUBESKOOP)
    assert (found["type"], found["labels"][:3]) == ("PacketLoss", _labels(pod="", namespace="", node=NODE))


def test_facts_are_there_under_their_names_and_numbers_stay_numbers() -> None:
    assert record.record(slow(), EventNaming.KUBESKOOP) == {
        "timestamp": TIME,
        "type": "SOFTIRQ_SCHED_SLOW",
        "labels": _labels(node=NODE),
        "msg": "cpu:3 process:nginx",
        "cpu": 3,
        "process": "nginx",
    }


def test_a_line_is_one_line_and_reads_back_as_the_record() -> None:
    named = slow("a\nb\u2028ü\udcff")
    line = record.line(named, EventNaming.KUBESKOOP)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == record.record(named, EventNaming.KUBESKOOP)
