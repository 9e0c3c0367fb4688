"""A Grafana for tests: keeps folders, dashboards and their versions, checks what it is sent, and fails on demand."""

from __future__ import annotations

import copy
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

TOKEN = "glsa_test"  # noqa: S105 -- of this server only


class Failure(NamedTuple):
    """How one request goes wrong.

    Args:
        path: prefix of the requests' paths.
        status: of the answer; 0 drops the connection, -1 never answers.
        done: whether what was asked is done all the same.
        body: of the answer.
        headers: further ones.
    """

    path: str
    status: int
    done: bool = False
    body: bytes = b'{"message": "failed on purpose"}'
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class FakeGrafana:
    """Runs from entering to leaving.

    Args:
        version: as `/api/health` tells it.
    """

    version: str = "12.1.0"
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    boards: dict[str, dict[str, Any]] = field(default_factory=dict)  # uid -> {"meta", "versions": oldest first}
    sources: list[dict[str, Any]] = field(default_factory=list)
    failures: deque[Failure] = field(default_factory=deque)
    writes: list[tuple[str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # what a client did that Grafana would not take

    def __enter__(self) -> Self:
        fake = self
        self.end = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True  # head and body are written apart

            def do_GET(self) -> None:
                self._serve(b"")

            def do_POST(self) -> None:
                self._serve(self.rfile.read(int(self.headers["Content-Length"])))

            def _serve(self, body: bytes) -> None:
                failure = fake.failing(self.path)
                if failure is None or failure.done:
                    status, answer = fake.answer(self, body)
                if failure is not None:
                    status = failure.status
                    if status == -1:
                        fake.end.wait()
                    if status <= 0:
                        self.close_connection = True
                        return
                    content = failure.body
                else:
                    content = json.dumps(answer).encode()
                self.send_response(status)
                kind = "application/json" if content[:1] in b"{[" else "text/html; charset=utf-8"
                for name, value in (("Content-Type", kind), *(failure.headers if failure else ())):
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end.set()
        self.server.shutdown()
        self.server.server_close()
        assert self.broken == []

    def failing(self, path: str) -> Failure | None:
        if self.failures and path.startswith(self.failures[0].path):
            return self.failures.popleft()
        return None

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Invalid API key"}
        parts = urlsplit(request.path)
        path, query = parts.path, parse_qs(parts.query)
        if request.command == "GET":
            return self._get(path, query)
        if request.headers.get("Content-Type") != "application/json":
            self.broken.append(f"{path}: no JSON")
        self.writes.append((path, json.loads(body).get("uid") or json.loads(body)["dashboard"]["uid"]))
        return self._make_folder(json.loads(body)) if path == "/api/folders" else self._save(json.loads(body))

    def edit(self, uid: str, author: str = "alice") -> None:
        """Somebody saves the dashboard in the browser."""
        board = copy.deepcopy(self.boards[uid]["versions"][-1]["board"])
        board["panels"] = board["panels"][:-1]
        self._add(uid, board, author, "")

    def saved(self, uid: str) -> dict[str, Any]:
        """The newest version."""
        found: dict[str, Any] = self.boards[uid]["versions"][-1]["board"]
        return found

    @property
    def by_number(self) -> bool:
        return self.version.startswith(("7.", "8.0", "8.1", "8.2", "8.3"))

    def _get(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        found = self._found(path.split("/")[2:], query)
        return (404, {"message": "Not found"}) if found is None else (200, found)

    def _found(self, path: list[str], query: dict[str, list[str]]) -> Any:  # noqa: ANN401 -- any JSON
        found: Any = None
        match path:
            case ["health"]:
                found = {"database": "ok", "version": self.version}
            case ["folders"]:
                found = list(self.folders.values())
            case ["folders", uid]:
                found = self.folders.get(uid)
            case ["datasources", key, value]:
                found = next((each for each in self.sources if each[key] == value), None)
            case ["dashboards", "uid", uid] if uid in self.boards:
                found = {"dashboard": self.saved(uid), "meta": self.boards[uid]["meta"]}
            case ["dashboards", "uid", uid, "versions"] if uid in self.boards and int(self.version.split(".")[0]) >= 9:
                listed = self._versions(uid, int(query["limit"][0]))
                found = {"continueToken": "", "versions": listed} if self.version.startswith("12") else listed
            case ["dashboards", "id", number, "versions"] if int(self.version.split(".")[0]) < 11:
                uid = next(each for each, kept in self.boards.items() if str(kept["meta"]["id"]) == number)
                found = self._versions(uid, int(query["limit"][0]))
        return found

    def _versions(self, uid: str, limit: int) -> list[dict[str, Any]]:
        newest = reversed(self.boards[uid]["versions"])
        return [{key: value for key, value in each.items() if key != "board"} for each in newest][:limit]

    def _make_folder(self, body: dict[str, Any]) -> tuple[int, Any]:
        if any(each["title"] == body["title"] or each["uid"] == body["uid"] for each in self.folders.values()):
            return 412, {"message": "a folder with that name already exists", "status": "name-exists"}
        self.folders[body["uid"]] = {**body, "id": len(self.folders) + 1}
        return 200, self.folders[body["uid"]]

    def _save(self, body: dict[str, Any]) -> tuple[int, Any]:
        board = body["dashboard"]
        uid = board["uid"]
        places = [each["id"] if self.by_number else each["uid"] for each in self.folders.values()]
        if body.get("folderId" if self.by_number else "folderUid") not in places:
            self.broken.append(f"{uid}: a folder that does not exist")
        if board["id"] is not None or body["overwrite"] is not False or not body["message"]:
            self.broken.append(f"{uid}: an id, overwriting, or no message")
        kept = self.boards.get(uid)
        if kept and kept["meta"].get("provisioned"):
            return 400, {"message": "Cannot save provisioned dashboard"}
        if (kept["versions"][-1]["version"] if kept else 0) != board["version"]:
            return 412, {"status": "version-mismatch", "message": "The dashboard has been changed by someone else"}
        title = board["title"]
        if not kept and title in (self.saved(each)["title"] for each in self.boards):
            return 412, {"status": "name-exists", "message": "A dashboard with the same name already exists"}
        self._add(uid, board, "sa-1-push", body["message"], body)
        return 200, {"status": "success", "uid": uid, "version": self.saved(uid)["version"]}

    def _add(
        self, uid: str, board: dict[str, Any], author: str, message: str, body: dict[str, Any] | None = None
    ) -> None:
        number = len(self.boards) + 1
        kept = self.boards.setdefault(uid, {"meta": {"id": number, "provisioned": False}, "versions": []})
        if body is not None:
            kept["meta"] |= {key: body[key] for key in ("folderId", "folderUid") if key in body}
        version = len(kept["versions"]) + 1
        kept["versions"].append(
            {
                "version": version,
                "createdBy": author,
                "created": f"2026-01-0{min(version, 9)}T00:00:00Z",
                "message": message,
                "board": {**board, "id": kept["meta"]["id"], "version": version},
            }
        )
