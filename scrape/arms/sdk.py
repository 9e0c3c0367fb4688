"""Alibaba Cloud's SDK: the only place that talks to the two services."""

from __future__ import annotations

import importlib
import re
import time
from typing import TYPE_CHECKING, Any

import requests

from dashboards.push.server import reason
from dashboards.push.steps import LONGEST_PAUSE, PushError, RefusedError, UnsureError
from exporter.errors import UsageError
from scrape.arms.calls import SERVICES, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from scrape.arms.calls import Call

TIMEOUT = 30.0  # seconds for an answer
POLICY = "bundle/arms/ram-policy.json"
_PACKAGES = {Service.ARMS: "alibabacloud_arms20190808", Service.CMS: "alibabacloud_cms20240330"}
_INSTALL = "pip install -e '.[arms]'"
_READS = 4  # attempts
_SHOWN = 300  # characters of a server's message
_GOOD = frozenset({None, "", 200, "200", "Success", "OK"})
_LOGIN = (
    "InvalidAccessKey",
    "SignatureDoesNotMatch",
    "InvalidSecurityToken",
    "IncompleteSignature",
    "MissingAccessKey",
)
_TRANSIENT = ("Throttling", "ServiceUnavailable", "InternalError", "SystemError", "RequestTimeout")
_DENIED = ("NoPermission", "Forbidden", "Unauthorized")
_NO_NAME = ("not known", "No address", "name resolution")  # of the C library, by system
_TOO_MANY, _FORBIDDEN, _SERVER = 429, 403, 500


class Sdk:
    """Both services of one region. Raises UsageError without the packages or without credentials.

    Args:
        region: such as `cn-hangzhou`.
        endpoints: service -> address, where it is not the region's public one; `http://` for one without TLS.
        timeout: seconds for an answer.
        sleep: waits between attempts to read.
    """

    def __init__(
        self,
        region: str,
        endpoints: Mapping[Service, str],
        *,
        timeout: float = TIMEOUT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._region = region
        self._sleep = sleep
        self._credential = _module("alibabacloud_credentials.client").Client()
        self._refusals = (_module("alibabacloud_credentials.exceptions").CredentialException,)
        try:
            self._credential.get_credential()
        except (*self._refusals, OSError, ValueError) as error:
            raise UsageError(
                "no credentials of Alibaba Cloud; set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, "
                "or use --plan"
            ) from error
        self._timeout = timeout
        self._hosts: dict[Service, str] = {}
        milliseconds = int(timeout * 1000)
        self._runtime = _module("darabonba.runtime").RuntimeOptions(
            autoretry=False, connect_timeout=milliseconds, read_timeout=milliseconds
        )
        self._clients = {service: self._client(service, endpoints.get(service, "")) for service in Service}
        self._failures = _failures()

    def ask(self, call: Call) -> Mapping[str, Any]:
        """The answer's body. Reads again what fails for a while. Raises PushError."""
        attempts = _READS if call.reads else 1
        for attempt in range(1, attempts + 1):
            try:
                return self._once(call)
            except UnsureError as error:
                if attempt == attempts:
                    raise
                self._sleep(min(max(error.wait, 0.5 * 2**attempt), LONGEST_PAUSE))
        raise AssertionError

    def _client(self, service: Service, address: str) -> tuple[Any, ModuleType]:
        scheme, _, host = address.rpartition("://")
        config = _module("alibabacloud_tea_openapi.utils_models").Config(
            credential=self._credential,
            region_id=self._region,
            endpoint=host or None,  # the SDK knows regions with an address of another form
            protocol=(scheme or "https").upper(),
        )
        package = _PACKAGES[service]
        client = _with_bodies(_module(f"{package}.client").Client)(config)
        self._hosts[service] = vars(client)["_endpoint"]
        return client, _module(f"{package}.models")

    def _once(self, call: Call) -> Mapping[str, Any]:
        service = SERVICES[call.action]
        client, models = self._clients[service]
        client.body = None
        request = getattr(models, f"{call.action}Request")().from_map(dict(call.parameters))
        method = getattr(client, f"{_snake(call.action)}_with_options")
        headers: tuple[dict[str, str], ...] = ({},) if service is Service.CMS else ()
        try:
            method(*call.path, request, *headers, self._runtime)
        except self._failures as error:
            raise self._refusal(call, error) from error
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise PushError(f"{call.action}: the answer is none of {service.value.upper()}") from error
        answer: Any = client.body
        if not isinstance(answer, dict):
            raise PushError(f"{call.action}: the answer is none of {service.value.upper()}")
        code = answer.get("Code", answer.get("code"))
        if code not in _GOOD or answer.get("Success") is False or answer.get("success") is False:
            raise meaning(
                call.action, code, _status(code), answer.get("Message") or answer.get("message") or "no reason"
            )
        found: Mapping[str, Any] = answer
        return found

    def _refusal(self, call: Call, error: Exception) -> PushError:
        inner = getattr(error, "inner_exception", None) or error
        cause = inner.__context__
        if isinstance(inner, self._refusals):
            return RefusedError(f"no credentials of Alibaba Cloud any more: {_short(inner)}")
        if isinstance(cause, requests.exceptions.Timeout):
            return UnsureError(f"{call.action}: no answer within {self._timeout:g} s")
        if isinstance(cause, requests.exceptions.RequestException):
            return self._unreachable(call, cause)
        status = getattr(inner, "status_code", None)
        if not isinstance(status, int):
            return UnsureError(f"{call.action}: the answer cannot be read: {_short(inner)}")
        wait = (getattr(inner, "retry_after", None) or 0) / 1000
        return meaning(call.action, getattr(inner, "code", None), status, getattr(inner, "message", None), wait)

    def _unreachable(self, call: Call, error: Exception) -> PushError:
        said = reason(error)
        service = SERVICES[call.action]
        if any(word in said for word in _NO_NAME):
            return RefusedError(f"{self._hosts[service]} is not known; is {self._region!r} a region with it?")
        return UnsureError(f"{call.action}: cannot reach {service.value.upper()}: {said}")


def meaning(action: str, code: object, status: object, text: object, wait: float = 0.0) -> PushError:
    """What a refusal means.

    Args:
        action: that was refused.
        code: the service's word or number.
        status: of HTTP.
        text: the service's reason.
        wait: seconds that it asks to wait.
    """
    word = str(code)
    told = f"{action}: {word}: {_short(text)}"
    if word.startswith(_TRANSIENT) or (isinstance(status, int) and (status == _TOO_MANY or status >= _SERVER)):
        return UnsureError(told, wait)
    if word.startswith(_LOGIN):
        return RefusedError(f"{told}; check ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET")
    if word.startswith(_DENIED) or status == _FORBIDDEN:
        return RefusedError(f"{told}; attach the policy {POLICY} to the user")
    return PushError(told)


def _status(code: object) -> int | None:
    """A body's code as a status of HTTP, which is what ARMS puts there unless it is a word."""
    return int(str(code)) if str(code).isascii() and str(code).isdigit() else None


def _short(text: object) -> str:
    return " ".join(str(text).split())[:_SHOWN]


def _snake(action: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()


def _with_bodies(client: Any) -> Any:  # noqa: ANN401 -- a class of the SDK
    """The client that keeps the whole last body: the SDK's own answers lack members, among them codes of refusals."""

    def call_api(self: Any, *request: Any) -> dict[str, Any]:  # noqa: ANN401 -- as in the SDK
        answer: dict[str, Any] = client.call_api(self, *request)
        self.body = answer.get("body")
        return answer

    return type(client.__name__, (client,), {"call_api": call_api, "body": None})


def _failures() -> tuple[type[Exception], ...]:
    """What the SDK raises; not all of it has one base."""
    return (_module("Tea.exceptions").TeaException, _module("darabonba.exceptions").RetryError)


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(f"the SDK of Alibaba Cloud is not installed ({error.name}); run: {_INSTALL}") from error
