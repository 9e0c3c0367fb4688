"""Whether what a service holds says what we told it."""

from __future__ import annotations

from typing import Any


def within(ours: Any, theirs: Any) -> bool:  # noqa: ANN401 -- any YAML
    """Whether theirs says all that ours says; services add members of their own, such as a time of creation."""
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(key in theirs and within(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        same = isinstance(theirs, list) and len(ours) == len(theirs)
        return same and all(within(left, right) for left, right in zip(ours, theirs, strict=True))
    return bool(ours == theirs)
