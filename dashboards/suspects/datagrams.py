"""Suspects among UDP datagrams."""

from __future__ import annotations

from alerts.rules import udp as rules
from dashboards.suspect import Suspect, share
from dashboards.units import Show
from exporter.probes import udp

_QUARTER_OF_AN_HOUR = 900.0

LATE_ANSWERS = Suspect(
    title="Late answers",
    shows="Datagrams for a port that nobody listens on any more.",
    of=lambda view: view.rate(udp.NO_PORTS),
    unit=Show.PACKETS_PER_SECOND,
    board="udp",
    rules=(rules.NO_PORTS,),
    window=_QUARTER_OF_AN_HOUR,
)
RECEIVE_QUEUE_FULL = Suspect(
    title="Receive queue full",
    shows="Share of the datagrams received that found the queue of their socket full.",
    of=lambda view: share(view.rate(udp.RCVBUF_ERRORS), view.rate(udp.IN_DATAGRAMS), rules.RECEIVE_BUFFER),
    unit=Show.SHARE,
    board="udp",
    rules=(rules.RECEIVE_BUFFER,),
)
SEND_BUFFER_FULL = Suspect(
    title="Send buffer full",
    shows="Datagrams that could not be sent because the buffer of their socket was full.",
    of=lambda view: view.rate(udp.SNDBUF_ERRORS),
    unit=Show.PACKETS_PER_SECOND,
    board="udp",
    rules=(rules.SEND_BUFFER,),
)
