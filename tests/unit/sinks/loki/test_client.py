"""Over real connections; the clock is the test's, so that retries take no time."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from exporter.sinks.loki import address
from exporter.sinks.loki.backlog import Backlog
from exporter.sinks.loki.client import Client, Login
from exporter.sinks.loki.delivery import Delivery
from exporter.sinks.loki.protocol import Answer, Entry, encode
from exporter.sinks.loki.retry import Backoff
from tests.unit.sinks.loki import receiver as loki
from tests.unit.sinks.loki.receiver import Receiver

if TYPE_CHECKING:
    from pathlib import Path

TIME = 1_700_000_000_000_000_000
LABELS = (("node", "node-a"),)
BODY = encode([Entry(LABELS, TIME, "line")])
PATIENT = 20.0  # where an answer comes
TIMEOUT = 0.4  # where none comes
LATE = "no answer in time: see whether Loki is overloaded, or raise `timeout`"
LONG = 10.0  # on a busy machine


def _client(
    addr: str, login: Login | None = None, tls: ssl.SSLContext | None = None, timeout: float = PATIENT
) -> Client:
    return Client(address.parse(addr), login or Login(), tls, timeout, time.monotonic)


def test_requests_share_a_connection() -> None:
    with Receiver() as receiver:
        client = _client(receiver.addr)
        assert [client.push(BODY) for _ in range(3)] == [Answer(204, "No Content")] * 3
        client.close()
    assert receiver.lines == ["line"] * 3
    assert len({port for _path, _headers, port in receiver.requests}) == 1


def test_after_a_pause_a_new_connection_is_made() -> None:
    now = [0.0]
    with Receiver() as receiver:
        client = Client(address.parse(receiver.addr), Login(), None, PATIENT, lambda: now[0])
        for _ in range(3):
            client.push(BODY)
            now[0] += 21
        client.close()
    assert len({port for _path, _headers, port in receiver.requests}) == 3


def test_tenant_and_credentials_are_sent_and_the_password_is_read_again_when_it_is_refused() -> None:
    passwords = iter(["old", "old", "new: ü"])
    login = Login("team-a|team-b", "me", lambda: next(passwords))
    with Receiver(loki.accept, loki.answer(401, "no"), loki.answer(401, "no")) as receiver:
        client = _client(receiver.addr, login)
        assert [client.push(BODY).status for _ in range(5)] == [204, 401, 401, 204, 204]
        client.close()
    sent = [(headers["X-Scope-OrgID"], headers["Authorization"]) for _path, headers, _port in receiver.requests]
    old, new = ("team-a|team-b", "Basic bWU6b2xk"), ("team-a|team-b", "Basic bWU6bmV3OiDDvA==")
    assert sent == [old, old, old, new, new]


def test_without_credentials_and_tenant_there_are_no_such_headers() -> None:
    with Receiver() as receiver:
        client = _client(receiver.addr)
        client.push(BODY)
        client.close()
    (_path, headers, _port) = receiver.requests[0]
    assert {"Authorization", "X-Scope-OrgID"} & set(headers) == set()


def test_the_words_and_wishes_of_loki_are_handed_on() -> None:
    with Receiver(
        loki.answer(429, "limit\n  exceeded ", Retry_After="7"),
        loki.answer(302, "", Location="https://elsewhere/"),
        loki.answer(500),
    ) as receiver:
        client = _client(receiver.addr)
        assert [client.push(BODY) for _ in range(3)] == [
            Answer(429, "limit exceeded", "7"),
            Answer(302, "Found, see https://elsewhere/"),
            Answer(500, "Internal Server Error"),
        ]
        client.close()


def test_a_long_answer_is_read_in_part_and_the_next_request_is_right() -> None:
    with Receiver(loki.answer(500, "x" * 100_000)) as receiver:
        client = _client(receiver.addr)
        assert client.push(BODY) == Answer(500, "x" * 4096)
        assert client.push(BODY) == Answer(204, "No Content")
        client.close()


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (loki.reset, "Connection reset by peer"),
        (loki.hang, LATE),
        (
            loki.trickle(b"no HTTP\n"),
            "not HTTP, BadStatusLine no HTTP\n: see whether `addr` names Loki's HTTP port",
        ),
        (loki.trickle(b"HTTP/1.1 500 Oh\r\nX-Long: "), LATE),
        (loki.trickle(b"HTTP/1.1 500 Oh\r\nContent-Length: 100000\r\n\r\n"), LATE),
    ],
)
def test_whatever_a_server_does_the_request_ends_in_time_and_the_next_one_is_right(act: loki.Act, text: str) -> None:
    with Receiver(act) as receiver:
        client = _client(receiver.addr, timeout=TIMEOUT)
        began = time.monotonic()
        answer = client.push(BODY)
        assert time.monotonic() - began < LONG
        client._timeout = PATIENT
        assert answer == Answer(0, text)
        assert client.push(BODY) == Answer(204, "No Content")
        client.close()


def test_a_request_that_hangs_can_be_aborted_by_another_thread() -> None:
    with Receiver(loki.hang) as receiver:
        client = Client(address.parse(receiver.addr), Login(), None, 60.0, time.monotonic)
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(client.push(BODY)))
        thread.start()
        assert receiver.hanging.wait(LONG)
        client.abort()
        thread.join(LONG)
        assert [answer.status for answer in answers] == [0]


def test_nobody_listening_and_unknown_names_are_answers_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert _client(f"127.0.0.1:{port}").push(BODY) == Answer(
        0, "Connection refused: see whether Loki listens there, or correct `addr`"
    )
    answer = _client("loki.invalid").push(BODY)
    assert answer.status == 0
    assert answer.text.startswith("loki.invalid cannot be resolved (")


def test_a_password_that_cannot_be_read_now_is_an_answer_too() -> None:
    def password() -> str:
        raise OSError("passwordFile '/gone' cannot be read")

    with Receiver() as receiver:
        client = _client(receiver.addr, Login("", "me", password))
        assert client.push(BODY) == Answer(0, "passwordFile '/gone' cannot be read")
    assert receiver.requests == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate for 127.0.0.1 in one file."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=loki", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return both


def _server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_tls_checks_the_certificate_against_the_authority(certificate: Path) -> None:
    with Receiver(tls=_server_tls(certificate)) as receiver:
        client = _client(f"https://{receiver.addr}", tls=ssl.create_default_context(cafile=str(certificate)))
        assert [client.push(BODY) for _ in range(2)] == [Answer(204, "No Content")] * 2
        client.close()
        stranger = _client(f"https://{receiver.addr}", tls=ssl.create_default_context())
        assert stranger.push(BODY) == Answer(0, "self-signed certificate: name the authority's certificate in `caFile`")
    assert receiver.lines == ["line"] * 2


def test_a_request_over_tls_that_hangs_ends_in_time(certificate: Path) -> None:
    with Receiver(loki.trickle(b"HTTP/1.1 500 Oh\r\nX-Long: "), loki.hang, tls=_server_tls(certificate)) as receiver:
        client = _client(f"https://{receiver.addr}", tls=ssl.create_default_context(cafile=str(certificate)))
        client._timeout = 2 * TIMEOUT
        began = time.monotonic()
        assert [client.push(BODY).status for _ in range(2)] == [0, 0]
        assert time.monotonic() - began < LONG
        client._timeout = PATIENT
        assert client.push(BODY).status == 204
        client.close()


def test_through_every_kind_of_failure_nothing_is_lost_and_only_ambiguous_batches_come_twice() -> None:
    lost: list[tuple[str, int]] = []
    now = [0.0]
    acts = (
        loki.answer(429, "slow down", Retry_After="3"),
        loki.answer(429, "slow down"),
        loki.answer(500),
        loki.accept,
        loki.reset,
        loki.hang,
        loki.trickle(b"HTTP/1.1 204 "),
        loki.answer(503),
        loki.accept,
        loki.keep_and_reset,
    )
    with Receiver(*acts) as receiver:
        client = Client(address.parse(receiver.addr), Login(), None, 4 * TIMEOUT, lambda: now[0])
        backlog = Backlog(
            1 << 20, 25_000, 1.0, clock=lambda: now[0], lost=lambda reason, count: lost.append((reason, count))
        )
        backoff = Backoff(lambda: 0.5, lambda: now[0])
        delivery = Delivery(backlog, client.push, "there", backoff, lambda: now[0])
        backlog.put([Entry(LABELS, TIME + number, str(number)) for number in range(1000)])
        while (pause := delivery.step()) is not None:
            now[0] += pause
        client.close()
    arrived = [int(line) for line in receiver.lines]
    assert (backlog.sent, backlog.waiting, lost) == (1000, 0, [])
    assert list(dict.fromkeys(arrived)) == list(range(1000))
    twice = {number for number in arrived if arrived.count(number) > 1}
    assert twice == {int(line) for line in loki.lines(receiver.pushes[2])}
