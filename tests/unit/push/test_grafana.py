"""Pushing three small dashboards to a Grafana that keeps versions and misbehaves."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from dashboards.push.grafana import Grafana
from dashboards.push.server import Server
from dashboards.push.steps import Action, PushError, RefusedError, UnsureError, converge
from exporter.errors import UsageError
from tests.unit.push.fake_grafana import TOKEN, Failure, FakeGrafana

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

UIDS = ("net-a", "net-b", "net-c")


def board(uid: str, description: str = "First.") -> dict[str, Any]:
    return {
        "uid": uid,
        "id": None,
        "title": f"Board {uid}",
        "description": description,
        "panels": [{"id": 1, "title": "One"}, {"id": 2, "title": "Two"}],
        "templating": {"list": [{"type": "datasource", "name": "datasource", "current": {}}, {"type": "query"}]},
        "version": 1,
    }


def target(fake: FakeGrafana, description: str = "First.", timeout: float = 20, **options: str | bool) -> Grafana:
    server = Server(fake.url, TOKEN, timeout=timeout, sleep=lambda _: None)
    made = partial(Grafana, server, lambda old: [board(uid, f"{description} {old}") for uid in UIDS], folder="Network")
    return made(**options)


def pushed(found: Grafana) -> dict[str, str]:
    steps = converge(found, found.plan(), sleep=lambda _: None)
    return {step.name: step.action.value + (f": {step.why}" if step.why else "") for step in steps}


def planned(found: Grafana) -> dict[str, str]:
    return {step.name: step.action.value for step in found.plan()}


ALL = dict.fromkeys(("Network", *UIDS), "create")
NONE = dict.fromkeys(("Network", *UIDS), "skip")


def test_a_first_run_creates_all_and_a_second_nothing(grafana: FakeGrafana) -> None:
    assert pushed(target(grafana)) == ALL
    assert grafana.folders["network"]["title"] == "Network"
    assert {uid: grafana.boards[uid]["meta"]["folderUid"] for uid in UIDS} == dict.fromkeys(UIDS, "network")
    assert grafana.saved("net-a") == {**board("net-a", "First. False"), "id": 1}
    writes = list(grafana.writes)
    assert pushed(target(grafana)) == NONE
    assert grafana.writes == writes


def test_a_plan_writes_nothing(grafana: FakeGrafana) -> None:
    assert planned(target(grafana)) == ALL
    assert (grafana.writes, grafana.boards, grafana.folders) == ([], {}, {})


def test_a_changed_dashboard_is_updated_where_it_was_moved_to(grafana: FakeGrafana) -> None:
    pushed(target(grafana))
    grafana.folders["mine"] = {"uid": "mine", "title": "Mine", "id": 7}
    grafana.boards["net-b"]["meta"]["folderUid"] = "mine"
    assert pushed(target(grafana, "Second.")) == {"Network": "skip"} | dict.fromkeys(UIDS, "update")
    assert grafana.saved("net-b")["description"] == "Second. False"
    assert grafana.boards["net-b"]["meta"]["folderUid"] == "mine"
    assert [each["version"] for each in grafana.boards["net-b"]["versions"]] == [1, 2]


def test_an_edited_dashboard_is_reported_and_left_alone(grafana: FakeGrafana) -> None:
    pushed(target(grafana))
    grafana.edit("net-b")
    told = (
        "leave: edited in Grafana: version 2 is of alice, 2026-01-02T00:00:00Z; version 1 was pushed; "
        "--overwrite replaces it"
    )
    assert pushed(target(grafana)) == {**NONE, "net-b": told}
    assert pushed(target(grafana, "Second.")) == {
        "Network": "skip",
        "net-a": "update",
        "net-b": told,
        "net-c": "update",
    }
    assert len(grafana.saved("net-b")["panels"]) == 1
    assert pushed(target(grafana, "Second.", overwrite=True)) == {**NONE, "net-b": "update"}
    assert len(grafana.saved("net-b")["panels"]) == 2
    assert pushed(target(grafana, "Second.")) == NONE


def test_a_dashboard_of_another_origin_is_left_alone(grafana: FakeGrafana) -> None:
    pushed(target(grafana))
    for version in grafana.boards["net-a"]["versions"]:
        version["message"] = "by hand"
    assert planned(target(grafana)) == NONE  # as it holds the same
    [step] = [step for step in target(grafana, "Second.").plan() if step.name == "net-a"]
    assert step.action is Action.LEAVE
    assert step.why.endswith("it was never pushed; --overwrite replaces it")


def test_a_provisioned_dashboard_is_left_alone_even_when_overwriting(grafana: FakeGrafana) -> None:
    pushed(target(grafana))
    grafana.boards["net-a"]["meta"]["provisioned"] = True
    found = pushed(target(grafana, "Second.", overwrite=True))
    assert found["net-a"] == "leave: Grafana takes it from a file; end the provisioning or update it"


def test_a_grafana_that_migrates_what_it_saves_is_no_edit(grafana: FakeGrafana) -> None:
    pushed(target(grafana))
    for uid in UIDS:
        grafana.saved(uid)["schemaVersion"] = 42
    assert planned(target(grafana)) == NONE


@pytest.mark.parametrize("version", ["7.5.17", "8.3.11", "8.5.0", "9.0.0", "10.4.1", "11.2.0-pre", "12.1.0"])
def test_every_generation_of_the_interface(version: str) -> None:
    with FakeGrafana(version) as fake:
        assert pushed(target(fake)) == ALL
        assert pushed(target(fake)) == NONE
        assert pushed(target(fake, "Second.")) == {"Network": "skip"} | dict.fromkeys(UIDS, "update")
        old = version.startswith(("7", "8.3"))
        assert fake.saved("net-a")["description"] == f"Second. {old}"
        assert ("folderId" in fake.boards["net-a"]["meta"]) is old


def test_a_folder_of_that_title_is_used(grafana: FakeGrafana) -> None:
    grafana.folders["x1"] = {"uid": "x1", "title": "Network", "id": 3}
    assert pushed(target(grafana)) == {**ALL, "Network": "skip"}
    assert grafana.boards["net-a"]["meta"]["folderUid"] == "x1"


def test_the_data_source_is_chosen_by_name_or_uid(grafana: FakeGrafana) -> None:
    grafana.sources = [{"name": "Prod", "uid": "p1", "type": "prometheus"}, {"name": "L", "uid": "l1", "type": "loki"}]
    pushed(target(grafana, source="Prod"))
    current = {"selected": True, "text": "Prod", "value": "p1"}
    assert grafana.saved("net-a")["templating"]["list"] == [
        {"type": "datasource", "name": "datasource", "current": current},
        {"type": "query"},
    ]
    assert planned(target(grafana, source="p1")) == NONE
    assert set(planned(target(grafana)).values()) == {"skip", "update"}
    with pytest.raises(RefusedError, match="no data source of name or uid 'nope'"):
        target(grafana, source="nope")
    with pytest.raises(RefusedError, match="data source 'L' is of type 'loki'; choose one of type 'prometheus'"):
        target(grafana, source="L")


SAVE, READ = "/api/dashboards/db", "/api/dashboards/uid"
TROUBLES = [
    [Failure(SAVE, 429, headers=(("Retry-After", "7"),))],
    [Failure(SAVE, 500)],
    [Failure(SAVE, 502, done=True, body=b"<html>bad gateway</html>")],
    [Failure(SAVE, 0)],
    [Failure(SAVE, 0, done=True)],
    [Failure("/api/folders", 503)],
    [Failure("/api/folders", 0, done=True)],
    [Failure(SAVE, 500), Failure(READ, 429), Failure(READ, 503), Failure(READ, 0)],
    [Failure(SAVE, 500)] * 3 + [Failure(READ, 500)] * 3,
    [Failure(SAVE, 0, done=True), Failure(SAVE, 500), Failure(SAVE, 504, done=True)],
    [Failure(SAVE, 500)] + [Failure("/api/folders", 503)] * 4,
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_on_the_way_neither_doubles_nor_loses(grafana: FakeGrafana, trouble: list[Failure]) -> None:
    found = target(grafana)
    steps = found.plan()
    grafana.failures.extend(trouble)
    result = converge(found, steps, sleep=lambda _: None)
    assert {step.name: step.action.value for step in result} == ALL
    assert {uid: len(grafana.boards[uid]["versions"]) for uid in UIDS} == dict.fromkeys(UIDS, 1)
    assert list(grafana.folders) == ["network"]
    assert not grafana.failures
    assert pushed(target(grafana)) == NONE


def test_an_answer_that_never_comes_neither_doubles_nor_loses(grafana: FakeGrafana) -> None:
    found = target(grafana, timeout=3)
    steps = found.plan()
    grafana.failures.extend([Failure(SAVE, -1, done=True), Failure(SAVE, -1)])
    result = converge(found, steps, sleep=lambda _: None)
    assert {step.name: step.action.value for step in result} == ALL
    assert {uid: len(grafana.boards[uid]["versions"]) for uid in UIDS} == dict.fromkeys(UIDS, 1)


def test_trouble_that_lasts_is_told_and_the_next_run_finishes(grafana: FakeGrafana) -> None:
    grafana.failures.extend([Failure(SAVE, 500)] * 50)
    found = pushed(target(grafana))
    assert found["Network"] == "create"
    assert found["net-a"] == f"fail: {grafana.url}{SAVE} answers 500: failed on purpose"
    assert Counter(text.partition(":")[0] for text in found.values()) == {"create": 1, "fail": 3}
    grafana.failures.clear()
    assert pushed(target(grafana)) == {**ALL, "Network": "skip"}


def test_the_wish_of_the_server_is_kept_within_bounds(grafana: FakeGrafana) -> None:
    pauses: list[float] = []
    found = target(grafana)
    plan = found.plan()
    grafana.failures.extend(Failure(SAVE, 429, headers=(("Retry-After", wish),)) for wish in ("7", "86400"))
    converge(found, plan, sleep=pauses.append)
    assert pauses == [30.0]


def test_somebody_who_saves_at_the_same_moment_wins(grafana: FakeGrafana) -> None:
    pushed(target(grafana))
    found = target(grafana, "Second.")
    steps = found.plan()
    grafana.edit("net-b", "bob")
    result = {step.name: step for step in converge(found, steps, sleep=lambda _: None)}
    assert result["net-b"].action is Action.LEAVE
    assert result["net-b"].why.startswith("edited in Grafana: version 2 is of bob")
    assert result["net-a"].action is result["net-c"].action is Action.UPDATE


def test_a_title_in_use_is_told_with_what_to_do(grafana: FakeGrafana) -> None:
    pushed(target(grafana))
    grafana.boards["theirs"] = grafana.boards.pop("net-b")
    found = pushed(target(grafana))
    assert re.fullmatch(
        "fail: .*answers 412: A dashboard with the same name already exists; rename the other dashboard of that title "
        "or choose another --folder",
        found.pop("net-b"),
    )
    assert set(found.values()) == {"skip"}


def test_a_plugin_s_dashboard_is_told(grafana: FakeGrafana) -> None:
    grafana.failures.append(
        Failure(SAVE, 412, body=b'{"status": "plugin-dashboard", "message": "Belongs to a plugin"}')
    )
    assert pushed(target(grafana))["net-a"] == f"fail: {grafana.url}{SAVE} answers 412: Belongs to a plugin"


HTML = b"<!DOCTYPE html><title>Sign in</title>"


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (Failure("/api/health", 200, body=HTML), "answers text/html (200) instead of JSON; is this address Grafana's"),
        (Failure("/api/health", 404, body=HTML), "answers text/html (404) instead of JSON"),
        (Failure("/api/health", 200, body=b"[1]"), "tells no version; is this the address of a Grafana?"),
        (Failure("/api/health", 200, body=b'{"version": "x"}'), "tells no version"),
        (Failure("/api/health", 404), "tells no version"),
        (Failure("/api/health", 302, headers=(("Location", "/login"),)), "leads to /login; use that address"),
        (Failure("/api/health", 401), "refuses the token (401); set GRAFANA_TOKEN to one of a service account"),
        (Failure("/api/folders", 403), "is not allowed (403): failed on purpose; give the service account role Editor"),
        (Failure(READ, 200, body=b"{}"), ""),
    ],
)
def test_what_is_no_grafana_or_refuses_ends_before_anything_is_written(
    grafana: FakeGrafana, failure: Failure, message: str
) -> None:
    pushed_before = message == ""
    if pushed_before:
        pushed(target(grafana))
        message = "answers about dashboard net-a as no known Grafana does"
    writes = list(grafana.writes)
    grafana.failures.append(failure)
    with pytest.raises(RefusedError, match=re.escape(message)) as error:
        target(grafana).plan()
    assert "\n" not in str(error.value)
    assert grafana.writes == writes


def test_a_token_that_is_withdrawn_on_the_way_ends_the_run(grafana: FakeGrafana) -> None:
    found = target(grafana)
    steps = found.plan()
    grafana.failures.append(Failure(SAVE, 401))
    with pytest.raises(RefusedError, match="refuses the token"):
        converge(found, steps, sleep=lambda _: None)
    assert pushed(target(grafana)) == {**ALL, "Network": "skip"}


def test_a_wrong_token_is_one_line(grafana: FakeGrafana) -> None:
    with pytest.raises(RefusedError, match="refuses the token"):
        Grafana(Server(grafana.url, "wrong"), lambda _: [], folder="Network")


def test_a_netrc_file_does_not_replace_the_token(
    grafana: FakeGrafana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n", "utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert planned(target(grafana)) == ALL


def test_a_server_that_never_answers_is_unsure(grafana: FakeGrafana) -> None:
    grafana.failures.append(Failure("/api/folders", -1))
    with pytest.raises(UnsureError, match=r"does not answer within 0\.2 s"):
        Server(grafana.url, TOKEN, timeout=0.2).post("/api/folders", {})


def test_nobody_there_is_one_line() -> None:
    with FakeGrafana() as fake:
        url = fake.url
    with pytest.raises(PushError, match=f"cannot reach {url}: Connection refused"):
        Server(url, TOKEN, sleep=lambda _: None).get("/api/health")


@pytest.mark.parametrize(
    "url",
    ["", "grafana", "ftp://grafana", "http://", "http://grafana:99999", "http://g/?orgId=1", "http://g/#x", "http://["],
)
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"{url!r} is no address of a Grafana")):
        Server(url, TOKEN)


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match="holds a user name") as error:
        Server("https://admin:secret@grafana", TOKEN)
    assert "secret" not in str(error.value)


def test_a_path_below_which_grafana_is_served_stays() -> None:
    assert Server("https://example.com/grafana/", TOKEN).url == "https://example.com/grafana"


def names(steps: Iterable[Any]) -> list[str]:
    return [step.name for step in steps]


def test_outcomes_are_in_the_order_of_the_plan(grafana: FakeGrafana) -> None:
    found = target(grafana)
    steps = found.plan()
    grafana.failures.append(Failure(SAVE, 500))
    assert names(converge(found, steps, sleep=lambda _: None)) == names(steps)
