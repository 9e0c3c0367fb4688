"""The Kubernetes API as far as it is needed: list and watch the pods of one node.

Answers are taken as they come, since model objects of whole pods take ten times the memory of what is kept. Importing
this module costs the client's memory and time, so it is done by who has a cluster to ask.
"""

from __future__ import annotations

import random
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import urllib3
from kubernetes import client, config
from kubernetes.config.incluster_config import InClusterConfigLoader
from yaml import YAMLError

from exporter.errors import ApiError, ApiFault, SourceError
from exporter.identity import pod_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.identity.credentials import Credentials

OPENED: Final = "OPENED"  # type of what `watch` tells before any event

_PATH: Final = "/api/v1/pods"
_PAGE: Final = 100
_MOST_PAGES: Final = 1000
_MOST_BYTES: Final = 64 << 20  # of a page; servers answer from their cache whole
_MOST_LINE: Final = 4 << 20  # etcd keeps objects of at most 1.5 MiB
_WATCH_SECONDS: Final = 290  # less than most load balancers grant
_OK: Final = 200
_GONE: Final = 410
_BLOCK: Final = 1 << 16
_MOST_TEXT: Final = 200  # characters of what others say

_ADVICE: Final = {
    401: (ApiFault.UNAUTHORISED, "the token is not accepted; see whether it is of this cluster and not expired"),
    403: (ApiFault.FORBIDDEN, "the service account needs a ClusterRole with get, list and watch of pods"),
    _GONE: (ApiFault.EXPIRED, "the version asked for is too old"),
}


# What the client's loaders end in when files are not what they should be.
_MISREAD: Final = (ValueError, TypeError, LookupError, AttributeError)
_UNREADABLE: Final = (config.ConfigException, YAMLError, OSError)


class Timeouts(NamedTuple):
    """Seconds.

    Args:
        connect: until a connection is there.
        answer: between two parts of an answer.
        quiet: without any event or bookmark, until a watch is begun anew; servers send a bookmark each minute.
    """

    connect: float = 5.0
    answer: float = 15.0
    quiet: float = 100.0


class Listing(NamedTuple):
    """All pods at one time.

    Args:
        pods: objects, stripped.
        version: from which to watch.
    """

    pods: list[dict[str, Any]]
    version: str


class PodApi:
    """One node's pods. Used by one thread, but for `abort`.

    Raises ApiError where the credentials are of no use, like all its methods but `abort`.

    Args:
        credentials: where they are; read now, and a service account's token again each minute.
        node: name of the node.
        timeouts: of requests.
    """

    def __init__(self, credentials: Credentials, node: str, timeouts: Timeouts = Timeouts()) -> None:  # noqa: B008
        self._configuration = _configuration(credentials)
        self._client = client.ApiClient(self._configuration)
        self._selector = f"spec.nodeName={node}"
        self._timeouts = timeouts
        self._response: urllib3.BaseHTTPResponse | None = None
        self.server = self._configuration.host

    def list(self, *, newest: bool) -> Listing:
        """All pods of the node.

        Args:
            newest: as of now, which the server has to look up; otherwise what it has in its cache will do. A cache that
                lags tells of pods that have ended, whose UIDs nobody has any more.
        """
        pods: list[dict[str, Any]] = []
        asked = {"limit": str(_PAGE)} if newest else {"limit": str(_PAGE), "resourceVersion": "0"}
        for _ in range(_MOST_PAGES):
            page = self._page(asked)
            metadata, items = page.get("metadata"), page.get("items")
            if not isinstance(metadata, dict) or not isinstance(items, list | None):
                raise self._garbage("a PodList", page)
            pods += [item for item in items or () if isinstance(item, dict)]
            token = metadata.get("continue")
            if not token:
                return Listing(pods, self._version(metadata))
            asked = {"limit": str(_PAGE), "continue": str(token)}
        raise self._garbage(f"at most {_MOST_PAGES} pages", "more")

    def _version(self, metadata: Mapping[str, Any]) -> str:
        version = metadata.get("resourceVersion")
        if not isinstance(version, str) or not version:
            raise self._garbage("a resourceVersion", metadata)
        return version

    def _page(self, asked: dict[str, str]) -> dict[str, Any]:
        with self._request(asked, self._timeouts.answer) as response:
            content = response.read(_MOST_BYTES)
        return self._decoded(content)

    def _decoded(self, content: bytes) -> dict[str, Any]:
        try:
            return pod_object.decode(content, f"{self.server}{_PATH}")
        except SourceError as error:
            raise ApiError(str(error), ApiFault.GARBAGE) from error

    def watch(self, version: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Changes since a version, each with its type and object, until the server ends it, as it does now and then.

        The first is `OPENED`, when the server agrees. An ERROR of the server is raised as one.
        """
        seconds = random.randint(_WATCH_SECONDS // 2, _WATCH_SECONDS)  # noqa: S311 - so that nodes do not come at once
        asked = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        with self._request(asked, self._timeouts.quiet) as response:
            yield OPENED, {}
            for line in _lines(response, f"{self.server}{_PATH}"):
                event = self._decoded(line)
                kind, found = event.get("type"), event.get("object")
                if not isinstance(kind, str) or not isinstance(found, dict):
                    raise self._garbage("an event of a watch", line)
                if kind == "ERROR":
                    raise self._refusal(found.get("code"), str(found.get("message", "")))
                yield kind, found

    @contextmanager
    def _request(self, asked: dict[str, str], patience: float) -> Iterator[urllib3.BaseHTTPResponse]:
        try:
            query = [("fieldSelector", self._selector), *asked.items()]
            words = self._client.param_serialize(
                "GET",
                _PATH,
                query_params=query,
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
            )
            response = self._client.call_api(*words, _request_timeout=(self._timeouts.connect, patience)).response
            try:
                self._response = response
                if response.status != _OK:
                    raise self._refusal(response.status, _message(response.read(_BLOCK)))
                yield response
            finally:
                self._response = None
                response.close()
        except client.ApiException as error:  # how the client tells of TLS where it notices
            raise ApiError(f"{self.server}: {error.reason!s:.{_MOST_TEXT}}", ApiFault.CERTIFICATE) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            of_tls = isinstance(_innermost(error), ssl.SSLError | urllib3.exceptions.SSLError)
            fault = ApiFault.CERTIFICATE if of_tls else ApiFault.UNREACHABLE
            raise ApiError(f"{self.server}: {_shortly(error)}", fault) from error
        except config.ConfigException as error:
            raise ApiError(f"{self.server}: {_shortly(error)}", ApiFault.CREDENTIALS) from error

    def _garbage(self, expected: str, found: object) -> ApiError:
        return ApiError(str(SourceError(f"{self.server}{_PATH}", expected, found)), ApiFault.GARBAGE)

    def _refusal(self, code: object, message: str) -> ApiError:
        reason, advice = _ADVICE.get(code if isinstance(code, int) else 0, (ApiFault.SERVER, "it is asked again"))
        return ApiError(f"{self.server}{_PATH}: {code} {message:.200}; {advice}", reason)

    def abort(self) -> None:
        """End a request that another thread waits in."""
        response = self._response
        if response is not None:
            response.shutdown()

    def close(self) -> None:
        """Close connections."""
        self._client.close()


def _lines(response: urllib3.BaseHTTPResponse, place: str) -> Iterator[bytes]:
    rest = b""
    while block := response.read1(_BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        yield from filter(None, lines)
        if len(rest) > _MOST_LINE:
            raise ApiError(f"{place}: an event of more than {_MOST_LINE} bytes", ApiFault.GARBAGE)


def _configuration(credentials: Credentials) -> client.Configuration:
    made = client.Configuration()
    try:
        if credentials.kubeconfig:
            config.load_kube_config(credentials.kubeconfig, client_configuration=made, persist_config=False)
        else:
            folder = credentials.folder
            InClusterConfigLoader(f"{folder}/token", f"{folder}/ca.crt", environ=credentials.environment).load_and_set(
                made
            )
    except _MISREAD as error:
        raise ApiError(f"{credentials.place}: not a kubeconfig ({_shortly(error)})", ApiFault.CREDENTIALS) from error
    except _UNREADABLE as error:
        raise ApiError(f"{credentials.place}: {_shortly(error)}", ApiFault.CREDENTIALS) from error
    made.retries = urllib3.Retry(0, redirect=0, raise_on_redirect=False)  # who watches knows better when to try again
    return made


def _message(content: bytes) -> str:
    """What the server says of its refusal."""
    try:
        told = pod_object.decode(content, "").get("message", "")
    except SourceError:
        return ascii(content[:_MOST_TEXT])
    return str(told)


def _innermost(error: BaseException) -> BaseException:
    """Errors of the client say the same several times over; the innermost says it shortest."""
    inner = getattr(error, "reason", None)
    inner = inner if isinstance(inner, BaseException) else error.__cause__
    return error if inner is None else _innermost(inner)


def _shortly(error: BaseException) -> str:
    return f"{_innermost(error)!s:.{_MOST_TEXT}}".replace("\n", " ")
