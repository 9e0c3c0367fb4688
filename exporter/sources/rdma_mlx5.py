"""Counters of NVIDIA (Mellanox) ConnectX adapters, by the names that the mlx5 driver gives them in sysfs."""

from __future__ import annotations

from exporter.model.metric import Unit
from exporter.sources.rdma import Counter

_CABLE = "Look at cable, transceiver and switch port: `mlxlink` shows the link's error rates."
_CONGESTION = "The fabric is congested: check PFC and ECN on the switches and the sender's congestion control."
_LOSS = "RoCE loses or reorders packets: look for drops on the switches and at their PFC settings."
_ACCESS = "A program uses a wrong key, address or length: see its log and the peer's."

# ports/<n>/counters: defined by the InfiniBand specification
PORT = (
    Counter("port_rcv_data", Unit.WORDS, "Data that the port received, in words of 4 bytes."),
    Counter("port_rcv_packets", Unit.PACKETS, "Packets that the port received, faulty ones included."),
    Counter("multicast_rcv_packets", Unit.PACKETS, "Multicast packets that the port received."),
    Counter("unicast_rcv_packets", Unit.PACKETS, "Unicast packets that the port received."),
    Counter("port_xmit_data", Unit.WORDS, "Data that the port sent, in words of 4 bytes."),
    Counter("port_xmit_packets", Unit.PACKETS, "Packets that the port sent."),
    Counter(
        "port_xmit_packets_64", Unit.PACKETS, "Packets that the port sent, as the 64-bit counter of older drivers."
    ),
    Counter("port_rcv_switch_relay_errors", Unit.PACKETS, "Received packets that a switch could not forward."),
    Counter("port_rcv_errors", Unit.PACKETS, "Received packets that held an error.", _CABLE),
    Counter("port_rcv_constraint_errors", Unit.PACKETS, "Received packets that a rule of the port refused.", _ACCESS),
    Counter(
        "local_link_integrity_errors",
        Unit.EVENTS,
        "Times that physical errors of the port exceeded their threshold.",
        _CABLE,
    ),
    Counter(
        "port_xmit_wait",
        Unit.TICKS,
        "Ticks in which the port had data and could not send, for lack of credit or of its turn.",
        _CONGESTION,
    ),
    Counter("multicast_xmit_packets", Unit.PACKETS, "Multicast packets that the port sent."),
    Counter("unicast_xmit_packets", Unit.PACKETS, "Unicast packets that the port sent."),
    Counter(
        "port_xmit_discards",
        Unit.PACKETS,
        "Packets not sent because the port was down or congested.",
        _CONGESTION,
    ),
    Counter("port_xmit_constraint_errors", Unit.PACKETS, "Packets not sent because a rule of the port refused them."),
    Counter(
        "port_rcv_remote_physical_errors",
        Unit.PACKETS,
        "Received packets that the other end had already marked as faulty.",
        _CABLE,
    ),
    Counter("symbol_error", Unit.ERRORS, "Minor errors on the lanes of the link.", _CABLE),
    Counter("VL15_dropped", Unit.PACKETS, "Management packets dropped for lack of buffers in the port."),
    Counter("link_error_recovery", Unit.EVENTS, "Recoveries from link errors that succeeded.", _CABLE),
    Counter("link_downed", Unit.EVENTS, "Recoveries from link errors that failed, so that the link went down.", _CABLE),
)

# ports/<n>/hw_counters: the adapter's own
HARDWARE = (
    Counter("rx_write_requests", Unit.REQUESTS, "RDMA WRITE requests received."),
    Counter("rx_read_requests", Unit.REQUESTS, "RDMA READ requests received."),
    Counter("rx_atomic_requests", Unit.REQUESTS, "RDMA atomic requests received."),
    Counter(
        "out_of_buffer",
        Unit.PACKETS,
        "Packets dropped because the program had posted no receive buffer.",
        "The receiving program is too slow or posts too few receive requests: deepen its receive queue.",
    ),
    Counter("out_of_sequence", Unit.PACKETS, "Packets received out of order.", _LOSS),
    Counter("duplicate_request", Unit.PACKETS, "Requests received that had been received before.", _LOSS),
    Counter(
        "rnr_nak_retry_err",
        Unit.PACKETS,
        "Answers of peers that were not ready to receive, while the sender had retries left.",
        "The peer's program posts too few receive requests.",
    ),
    Counter(
        "packet_seq_err",
        Unit.PACKETS,
        "Answers of peers that missed a packet, while the sender had retries left.",
        _LOSS,
    ),
    Counter(
        "implied_nak_seq_err",
        Unit.EVENTS,
        "Acknowledgements that skipped the answer to a read or atomic request.",
        _LOSS,
    ),
    Counter("local_ack_timeout_err", Unit.TIMEOUTS, "Requests not acknowledged by the peer in time.", _LOSS),
    Counter("rx_dct_connect", Unit.REQUESTS, "Connection requests received for dynamically connected transport."),
    Counter("resp_local_length_error", Unit.ERRORS, "Length errors that the port found as responder.", _ACCESS),
    Counter("resp_cqe_error", Unit.ERRORS, "Completions with an error that the port gave as responder."),
    Counter("req_cqe_error", Unit.ERRORS, "Completions with an error that the port gave as requester."),
    Counter("req_remote_invalid_request", Unit.ERRORS, "Requests that the peer refused as invalid.", _ACCESS),
    Counter("req_remote_access_errors", Unit.ERRORS, "Requests to which the peer denied access.", _ACCESS),
    Counter("resp_remote_access_errors", Unit.ERRORS, "Requests of peers to which the port denied access.", _ACCESS),
    Counter("resp_cqe_flush_error", Unit.ERRORS, "Completions that the port flushed as responder."),
    Counter("req_cqe_flush_error", Unit.ERRORS, "Completions that the port flushed as requester."),
    Counter("roce_adp_retrans", Unit.PACKETS, "Packets that adaptive retransmission of RoCE sent again.", _LOSS),
    Counter("roce_adp_retrans_to", Unit.TIMEOUTS, "Timeouts of adaptive retransmission of RoCE.", _LOSS),
    Counter("roce_slow_restart", Unit.EVENTS, "Times that RoCE restarted slowly after a pause."),
    Counter("roce_slow_restart_cnps", Unit.PACKETS, "Congestion notices that slow restart of RoCE made."),
    Counter("roce_slow_restart_trans", Unit.EVENTS, "Times that RoCE changed into slow restart."),
    Counter("rp_cnp_ignored", Unit.PACKETS, "Congestion notices received that the sender ignored.", _CONGESTION),
    Counter("rp_cnp_handled", Unit.PACKETS, "Congestion notices received that slowed the sender.", _CONGESTION),
    Counter(
        "np_ecn_marked_roce_packets",
        Unit.PACKETS,
        "RoCE packets received that a switch had marked as congested.",
        _CONGESTION,
    ),
    Counter("np_cnp_sent", Unit.PACKETS, "Congestion notices sent to peers that caused congestion.", _CONGESTION),
    Counter("rx_icrc_encapsulated", Unit.PACKETS, "RoCE packets received with a bad checksum.", _CABLE),
)
