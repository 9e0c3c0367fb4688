"""Limits that a user replaces: a YAML file of keys and numbers, checked against the table of thresholds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import yaml

from alerts import thresholds
from exporter.errors import UsageError
from exporter.registry import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from alerts.model import AlertRule
    from alerts.thresholds import Threshold

RATIO = "ratio"
_WHERE = "docs/thresholds.md lists the keys"


def read(path: Path) -> dict[str, float]:
    """Limits by key. Raises UsageError naming everything that is wrong."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text at byte {error.start}") from error
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise UsageError(f"{place}: not YAML: {getattr(error, 'problem', None) or 'nested too deeply'}") from error
    return parse({} if content is None else content, str(path))


def parse(content: Any, place: str) -> dict[str, float]:  # noqa: ANN401 -- any YAML document
    """Limits by key. Raises UsageError naming everything that is wrong."""
    if not isinstance(content, dict):
        raise UsageError(f"{place}: must be a mapping of keys to numbers, such as `retransmitShare: 0.02`; {_WHERE}")
    wrong = list(_wrong(content))
    if wrong:
        raise UsageError("\n".join(f"{place}: {each}" for each in wrong))
    return {key: float(value) for key, value in content.items()}


def touched(rule: AlertRule, limits: Mapping[str, float]) -> bool:
    """Whether the rule compares with another number than declared."""
    return any(limits.get(each.key, each.value) != each.value for each in rule.thresholds)


def _wrong(content: dict[Any, Any]) -> Iterator[str]:
    known = {each.key: each for each in thresholds.table()}
    for key, value in content.items():
        if key not in known:
            yield f"unknown threshold {key!r}{nearest(str(key), known)}; {_WHERE}"
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"{key}: {value!r} is no number"
        elif reason := _out_of_range(known[key], value):
            yield f"{key}: {value!r} {reason}"


def _out_of_range(threshold: Threshold, value: float) -> str:
    if not math.isfinite(value) or value < 0:
        return "must be a number from 0 upwards"
    if threshold.unit == RATIO and value > 1:
        return "must be a ratio from 0 to 1, such as 0.05 for 5 %"
    return ""
