"""What a request is and what it gets, apart from how bytes travel."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from email.message import Message
    from http import HTTPStatus


class Asked(NamedTuple):
    """A request that may be answered.

    Args:
        path: without the query.
        query: what follows the question mark.
        headers: of the request.
        known: whether it may see details: nobody has to say who they are, or they have.
        trusted: whether it comes from this machine, or from one that said who they are.
    """

    path: str
    query: str
    headers: Message
    known: bool
    trusted: bool


class Reply(NamedTuple):
    """What a request gets.

    Args:
        status: of the answer.
        kind: its content type.
        body: its bytes.
        encoding: of the body; empty for none.
    """

    status: HTTPStatus
    kind: str
    body: bytes
    encoding: str = ""


def plain(status: HTTPStatus, text: str) -> Reply:
    """A few words for people."""
    return Reply(status, "text/plain; charset=utf-8", text.encode("utf-8", "replace"))
