"""Certificates made by openssl: an authority, servers and clients, good ones and bad."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """Signs what it is asked to.

    Args:
        folder: for all files.
        name: of the authority and its files.
    """

    def __init__(self, folder: Path, name: str = "ca") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("needs the package openssl")
        self._folder = folder
        self._key = folder / f"{name}.key"
        self.certificate = folder / f"{name}.crt"
        self._openssl("req", "-x509", *_KEY, "-subj", f"/CN={name}", "-days", "2",
                      "-keyout", str(self._key), "-out", str(self.certificate))  # fmt: skip

    def sign(self, name: str, sans: str = "DNS:localhost,IP:127.0.0.1", *, days: int = 1) -> tuple[Path, Path]:
        """Certificate and key."""
        certificate, key, request, more = (self._folder / f"{name}.{kind}" for kind in ("crt", "key", "csr", "ext"))
        more.write_text(f"subjectAltName={sans}\n" if sans else "basicConstraints=CA:FALSE\n")
        self._openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request))
        self._openssl("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self._key),
                      "-CAcreateserial", "-days", str(days),
                      "-extfile", str(more), "-out", str(certificate))  # fmt: skip
        return certificate, key

    def client(self, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """A client that believes this authority, and shows a certificate if it has one."""
        made = ssl.create_default_context(cafile=str(self.certificate))
        if pair is not None:
            made.load_cert_chain(*pair)
        return made

    @staticmethod
    def _openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True)
