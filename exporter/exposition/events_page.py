"""The last events at `/events`: a page with filters, or JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qs, urlencode

from exporter import __version__
from exporter.errors import UsageError
from exporter.events import record, selection, text
from exporter.events.selection import Selection
from exporter.exposition.page import template
from exporter.exposition.reply import Reply, plain
from exporter.runtime.recent_events import MOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from exporter.model.event import EventNaming, EventType, Named
    from exporter.runtime.events import Events

_SHOWN: Final = 200
_FILTERS: Final = ("type", "pod", "namespace")
_NONE: Final = "No events are taken: name the probes whose events are wanted under `event.probes`.\n"


class _Query(NamedTuple):
    """What is asked for, as given and as understood."""

    given: dict[str, str]
    limit: int
    wanted: Selection
    json: bool


class EventsPage:
    """Answers requests for events.

    Args:
        events: tells those that are taken now; None for none.
        node: name of this node.
        types: all that exist.
    """

    def __init__(self, events: Callable[[], Events | None], node: str, types: Iterable[EventType]) -> None:
        self._events = events
        self._node = node
        self._types = tuple(types)

    def answer(self, query: str) -> Reply:
        """The page, or JSON with `format=json`; the newest first."""
        events = self._events()
        if events is None:
            return plain(HTTPStatus.NOT_FOUND, _NONE)
        try:
            asked = self._understood(query)
        except UsageError as error:
            return plain(HTTPStatus.BAD_REQUEST, f"{error}\n")
        naming = events.naming

        def wanted(named: Named) -> bool:
            namespace, pod = named.pod[:2] if named.pod else ("", "")
            return asked.wanted.wants(named.event.type, pod, namespace, named.node)

        found = events.recent.latest(asked.limit, wanted)
        if asked.json:
            body = json.dumps([record.record(named, naming) for named in found], indent=1)
            return Reply(HTTPStatus.OK, "application/json", body.encode())
        page = self._page(asked, found, naming)
        return Reply(HTTPStatus.OK, "text/html; charset=utf-8", page.encode("utf-8", "replace"))

    def _understood(self, query: str) -> _Query:
        """Raises UsageError naming what makes no sense."""
        values = parse_qs(query, errors="replace")
        unknown = sorted(values.keys() - {*_FILTERS, "limit", "format"})
        if unknown:
            raise UsageError(
                f"unknown parameter {unknown[0]!r}; there are {', '.join(_FILTERS)}, limit and format=json"
            )
        given = {name: ",".join(values.get(name, ())) for name in _FILTERS}
        limit = values.get("limit", [str(_SHOWN)])[-1]
        if not (limit.isascii() and limit.isdecimal() and 0 < int(limit[:9]) <= MOST):
            raise UsageError(f"limit must be from 1 to {MOST}, is {limit!r:.40}")
        types, pods, namespaces = map(selection.words, given.values())
        wanted = Selection(selection.kinds(types, self._types), pods, namespaces)
        return _Query(given, int(limit), wanted, values.get("format", [""])[-1] == "json")

    def _page(self, asked: _Query, found: Sequence[Named], naming: EventNaming) -> str:
        parameters = {name: value for name, value in asked.given.items() if value}
        what = "of those wanted" if parameters else "of all"
        names = sorted({each.name_in(naming) for each in self._types})
        return template("events.html").substitute(
            {name: escape(value) for name, value in asked.given.items()},
            node=escape(self._node),
            version=__version__,
            limit=asked.limit,
            json=escape("?" + urlencode({**parameters, "limit": asked.limit, "format": "json"})),
            types="".join(f'<option value="{escape(name)}">' for name in names),
            summary=f"The last {len(found)} {what}, the newest first; the last {MOST} are kept.",
            rows="".join(_row(named, naming) for named in found),
        )


def _row(named: Named, naming: EventNaming) -> str:
    kind = named.event.type
    seconds, nanoseconds = divmod(named.event.time, 1_000_000_000)
    when = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{nanoseconds // 1_000_000:03}"
    if named.pod is None:
        namespace, pod = "", "<em>not known</em>" if named.event.netns else ""
    elif named.pod.is_host:
        namespace, pod = "", "<em>this node</em>"
    else:
        namespace, pod = escape(named.pod.namespace), escape(named.pod.name)
    about = escape(" ".join(filter(None, (kind.help, kind.advice))))
    return (
        f'<tr><td class="time">{when}</td><td title="{about}">{escape(kind.name_in(naming))}</td>'
        f"<td>{namespace}</td><td>{pod}</td><td><code>{escape(text.body(named))}</code></td></tr>\n"
    )
