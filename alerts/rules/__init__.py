"""The alerts, group by group, in the order in which the documents list them."""

from __future__ import annotations

from alerts.rules import device, ebpf, events, exporter, node, resources, tcp_path, tcp_socket, udp

GROUPS = (
    exporter.GROUP,
    events.GROUP,
    ebpf.GROUP,
    tcp_path.GROUP,
    tcp_socket.GROUP,
    udp.GROUP,
    device.GROUP,
    node.GROUP,
    resources.GROUP,
)
