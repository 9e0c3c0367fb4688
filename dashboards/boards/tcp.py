"""TCP: connections made and broken, segments lost, queues and memory at their limits."""

from __future__ import annotations

from alerts.rules import tcp_path, tcp_socket
from dashboards.limits import limits
from dashboards.panel import Colour, Step
from dashboards.subject import Subject, worst_pods
from dashboards.views import share, topic
from exporter.probes import listen, tcp, tcpext, tcpsummary

_SOME = (Step(1, Colour.WATCH), Step(100, Colour.BAD))

RETRANSMITTED = share(
    "Share of segments sent again",
    "Segments sent again for each segment sent. Above one in a hundred users feel it; on one pod alone look at its "
    "peer, on all pods of a node at the node's link.",
    tcp.RETRANS_SEGS,
    tcp.OUT_SEGS,
    limits(tcp_path.RETRANSMITS, tcp_path.RETRANSMITS_CRITICAL),
)

SUBJECT = Subject(
    slug="tcp",
    title="TCP",
    description="Connections opened and broken, segments sent again, listen queues, memory and states.",
    probes=("tcp", "tcpext", "tcpsummary", "listen"),
    tables=(
        worst_pods(
            tcp.RETRANS_SEGS,
            "Pods that send most again",
            "Segments sent again over the time shown. Their packets, or the acknowledgements, are lost on the way.",
            Step(100, Colour.WATCH),
            Step(10000, Colour.BAD),
        ),
        worst_pods(
            tcpext.LISTEN_DROPS,
            "Pods that refuse connections",
            "Connection requests lost at a listening socket over the time shown. Clients see delays of one, three and "
            "seven seconds, or time-outs.",
            *_SOME,
        ),
    ),
    topics=(
        RETRANSMITTED,
        topic(
            "Segments sent again",
            "Segments sent again, those of connection requests, and fast ones that an acknowledgement asked for. "
            "Requests sent again are connections that do not come about.",
            (tcp.RETRANS_SEGS, "all"),
            (tcpext.TCP_SYN_RETRANS, "connection requests"),
            (tcpext.TCP_FAST_RETRANS, "fast"),
            (tcpext.TCP_RETRANS_FAIL, "could not be sent"),
        ),
        topic(
            "Connections opened",
            "Connections begun by the pod, and accepted by it. A rise without more work means that connections are "
            "no longer reused.",
            (tcp.ACTIVE_OPENS, "to others"),
            (tcp.PASSIVE_OPENS, "from others"),
        ),
        topic(
            "Connections failed or reset",
            "Attempts that failed, established connections that were reset, and requests reset before they were "
            "accepted. Behind a proxy they become 502 and 504.",
            (tcp.ATTEMPT_FAILS, "attempt failed"),
            (tcp.ESTAB_RESETS, "established reset"),
            (tcpext.EMBRYONIC_RSTS, "reset before accepted"),
            steps=(Step(5, Colour.WATCH), Step(50, Colour.BAD)),
        ),
        topic(
            "Resets and faulty segments",
            "Resets sent, and segments received that were faulty. Resets rise when clients knock on closed ports or "
            "programs close with data unread.",
            (tcp.OUT_RSTS, "resets sent"),
            (tcp.IN_ERRS, "faulty"),
            (tcp.IN_CSUM_ERRORS, "bad checksum"),
        ),
        topic(
            "Connection requests lost at listening sockets",
            "Requests lost for any reason, and of them those that found the accept queue full. The program accepts "
            "too slowly, or its backlog and net.core.somaxconn are too small.",
            (tcpext.LISTEN_DROPS, "lost"),
            (tcpext.LISTEN_OVERFLOWS, "accept queue full"),
            steps=limits(tcp_socket.LISTEN_OVERFLOW, window=300),
        ),
        topic(
            "Fullest accept queue",
            "Connections waiting in the fullest accept queue for each that it may hold. At 1 further ones are lost.",
            (listen.FULLEST_RATIO, ""),
            steps=limits(tcp_socket.ACCEPT_QUEUE),
        ),
        topic(
            "Accept queues",
            "Connections that wait to be accepted, in all queues and in the fullest. A queue that stands is a program "
            "that is too slow.",
            (listen.QUEUE, "waiting in all"),
            (listen.FULLEST_QUEUE, "waiting in the fullest"),
        ),
        topic(
            "Connections by state",
            "Connections in the states that matter. Close-wait that grows: the program forgets to close. Time-wait "
            "that grows: connections are too short. SYN-sent that stands: the peer does not answer.",
            (tcpsummary.ESTABLISHED, "established"),
            (tcpsummary.TIME_WAIT, "time-wait"),
            (tcpsummary.CLOSE_WAIT, "close-wait"),
            (tcpsummary.SYN_SENT, "SYN-sent"),
            (tcpsummary.SYN_RECV, "SYN-received"),
        ),
        topic(
            "Bytes in socket queues",
            "Bytes not yet acknowledged or sent, and bytes not yet read by the program. Sent ones that stand: a slow "
            "peer or network. Received ones that stand: a slow program.",
            (tcpsummary.TXQUEUE, "to be sent"),
            (tcpsummary.RXQUEUE, "to be read"),
        ),
        topic(
            "Retransmission time-outs",
            "How often a connection waited for an acknowledgement until its timer ran out. Each is a pause of at least "
            "200 milliseconds.",
            (tcpext.TCP_TIMEOUTS, "time-outs"),
            steps=(Step(10, Colour.WATCH),),
        ),
        topic(
            "Connections aborted",
            "Connections ended by this side, by reason: closed with data unread, data after closing, peer silent, no "
            "memory, lingering in the end. Peer silent points at the network, the others at the program.",
            (tcpext.TCP_ABORT_ON_CLOSE, "data unread"),
            (tcpext.TCP_ABORT_ON_DATA, "data after close"),
            (tcpext.TCP_ABORT_ON_TIMEOUT, "peer silent"),
            (tcpext.TCP_ABORT_ON_MEMORY, "no memory"),
            (tcpext.TCP_ABORT_ON_LINGER, "linger over"),
            (tcpext.TCP_ABORT_FAILED, "reset not sent"),
            steps=(Step(10, Colour.WATCH),),
        ),
        topic(
            "Segments dropped by full queues",
            "Segments thrown away because the receive queue, the backlog or the window was full. The program reads too "
            "slowly or the node lacks memory.",
            (tcpext.TCP_RCVQ_DROP, "receive queue"),
            (tcpext.TCP_BACKLOG_DROP, "backlog"),
            (tcpext.TCP_ZERO_WINDOW_DROP, "window closed"),
            (tcpext.PFMEMALLOC_DROP, "memory reserve"),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "Segments",
            "Segments received and sent. The base against which the other panels are read.",
            (tcp.IN_SEGS, "received"),
            (tcp.OUT_SEGS, "sent"),
        ),
    ),
    rarer_title="Memory pressure and rarer counters",
    rarer=(
        topic(
            "Times TCP came under memory pressure",
            "How often TCP came under memory pressure, and send queues that grew too big. All connections of the node "
            "slow down: see net.ipv4.tcp_mem.",
            (tcpext.TCP_MEMORY_PRESSURES, "pressure begun"),
            (tcpext.TCP_WQUEUE_TOO_BIG, "send queue too big"),
            steps=limits(tcp_socket.MEMORY_PRESSURE, window=600),
        ),
        topic(
            "Time under memory pressure",
            "Share of the time that TCP spent under memory pressure. Anything above zero slows every connection.",
            (tcpext.TCP_MEMORY_PRESSURES_CHRONO, ""),
            steps=(Step(0.01, Colour.BAD),),
        ),
        topic(
            "Segments refused by their timestamp",
            "Segments refused because their timestamp was too old. Typical where clients share an address behind "
            "address translation.",
            (tcpext.PAWS_ACTIVE, "while opening"),
            (tcpext.PAWS_ESTAB, "established"),
            steps=(Step(1, Colour.WATCH),),
        ),
        topic(
            "Acknowledgements withheld",
            "Acknowledgements not sent because too many were asked for, by the state of the connection. A rise means "
            "faulty or forged segments, or two sides that disagree.",
            (tcpext.TCP_ACK_SKIPPED_SYN_RECV, "SYN-received"),
            (tcpext.TCP_ACK_SKIPPED_PAWS, "old timestamp"),
            (tcpext.TCP_ACK_SKIPPED_SEQ, "outside the window"),
            (tcpext.TCP_ACK_SKIPPED_FIN_WAIT2, "FIN-wait-2"),
            (tcpext.TCP_ACK_SKIPPED_TIME_WAIT, "time-wait"),
            (tcpext.TCP_ACK_SKIPPED_CHALLENGE, "challenge"),
        ),
        topic(
            "Probes of silent peers",
            "Keep-alive probes and probes of a closed window. Many window probes mean that peers do not read.",
            (tcpext.TCP_KEEP_ALIVE, "keep-alive"),
            (tcpext.TCP_WIN_PROBE, "window"),
        ),
        topic(
            "Path MTU probes",
            "Probes for larger packets that passed and that were lost. Only with net.ipv4.tcp_mtu_probing.",
            (tcpext.TCP_MTUP_SUCCESS, "passed"),
            (tcpext.TCP_MTUP_FAIL, "lost"),
        ),
    ),
)
