"""Passwords: who comes in, what is remembered, and that a wrong name is not told from a wrong password."""

from __future__ import annotations

import base64
import threading

import bcrypt
import pytest

from exporter.exposition.web import passwords as module
from exporter.exposition.web.passwords import BusyError, Passwords


def _hash(password: bytes, rounds: int = 4) -> str:
    return bcrypt.hashpw(password, bcrypt.gensalt(rounds)).decode()


def _basic(name: bytes, password: bytes) -> str:
    return "Basic " + base64.b64encode(name + b":" + password).decode()


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that have been computed, in turn."""
    seen: list[bytes] = []
    check = bcrypt.checkpw

    def noted(password: bytes, digest: bytes) -> bool:
        seen.append(digest)
        return check(password, digest)

    monkeypatch.setattr(bcrypt, "checkpw", noted)
    return seen


SECRET = _hash(b"secret")
LONG = _hash(b"x" * 72)
UMLAUT = _hash("größe".encode())
USERS = {"alice": SECRET, "bob": LONG, "eve": UMLAUT}


@pytest.mark.parametrize(
    ("header", "admitted"),
    [
        (_basic(b"alice", b"secret"), True),
        (_basic(b"alice", b"secret").replace("Basic", "bAsIc"), True),
        (_basic(b"eve", "größe".encode()), True),
        (_basic(b"bob", b"x" * 72), True),
        (_basic(b"bob", b"x" * 80), True),  # bcrypt does not look further
        (_basic(b"bob", b"x" * 71), False),
        (_basic(b"alice", b"Secret"), False),
        (_basic(b"alice", b""), False),
        (_basic(b"alice", b"secret\0"), False),
        (_basic(b"bob", b"secret"), False),
        (_basic(b"nobody", b"secret"), False),
        (_basic(b"", b"secret"), False),
        (_basic(b"\xff", b"\xff"), False),
        ("", False),
        ("Basic", False),
        ("Basic !!!", False),
        ("Basic " + base64.b64encode(b"alice").decode(), False),
        ("Bearer " + base64.b64encode(b"alice:secret").decode(), False),
        ("Basic größe", False),
    ],
)
def test_a_user_comes_in_with_the_right_password_only(header: str, *, admitted: bool) -> None:
    assert Passwords(USERS).admits(header) is admitted


@pytest.mark.parametrize("version", ["2a", "2b", "2y"])
def test_hashes_of_all_versions_are_understood(version: str) -> None:
    assert Passwords({"a": SECRET.replace("$2b$", f"${version}$")}).admits(_basic(b"a", b"secret"))


def test_what_was_right_is_not_computed_again_and_what_was_wrong_is(checked: list[bytes]) -> None:
    users = Passwords(USERS)
    assert [users.admits(_basic(b"alice", b"secret")) for _ in range(3)] == [True, True, True]
    assert len(checked) == 1
    assert [users.admits(_basic(b"alice", b"wrong")) for _ in range(3)] == [False, False, False]
    assert len(checked) == 4


def test_what_is_remembered_is_no_password(checked: list[bytes]) -> None:
    users = Passwords(USERS)
    users.admits(_basic(b"alice", b"secret"))
    assert checked == [SECRET.encode()]
    assert "b'secret'" not in repr(vars(users))


def test_an_unknown_name_costs_as_much_as_the_dearest_known(checked: list[bytes]) -> None:
    dear = _hash(b"dear", 5)
    users = Passwords({"cheap": SECRET, "dear": dear})
    assert users.admits(_basic(b"nobody", b"dear")) is False
    assert checked == [dear.encode()]


def test_hashes_are_computed_one_at_a_time_and_who_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    users = Passwords(USERS)
    computing, release = threading.Event(), threading.Event()

    def stuck(_: bytes, __: bytes) -> bool:
        computing.set()
        return release.wait(60)

    users.admits(_basic(b"alice", b"secret"))
    monkeypatch.setattr(bcrypt, "checkpw", stuck)
    monkeypatch.setattr(module, "_WAIT_SECONDS", 0.01)
    other = threading.Thread(target=users.admits, args=(_basic(b"bob", b"x"),))
    other.start()
    assert computing.wait(60)
    with pytest.raises(BusyError):
        users.admits(_basic(b"eve", b"x"))
    assert users.admits(_basic(b"alice", b"secret"))  # it is known, and so does not wait
    release.set()
    other.join()
