"""ARMS and Cloud Monitor for tests: check signatures and parameters, keep what they are told, fail on demand."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

import promql_parser
import yaml

from tests.unit.push.signature import wrong

KEY, SECRET = "LTAItest", "secret-of-a-test"
CLUSTER, ENVIRONMENT, WORKSPACE, REGION = "c-1", "env-1", "grafana-1", "cn-hangzhou"
RULE_TYPE = "PROMETHEUS_MONITORING_ALERT_RULE"
OK = {"Code": 200, "Message": "success", "Success": True}
Answer = tuple[int, dict[str, Any]]


class Failure(NamedTuple):
    """How one call goes wrong.

    Args:
        action: of the call.
        status: of the answer; 0 drops the connection, -1 never answers.
        code: the service's word.
        done: whether what was asked is done all the same.
        html: whether the answer is a page of some gateway.
    """

    action: str
    status: int
    code: str | int = "InternalError"
    done: bool = False
    html: bool = False


@dataclass
class FakeArms:
    """Runs from entering to leaving.

    Args:
        version: of the instance.
    """

    version: str = "V2"
    alerts: list[dict[str, Any]] = field(default_factory=list)
    recording: str = ""
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    scrapes: dict[tuple[str, str, str], str] = field(default_factory=dict)  # noun, namespace, name -> YAML
    grafana: str = ""
    failures: deque[Failure] = field(default_factory=deque)
    calls: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # what a client did that the service would not take
    nonces: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        fake = self
        self.end = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True  # head and body are written apart

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, content = fake.reply(self, body)
                if status == -1:
                    fake.end.wait()
                if status <= 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "text/html" if content[:1] == b"<" else "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def do_PUT(self) -> None:
                self._serve()

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

    @property
    def writes(self) -> list[str]:
        return [call for call in self.calls if not call.startswith(("Get", "List"))]

    def reply(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        fault = wrong(request.command, request.path, request.headers, body, {KEY: SECRET})
        nonce = request.headers.get("x-acs-signature-nonce", "")
        if fault or nonce in self.nonces:
            return 400, json.dumps({"Code": fault or "SignatureNonceUsed", "Message": "no", "RequestId": "r"}).encode()
        self.nonces.add(nonce)
        action = request.headers["x-acs-action"]
        self.calls.append(action)
        failure = None
        if self.failures and self.failures[0].action == action:
            failure = self.failures.popleft()
        status, answer = self._answer(request, action, body) if failure is None or failure.done else (200, {})
        if failure is not None:
            word = {"Code": failure.code, "Message": "failed on purpose", "Success": False, "RequestId": "r"}
            return failure.status, b"<html>gateway</html>" if failure.html else json.dumps(word).encode()
        return status, json.dumps({"RequestId": "r", **answer}).encode()

    def _answer(self, request: BaseHTTPRequestHandler, action: str, body: bytes) -> Answer:
        parts = urlsplit(request.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if request.headers["x-acs-version"] == "2024-03-30":
            return self._cms(request.command, parts.path.split("/")[1:], query, json.loads(body or b"{}"))
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        if {**query, **form}.get("RegionId") != REGION:
            return 400, {"Code": "InvalidRegionId", "Message": "The region is wrong."}
        if action.endswith(("ServiceMonitor", "PodMonitor", "CustomJob", "Monitors", "Jobs")):
            return self._scrape(action, query, form)
        found: Answer = getattr(self, re.sub("(?=[A-Z])", "_", action).lower())(query, form)
        return found

    def _get_prometheus_instance(self, query: dict[str, str], _: dict[str, str]) -> Answer:
        if query["ClusterId"] != CLUSTER:
            return 200, {"Code": 404, "Message": "The instance does not exist.", "Success": False}
        return 200, {**OK, "Data": {"ClusterId": CLUSTER, "Version": self.version}}

    def _get_grafana_workspace(self, query: dict[str, str], _: dict[str, str]) -> Answer:
        domain = self.grafana.removeprefix("http://")
        known = query["GrafanaWorkspaceId"] == WORKSPACE
        return 200, {**OK, "Data": {"grafanaWorkspaceDomain": domain, "protocol": "http"} if known else {}}

    def _get_alert_rules(self, query: dict[str, str], _: dict[str, str]) -> Answer:
        if query["AlertType"] != RULE_TYPE:
            self.broken.append("alert type")
        page, size = int(query["Page"]), int(query["Size"])
        mine = [rule for rule in self.alerts if rule["ClusterId"] == query["ClusterId"]]
        bean = {"Page": page, "Size": size, "Total": len(mine), "AlertRules": mine[(page - 1) * size : page * size]}
        return 200, {"PageBean": bean}

    def _create_or_update_alert_rule(self, _: dict[str, str], form: dict[str, str]) -> Answer:
        promql_parser.parse(form["PromQL"])
        right = (
            form["AlertType"] == RULE_TYPE
            and form["AlertCheckType"] == "CUSTOM"
            and 0 <= int(form["Duration"]) <= 1440
            and form["Level"] in ("P1", "P2", "P3", "P4")
            and form["Message"].strip() != ""
        )
        if not right:
            self.broken.append(f"{form['AlertName']}: parameters")
        rule = {
            "NotifyStrategy": None,
            "AlertStatus": "RUNNING",
            **form,
            "AlertGroup": int(form["AlertGroup"]),
            "Duration": str(int(form["Duration"])),
            "Labels": [*json.loads(form["Labels"]), {"Name": "_aliyun_arms_involvedObject_kind", "Value": "app"}],
            "Annotations": json.loads(form["Annotations"]),
        }
        for pairs in (rule["Labels"], rule["Annotations"]):
            if any(set(pair) != {"Name", "Value"} for pair in pairs):
                self.broken.append(f"{form['AlertName']}: pairs")
        if "AlertId" in form:
            place = next(i for i, each in enumerate(self.alerts) if each["AlertId"] == int(form["AlertId"]))
            self.alerts[place] = {**rule, "AlertId": int(form["AlertId"])}
        else:
            if any(each["AlertName"] == form["AlertName"] for each in self.alerts):
                return 400, {"Code": "AlertNameExists", "Message": "The name is in use."}
            self.alerts.append({**rule, "AlertId": 100 + len(self.alerts)})
            place = -1
        return 200, {"AlertRule": self.alerts[place]}

    def _get_recording_rule(self, query: dict[str, str], _: dict[str, str]) -> Answer:
        return 200, {"Code": 200 if query["ClusterId"] == CLUSTER else 404, "Data": self.recording or None}

    def _add_recording_rule(self, query: dict[str, str], _: dict[str, str]) -> Answer:
        if self.version != "V1":
            return 200, {"Code": 400, "Message": "Version 2 keeps them elsewhere."}
        yaml.safe_load(query["RuleYaml"])
        self.recording = query["RuleYaml"]
        return 200, OK

    def _scrape(self, action: str, query: dict[str, str], form: dict[str, str]) -> Answer:
        if query["EnvironmentId"] != ENVIRONMENT:
            return 200, {"Code": 404, "Message": "The environment does not exist."}
        verb = next(each for each in ("List", "Create", "Update") if action.startswith(each))
        noun = action.removeprefix(verb).rstrip("s")
        label = f"{noun.removeprefix('Env')}Name"
        if verb == "List":
            found = [
                {label: name, **({"Namespace": space} if space else {}), "ConfigYaml": text}
                for (kind, space, name), text in self.scrapes.items()
                if kind == noun
            ]
            return 200, {**OK, "Data": found}
        document = yaml.safe_load(form["ConfigYaml"])
        if noun == "EnvCustomJob":
            key = (noun, "", query[label])
            assert [job["job_name"] for job in document["scrape_configs"]] == [query[label]]
        else:
            assert document["kind"] == noun.removeprefix("Env")
            key = (noun, document["metadata"]["namespace"], document["metadata"]["name"])
            if verb == "Update" and (noun, query["Namespace"], query[label]) != key:
                self.broken.append(f"{action}: {key}")
        if (key in self.scrapes) is (verb == "Create"):
            return 200, {"Code": 409 if verb == "Create" else 404, "Message": f"{verb}: wrong state."}
        if query.get("DryRun", "").lower() != "true":
            document.setdefault("metadata", {})["creationTimestamp"] = "2026-01-01T00:00:00Z"
            self.scrapes[key] = yaml.safe_dump(document)
        data = "net-exporter" if noun == "EnvCustomJob" else {"MatchedTargetCount": 3}
        return 200, {**OK, "Data": data}

    def _cms(self, method: str, path: list[str], query: dict[str, str], body: dict[str, Any]) -> Answer:
        assert path[:3] == ["prometheus-instances", CLUSTER, "agg-task-groups"]
        if body:
            document = yaml.safe_load(body["aggTaskGroupConfig"])
            if len(document["groups"]) != 1 or body["targetPrometheusId"] != CLUSTER or self.version != "V2":
                self.broken.append("recording rules of a task")
        match method, path[3:]:
            case "GET", []:
                names = json.loads(query["filterAggTaskGroupNames"])
                hidden = ("aggTaskGroupConfig",)
                found = [
                    {key: value for key, value in task.items() if key not in hidden}
                    for task in self.tasks.values()
                    if task["aggTaskGroupName"] in names
                ]
                return 200, {"aggTaskGroups": found, "totalCount": len(found)}
            case "GET", [number]:
                return 200, {"aggTaskGroup": self.tasks[number], "success": True}
            case "POST", []:
                number = f"aggTaskGroup-{len(self.tasks) + 1}"
                if any(each["aggTaskGroupName"] == body["aggTaskGroupName"] for each in self.tasks.values()):
                    return 409, {"code": "AggTaskGroupExists", "message": "The name is in use."}
                self.tasks[number] = {"aggTaskGroupId": number, **body}
            case _, [number]:
                self.tasks[number] |= body
        return 200, {"aggTaskGroupId": number}
