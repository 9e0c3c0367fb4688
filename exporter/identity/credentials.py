"""Whether there is a cluster to ask, and by what right. Looks at files and the environment, talks to nobody."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTO: Final = "auto"
KUBERNETES: Final = "kubernetes"
STANDALONE: Final = "standalone"
CHOICES: Final = (AUTO, KUBERNETES, STANDALONE)

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SERVER: Final = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where they are.

    Args:
        kubeconfig: file; empty for the service account.
        folder: of the service account.
        environment: of the process, which tells the service account's server.
    """

    kubeconfig: str
    folder: Path
    environment: Mapping[str, str]

    @property
    def place(self) -> str:
        """Where they are, for people."""
        return self.kubeconfig or f"{self.folder}/token"


def find(
    choice: str, kubeconfig: str, environment: Mapping[str, str], folder: Path = SERVICE_ACCOUNT
) -> Credentials | None:
    """Credentials, or None for no cluster. Raises UsageError where they are wanted and cannot be used.

    Args:
        choice: one of `CHOICES`.
        kubeconfig: file, or empty.
        environment: of the process.
        folder: of the service account.
    """
    if choice == STANDALONE:
        if kubeconfig:
            raise UsageError(f"kubeconfig {kubeconfig} is of no use with `identity: standalone`; give one of them")
        return None
    found = Credentials(kubeconfig, folder, environment)
    lacking = _lacking(found)
    if not lacking:
        return found
    if choice == KUBERNETES or kubeconfig:
        raise UsageError(lacking)
    return None


def _lacking(found: Credentials) -> str:
    """What makes them useless; empty for nothing."""
    files = (found.kubeconfig,) if found.kubeconfig else (f"{found.folder}/token", f"{found.folder}/ca.crt")
    for file in files:
        try:
            with open(file, "rb") as opened:
                if not opened.read(1):
                    return f"identity: {file} is empty"
        except OSError as error:
            remedy = "" if found.kubeconfig else "; give the pod a service account and its token, or use --kubeconfig"
            return f"identity: {file}: {os.strerror(error.errno or 0)}{remedy}"
    unset = [] if found.kubeconfig else [name for name in _SERVER if not found.environment.get(name)]
    return f"identity: {' and '.join(unset)} not set, so there is no address of the API server" if unset else ""
