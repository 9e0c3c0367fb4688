"""Which totals are recorded: the counters that people ask for per node and per namespace."""

from __future__ import annotations

from alerts.recording import Recording, shares, totals
from exporter.probes import netdev, tcp, tcpext, udp

COUNTERS = (
    netdev.RX_BYTES,
    netdev.TX_BYTES,
    netdev.RX_PACKETS,
    netdev.TX_PACKETS,
    netdev.RX_DROPPED,
    netdev.TX_DROPPED,
    tcp.ACTIVE_OPENS,
    tcp.PASSIVE_OPENS,
    tcp.ATTEMPT_FAILS,
    tcp.ESTAB_RESETS,
    tcp.OUT_RSTS,
    tcp.IN_SEGS,
    tcp.OUT_SEGS,
    tcp.RETRANS_SEGS,
    tcpext.LISTEN_DROPS,
    tcpext.LISTEN_OVERFLOWS,
    udp.IN_DATAGRAMS,
    udp.OUT_DATAGRAMS,
    udp.NO_PORTS,
    udp.RCVBUF_ERRORS,
)

RULES: tuple[Recording, ...] = (
    *(rule for metric in COUNTERS for rule in totals(metric)),
    *shares(tcp.RETRANS_SEGS, tcp.OUT_SEGS),
    *shares(tcp.ATTEMPT_FAILS, tcp.ACTIVE_OPENS),
    *shares(udp.RCVBUF_ERRORS, udp.IN_DATAGRAMS),
)
