"""Counters of Alibaba Cloud's elastic RDMA adapters, by the names that the erdma driver gives them in sysfs."""

from __future__ import annotations

from exporter.model.metric import Unit
from exporter.sources.rdma import Counter

_LIMIT = "The instance's quota is used up: choose a larger instance type or spread the traffic."
_PEER = "See whether the peer listens, is reachable and has resources left; its own counters tell which."
_RESOURCES = "Adapter or memory limits are reached: compare the objects in use with the instance type's limits."

# ports/<n>/hw_counters
HARDWARE = (
    Counter("accept_failed_cnt", Unit.CONNECTIONS, "Incoming connections that could not be accepted.", _RESOURCES),
    Counter("accept_success_cnt", Unit.CONNECTIONS, "Incoming connections accepted."),
    Counter("accept_total_cnt", Unit.CONNECTIONS, "Incoming connections that a program asked to accept."),
    Counter("cmdq_comp_cnt", Unit.EVENTS, "Commands that the adapter completed."),
    Counter("cmdq_cq_armed_cnt", Unit.EVENTS, "Times that the driver asked to be told of completed commands."),
    Counter("cmdq_eq_event_cnt", Unit.EVENTS, "Events that the driver took from the command queue."),
    Counter("cmdq_eq_notify_cnt", Unit.EVENTS, "Times that the driver asked for further events of the command queue."),
    Counter("cmdq_submitted_cnt", Unit.REQUESTS, "Commands that the driver gave to the adapter."),
    Counter("connect_failed_cnt", Unit.CONNECTIONS, "Outgoing connections that failed.", _PEER),
    Counter("connect_reset_cnt", Unit.CONNECTIONS, "Outgoing connections that the peer reset.", _PEER),
    Counter("connect_success_cnt", Unit.CONNECTIONS, "Outgoing connections that were established."),
    Counter("connect_timeout_cnt", Unit.CONNECTIONS, "Outgoing connections that got no answer in time.", _PEER),
    Counter("connect_total_cnt", Unit.CONNECTIONS, "Outgoing connections attempted."),
    Counter("erdma_aeq_event_cnt", Unit.EVENTS, "Asynchronous events that the driver took from the adapter."),
    Counter("erdma_aeq_notify_cnt", Unit.EVENTS, "Times that the driver asked for further asynchronous events."),
    Counter("hw_bps_limit_drop_cnt", Unit.PACKETS, "Packets not sent because the bandwidth limit was reached.", _LIMIT),
    Counter("hw_disable_drop_cnt", Unit.PACKETS, "Packets not sent because sending was switched off."),
    Counter("hw_pps_limit_drop_cnt", Unit.PACKETS, "Packets not sent because the packet limit was reached.", _LIMIT),
    Counter(
        "hw_rx_bps_limit_drop_cnt",
        Unit.PACKETS,
        "Received packets dropped because the bandwidth limit was reached.",
        _LIMIT,
    ),
    Counter("hw_rx_bytes_cnt", Unit.BYTES, "Bytes that the adapter received."),
    Counter("hw_rx_disable_drop_cnt", Unit.PACKETS, "Received packets dropped because receiving was switched off."),
    Counter("hw_rx_packets_cnt", Unit.PACKETS, "Packets that the adapter received."),
    Counter(
        "hw_rx_pps_limit_drop_cnt",
        Unit.PACKETS,
        "Received packets dropped because the packet limit was reached.",
        _LIMIT,
    ),
    Counter("hw_tx_bytes_cnt", Unit.BYTES, "Bytes that the adapter sent."),
    Counter("hw_tx_packets_cnt", Unit.PACKETS, "Packets that the adapter sent."),
    Counter("hw_tx_reqs_cnt", Unit.REQUESTS, "Send requests that the adapter worked off."),
    Counter("listen_create_cnt", Unit.OBJECTS, "Listeners that programs asked for."),
    Counter("listen_destroy_cnt", Unit.OBJECTS, "Listeners removed."),
    Counter("listen_failed_cnt", Unit.OBJECTS, "Listeners that could not be made.", _RESOURCES),
    Counter("listen_ipv6_cnt", Unit.OBJECTS, "Listeners that programs asked for on an IPv6 address."),
    Counter("listen_success_cnt", Unit.OBJECTS, "Listeners made."),
    Counter("reject_cnt", Unit.CONNECTIONS, "Incoming connections that programs rejected."),
    Counter("reject_failed_cnt", Unit.CONNECTIONS, "Incoming connections that could not be rejected."),
    Counter("verbs_alloc_mr_cnt", Unit.CALLS, "Calls to allocate a memory region."),
    Counter("verbs_alloc_mr_failed_cnt", Unit.CALLS, "Calls to allocate a memory region that failed.", _RESOURCES),
    Counter("verbs_alloc_pd_cnt", Unit.CALLS, "Calls to allocate a protection domain."),
    Counter("verbs_alloc_pd_failed_cnt", Unit.CALLS, "Calls to allocate a protection domain that failed.", _RESOURCES),
    Counter("verbs_alloc_uctx_cnt", Unit.CALLS, "Calls to allocate a user context."),
    Counter("verbs_alloc_uctx_failed_cnt", Unit.CALLS, "Calls to allocate a user context that failed.", _RESOURCES),
    Counter("verbs_create_cq_cnt", Unit.CALLS, "Calls to create a completion queue."),
    Counter("verbs_create_cq_failed_cnt", Unit.CALLS, "Calls to create a completion queue that failed.", _RESOURCES),
    Counter("verbs_destroy_cq_failed_cnt", Unit.CALLS, "Calls to destroy a completion queue that failed."),
    Counter("verbs_create_qp_cnt", Unit.CALLS, "Calls to create a queue pair."),
    Counter("verbs_create_qp_failed_cnt", Unit.CALLS, "Calls to create a queue pair that failed.", _RESOURCES),
    Counter("verbs_destroy_qp_cnt", Unit.CALLS, "Calls to destroy a queue pair."),
    Counter("verbs_dealloc_pd_cnt", Unit.CALLS, "Calls to free a protection domain."),
    Counter("verbs_dealloc_uctx_cnt", Unit.CALLS, "Calls to free a user context."),
    Counter("verbs_dereg_mr_cnt", Unit.CALLS, "Calls to deregister a memory region."),
    Counter("verbs_dereg_mr_failed_cnt", Unit.CALLS, "Calls to deregister a memory region that failed."),
    Counter("verbs_destroy_cq_cnt", Unit.CALLS, "Calls to destroy a completion queue."),
    Counter("verbs_destroy_qp_failed_cnt", Unit.CALLS, "Calls to destroy a queue pair that failed."),
    Counter("verbs_get_dma_mr_cnt", Unit.CALLS, "Calls to obtain a DMA memory region."),
    Counter("verbs_get_dma_mr_failed_cnt", Unit.CALLS, "Calls to obtain a DMA memory region that failed.", _RESOURCES),
    Counter("verbs_reg_usr_mr_cnt", Unit.CALLS, "Calls to register a program's memory region."),
    Counter(
        "verbs_reg_usr_mr_failed_cnt",
        Unit.CALLS,
        "Calls to register a program's memory region that failed.",
        _RESOURCES,
    ),
)

# The driver that comes with the kernel names the same traffic counters otherwise than the vendor's own package.
IN_TREE = {
    "tx_reqs_cnt": "hw_tx_reqs_cnt",
    "tx_packets_cnt": "hw_tx_packets_cnt",
    "tx_bytes_cnt": "hw_tx_bytes_cnt",
    "tx_disable_drop_cnt": "hw_disable_drop_cnt",
    "tx_bps_limit_drop_cnt": "hw_bps_limit_drop_cnt",
    "tx_pps_limit_drop_cnt": "hw_pps_limit_drop_cnt",
    "rx_packets_cnt": "hw_rx_packets_cnt",
    "rx_bytes_cnt": "hw_rx_bytes_cnt",
    "rx_disable_drop_cnt": "hw_rx_disable_drop_cnt",
    "rx_bps_limit_drop_cnt": "hw_rx_bps_limit_drop_cnt",
    "rx_pps_limit_drop_cnt": "hw_rx_pps_limit_drop_cnt",
}
