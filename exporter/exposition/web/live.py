"""The web configuration in force: its files are looked at with every request, and what changed is taken over."""

from __future__ import annotations

import logging
import os
import stat
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from exporter.errors import UsageError
from exporter.exposition.web import tls
from exporter.exposition.web.file import WebFile, parse
from exporter.exposition.web.names import REQUIRED
from exporter.exposition.web.passwords import Passwords
from exporter.exposition.web.rate import Bucket

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

log = logging.getLogger(__name__)

_MOST_BYTES: Final = 1 << 20
_Signature: TypeAlias = "tuple[tuple[int, ...] | None, ...]"


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a connection or a request.

    Args:
        file: the settings.
        context: of TLS; None for plain HTTP.
        passwords: who may come in; false for everybody.
        bucket: how many requests.
    """

    file: WebFile
    context: ssl.SSLContext | None
    passwords: Passwords
    bucket: Bucket


class Web:
    """Keeps the last rules that were right. Safe from all threads.

    Args:
        path: of the web configuration file; empty for none, which lets everybody in.

    Raises UsageError when the file is wrong now; later it is logged, and the former rules stay.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._lock = threading.Lock()
        self.valid = True
        self._watched: tuple[str, ...] = (path,) if path else ()
        self._signature = _signature(self._watched)
        self._rules = Rules(WebFile(), None, Passwords({}), Bucket(0, 0))
        if path:
            self._rules = self._read()

    def rules(self) -> Rules:
        """Those that hold now."""
        if not self._path:
            return self._rules
        with self._lock:
            signature = _signature(self._watched)
            if signature != self._signature:
                self._signature = signature
                self._take_over()
            return self._rules

    def _take_over(self) -> None:
        try:
            self._rules = self._read()
        except UsageError as error:
            log.error("web configuration: %s; the former one stays in force", error)  # noqa: TRY400 - the text says all
            self.valid = False
        else:
            log.info("web configuration: %s taken over", self._path)
            self.valid = True

    def _read(self) -> Rules:
        """The file, and those that it names. What is written while they are read is seen as a change the next time."""
        file = parse(_content(self._path), self._path)
        named = file.tls.files if file.tls else ()
        self._watched = (self._path, *named)
        self._signature = (self._signature[0], *_signature(named))
        lost = _protection_lost(self._rules.file, file)
        if lost:
            raise UsageError(f"{self._path}: {lost}; start anew if that is meant")
        context = None
        if file.tls:
            context = tls.context(file.tls, self._path, _content)
        for note in file.notes:
            log.warning("web configuration: %s: %s", self._path, note)
        before, limits = self._rules, (file.interval, file.burst)
        bucket = before.bucket if before.bucket.limits == limits else Bucket(*limits)
        passwords = before.passwords if before.file.users == file.users else Passwords(file.users)
        return Rules(file, context, passwords, bucket)


def _protection_lost(before: WebFile, after: WebFile) -> str:
    """What a file that is only half written would open to everybody; empty for nothing."""
    if before.users and not after.users:
        return "basic_auth_users is gone"
    if before.tls and not after.tls:
        return "tls_server_config is gone"
    if before.tls and after.tls and before.tls.client_auth == REQUIRED != after.tls.client_auth:
        return "tls_server_config.client_auth_type no longer requires certificates"
    return ""


def _signature(paths: Iterable[str]) -> _Signature:
    """What differs when a file has been written, replaced, or linked to another."""
    return tuple(map(_look, paths))


def _look(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _content(path: str) -> bytes:
    """A whole file. Raises UsageError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError(f"{path}: no regular file")
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{path}: larger than {_MOST_BYTES} bytes")
    return content
