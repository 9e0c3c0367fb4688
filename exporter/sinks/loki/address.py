"""Where Loki is: an address from the configuration, or the services that its usual installations make."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from exporter.errors import UsageError

PORT = 3100  # on which Loki listens unless told otherwise
SERVICES = ("grafana-loki", "loki-service")
_PUSH = "/loki/api/v1/push"
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_PORTS = {"http": 80, "https": 443}
_LARGEST_PORT = 65_535
_LONGEST_NAME = 253
_EXAMPLES = "write a host, HOST:PORT or a URL, for example http://loki.monitoring:3100"


class Address(NamedTuple):
    """Where to push.

    Args:
        tls: whether to speak HTTPS.
        hosts: names or addresses, of which the first that resolves is taken.
        port: TCP port.
        path: of the push request.
    """

    tls: bool
    hosts: tuple[str, ...]
    port: int
    path: str

    def __str__(self) -> str:
        host = " or ".join(self.hosts)
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls else 'http'}://{shown}:{self.port}{self.path}"

    def host(self) -> str:
        """The first host that resolves. Raises OSError when none does."""
        for host in self.hosts:
            try:
                socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
            except OSError as error:
                reason = error.strerror or str(error)
            except UnicodeError as error:  # what IDNA refuses
                reason = str(error)
            else:
                return host
        raise OSError(f"{' and '.join(self.hosts)} cannot be resolved ({reason}): correct `addr` or `namespace`")


def parse(text: str, namespace: str = "") -> Address:
    """An address as written by a person; empty looks for the services. Raises UsageError.

    A bare host is asked on port 3100 as the peer does; a URL has the port of its scheme, as URLs have everywhere.
    """
    if not text:
        hosts = tuple(f"{service}.{namespace}" if namespace else service for service in SERVICES)
        if not all(_is_host(host) for host in hosts):
            raise UsageError(f"namespace must be the name of a Kubernetes namespace, is {namespace!r:.80}")
        return Address(tls=False, hosts=hosts, port=PORT, path=_PUSH)
    bare = "://" not in text
    try:
        url = urlsplit(f"http://{_bracketed(text)}" if bare else text)
        port = url.port
        host = url.hostname or ""
    except ValueError as error:
        raise UsageError(f"addr {_without_password(text)!r:.200} is no address ({error}): {_EXAMPLES}") from error
    if "@" in url.netloc:
        raise UsageError("addr must not hold a password: use `username` and `passwordFile` or `passwordEnv`")
    if url.scheme not in _PORTS or not _is_host(host) or url.query or url.fragment or port == 0:
        raise UsageError(f"addr {text!r:.200} is no address: {_EXAMPLES}")
    path = url.path.rstrip("/").removesuffix(_PUSH)
    if path.endswith("/push"):
        raise UsageError(f"addr {text!r:.200} names another push interface: end it with {_PUSH} or the port")
    return Address(
        tls=url.scheme == "https",
        hosts=(host,),
        port=port or (PORT if bare else _PORTS[url.scheme]),
        path=path + _PUSH,
    )


def _bracketed(text: str) -> str:
    """An IPv6 address without port may come without brackets."""
    try:
        return f"[{text}]" if ip_address(text).version == 6 else text  # noqa: PLR2004 - the protocol's name
    except ValueError:
        return text


def _without_password(text: str) -> str:
    """What is printed of an address that could not be read."""
    return text.rpartition("@")[2]


def _is_host(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None and not text[-1:].isdigit()
    return True
