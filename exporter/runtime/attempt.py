"""The one place where anything that goes wrong in a source or probe becomes a value."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from exporter.errors import CollectError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


class DefectError(CollectError):
    """Our own code failed; the message names where."""


def attempt(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | CollectError:
    """Call `function`; give back its result, or the error it raised, so that nothing else is harmed."""
    try:
        return function(*args, **kwargs)
    except CollectError as error:
        return _without_frames(error)
    except Exception as error:  # the single broad except of the program: isolation is the point of this function
        log.debug("defect in %s", function, exc_info=error)
        return DefectError(f"defect in {function.__module__}: {type(error).__name__}: {error}")


def _without_frames(error: CollectError) -> CollectError:
    """An error is kept as a result; its frames would keep all that the cycle has read alive with it."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error
