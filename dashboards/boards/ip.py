"""IP and ICMP, version 4 and 6: packets, routes missed, fragments, and the messages that tell of trouble."""

from __future__ import annotations

from dashboards.panel import Colour, Step
from dashboards.subject import Subject, worst_pods
from dashboards.views import topic
from exporter.probes import icmp, icmp6, ip, ip6

_ANY = (Step(1, Colour.WATCH), Step(100, Colour.BAD))

SUBJECT = Subject(
    slug="ip",
    title="IP and ICMP",
    description="Packets, missing routes and fragments of IPv4 and IPv6, and the ICMP messages that tell of trouble.",
    probes=("ip", "ip6", "icmp", "icmp6"),
    tables=(
        worst_pods(
            ip.OUT_NO_ROUTES,
            "Pods that miss a route",
            "IPv4 packets that the pod could not send for want of a route, over the time shown.",
            *_ANY,
        ),
        worst_pods(
            icmp.IN_DESTINATION_UNREACHABLE,
            "Pods told that a destination is unreachable",
            "ICMP messages received over the time shown. Somebody on the way refuses what the pod sends.",
            *_ANY,
        ),
    ),
    topics=(
        topic(
            "IPv4 packets",
            "Packets received, delivered to a protocol, forwarded and sent. Received without delivered or forwarded: "
            "they end here.",
            (ip.IN_RECEIVES, "received"),
            (ip.IN_DELIVERS, "delivered"),
            (ip.FORW_DATAGRAMS, "forwarded"),
            (ip.OUT_REQUESTS, "sent"),
        ),
        topic(
            "IPv4 packets discarded",
            "Packets thrown away although nothing was wrong with them. A rise means that memory or a queue ran short.",
            (ip.IN_DISCARDS, "received"),
            (ip.OUT_DISCARDS, "to be sent"),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "IPv4 routes missing",
            "Packets for which there was no route. A rise after a change of the network plugin or of routes is its "
            "fault.",
            (ip.OUT_NO_ROUTES, "to be sent"),
            (ip.IN_NO_ROUTES, "received"),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "IPv4 packets refused",
            "Packets with a faulty header, a wrong address, an unknown protocol or a missing end. Wrong addresses "
            "often come from routes that send packets to a node that does not forward.",
            (ip.IN_HDR_ERRORS, "header"),
            (ip.IN_ADDR_ERRORS, "address"),
            (ip.IN_UNKNOWN_PROTOS, "protocol"),
            (ip.IN_TRUNCATED, "cut short"),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "IPv4 packets reassembled and fragmented",
            "Packets put together from fragments and cut into them, and failures of both. Failures mean lost "
            "fragments or a path MTU that is not respected.",
            (ip.REASM_OKS, "reassembled"),
            (ip.REASM_FAILS, "reassembly failed"),
            (ip.REASM_TIMEOUT, "fragments missing"),
            (ip.FRAG_OKS, "fragmented"),
            (ip.FRAG_FAILS, "must not be fragmented"),
        ),
        topic(
            "ICMP messages that tell of trouble",
            "Messages received by type. Unreachable: somebody refuses. Time exceeded: a routing loop. Redirect: a "
            "better next hop exists.",
            (icmp.IN_DESTINATION_UNREACHABLE, "destination unreachable"),
            (icmp.IN_TIME_EXCEEDED, "time exceeded"),
            (icmp.IN_REDIRECTS, "redirect"),
            (icmp.IN_ERRORS, "faulty"),
            (icmp.IN_CHECKSUM_ERRORS, "bad checksum"),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "ICMP messages sent",
            "Messages sent by type, and those withheld by a rate limit. Unreachable: others send to what does not "
            "exist here. Withheld ones leave others in the dark.",
            (icmp.OUT_DESTINATION_UNREACHABLE, "destination unreachable"),
            (icmp.OUT_TIME_EXCEEDED, "time exceeded"),
            (icmp.OUT_REDIRECTS, "redirect"),
            (icmp.OUT_ERRORS, "failed"),
            (icmp.OUT_RATE_LIMITED_NODE, "withheld, limit of the node"),
            (icmp.OUT_RATE_LIMITED_PEER, "withheld, limit of the peer"),
        ),
        topic(
            "Pings",
            "Echo requests and replies. Requests without replies: the other side, or the way back, is dead.",
            (icmp.IN_ECHO_REQUESTS, "requests received"),
            (icmp.OUT_ECHO_REPLIES, "replies sent"),
            (icmp.OUT_ECHO_REQUESTS, "requests sent"),
            (icmp.IN_ECHO_REPLIES, "replies received"),
        ),
        topic(
            "IPv6 packets",
            "Packets received, delivered, forwarded and sent. Received without delivered or forwarded: they end here.",
            (ip6.IN_PACKETS, "received"),
            (ip6.IN_DELIVERED, "delivered"),
            (ip6.FORWARDED, "forwarded"),
            (ip6.OUT_PACKETS, "sent"),
        ),
        topic(
            "IPv6 bytes",
            "Bytes received and sent. The share of IPv6 in all traffic.",
            (ip6.IN_BYTES, "received"),
            (ip6.OUT_BYTES, "sent"),
        ),
        topic(
            "IPv6 packets lost",
            "Packets discarded, without route, or too large for the next link. Too large ones without ICMPv6 messages "
            "getting through are connections that hang.",
            (ip6.IN_DISCARDS, "discarded, received"),
            (ip6.OUT_DISCARDS, "discarded, to be sent"),
            (ip6.IN_NO_ROUTES, "no route, received"),
            (ip6.OUT_NO_ROUTES, "no route, to be sent"),
            (ip6.IN_TOO_BIG_ERRORS, "too large"),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "IPv6 packets refused",
            "Packets with a faulty header, a wrong address, an unknown protocol or a missing end.",
            (ip6.IN_HEADER_ERRORS, "header"),
            (ip6.IN_ADDRESS_ERRORS, "address"),
            (ip6.IN_UNKNOWN_PROTOCOLS, "protocol"),
            (ip6.IN_TRUNCATED, "cut short"),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "ICMPv6 messages that tell of trouble",
            "Messages received by type. Packet too big: the path MTU is smaller than the device's.",
            (icmp6.IN_DESTINATION_UNREACHABLE, "destination unreachable"),
            (icmp6.IN_PACKET_TOO_BIG, "packet too big"),
            (icmp6.IN_TIME_EXCEEDED, "time exceeded"),
            (icmp6.IN_ERRORS, "faulty"),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "IPv6 neighbour discovery",
            "Solicitations and advertisements. Solicitations without advertisements: nobody answers for the address.",
            (icmp6.OUT_NEIGHBOUR_SOLICITATIONS, "solicitations sent"),
            (icmp6.IN_NEIGHBOUR_ADVERTISEMENTS, "advertisements received"),
            (icmp6.IN_NEIGHBOUR_SOLICITATIONS, "solicitations received"),
            (icmp6.OUT_NEIGHBOUR_ADVERTISEMENTS, "advertisements sent"),
        ),
    ),
    rarer_title="Fragments and settings",
    rarer=(
        topic(
            "IPv4 fragments",
            "Fragments received and made. A rise means that packets no longer fit the path: compare the MTU of the "
            "devices.",
            (ip.REASM_REQDS, "received"),
            (ip.FRAG_CREATES, "made"),
        ),
        topic(
            "IPv4 settings",
            "Whether the namespace forwards (1 yes, 2 no), and the time to live of its packets. A change is somebody's "
            "doing.",
            (ip.FORWARDING, "forwarding"),
            (ip.DEFAULT_TTL, "time to live"),
        ),
    ),
)
