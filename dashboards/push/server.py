"""Grafana's HTTP API: the only place that talks to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from dashboards.push.steps import LONGEST_PAUSE, PushError, RefusedError, UnsureError
from exporter import __version__
from exporter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = 30.0  # seconds for an answer; saving a large dashboard takes about one
TOKEN = "GRAFANA_TOKEN"  # noqa: S105 -- the name of the variable
_READS = 4  # attempts
_SHOWN = 200  # characters of a server's message
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_UNAUTHORISED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


class ConflictError(PushError):
    """412 or 409: somebody else was there.

    Args:
        status: the word by which Grafana says what is in the way, such as `version-mismatch`.
        text: for people.
    """

    def __init__(self, status: str, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Bearer(requests.auth.AuthBase):
    """Set here rather than as a header, because a netrc file would replace a header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Server:
    """One Grafana.

    Args:
        url: its address, with a path where it is served below one. Raises UsageError when it is no address.
        token: of a service account.
        timeout: seconds for an answer.
        sleep: waits between attempts to read.
    """

    def __init__(
        self, url: str, token: str, *, timeout: float = TIMEOUT, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.url = address(url)
        self._timeout = timeout
        self._sleep = sleep
        self._session = requests.Session()
        self._session.auth = _Bearer(token)
        self._session.headers["User-Agent"] = f"net-exporter/{__version__}"

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 -- any JSON
        """The answer; None when there is no such thing. Reads again what fails for a while. Raises PushError."""
        for attempt in range(1, _READS + 1):
            try:
                return self._ask("GET", path, params=query)
            except UnsureError as error:
                if attempt == _READS:
                    raise
                self._sleep(min(max(error.wait, 0.5 * 2**attempt), LONGEST_PAUSE))
        raise AssertionError

    def post(self, path: str, body: object) -> Any:  # noqa: ANN401 -- any JSON
        """Once: after an unsure answer it is for the caller to read first. Raises PushError."""
        answer = self._ask("POST", path, json=body)
        if answer is None:
            raise PushError(f"{self.url}{path} does not exist (404)")
        return answer

    def _ask(self, method: str, path: str, **content: Any) -> Any:  # noqa: ANN401 -- any JSON
        try:
            answer = self._session.request(
                method, self.url + path, timeout=self._timeout, allow_redirects=False, **content
            )
        except requests.exceptions.Timeout as error:
            raise UnsureError(f"{self.url} does not answer within {self._timeout:g} s") from error
        except requests.exceptions.SSLError as error:
            raise RefusedError(f"{self.url}: TLS fails: {reason(error)}") from error
        except requests.exceptions.RequestException as error:
            raise UnsureError(f"cannot reach {self.url}: {reason(error)}") from error
        return meaning(self.url, path, answer)


def address(url: str) -> str:
    """The address without a slash at the end. Raises UsageError."""
    try:
        parts = urlsplit(url)
        ok = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        ok = False
    if not ok or parts.query or parts.fragment:
        raise UsageError(f"{url!r} is no address of a Grafana; write https://HOST[:PORT][/PATH]")
    if parts.username is not None:
        raise UsageError(f"the address of Grafana holds a user name; leave it out and set {TOKEN}")
    return url.rstrip("/")


def meaning(url: str, path: str, answer: requests.Response) -> Any:  # noqa: ANN401 -- any JSON
    """What an answer says; None for 404. Raises PushError."""
    status = answer.status_code
    if 300 <= status < 400:  # noqa: PLR2004 -- redirections
        raise RefusedError(f"{url}{path} leads to {answer.headers.get('Location', 'elsewhere')}; use that address")
    if status in _TRANSIENT:
        raise UnsureError(f"{url}{path} answers {status}{_said(answer)}", _wait(answer))
    if status == _UNAUTHORISED:
        raise RefusedError(f"{url} refuses the token (401); set {TOKEN} to one of a service account with role Editor")
    try:
        content = answer.json()
    except ValueError as error:
        kind = answer.headers.get("Content-Type", "nothing").partition(";")[0]
        raise RefusedError(
            f"{url}{path} answers {kind} ({status}) instead of JSON; is this address Grafana's, without a login page "
            "before it?"
        ) from error
    if status == _FORBIDDEN:
        raise RefusedError(f"{url}{path} is not allowed (403){_said(answer)}; give the service account role Editor")
    if status == _NOT_FOUND:
        return None
    if status in (409, 412):
        word = content.get("status", "") if isinstance(content, dict) else ""
        raise ConflictError(str(word), f"{url}{path} answers {status}{_said(answer)}")
    if not answer.ok:
        raise PushError(f"{url}{path} answers {status}{_said(answer)}")
    return content


def reason(error: BaseException) -> str:
    """What the system said, out of the layers around it."""
    found = error
    seen = set()
    while id(found) not in seen:
        seen.add(id(found))
        inner = [each for each in (*found.args, getattr(found, "reason", None)) if isinstance(each, BaseException)]
        found = found.__cause__ or found.__context__ or next(iter(inner), found)
    text = getattr(found, "strerror", None) or str(found) or type(found).__name__
    return " ".join(text.split())[:_SHOWN]


def _said(answer: requests.Response) -> str:
    try:
        message = answer.json()["message"]
    except (ValueError, LookupError, TypeError):
        return ""
    return f": {' '.join(str(message).split())[:_SHOWN]}"


def _wait(answer: requests.Response) -> float:
    header = answer.headers.get("Retry-After", "")
    return float(header[:6]) if header.isascii() and header.isdigit() else 0.0
