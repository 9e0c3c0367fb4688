"""ACS3-HMAC-SHA256 as its specification has it, computed from what arrived."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

NEEDED = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}
_FORM = re.compile(r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})")


def wrong(method: str, target: str, headers: Mapping[str, str], body: bytes, secrets: Mapping[str, str]) -> str:
    """The service's word for what is wrong; empty when all is right."""
    lower = {name.lower(): value for name, value in headers.items()}
    match = _FORM.fullmatch(lower.get("authorization", ""))
    if match is None:
        return "IncompleteSignature"
    key, signed, signature = match.groups()
    names = signed.split(";")
    if key not in secrets:
        return "InvalidAccessKeyId.NotFound"
    if not set(names) >= NEEDED or names != sorted(names):
        return "IncompleteSignature"
    if lower["x-acs-content-sha256"] != hashlib.sha256(body).hexdigest():
        return "InvalidContentSha256"
    parts = urlsplit(target)
    query = sorted(parse_qsl(parts.query, keep_blank_values=True))
    canonical = "\n".join(
        (
            method,
            parts.path or "/",
            "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query),
            "".join(f"{name}:{lower[name].strip()}\n" for name in names),
            signed,
            lower["x-acs-content-sha256"],
        )
    )
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    wanted = hmac.new(secrets[key].encode(), text.encode(), hashlib.sha256).hexdigest()
    return "" if hmac.compare_digest(wanted, signature) else "SignatureDoesNotMatch"
