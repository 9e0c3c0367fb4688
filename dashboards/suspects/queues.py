"""Suspects among the queues of sockets: programs that do not keep up, and paths that lose what is sent."""

from __future__ import annotations

from alerts.rules import tcp_path, tcp_socket
from dashboards.suspect import Suspect
from dashboards.units import Show
from exporter.model.promql import clamp_min
from exporter.probes import listen, socketlatency, tcp, tcpext, tcprtt, tcpsummary

_TEN_MINUTES = 600.0

SENT_AGAIN = Suspect(
    title="Segments sent again",
    shows="Segments sent again for each that is sent.",
    of=lambda view: (
        view.rate(tcp.RETRANS_SEGS) / clamp_min(view.rate(tcp.OUT_SEGS), tcp_path.RETRANSMITS.thresholds[1].value)
    ),
    unit=Show.SHARE,
    board="tcp",
    rules=(tcp_path.RETRANSMITS, tcp_path.RETRANSMITS_CRITICAL),
)
ACCEPT_QUEUE_STANDS = Suspect(
    title="Accept queue stands",
    shows="Connections waiting in the fullest accept queue for each that it may hold.",
    of=lambda view: view.now(listen.FULLEST_RATIO),
    unit=Show.SHARE,
    board="tcp",
    rules=(tcp_socket.ACCEPT_QUEUE,),
)
DATA_UNREAD = Suspect(
    title="Data unread",
    shows="Bytes that TCP has received and that programs have not read.",
    of=lambda view: view.now(tcpsummary.RXQUEUE),
    unit=Show.BYTES,
    board="tcp",
    rules=(tcp_socket.RECEIVE_STUCK,),
)
DATA_UNACKNOWLEDGED = Suspect(
    title="Data unacknowledged",
    shows="Bytes that programs have written and that peers have not acknowledged.",
    of=lambda view: view.now(tcpsummary.TXQUEUE),
    unit=Show.BYTES,
    board="tcp",
    rules=(tcp_socket.SEND_STUCK,),
)
NOT_CLOSED = Suspect(
    title="Connections not closed",
    shows="Connections that the peer has closed and the program has not.",
    of=lambda view: view.now(tcpsummary.CLOSE_WAIT),
    unit=Show.NUMBER,
    board="tcp",
    rules=(tcp_socket.CLOSE_WAIT_LEAK,),
)
MEMORY_PRESSURE = Suspect(
    title="Memory pressure",
    shows="How often TCP came under memory pressure.",
    of=lambda view: view.rate(tcpext.TCP_MEMORY_PRESSURES),
    unit=Show.PER_SECOND,
    board="tcp",
    rules=(tcp_socket.MEMORY_PRESSURE,),
    window=_TEN_MINUTES,
)
TIME_OUTS = Suspect(
    title="Retransmission time-outs",
    shows="How often a connection waited for an acknowledgement until its timer ran out.",
    of=lambda view: view.rate(tcpext.TCP_TIMEOUTS),
    unit=Show.PER_SECOND,
    board="tcp",
)
CANNOT_SEND_AGAIN = Suspect(
    title="Cannot send again",
    shows="Segments that were to be sent again and could not.",
    of=lambda view: view.rate(tcpext.TCP_RETRANS_FAIL),
    unit=Show.PACKETS_PER_SECOND,
    board="tcp",
)
ROUND_TRIPS = Suspect(
    title="Round trips",
    shows="What 99% of the sampled round trip times stay below.",
    of=lambda view: view.value(tcprtt.SECONDS),
    unit=Show.SECONDS,
    board="latency",
)
READ_LATE = Suspect(
    title="Data read late",
    shows="What 99% of the times stay below that data lies readable until the program reads of it.",
    of=lambda view: view.value(socketlatency.READ.seconds),
    unit=Show.SECONDS,
    board="latency",
)
