"""Processes of a pod: descriptors, system calls and storage."""

from __future__ import annotations

from dashboards.panel import Colour, Step
from dashboards.subject import Subject, worst_pods
from dashboards.views import topic
from exporter.probes import fd, io

SUBJECT = Subject(
    slug="processes",
    title="Processes",
    description="Descriptors, system calls and storage traffic of the processes behind the sockets.",
    probes=("fd", "io"),
    tables=(
        worst_pods(
            fd.OPEN_SOCKET,
            "Pods with most sockets open",
            "Sockets among the open descriptors now. A number that only ever grows is a leak of connections.",
            Step(10000, Colour.WATCH),
        ),
        worst_pods(
            io.WRITE_BYTES,
            "Pods that write most to storage",
            "Bytes sent to storage over the time shown. Logging or dumps may slow every pod on the same disk.",
        ),
    ),
    topics=(
        topic(
            "Open descriptors",
            "Descriptors open in the processes, and the sockets among them. Steady growth is a leak; at the limit "
            "every new connection fails.",
            (fd.OPEN_FD, "descriptors"),
            (fd.OPEN_SOCKET, "sockets"),
        ),
        topic(
            "Read and write system calls",
            "System calls that read or wrote anything. A rise without more traffic is a busy loop or tiny reads.",
            (io.READ_SYSCALLS, "read"),
            (io.WRITE_SYSCALLS, "write"),
        ),
        topic(
            "Storage traffic",
            "Bytes fetched from and sent to storage. A rise of reads means that the page cache no longer holds what is "
            "asked for.",
            (io.READ_BYTES, "read"),
            (io.WRITE_BYTES, "written"),
        ),
    ),
)
