"""A part of the kernel scan beside the readers that it answers for."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from exporter.errors import UnsupportedError
from exporter.model.pod import NetnsRef
from exporter.runtime.attempt import attempt
from exporter.sources.netns import Visitor
from tests.netns.namespaces import RUN_NETNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.model.probe import Reader
    from exporter.model.scan import Part, Scan
    from tests.netns.namespaces import Namespace


class Both(NamedTuple):
    """What a reader found in one namespace before the scan and after it, and what the scan answered."""

    reader: Reader[Any]
    before: Any
    answer: Any
    after: Any


def loaded(part: Part[Any]) -> Scan[Any]:
    """Its program; the test is skipped where the machine cannot run it."""
    try:
        return part.open()
    except UnsupportedError as error:
        pytest.skip(f"no kernel scan of {part.name} here: {error}")


def read(part: Part[Any], namespaces: Sequence[Namespace]) -> list[list[Any]]:
    """What its readers find in each namespace."""
    with closing(Visitor(Path("/proc"))) as visitor:
        found = []
        for namespace in namespaces:
            with visitor.visit(NetnsRef(namespace.pod, (), str(RUN_NETNS / namespace.name))) as netns:
                found.append([attempt(answer.reader, netns) for answer in part.answers])
        return found


def both(part: Part[Any], namespaces: Sequence[Namespace]) -> list[Both]:
    """Read, scan, read again: one for each namespace and reader, in this order."""
    with closing(loaded(part)) as scan:
        before = read(part, namespaces)
        scan.scan()
        rows = [scan.row(namespace.pod.netns) for namespace in namespaces]
        after = read(part, namespaces)
    return [
        Both(answer.reader, first, None if row is None else attempt(answer.take, row), last)
        for row, firsts, lasts in zip(rows, before, after, strict=True)
        for answer, first, last in zip(part.answers, firsts, lasts, strict=True)
    ]


def differences(part: Part[Any], found: Sequence[Both]) -> list[str]:
    """What the part itself would take for a disagreement."""
    judges = {answer.reader: answer.difference for answer in part.answers}
    return [difference for one in found if (difference := judges[one.reader](one.before, one.answer, one.after))]
