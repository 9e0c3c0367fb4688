"""What Grafana tells about a dashboard that it holds, and whether somebody edited it since it was pushed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from exporter import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboards.grafana_tree import Json

_OURS = re.compile(r"net-exporter \S+, sha256 ([0-9a-f]{64})")
_SERVERS = ("id", "version")  # keys that Grafana changes by itself


@dataclass(frozen=True)
class Saved:
    """A dashboard in Grafana.

    Args:
        content: hash of what it holds.
        pushed: hash of what was pushed last; empty when nothing ever was.
        pushed_version: the number of that version.
        version: the number of the newest version.
        author: who saved that one.
        created: when.
        provisioned: whether Grafana takes it from a file.
        folder: what says where it lies, as a save names it.
    """

    content: str
    pushed: str
    pushed_version: int
    version: int
    author: str
    created: str
    provisioned: bool
    folder: Mapping[str, Any]

    @property
    def edited(self) -> str:
        """Who edited it after the push, and when; empty when nobody did."""
        if self.pushed and self.version == self.pushed_version:
            return ""
        since = f"version {self.pushed_version} was pushed" if self.pushed else "it was never pushed"
        return f"edited in Grafana: version {self.version} is of {self.author}, {self.created}; {since}"


def digest(board: Json) -> str:
    """SHA-256 of what a dashboard holds, hexadecimal; what Grafana changes by itself is left out."""
    kept = {key: value for key, value in board.items() if key not in _SERVERS}
    return sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def message(board: Json) -> str:
    """The words to save it with: by them the next run knows its own version."""
    return f"net-exporter {__version__}, sha256 {digest(board)}"


def parse(found: Json, versions: Sequence[Json], *, by_id: bool) -> Saved:
    """Mean the two answers.

    Args:
        found: of `/api/dashboards/uid/UID`.
        versions: of the same dashboard, newest first.
        by_id: whether this Grafana names folders by number.
    """
    meta = found["meta"]
    newest = versions[0] if versions else {}
    pushed = next(((each, match[1]) for each in versions if (match := _OURS.match(each.get("message") or ""))), None)
    where = {"folderId": meta.get("folderId", 0)} if by_id else {"folderUid": meta.get("folderUid", "")}
    return Saved(
        content=digest(found["dashboard"]),
        pushed=pushed[1] if pushed else "",
        pushed_version=pushed[0]["version"] if pushed else 0,
        version=found["dashboard"].get("version", newest.get("version", 0)),
        author=newest.get("createdBy") or meta.get("updatedBy") or "somebody unknown",
        created=newest.get("created") or meta.get("updated") or "",
        provisioned=bool(meta.get("provisioned")),
        folder=where,
    )
