"""From the section `tls_server_config` to what speaks TLS."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from exporter.errors import UsageError
from exporter.exposition.web import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exporter.exposition.web.file import Pem, Tls

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFY: Final = {
    names.NO_CERTIFICATE: ssl.CERT_NONE,
    names.IF_GIVEN: ssl.CERT_OPTIONAL,
    names.REQUIRED: ssl.CERT_REQUIRED,
}
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_HINTS: Final = {
    "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
    "EE_KEY_TOO_SMALL": "the certificate's key is too short",
    "CA_MD_TOO_WEAK": "the certificate is signed with a broken hash",
}


def context(tls: Tls, path: str, read: Callable[[str], bytes]) -> ssl.SSLContext:
    """Made anew from what the files hold now. Raises UsageError naming the key and the file.

    Args:
        tls: what is wanted.
        path: of the web configuration file, for errors.
        read: a file's content; raises UsageError.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version, made.maximum_version = (_VERSIONS[version] for version in tls.versions)
    made.options |= ssl.OP_NO_RENEGOTIATION  # it costs the server more than the client
    made.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if not tls.server_preference:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if tls.ciphers:
        made.set_ciphers(":".join(tls.ciphers))
    if tls.curve:
        _set_curve(made, tls.curve, path)
    _load_pair(made, tls, path, read)
    made.verify_mode = _VERIFY[tls.client_auth]
    if tls.client_ca:
        _load_authorities(made, tls.client_ca, path, read)
    return made


def _set_curve(made: ssl.SSLContext, curve: str, path: str) -> None:
    try:
        made.set_ecdh_curve(curve)
    except (ssl.SSLError, ValueError) as problem:  # X25519 before OpenSSL 3.2
        raise UsageError(
            f"{path}: tls_server_config.curve_preferences: {ssl.OPENSSL_VERSION} cannot be held to {curve} alone; "
            "name another curve, or leave the key out"
        ) from problem


def _load_pair(made: ssl.SSLContext, tls: Tls, path: str, read: Callable[[str], bytes]) -> None:
    certificate, key = _content(tls.cert, path, read), _content(tls.key, path, read)
    if not _CERTIFICATE.search(certificate):
        raise _fault(tls.cert, path, "holds no certificate in PEM form")
    if b"PRIVATE KEY-----" not in key:
        raise _fault(tls.key, path, "holds no private key in PEM form")
    if b"ENCRYPTED" in key:
        raise _fault(tls.key, path, "is encrypted, and nobody is there to give its password; decrypt it")
    try:
        with _in_memory(certificate) as one, _in_memory(key) as two:
            made.load_cert_chain(one, two, password=lambda: "")  # else it would ask on the terminal
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", "") or ""
        hint = _HINTS.get(reason, f"cannot be used ({reason.lower().replace('_', ' ') or 'no valid PEM'})")
        raise _fault(tls.cert, path, f"and {tls.key.key.rpartition('.')[2]}: {hint}") from error


def _load_authorities(made: ssl.SSLContext, authority: Pem, path: str, read: Callable[[str], bytes]) -> None:
    certificates = _CERTIFICATE.findall(_content(authority, path, read))
    if not certificates:
        raise _fault(authority, path, "holds no certificate in PEM form")
    try:
        made.load_verify_locations(cadata=b"\n".join(certificates).decode("ascii", "replace"))
    except (ssl.SSLError, ValueError) as error:
        raise _fault(authority, path, "holds a certificate that cannot be read") from error


def _content(pem: Pem, path: str, read: Callable[[str], bytes]) -> bytes:
    if not pem.path:
        return pem.text.encode()
    try:
        return read(pem.path)
    except UsageError as error:
        raise UsageError(f"{path}: {pem.key}: {error}") from error


def _fault(pem: Pem, path: str, problem: str) -> UsageError:
    return UsageError(f"{path}: {pem.key}{f' {pem.path}' if pem.path else ''} {problem}")


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path to some bytes, as Python's TLS takes certificates by path only; keys never reach a disk."""
    descriptor = os.memfd_create("pem")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def names_of(certificate: dict[str, Any]) -> set[str]:
    """Alternative names of a peer's certificate: of hosts, addresses, mail and URIs, as Go writes them."""
    return {
        _address(value) if kind == "IP Address" else value
        for kind, value in certificate.get("subjectAltName", ())
        if kind in ("DNS", "IP Address", "email", "URI")
    }


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:  # of neither four nor sixteen bytes
        return ""
