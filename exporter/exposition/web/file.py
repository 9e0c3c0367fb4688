"""What a web configuration file says: parsed and checked, nothing opened."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from exporter.exposition.web import names
from exporter.exposition.web.fields import Section, document

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARTS: Final = ("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit")
_TLS: Final = (
    "cert", "key", "client_ca", "cert_file", "key_file", "client_ca_file", "client_auth_type", "client_allowed_sans",
    "min_version", "max_version", "cipher_suites", "prefer_server_cipher_suites", "curve_preferences",
)  # fmt: skip
_SWITCHES: Final = ("cert", "key", "client_ca", "cert_file", "key_file", "client_ca_file", "client_auth_type")
_HASH: Final = re.compile(r"\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]")
_COSTS: Final = (4, 16)  # of bcrypt; a higher one takes longer than scrapers wait
_DURATION: Final = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h))+")
_DURATION_PART: Final = re.compile(r"([\d.]+)(ns|us|µs|ms|s|m|h)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Pem:
    """Certificates or a key: within the file, or in a file of their own.

    Args:
        key: where the web configuration names it, for errors.
        path: of the file; empty for none.
        text: what is given in place.
    """

    key: str
    path: str
    text: str

    def __bool__(self) -> bool:
        return bool(self.path or self.text)


@dataclass(frozen=True, slots=True)
class Tls:
    """The section `tls_server_config`, checked.

    Args:
        cert: the server's certificate and those between it and its authority.
        key: of the certificate.
        client_ca: authorities of clients.
        client_auth: as in `names.CLIENT_AUTH`, one that can be had.
        allowed_sans: names, one of which a client's certificate must have; None for any.
        versions: the first and the last that is spoken, as in `names.VERSIONS`.
        ciphers: of TLS 1.2, as OpenSSL calls them; empty for its own choice.
        server_preference: whether the server's order of ciphers counts.
        curve: as OpenSSL calls it; empty for its own choice.
    """

    cert: Pem
    key: Pem
    client_ca: Pem
    client_auth: str
    allowed_sans: frozenset[str] | None
    versions: tuple[str, str]
    ciphers: tuple[str, ...]
    server_preference: bool
    curve: str

    @property
    def files(self) -> tuple[str, ...]:
        """Paths that it names."""
        return tuple(pem.path for pem in (self.cert, self.key, self.client_ca) if pem.path)


@dataclass(frozen=True, slots=True)
class WebFile:
    """A whole file, checked.

    Args:
        tls: None for plain HTTP.
        headers: put on every answer.
        users: name -> bcrypt hash; empty lets everybody in.
        interval: seconds between two requests; 0 for no limit.
        burst: requests that may come at once.
        notes: what is accepted and makes no difference here, for the log.
    """

    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    interval: float = 0.0
    burst: int = 0
    notes: tuple[str, ...] = ()


def parse(content: bytes, path: str) -> WebFile:
    """Raises UsageError naming the line and the key."""
    top = Section(path, "", document(content, path), _PARTS)
    http = top.section("http_server_config", ("http2", "headers"))
    notes = ["http_server_config.http2: HTTP/1.1 is spoken in any case"] if http.flag("http2") else []
    tls = top.section("tls_server_config", _TLS)
    rate = top.section("rate_limit", ("interval", "burst"))
    interval, burst = _duration(rate, "interval"), rate.number("burst")
    if interval and not burst:
        raise rate.wrong("burst", "must be 1 or more, or no request would be answered")
    return WebFile(_tls(tls, os.path.dirname(path)), _headers(http), _users(top), interval, burst, tuple(notes))


def _tls(section: Section, folder: str) -> Tls | None:
    if not any(section.text(key) for key in _SWITCHES):
        if section.nodes:
            raise section.wrong(next(iter(section.nodes)), "has no effect without cert_file and key_file")
        return None
    pems = {key: _pem(section, key, folder) for key in ("cert", "key", "client_ca")}
    for key in ("cert", "key"):
        if not pems[key]:
            raise section.wrong(f"{key}_file", f"is missing; name a file, or give it in place as `{key}`")
    auth = _client_auth(section, pems["client_ca"])
    sans = section.texts("client_allowed_sans")
    if sans is not None and auth != names.REQUIRED:
        raise section.wrong("client_allowed_sans", f"needs client_auth_type: {names.REQUIRED}")
    versions = _versions(section)
    return Tls(
        pems["cert"],
        pems["key"],
        pems["client_ca"],
        auth,
        None if sans is None else frozenset(sans),
        versions,
        _ciphers(section, versions),
        section.flag("prefer_server_cipher_suites") is not False,
        _curve(section),
    )


def _pem(section: Section, key: str, folder: str) -> Pem:
    path, text = section.text(f"{key}_file"), section.text(key)
    if path and text:
        raise section.wrong(key, f"and {key}_file exclude each other; keep one")
    if "\0" in path:
        raise section.wrong(f"{key}_file", "is no path")
    place = f"{key}_file" if path else key
    return Pem(f"tls_server_config.{place}", os.path.join(folder, path) if path else "", text)


def _client_auth(section: Section, authority: Pem) -> str:
    auth = section.text("client_auth_type", names.CLIENT_AUTH) or names.NO_CERTIFICATE
    if auth in names.UNVERIFIED:
        better = f"{names.REQUIRED} with client_ca_file checks them, {names.NO_CERTIFICATE} asks for none"
        raise section.wrong("client_auth_type", f"{auth} would believe any certificate, which is not offered; {better}")
    if authority and auth == names.NO_CERTIFICATE:
        place = "client_ca_file" if authority.path else "client_ca"
        raise section.wrong(place, f"has no effect without client_auth_type: {names.REQUIRED} or {names.IF_GIVEN}")
    if not authority and auth != names.NO_CERTIFICATE:
        raise section.wrong("client_auth_type", f"{auth} needs client_ca_file: whose certificates are believed?")
    return auth


def _versions(section: Section) -> tuple[str, str]:
    first = section.text("min_version", names.VERSIONS) or "TLS12"
    last = section.text("max_version", names.VERSIONS) or "TLS13"
    for key, version in (("min_version", first), ("max_version", last)):
        if version in ("TLS10", "TLS11"):
            raise section.wrong(key, f"{version} is not offered, as it is broken; TLS12 or TLS13")
    if first > last:
        raise section.wrong("min_version", f"{first} is later than max_version {last}")
    return first, last


def _ciphers(section: Section, versions: tuple[str, str]) -> tuple[str, ...]:
    chosen = section.texts("cipher_suites", (*names.CIPHERS, *names.CIPHERS_13)) or ()
    found = tuple(names.CIPHERS[name] for name in chosen if name in names.CIPHERS)
    if chosen and not found and versions[0] == "TLS12":
        raise section.wrong("cipher_suites", "names none of TLS 1.2; add one, or set min_version: TLS13")
    return found


def _curve(section: Section) -> str:
    chosen = section.texts("curve_preferences", tuple(names.CURVES)) or ()
    if len(chosen) > 1:
        raise section.wrong("curve_preferences", "can have one entry here, as Python's TLS takes one; keep the best")
    return names.CURVES[chosen[0]] if chosen else ""


def _headers(http: Section) -> dict[str, str]:
    section = http.section("headers", tuple(names.HEADERS))
    found = {name: section.text(name, names.HEADERS[name]) for name in section.nodes}
    for name, value in found.items():
        if not (value.isascii() and value.isprintable()):
            raise section.wrong(name, "must be one line of printable ASCII")
    return {name: value for name, value in found.items() if value}


def _users(top: Section) -> dict[str, str]:
    section = top.section("basic_auth_users", None)
    found = {}
    for name in section.nodes:
        found[name] = section.text(name)
        if ":" in name or not name:
            raise section.wrong(name, "is no user name: it is empty or has a colon")
        matched = _HASH.fullmatch(found[name])
        if matched is None:
            raise section.wrong(name, "must be a bcrypt hash, as `htpasswd -nBC 10 NAME` prints it after the colon")
        if not _COSTS[0] <= int(matched[1]) <= _COSTS[1]:
            raise section.wrong(name, f"has cost {int(matched[1])}; from {_COSTS[0]} to {_COSTS[1]} can be had")
    return found


def _duration(section: Section, key: str) -> float:
    """Seconds."""
    text = section.text(key) or "0"
    if text == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        raise section.wrong(key, f"must be a duration such as 1s or 250ms, is {text!r:.60}")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
