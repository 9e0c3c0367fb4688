"""Running a command: whatever ends it is one line on standard error and an exit code, never a trace."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from exporter.errors import NetExporterError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

OK, REFUSED, WRONG_CALL, INTERRUPTED = 0, 1, 2, 130


def execute(program: str, command: Callable[[], None]) -> int:
    """Run `command`. Returns 0, 1 when the machine refuses, 2 for a wrong call, 130 when interrupted."""
    if sys.stdout is None:  # started with a closed standard output
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - stays open to the end, as standard output does
    try:
        try:
            command()
        finally:  # --help leaves by SystemExit
            sys.stdout.flush()  # a reader that has gone is noticed here rather than by the interpreter at its end
    except NetExporterError as error:
        for line in error.lines:
            _complain(program, line)
        return WRONG_CALL if isinstance(error, UsageError) else REFUSED
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        _discard_output()
    except OSError as error:
        _discard_output()
        _complain(program, f"the output cannot be written: {error.strerror}")
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    return OK


def _complain(program: str, text: str) -> None:
    print(f"{program}: {' '.join(text.splitlines())}", file=sys.stderr)


def _discard_output() -> None:
    """What is still buffered would fail again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
