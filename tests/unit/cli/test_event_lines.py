from __future__ import annotations

import json

import pytest

from exporter.cli.event_lines import record_line, text_line, timestamp
from exporter.events.stream_messages import Meta, Reply

WORKER = Meta("iZbp1jesgumdx66l8ym8j8Z", "kube-proxy-worker-tbv5s", "kube-system", "ns4026531993")
TUPLE = "protocol=TCP saddr=10.1.16.255 sport=43186 daddr=100.100.27.15 dport=3128"
TIME = 1_675_414_863_402_118_044
WHOSE = "Namespace=kube-system Pod=kube-proxy-worker-tbv5s Node=iZbp1jesgumdx66l8ym8j8Z Netns=4026531993"


def test_the_first_sample_of_the_documents() -> None:
    assert text_line(Reply("TCP_RCV_RST_ESTAB", WORKER, TUPLE)) == (
        " INFO  TCP_RCV_RST_ESTAB Namespace=kube-system Pod=kube-proxy-worker-tbv5s Node=iZbp1jesgumdx66l8ym8j8Z"
        " Netns=4026531993 10.1.16.255:43186 -> 100.100.27.15:3128"
    )


def test_the_second_sample_of_the_documents() -> None:
    host = Meta("izbp1dnsn1bwv9oyu2gaupz", "hostNetwork", "hostNetwork", "ns0")
    value = "protocol=TCP saddr=10.1.17.113 sport=6443 daddr=10.1.17.113 dport=44226  state:TCP_OTHER "
    line = record_line(Reply("TCPRESET_PROCESS", host, value, TIME), "10.1.17.113:19102")
    assert line == (
        '{"time":"2023-02-03T09:01:03.402118044Z","level":"INFO","source":"10.1.17.113:19102","msg":"TCPRESET_PROCESS",'
        '"meta":"hostNetwork/hostNetwork node=izbp1dnsn1bwv9oyu2gaupz netns=ns0 ",'
        '"event":"protocol=TCP saddr=10.1.17.113 sport=6443 daddr=10.1.17.113 dport=44226  state:TCP_OTHER "}'
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (TUPLE + "  state:TCP_OTHER ", "10.1.16.255:43186 -> 100.100.27.15:3128 state:TCP_OTHER"),
        (TUPLE + "  reason:X stacktrace:a+0x1 b+0x2", "10.1.16.255:43186 -> 100.100.27.15:3128 reason:X"),
        (
            "protocol=UDP saddr=fd00::1 sport=53 daddr=fd00::2 dport=4000",
            "[fd00::1]:53 -> [fd00::2]:4000 protocol=UDP",
        ),
        ("cpu=0 pid=7 latency=12 ms ", "cpu=0 pid=7 latency=12 ms"),
        ("a+0x1\nb+0x2\n", "a+0x1 b+0x2"),
        ("evil \x1b[2Jname", "evil \\x1b[2Jname"),
        ("näme", "näme"),
        ("", ""),
    ],
)
def test_what_happened_stands_at_the_end(value: str, told: str) -> None:
    assert text_line(Reply("T", WORKER, value)) == f" INFO  T {WHOSE} {told}".rstrip()


def test_the_verbose_line_has_time_and_stack() -> None:
    value = TUPLE + "  reason:X stacktrace:a+0x1 b+0x2"
    assert text_line(Reply("T", WORKER, value, TIME), verbose=True) == (
        f" 2023-02-03T09:01:03.402118044Z INFO  T {WHOSE}"
        " 10.1.16.255:43186 -> 100.100.27.15:3128 reason:X stacktrace:a+0x1 b+0x2"
    )


def test_colours_surround_the_same_words() -> None:
    painted = text_line(Reply("T", WORKER, TUPLE), colour=True)
    assert painted.startswith(" \x1b[36mINFO\x1b[0m  \x1b[1;33mT\x1b[0m ")
    for code in ("\x1b[0m", "\x1b[36m", "\x1b[1;33m", "\x1b[2m"):
        painted = painted.replace(code, "")
    assert painted == text_line(Reply("T", WORKER, TUPLE))


def test_names_from_outside_cannot_move_the_cursor() -> None:
    line = text_line(Reply("T\x1b[2J", Meta("n\r", "p\x07", "s\n", "ns1")), verbose=True)
    assert line.isprintable()
    assert json.loads(record_line(Reply("T\n"), "s"))["msg"] == "T\n"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (1, "1970-01-01T00:00:00.000000001Z"),
        (TIME, "2023-02-03T09:01:03.402118044Z"),
        (2**64 - 1, "2554-07-21T23:34:33.709551615Z"),
    ],
)
def test_times_are_exact(nanoseconds: int, text: str) -> None:
    assert timestamp(nanoseconds) == text
    assert timestamp(0) > "2026"
