"""Suspects while TCP connections are made and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.rules import resources, tcp_path, tcp_socket
from dashboards.suspect import Suspect, share
from dashboards.units import Show
from dashboards.views import View, label_of
from exporter.probes import ports, tcp, tcpconnect, tcpext, tcpreset

if TYPE_CHECKING:
    from exporter.model.promql import Expr

_FIVE_MINUTES = 300.0
_TEN_MINUTES = 600.0
_MINUTE = 60.0


def _opens(view: View) -> Expr:
    return view.rate(tcp.ACTIVE_OPENS) + view.rate(tcp.PASSIVE_OPENS)


ACCEPT_QUEUE_OVERFLOWS = Suspect(
    title="Accept queue overflows",
    shows="Connections lost because the accept queue of a listening socket was full.",
    of=lambda view: view.rate(tcpext.LISTEN_OVERFLOWS),
    unit=Show.PER_SECOND,
    board="tcp",
    rules=(tcp_socket.LISTEN_OVERFLOW,),
    window=_FIVE_MINUTES,
)
LISTENER_DROPS = Suspect(
    title="Listener drops otherwise",
    shows="Connection requests that a listening socket lost although its accept queue had room.",
    of=lambda view: view.rate(tcpext.LISTEN_DROPS) - view.rate(tcpext.LISTEN_OVERFLOWS),
    unit=Show.PER_SECOND,
    board="tcp",
    rules=(tcp_socket.LISTEN_DROPS,),
    window=_FIVE_MINUTES,
)
ATTEMPTS_FAIL = Suspect(
    title="Connection attempts fail",
    shows="Share of the connections opened or accepted whose handshake ended without a connection.",
    of=lambda view: share(view.rate(tcp.ATTEMPT_FAILS), _opens(view), tcp_path.CONNECT_FAILURES),
    unit=Show.SHARE,
    board="tcp",
    rules=(tcp_path.CONNECT_FAILURES,),
)
HANDSHAKES_REPEATED = Suspect(
    title="Handshakes unanswered",
    shows="SYN and SYN-ACK segments sent again, for each connection opened or accepted.",
    of=lambda view: share(view.rate(tcpext.TCP_SYN_RETRANS), _opens(view), tcp_path.SYN_RETRANSMITS),
    unit=Show.SHARE,
    board="tcp",
    rules=(tcp_path.SYN_RETRANSMITS,),
)
CONNECTIONS_CUT = Suspect(
    title="Connections cut",
    shows="Share of the established connections that is reset within a minute.",
    of=lambda view: share(view.rate(tcp.ESTAB_RESETS), view.now(tcp.CURR_ESTAB), tcp_path.ESTABLISHED_RESETS, _MINUTE),
    unit=Show.SHARE,
    board="tcp",
    rules=(tcp_path.ESTABLISHED_RESETS,),
)
RESETS_SENT = Suspect(
    title="Resets sent",
    shows="Resets sent, for each connection opened or accepted.",
    of=lambda view: share(view.rate(tcp.OUT_RSTS), _opens(view), tcp_path.RESETS_SENT),
    unit=Show.SHARE,
    board="drops",
    rules=(tcp_path.RESETS_SENT,),
)
PORTS_USED_UP = Suspect(
    title="Local ports used up",
    shows="Local ports used towards the busiest destination, for each that may be used.",
    of=lambda view: view.share(view.now(ports.BUSIEST), view.now(ports.RANGE)),
    unit=Show.SHARE,
    board="sockets",
    rules=(resources.PORTS,),
)
OUT_OF_MEMORY = Suspect(
    title="Aborted for want of memory",
    shows="Connections that the kernel reset because it was short of memory for TCP.",
    of=lambda view: view.rate(tcpext.TCP_ABORT_ON_MEMORY),
    unit=Show.PER_SECOND,
    board="tcp",
    rules=(tcp_socket.ABORT_ON_MEMORY,),
    window=_TEN_MINUTES,
)
CLOSED_WITH_DATA_UNREAD = Suspect(
    title="Closed with data unread",
    shows="Connections that a program closed while data of the peer lay unread, so that the kernel sent a reset.",
    of=lambda view: view.rate(tcpext.TCP_ABORT_ON_CLOSE),
    unit=Show.PER_SECOND,
    board="tcp",
)
DATA_AFTER_CLOSE = Suspect(
    title="Data after closing",
    shows="Connections reset because data came after the program had closed them.",
    of=lambda view: view.rate(tcpext.TCP_ABORT_ON_DATA),
    unit=Show.PER_SECOND,
    board="tcp",
)
PEER_SILENT = Suspect(
    title="Peer silent",
    shows="Connections given up because no answer came to data or to keep-alive probes.",
    of=lambda view: view.rate(tcpext.TCP_ABORT_ON_TIMEOUT),
    unit=Show.PER_SECOND,
    board="tcp",
)
OLD_TIMESTAMPS = Suspect(
    title="Old timestamps",
    shows="Segments of established connections refused because their timestamp was too old.",
    of=lambda view: view.rate(tcpext.PAWS_ESTAB),
    unit=Show.PACKETS_PER_SECOND,
    board="tcp",
)
RESETS_SENT_BY_KIND = Suspect(
    title="Resets sent, by kind",
    shows="Resets sent by what made the kernel send them.",
    of=lambda view: view.rate(tcpreset.SENT_BY_KIND, label_of(tcpreset.SENT_BY_KIND, "kind")),
    unit=Show.PACKETS_PER_SECOND,
    board="drops",
)
RESETS_RECEIVED = Suspect(
    title="Resets received, by state",
    shows="Resets received by the state of the connection that they ended.",
    of=lambda view: view.rate(tcpreset.RECEIVED_BY_KIND, label_of(tcpreset.RECEIVED_BY_KIND, "kind")),
    unit=Show.PACKETS_PER_SECOND,
    board="drops",
)
TIME_TO_CONNECT = Suspect(
    title="Time to connect",
    shows="What 99% of connections take from the first SYN until they are established.",
    of=lambda view: view.value(tcpconnect.SECONDS),
    unit=Show.SECONDS,
    board="latency",
)
