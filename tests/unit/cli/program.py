"""The installed program, as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "INSPECTOR_NODENAME": "node-a"}
SECONDS = 60.0  # nothing takes so long; what does has hung


def run(*words: str, program: str = "net-exporter", output: int = subprocess.PIPE) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    done = subprocess.run(
        [str(BIN / program), *words],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=False,
        env=ENVIRONMENT,
    )
    return done.returncode, done.stdout, done.stderr


def shell(line: str) -> tuple[int, str, str]:
    """The same for a whole shell line, in which `{bin}` is where the programs are."""
    done = subprocess.run(
        ["sh", "-c", line.format(bin=BIN)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=ENVIRONMENT,
    )
    return done.returncode, done.stdout, done.stderr
