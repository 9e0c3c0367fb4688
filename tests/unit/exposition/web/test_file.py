"""What may be in a web configuration file, and how what may not is refused."""
# ruff: noqa: E501 - a table of refusals, each in one line

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import UsageError
from exporter.exposition.web.file import Pem, Tls, WebFile, parse
from exporter.exposition.web.names import CIPHERS, CIPHERS_13, CURVES

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
TLS = "tls_server_config: {cert_file: a.crt, key_file: /b.key"
PLAIN_TLS = Tls(
    Pem("tls_server_config.cert_file", "/etc/web/a.crt", ""),
    Pem("tls_server_config.key_file", "/b.key", ""),
    Pem("tls_server_config.client_ca", "", ""),
    "NoClientCert",
    None,
    ("TLS12", "TLS13"),
    (),
    server_preference=True,
    curve="",
)


def _parsed(text: str) -> WebFile:
    return parse(text.encode(), "/etc/web/web.yml")


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "tls_server_config:\nbasic_auth_users: {}\nrate_limit: {interval: 0}"]
)
def test_a_file_that_says_nothing_is_plain_http_for_everybody(text: str) -> None:
    assert _parsed(text) == WebFile()


def test_paths_are_relative_to_the_file() -> None:
    assert _parsed(TLS + "}") == WebFile(tls=PLAIN_TLS)
    assert _parsed(TLS + "}").tls.files == ("/etc/web/a.crt", "/b.key")  # type: ignore[union-attr] # seen above


def test_everything_can_be_said() -> None:
    text = f"""
tls_server_config:
  cert: CERT
  key: KEY
  client_ca_file: ca.crt
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [prometheus.example, 10.0.0.1]
  min_version: TLS12
  max_version: TLS12
  cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA]
  prefer_server_cipher_suites: no
  curve_preferences: [CurveP384]
http_server_config:
  http2: true
  headers:
    Strict-Transport-Security: max-age=31536000
    X-Frame-Options: sameorigin
    X-XSS-Protection: ""
basic_auth_users: {{alice: {HASH}, 12: {HASH}}}
rate_limit: {{interval: 1m1.5s, burst: 20}}
"""
    assert _parsed(text) == WebFile(
        tls=Tls(
            Pem("tls_server_config.cert", "", "CERT"),
            Pem("tls_server_config.key", "", "KEY"),
            Pem("tls_server_config.client_ca_file", "/etc/web/ca.crt", ""),
            "RequireAndVerifyClientCert",
            frozenset({"prometheus.example", "10.0.0.1"}),
            ("TLS12", "TLS12"),
            ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA"),
            server_preference=False,
            curve="secp384r1",
        ),
        headers={"Strict-Transport-Security": "max-age=31536000", "X-Frame-Options": "sameorigin"},
        users={"alice": HASH, "12": HASH},
        interval=61.5,
        burst=20,
        notes=("http_server_config.http2: HTTP/1.1 is spoken in any case",),
    )


@pytest.mark.parametrize("name", [*CIPHERS, *CIPHERS_13])
def test_every_cipher_of_go_s_list_is_known(name: str) -> None:
    made = _parsed(f"{TLS}, cipher_suites: [{name}], min_version: {'TLS12' if name in CIPHERS else 'TLS13'}}}").tls
    assert made is not None
    assert made.ciphers == ((CIPHERS[name],) if name in CIPHERS else ())


@pytest.mark.parametrize("name", CURVES)
def test_every_curve_is_known(name: str) -> None:
    made = _parsed(f"{TLS}, curve_preferences: [{name}]}}").tls
    assert made is not None
    assert made.curve == CURVES[name]


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1.0), ("250ms", 0.25), ("1h", 3600.0), ("1m30s", 90.0), ("5us", 5e-6)]
)
def test_durations_are_those_of_go(text: str, seconds: float) -> None:
    assert _parsed(f"rate_limit: {{interval: {text}, burst: 1}}").interval == pytest.approx(seconds)


UNVERIFIED = (
    " would believe any certificate, which is not offered; "
    "RequireAndVerifyClientCert with client_ca_file checks them, NoClientCert asks for none"
)
BAD = [
    ("tls_server_confg: {}", " line 1: unknown key 'tls_server_confg'; did you mean 'tls_server_config'?"),
    ("\nrate_limit: {burst: 1, bust: 2}", " line 2: unknown key 'rate_limit.bust'; did you mean 'burst'?"),
    ("[]", " line 1: must be a mapping"),
    ("hello", " line 1: must be a mapping"),
    ("a: b: c", " line 1: mapping values are not allowed here"),
    ("? [a]\n: b", " line 1: a key must be a word"),
    ("rate_limit: {}\nrate_limit: {}", " line 2: rate_limit is there twice"),
    ("rate_limit: 5", " line 1: rate_limit must be a mapping"),
    ("tls_server_config:\n  key_file: k", ": tls_server_config.cert_file is missing; name a file, or give it in place as `cert`"),
    ("tls_server_config:\n  cert_file: k", ": tls_server_config.key_file is missing; name a file, or give it in place as `key`"),
    ("tls_server_config:\n  min_version: TLS13", " line 2: tls_server_config.min_version has no effect without cert_file and key_file"),
    (TLS + ", cert: x}", " line 1: tls_server_config.cert and cert_file exclude each other; keep one"),
    (TLS + ", key: x}", " line 1: tls_server_config.key and key_file exclude each other; keep one"),
    (TLS + ", cert: [x]}", " line 1: tls_server_config.cert must be a text"),
    (TLS + ', client_ca_file: "a\\0b", client_auth_type: VerifyClientCertIfGiven}', " line 1: tls_server_config.client_ca_file is no path"),
    (TLS + ", client_auth_type: RequestClientCert}", " line 1: tls_server_config.client_auth_type RequestClientCert" + UNVERIFIED),
    (TLS + ", client_auth_type: RequireAnyClientCert}", " line 1: tls_server_config.client_auth_type RequireAnyClientCert" + UNVERIFIED),
    (TLS + ", client_auth_type: RequireClientCert}", " line 1: tls_server_config.client_auth_type RequireClientCert" + UNVERIFIED),
    (TLS + ", client_auth_type: RequireAndVerifyClientCert}", " line 1: tls_server_config.client_auth_type RequireAndVerifyClientCert needs client_ca_file: whose certificates are believed?"),
    (TLS + ", client_ca_file: c}", " line 1: tls_server_config.client_ca_file has no effect without client_auth_type: RequireAndVerifyClientCert or VerifyClientCertIfGiven"),
    (TLS + ", client_ca: c, client_auth_type: NoClientCert}", " line 1: tls_server_config.client_ca has no effect without client_auth_type: RequireAndVerifyClientCert or VerifyClientCertIfGiven"),
    (TLS + ", client_allowed_sans: [a]}", " line 1: tls_server_config.client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert"),
    (TLS + ", client_ca: c, client_auth_type: VerifyClientCertIfGiven, client_allowed_sans: [a]}", " line 1: tls_server_config.client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert"),
    (TLS + ", client_allowed_sans: a}", " line 1: tls_server_config.client_allowed_sans must be a list"),
    (TLS + ", client_allowed_sans: [[]]}", " line 1: tls_server_config.client_allowed_sans an entry must be a text"),
    (TLS + ", min_version: TLS111}", " line 1: tls_server_config.min_version must be one of TLS10, TLS11, TLS12, TLS13, is 'TLS111'; did you mean 'TLS11'?"),
    (TLS + ", min_version: TLS10}", " line 1: tls_server_config.min_version TLS10 is not offered, as it is broken; TLS12 or TLS13"),
    (TLS + ", max_version: TLS11}", " line 1: tls_server_config.max_version TLS11 is not offered, as it is broken; TLS12 or TLS13"),
    (TLS + ", min_version: TLS13, max_version: TLS12}", " line 1: tls_server_config.min_version TLS13 is later than max_version TLS12"),
    (TLS + ", cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}", " line 1: tls_server_config.cipher_suites unknown name 'TLS_RSA_WITH_RC4_128_SHA'; did you mean 'TLS_RSA_WITH_AES_128_CBC_SHA'?"),
    (TLS + ", cipher_suites: [TLS_AES_128_GCM_SHA256]}", " line 1: tls_server_config.cipher_suites names none of TLS 1.2; add one, or set min_version: TLS13"),
    (TLS + ", curve_preferences: [CurveP257]}", " line 1: tls_server_config.curve_preferences unknown name 'CurveP257'; did you mean 'CurveP256'?"),
    (TLS + ", curve_preferences: [CurveP256, X25519]}", " line 1: tls_server_config.curve_preferences can have one entry here, as Python's TLS takes one; keep the best"),
    (TLS + ", prefer_server_cipher_suites: 1}", " line 1: tls_server_config.prefer_server_cipher_suites must be true or false"),
    ("http_server_config: {http2: maybe}", " line 1: http_server_config.http2 must be true or false"),
    ("http_server_config: {headers: {X-Frame-Options: never}}", " line 1: http_server_config.headers.X-Frame-Options must be one of deny, sameorigin, is 'never'"),
    ("http_server_config: {headers: {X-Content-Type-Options: sniff}}", " line 1: http_server_config.headers.X-Content-Type-Options must be one of nosniff, is 'sniff'; did you mean 'nosniff'?"),
    ("http_server_config: {headers: {Server: x}}", " line 1: unknown key 'http_server_config.headers.Server'"),
    ('http_server_config: {headers: {X-XSS-Protection: "1\\r\\nSet-Cookie: a"}}', " line 1: http_server_config.headers.X-XSS-Protection must be one line of printable ASCII"),
    ("basic_auth_users: [a]", " line 1: basic_auth_users must be a mapping"),
    ("basic_auth_users:\n  a: secret", " line 2: basic_auth_users.a must be a bcrypt hash, as `htpasswd -nBC 10 NAME` prints it after the colon"),
    ("basic_auth_users:\n  a:", " line 2: basic_auth_users.a must be a bcrypt hash, as `htpasswd -nBC 10 NAME` prints it after the colon"),
    (f"basic_auth_users: {{a: {HASH[:-1]}F}}", " line 1: basic_auth_users.a must be a bcrypt hash, as `htpasswd -nBC 10 NAME` prints it after the colon"),
    (f'basic_auth_users: {{"a:b": {HASH}}}', " line 1: basic_auth_users.a:b is no user name: it is empty or has a colon"),
    (f"basic_auth_users: {{a: {HASH.replace('$10$', '$17$')}}}", " line 1: basic_auth_users.a has cost 17; from 4 to 16 can be had"),
    (f"basic_auth_users: {{a: {HASH.replace('$10$', '$03$')}}}", " line 1: basic_auth_users.a has cost 3; from 4 to 16 can be had"),
    (f"basic_auth_users: {{a: {HASH}, a: {HASH}}}", " line 1: basic_auth_users.a is there twice"),
    ("rate_limit: {interval: 1s}", ": rate_limit.burst must be 1 or more, or no request would be answered"),
    ("rate_limit: {interval: 1, burst: 1}", " line 1: rate_limit.interval must be a duration such as 1s or 250ms, is '1'"),
    ("rate_limit: {interval: -1s, burst: 1}", " line 1: rate_limit.interval must be a duration such as 1s or 250ms, is '-1s'"),
    ("rate_limit: {burst: -1}", " line 1: rate_limit.burst must be a whole number, is '-1'"),
    ("\x00\x01", ": special characters are not allowed"),
    ("[" * 5000, ": nested too deeply"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BAD, ids=[said.partition(": ")[2][:70] for _, said in BAD])
def test_what_cannot_be_had_is_refused_with_its_line_and_key(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        _parsed(text)
    assert str(raised.value) == f"/etc/web/web.yml{said}"


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(UsageError) as raised:
        parse(b"\xff\xfe", "w.yml")
    assert str(raised.value) == "w.yml: not a text file (invalid start byte at byte 0)"


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_a_file_or_refused_in_one_line(content: bytes) -> None:
    try:
        said = ""
        parse(content, "w.yml")
    except UsageError as error:
        said = str(error)
    assert re.fullmatch(r"(w\.yml.*)?", said)


def test_the_example_in_the_documents_is_a_good_one() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs" / "security.md").read_text("utf-8")
    examples = [part.partition("```")[0] for part in page.split("```yaml\n")[1:]]
    made = [_parsed(text) for text in examples if "tls_server_config" in text or "basic_auth_users" in text]
    assert [(each.tls is not None, len(each.users)) for each in made] == [(True, 1)]
