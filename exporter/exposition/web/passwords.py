"""Names and passwords of HTTP's basic authentication, against hashes by bcrypt."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_HASHED_BYTES: Final = 72  # bcrypt looks at no more of a password
_WAIT_SECONDS: Final = 5.0  # in which some ten others are checked


class BusyError(Exception):
    """Too many passwords wait to be checked."""


class Passwords:
    """Who may come in. A hash is computed for one client at a time, so guessing costs a processor at most.

    What was right once is remembered under a key of this process, so that scrapes cost nothing; what was wrong is not,
    so there is nothing to fill.

    Args:
        users: name -> hash.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = {name.encode(): digest.encode() for name, digest in users.items()}
        # An unknown name takes as long as the slowest of the known, which so are not told apart.
        self._decoy = max(self._users.values(), key=lambda digest: digest.split(b"$")[2], default=b"")
        self._secret = os.urandom(32)
        self._right: dict[bytes, bytes] = {}
        self._one = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._users)

    def admits(self, authorization: str) -> bool:
        """Whether a header names a user and the right password. Raises BusyError."""
        given = _given(authorization)
        if given is None:
            return False
        name, password = given[0], given[1][:_HASHED_BYTES]
        mark = hmac.digest(self._secret, hashlib.sha256(name).digest() + password, "sha256")
        if hmac.compare_digest(self._right.get(name, b""), mark):
            return True
        if not self._one.acquire(timeout=_WAIT_SECONDS):
            raise BusyError
        try:
            right = _matches(password, self._users.get(name, self._decoy)) and name in self._users
        finally:
            self._one.release()
        if right:
            self._right[name] = mark
        return right


def _given(authorization: str) -> tuple[bytes, bytes] | None:
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(rest.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, password = decoded.partition(b":")
    return (name, password) if colon else None


def _matches(password: bytes, digest: bytes) -> bool:
    import bcrypt  # noqa: PLC0415 - only who has passwords pays its memory

    try:
        return bcrypt.checkpw(password, digest)
    except ValueError:  # bytes that it does not take
        return False
