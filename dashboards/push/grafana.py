"""The folder and the dashboards of one Grafana. Alerting, contact points and whatever else is there are not touched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dashboards.push import saved
from dashboards.push.server import ConflictError
from dashboards.push.steps import Action, PushError, RefusedError, Step, UnsureError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dashboards.grafana_tree import Json
    from dashboards.push.saved import Saved
    from dashboards.push.server import Server

DASHBOARD, FOLDER = "dashboard", "folder"
OLDEST_MODERN = (8, 4)
_VERSIONS_BY_UID = (9, 0)
_LATEST = "20"  # versions that are looked at; edits are told of by the newest


class Grafana:
    """Raises RefusedError where the server is no Grafana or refuses the token.

    Args:
        server: to talk to.
        boards: makes the dashboards, of the older generation or the newer.
        folder: title of the folder for dashboards that are new.
        source: name or uid of the Prometheus data source to choose; empty for Grafana's default.
        overwrite: whether dashboards that were edited in Grafana are replaced too.
    """

    def __init__(
        self,
        server: Server,
        boards: Callable[[bool], list[Json]],
        *,
        folder: str,
        source: str = "",
        overwrite: bool = False,
    ) -> None:
        self._server = server
        self._title = folder
        self._overwrite = overwrite
        self.version = _version(server)
        self._old = self.version < OLDEST_MODERN
        chosen = self._source(source) if source else None
        self._boards = {board["uid"]: _with_source(board, chosen) for board in boards(self._old)}
        self._folder: Json | None = None
        self._saved: dict[str, Saved | None] = {}

    def plan(self) -> list[Step]:
        """Read the folder and every dashboard. Raises PushError."""
        self._folder = self._find_folder()
        self._saved = {uid: self._read(uid) for uid in self._boards}
        folder = Step(FOLDER, self._title, Action.SKIP if self._folder else Action.CREATE)
        return [folder, *(self._decide(uid, self._saved[uid]) for uid in self._boards)]

    def apply(self, step: Step) -> str:
        """Create the folder, or save a dashboard. Raises PushError."""
        if step.kind == FOLDER:
            self._folder = self._server.post("/api/folders", {"uid": slug(self._title), "title": self._title})
            return ""
        board, before = self._boards[step.name], self._saved[step.name]
        if before is None and self._folder is None:
            raise UnsureError("its folder is not there yet")
        try:
            self._server.post(
                "/api/dashboards/db",
                {
                    "dashboard": {**board, "id": None, "version": before.version if before else 0},
                    **(before.folder if before else self._place()),
                    "message": saved.message(board),
                    "overwrite": False,  # Grafana then refuses when somebody saves between our reading and writing
                },
            )
        except ConflictError as error:
            if error.status == "version-mismatch":
                raise UnsureError("somebody saved it at the same moment; it is read again") from error
            if error.status == "name-exists":
                raise PushError(
                    f"{error}; rename the other dashboard of that title or choose another --folder"
                ) from error
            raise
        return ""

    def _decide(self, uid: str, found: Saved | None) -> Step:
        if found is None:
            return Step(DASHBOARD, uid, Action.CREATE)
        wanted = saved.digest(self._boards[uid])
        if wanted in (found.content, "" if found.edited else found.pushed):
            return Step(DASHBOARD, uid, Action.SKIP)
        if found.provisioned:
            return Step(DASHBOARD, uid, Action.LEAVE, "Grafana takes it from a file; end the provisioning or update it")
        if found.edited and not self._overwrite:
            return Step(DASHBOARD, uid, Action.LEAVE, f"{found.edited}; --overwrite replaces it")
        return Step(DASHBOARD, uid, Action.UPDATE, found.edited)

    def _read(self, uid: str) -> Saved | None:
        found = self._server.get(f"/api/dashboards/uid/{uid}")
        if found is None:
            return None
        try:
            key = f"uid/{uid}" if self.version >= _VERSIONS_BY_UID else f"id/{found['dashboard']['id']}"
            versions = self._server.get(f"/api/dashboards/{key}/versions", limit=_LATEST) or []
            listed = versions["versions"] if isinstance(versions, dict) else versions
            return saved.parse(found, listed, by_id=self._old)
        except (LookupError, TypeError, AttributeError) as error:
            raise RefusedError(f"{self._server.url} answers about dashboard {uid} as no known Grafana does") from error

    def _find_folder(self) -> Json | None:
        found: Json | None = self._server.get(f"/api/folders/{slug(self._title)}")
        if found is not None:
            return found
        listed = self._server.get("/api/folders", limit="1000") or []
        return next((each for each in listed if each.get("title") == self._title), None)

    def _place(self) -> Mapping[str, Any]:
        if self._folder is None:
            raise PushError("its folder is not there")
        return {"folderId": self._folder["id"]} if self._old else {"folderUid": self._folder["uid"]}

    def _source(self, wish: str) -> Mapping[str, str]:
        found = self._server.get(f"/api/datasources/uid/{wish}") or self._server.get(f"/api/datasources/name/{wish}")
        if found is None:
            raise RefusedError(f"{self._server.url} has no data source of name or uid {wish!r}; see its Connections")
        if found.get("type") != "prometheus":
            raise RefusedError(
                f"data source {wish!r} is of type {found.get('type')!r}; choose one of type 'prometheus'"
            )
        return {"text": found["name"], "value": found["name"] if self._old else found["uid"]}


def slug(title: str) -> str:
    """The uid of a folder: at most 40 characters."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "net-exporter"


def _version(server: Server) -> tuple[int, ...]:
    found = server.get("/api/health")
    text = found.get("version") if isinstance(found, dict) else None
    if not isinstance(text, str) or not (match := re.match(r"(\d+)\.(\d+)", text)):
        raise RefusedError(f"{server.url}/api/health tells no version; is this the address of a Grafana?")
    return int(match[1]), int(match[2])


def _with_source(board: Json, source: Mapping[str, str] | None) -> Json:
    if source is None:
        return board
    variables = [
        {**each, "current": {"selected": True, **source}} if each["type"] == "datasource" else each
        for each in board["templating"]["list"]
    ]
    return {**board, "templating": {"list": variables}}
