from __future__ import annotations

from alerts.casefile import DEFAULTS, selector
from alerts.model import Series
from alerts.recording import HOST_LABELS
from alerts.rules import exporter, udp
from alerts.words import Links, templates, texts
from exporter.model.metric import Identity, Naming
from exporter.model.promql import Rendering
from exporter.probes.softnet import DROPPED

LINKS = Links(grafana="https://grafana.example.com", runbooks="https://docs.example.com/runbooks")
KUBESKOOP = Rendering(Naming.KUBESKOOP)
INSPECTOR = Rendering(Naming.INSPECTOR)


def test_templates_name_the_labels_of_the_dialect() -> None:
    assert templates(udp.SEND_BUFFER, INSPECTOR, LINKS) == {
        "summary": "UDP datagrams cannot be sent for lack of buffer.",
        "description": "{{ if $labels.pod }}pod {{ $labels.namespace }}/{{ $labels.pod }}{{ else }}the host network"
        '{{ end }} on {{ $labels.node }} fails to send {{ $value | printf "%.2f" }} UDP datagrams a second for lack of '
        "send buffer.",
        "runbook_url": "https://docs.example.com/runbooks/NetUdpSendBufferErrors.md",
        "dashboard_url": "https://grafana.example.com/d/net-exporter-udp?var-node={{ $labels.node | urlquery }}"
        "&var-namespace={{ $labels.namespace | urlquery }}&var-pod={{ $labels.pod | urlquery }}",
    }
    assert "$labels.k8s_pod" in templates(udp.SEND_BUFFER, KUBESKOOP, LINKS)["description"]


def test_texts_are_what_prometheus_makes_of_them() -> None:
    pod = texts(udp.SEND_BUFFER, LINKS, DEFAULTS, "2.00")
    host = texts(udp.SEND_BUFFER, LINKS, {**DEFAULTS, **HOST_LABELS}, "2.00")
    ending = "fails to send 2.00 UDP datagrams a second for lack of send buffer."
    assert pod["description"] == f"pod shop/web-0 on node-a {ending}"
    assert host["description"] == f"the host network on node-a {ending}"


def test_labels_in_links_are_written_as_a_query_needs_them() -> None:
    odd = texts(udp.SEND_BUFFER, Links(), {**DEFAULTS, Identity.NODE: "rack 1/a&b"}, "2.00")
    assert odd["dashboard_url"] == "/d/net-exporter-udp?var-node=rack+1%2Fa%26b&var-namespace=shop&var-pod=web-0"
    assert "on rack 1/a&b fails" in odd["description"]


def test_an_alert_without_node_links_without_variables() -> None:
    assert texts(exporter.ABSENT, Links(), DEFAULTS, "1")["dashboard_url"] == "/d/net-exporter-exporter"


def test_input_series_look_as_after_a_scrape() -> None:
    no_ports = udp.udp.NO_PORTS
    target = 'job="net-exporter", instance="node-a"'
    found = [
        selector(Series(metric, "0x5", labels), rendering)
        for rendering in (KUBESKOOP, INSPECTOR)
        for metric, labels in ((no_ports, {}), (no_ports, HOST_LABELS), (DROPPED, {}))
    ]
    assert found == [
        f'kubeskoop_udp_noports{{{target}, k8s_node="node-a", k8s_namespace="shop", k8s_pod="web-0"}}',
        f'kubeskoop_udp_noports{{{target}, k8s_node="node-a"}}',
        f'kubeskoop_softnet_dropped{{{target}, k8s_node="node-a"}}',
        f'inspector_pod_udpnoports{{{target}, node="node-a", namespace="shop", pod="web-0", netns="ns4026532001"}}',
        f'inspector_pod_udpnoports{{{target}, node="node-a", netns="ns4026532001"}}',
        f'inspector_pod_softnetdropped{{{target}, node="node-a", netns="ns4026532001"}}',
    ]
