"""What can go wrong, each with the place and the next step.

Everything a user may see derives from `NetExporterError`; the command line prints its text as one line.
"""

from enum import Enum


class NetExporterError(Exception):
    """Base of all errors that carry a message for the user."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The message, a line for each thing that is wrong."""
        return (str(self),)


class UsageError(NetExporterError):
    """A wrong option, probe name or configuration key; exit code 2, nothing started."""


class StartError(NetExporterError):
    """The machine refuses what was asked, for example a port in use; exit code 1."""


class DeclarationError(NetExporterError):
    """A probe, query, panel or alert contradicts the registry; raised while building, never while running."""


class CollectError(NetExporterError):
    """Base of what a source or probe may raise during a cycle; the runtime turns it into an outcome."""


class NoDataError(CollectError):
    """The source exists and is healthy but holds nothing to report now."""


class UnsupportedError(CollectError):
    """This machine cannot offer the source; the message says why and what would enable it."""


class GoneError(CollectError):
    """The network namespace or process ended while it was being read; only its own series are lost."""


class SourceError(CollectError):
    """A source gave something unreadable or unexpected.

    Args:
        path: file or kernel interface that was read.
        expected: what the parser wanted to find.
        found: the offending bytes, shortened.
        line: line number in the file, counted from 1.
    """

    def __init__(self, path: str, expected: str, found: object = None, *, line: int | None = None) -> None:
        place = path if line is None else f"{path} line {line}"
        shown = "" if found is None else f", found {found!r:.80}"
        super().__init__(f"{place}: expected {expected}{shown}")


class ApiFault(Enum):
    """What can be wrong with the Kubernetes API server, or with the way to it."""

    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    CREDENTIALS = "credentials"
    UNAUTHORISED = "unauthorised"
    FORBIDDEN = "forbidden"
    EXPIRED = "expired"
    SERVER = "server"
    GARBAGE = "garbage"
    DEFECT = "defect"


class ApiError(CollectError):
    """The Kubernetes API server did not give what was asked for; the text names it and the next step.

    Args:
        text: for people.
        fault: what is wrong.
    """

    def __init__(self, text: str, fault: ApiFault) -> None:
        super().__init__(text)
        self.fault = fault


class SinkError(NetExporterError):
    """Events could not be delivered; the text names the sink's place and the next step.

    Args:
        text: for people.
        reason: a word or two for the counter of what was lost.
        lost: how many of the events were; None for all of them.
    """

    def __init__(self, text: str, *, reason: str = "failed", lost: int | None = None) -> None:
        super().__init__(text)
        self.reason = reason
        self.lost = lost
