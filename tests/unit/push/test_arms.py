"""Rules and scrape configurations pushed to services that check every signature and fail in every way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from alibabacloud_credentials.utils import auth_util

import alerts
from alerts import recording, rulefile
from alerts.totals import RULES
from alerts.words import Links
from dashboards.push.steps import Action, PushError, RefusedError, UnsureError, converge
from exporter import registry
from exporter.model.metric import Naming
from exporter.model.promql import Rendering
from scrape import limits
from scrape.arms import alerting
from scrape.arms.calls import Call, Service
from scrape.arms.instance import Instance
from scrape.arms.recording import FileOfGroups, TaskOfGroup
from scrape.arms.scraping import FORMS, Scraping
from scrape.arms.sdk import Sdk
from tests.unit.push.fake_arms import CLUSTER, ENVIRONMENT, REGION, Failure, FakeArms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerts.model import AlertRule

pytestmark = pytest.mark.usefixtures("credentials")

RENDERING = Rendering(Naming.KUBESKOOP)
ALL_RULES = list(alerts.rules())
SOME = ALL_RULES[:3]
[GROUP] = rulefile.recordings(recording.GROUP, RULES, RENDERING)["groups"]
NAMES = ["net-exporter/net-exporter", GROUP["name"], *(rule.name for rule in SOME)]
ALL, NONE = dict.fromkeys(NAMES, "create"), dict.fromkeys(NAMES, "skip")


def sdk(fake: FakeArms, timeout: float = 20) -> Sdk:
    return Sdk(REGION, dict.fromkeys(Service, fake.url), timeout=timeout, sleep=lambda _: None)


def target(
    fake: FakeArms,
    rules: Sequence[AlertRule] = SOME,
    runbooks: str = "r",
    form: str = "podmonitor",
    timeout: float = 20,
) -> Instance:
    asked = sdk(fake, timeout)
    wanted = alerting.wanted(rules, RENDERING, Links("https://g", runbooks, "0123"), CLUSTER, REGION)
    task = FileOfGroups(asked, GROUP, CLUSTER, REGION) if fake.version == "V1" else TaskOfGroup(asked, GROUP, CLUSTER)
    within = limits.of(registry.load(), Naming.KUBESKOOP)
    scraping = Scraping(asked, FORMS[form], ENVIRONMENT, REGION, within)
    return Instance([scraping, task, alerting.Alerts(asked, wanted, CLUSTER, REGION)])


def pushed(found: Instance) -> dict[str, str]:
    steps = converge(found, found.plan(), sleep=lambda _: None)
    return {step.name: step.action.value + (f": {step.why}" if step.action is Action.FAIL else "") for step in steps}


@pytest.mark.parametrize("version", ["V1", "V2"])
@pytest.mark.parametrize("form", ["servicemonitor", "podmonitor", "customjob"])
def test_a_first_run_creates_all_and_a_second_nothing(version: str, form: str) -> None:
    with FakeArms(version) as fake:
        names = ["net-exporter" if form == "customjob" else NAMES[0], *NAMES[1:]]
        assert pushed(target(fake, form=form)) == dict.fromkeys(names, "create")
        writes = list(fake.writes)
        assert pushed(target(fake, form=form)) == dict.fromkeys(names, "skip")
        assert fake.writes == writes


def test_a_plan_writes_nothing(arms: FakeArms) -> None:
    assert {step.name: step.action.value for step in target(arms).plan()} == ALL
    assert (arms.writes, arms.alerts, arms.tasks, arms.scrapes) == ([], [], {}, {})


def test_every_alert_arrives_with_all_that_can_be_said(arms: FakeArms) -> None:
    pushed(target(arms, ALL_RULES))
    assert [rule["AlertName"] for rule in arms.alerts] == [rule.name for rule in ALL_RULES]
    [found] = [rule for rule in arms.alerts if rule["AlertName"] == "NetUdpSendBufferErrors"]
    ours = {pair["Name"]: pair["Value"] for pair in found["Labels"] + found["Annotations"]}
    ours.pop("_aliyun_arms_involvedObject_kind")
    assert found["PromQL"] == "sum by (k8s_node, k8s_namespace, k8s_pod) (rate(kubeskoop_udp_sndbuferrors[5m])) > 1"
    assert (found["Duration"], found["Level"]) == ("5", "P2")
    assert found["Message"] == (
        "UDP datagrams cannot be sent for lack of buffer. pod {{$labels.k8s_namespace}}/{{$labels.k8s_pod}} on "
        "{{$labels.k8s_node}} fails to send {{$value}} UDP datagrams a second for lack of send buffer."
    )
    assert ours == {
        "severity": "warning",
        "generated_by": "net-exporter",
        "runbook_url": "r/NetUdpSendBufferErrors.md",
        "dashboard_url": "https://g/d/net-exporter-udp?var-node={{$labels.k8s_node}}"
        "&var-namespace={{$labels.k8s_namespace}}&var-pod={{$labels.k8s_pod}}",
        "registry": "0123",
    }


def test_a_changed_rule_is_updated_by_its_id_and_keeps_what_people_set(arms: FakeArms) -> None:
    pushed(target(arms))
    arms.alerts[1] |= {"NotifyStrategy": "17", "AlertStatus": "STOPPED", "AlertGroup": 4}
    assert pushed(target(arms, runbooks="elsewhere")) == {**NONE, **dict.fromkeys(NAMES[2:], "update")}
    assert [rule["AlertId"] for rule in arms.alerts] == [100, 101, 102]
    kept = {key: arms.alerts[1][key] for key in ("NotifyStrategy", "AlertStatus", "AlertGroup")}
    assert kept == {"NotifyStrategy": "17", "AlertStatus": "STOPPED", "AlertGroup": 4}


def test_a_rule_of_our_name_that_is_not_ours_is_left_alone(arms: FakeArms) -> None:
    pushed(target(arms))
    arms.alerts[0]["Labels"] = []
    before = dict(arms.alerts[0])
    steps = {step.name: step for step in target(arms, runbooks="elsewhere").plan()}
    assert steps[SOME[0].name].action is Action.LEAVE
    assert steps[SOME[0].name].why == "rule 100 of that name is not ours; rename it"
    pushed(target(arms, runbooks="elsewhere"))
    assert arms.alerts[0] == before


def test_two_rules_of_one_name_are_told(arms: FakeArms) -> None:
    pushed(target(arms))
    arms.alerts.append({**arms.alerts[0], "AlertId": 900})
    [step] = [step for step in target(arms).plan() if step.name == SOME[0].name]
    assert (step.action, step.why) == (
        Action.LEAVE,
        "there is more than one of that name (100, 900); delete all but one",
    )


def test_rules_on_a_later_page_are_found(arms: FakeArms) -> None:
    pushed(target(arms))
    others = [{**arms.alerts[0], "AlertName": f"Theirs{number}", "AlertId": 1000 + number} for number in range(250)]
    arms.alerts[:0] = others
    assert pushed(target(arms)) == NONE


FOREIGN = """\
# by hand
groups:
- name: theirs.first
  rules:
  - {record: 'a:b', expr: sum(up)}
- name: theirs.second
  interval: 2m
  rules:
  - {record: 'c:d', expr: sum(up) > 1, labels: {team: net}}
"""


def test_version_1_keeps_the_recording_rules_of_others() -> None:
    with FakeArms("V1", recording=FOREIGN) as fake:
        theirs = yaml.safe_load(FOREIGN)["groups"]
        assert pushed(target(fake))[GROUP["name"]] == "create"
        assert yaml.safe_load(fake.recording)["groups"] == [*theirs, GROUP]
        old = {**GROUP, "rules": GROUP["rules"][:1]}
        fake.recording = yaml.safe_dump({"groups": [theirs[0], old, theirs[1]]})
        assert pushed(target(fake))[GROUP["name"]] == "update"
        assert yaml.safe_load(fake.recording)["groups"] == [theirs[0], GROUP, theirs[1]]


def test_members_that_the_service_adds_are_no_change() -> None:
    with FakeArms("V1") as fake:
        pushed(target(fake))
        whole = yaml.safe_load(fake.recording)
        fake.recording = yaml.safe_dump({"groups": [{**whole["groups"][0], "interval": "1m"}]})
        assert pushed(target(fake)) == NONE


def test_version_1_keeps_a_rule_that_was_added_after_the_plan() -> None:
    with FakeArms("V1") as fake:
        found = target(fake)
        steps = found.plan()
        fake.recording = FOREIGN
        converge(found, steps, sleep=lambda _: None)
        names = [group["name"] for group in yaml.safe_load(fake.recording)["groups"]]
        assert names == ["theirs.first", "theirs.second", GROUP["name"]]


@pytest.mark.parametrize("text", ["groups: [", "- a", "groups: 3", "groups: [3]", "just text"])
def test_version_1_does_nothing_where_it_cannot_read_the_rules_of_others(text: str) -> None:
    with FakeArms("V1", recording=text) as fake:
        with pytest.raises(PushError, match="cannot be read, so nothing is done") as error:
            target(fake).plan()
        assert "\n" not in str(error.value)
        assert (fake.recording, fake.writes) == (text, [])


def test_version_2_updates_its_task_and_leaves_others_alone(arms: FakeArms) -> None:
    pushed(target(arms))
    [number] = arms.tasks
    arms.tasks[number]["aggTaskGroupConfig"] = FOREIGN
    assert pushed(target(arms)) == {**NONE, GROUP["name"]: "update"}
    assert yaml.safe_load(arms.tasks[number]["aggTaskGroupConfig"]) == {"groups": [GROUP]}
    arms.tasks[number]["description"] = "theirs"
    [step] = [step for step in target(arms).plan() if step.name == GROUP["name"]]
    assert (step.action, step.why) == (Action.LEAVE, f"task {number} of that name is not ours; rename it")
    arms.tasks["second"] = {**arms.tasks[number], "aggTaskGroupId": "second"}
    [step] = [step for step in target(arms).plan() if step.name == GROUP["name"]]
    assert step.action is Action.LEAVE
    assert step.why == f"there is more than one task of that name ({number}, second); delete all but one"


def test_scraping_is_checked_before_it_is_done(arms: FakeArms) -> None:
    found = target(arms)
    steps = found.plan()
    arms.failures.append(Failure("CreateEnvPodMonitor", 200, 400))
    result = converge(found, steps, sleep=lambda _: None)
    assert (result[0].action, result[0].why) == (Action.FAIL, "CreateEnvPodMonitor: 400: failed on purpose")
    assert arms.scrapes == {}
    [done] = converge(found, steps[:1], sleep=lambda _: None)
    assert (done.action, done.why) == (Action.CREATE, "finds 3 targets")
    assert arms.writes.count("CreateEnvPodMonitor") == 3


def test_changed_scraping_is_updated(arms: FakeArms) -> None:
    pushed(target(arms))
    [key] = arms.scrapes
    arms.scrapes[key] = arms.scrapes[key].replace("interval: 15s", "interval: 60s")
    assert pushed(target(arms)) == {**NONE, NAMES[0]: "update"}
    assert "interval: 15s" in arms.scrapes[key]
    arms.scrapes[key] = "{"
    assert pushed(target(arms)) == {**NONE, NAMES[0]: "update"}


SAVE, LIST, TASK, SCRAPE = "CreateOrUpdateAlertRule", "GetAlertRules", "CreateAggTaskGroup", "CreateEnvPodMonitor"
TROUBLES = [
    [Failure(SAVE, 400, "Throttling.User")],
    [Failure(SAVE, 429, "TooMany")],
    [Failure(SAVE, 503, "ServiceUnavailable")],
    [Failure(SAVE, 500, done=True)],
    [Failure(SAVE, 502, html=True)],
    [Failure(SAVE, 504, html=True, done=True)],
    [Failure(SAVE, 200, 500)],
    [Failure(SAVE, 200, "InternalError", done=True)],
    [Failure(SAVE, 0)],
    [Failure(SAVE, 0, done=True)],
    [Failure(TASK, 0, done=True), Failure(SAVE, 0, done=True), Failure(SAVE, 500)],
    [Failure(TASK, 500), Failure(TASK, 503, done=True)],
    [Failure(SCRAPE, 0), Failure(SCRAPE, 500)],
    [Failure(SAVE, 500), Failure(LIST, 0), Failure(LIST, 400, "Throttling"), Failure(LIST, 200, 503)],
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_on_the_way_neither_doubles_nor_loses(arms: FakeArms, trouble: list[Failure]) -> None:
    found = target(arms)
    steps = found.plan()
    arms.failures.extend(trouble)
    result = converge(found, steps, sleep=lambda _: None)
    assert {step.name: step.action.value for step in result} == ALL
    assert sorted(rule["AlertName"] for rule in arms.alerts) == sorted(rule.name for rule in SOME)
    assert (len(arms.tasks), len(arms.scrapes), len(arms.failures)) == (1, 1, 0)
    assert pushed(target(arms)) == NONE


def test_an_answer_that_never_comes_neither_doubles_nor_loses(arms: FakeArms) -> None:
    found = target(arms, timeout=3)
    steps = found.plan()
    arms.failures.extend([Failure(SAVE, -1, done=True), Failure(SAVE, -1)])
    result = converge(found, steps, sleep=lambda _: None)
    assert {step.name: step.action.value for step in result} == ALL
    assert sorted(rule["AlertName"] for rule in arms.alerts) == sorted(rule.name for rule in SOME)


def test_trouble_that_lasts_is_told_and_the_next_run_finishes(arms: FakeArms) -> None:
    arms.failures.extend([Failure(SAVE, 503)] * 50)
    found = pushed(target(arms))
    assert found[NAMES[0]] == found[NAMES[1]] == "create"
    assert [text.partition(":")[0] for text in found.values()] == ["create", "create", "fail", "fail", "fail"]
    assert arms.alerts == []
    arms.failures.clear()
    assert pushed(target(arms)) == {**NONE, **dict.fromkeys(NAMES[2:], "create")}


def test_a_rule_that_is_refused_does_not_stop_the_others(arms: FakeArms) -> None:
    arms.failures.append(Failure(SAVE, 400, "InvalidPromQL"))
    found = pushed(target(arms))
    assert found.pop(SOME[0].name).startswith("fail: CreateOrUpdateAlertRule: InvalidPromQL: ")
    assert set(found.values()) == {"create"}


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (Failure(LIST, 403, "NoPermission"), "attach the policy bundle/arms/ram-policy.json to the user"),
        (Failure(LIST, 200, "Forbidden.RAM"), "attach the policy bundle/arms/ram-policy.json to the user"),
        (Failure(LIST, 400, "InvalidSecurityToken.Expired"), "check ALIBABA_CLOUD_ACCESS_KEY_ID and"),
    ],
)
def test_a_refusal_ends_before_anything_is_written(arms: FakeArms, failure: Failure, message: str) -> None:
    arms.failures.append(failure)
    with pytest.raises(RefusedError, match=message) as error:
        target(arms).plan()
    assert "\n" not in str(error.value)
    assert arms.writes == []


def test_a_wrong_secret_is_noticed_by_the_signature(arms: FakeArms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth_util, "environment_access_key_secret", "other")
    with pytest.raises(RefusedError, match="GetAlertRules: SignatureDoesNotMatch"):
        sdk(arms).ask(Call("GetAlertRules", {"RegionId": REGION, "ClusterId": CLUSTER}))
    monkeypatch.setattr(auth_util, "environment_access_key_id", "LTAIother")
    with pytest.raises(RefusedError, match=r"ListAggTaskGroups: InvalidAccessKeyId\.NotFound"):
        sdk(arms).ask(Call("ListAggTaskGroups", {"filterAggTaskGroupNames": "[]"}, (CLUSTER,)))
    assert arms.calls == []


def test_addresses_are_those_of_the_region_unless_named() -> None:
    found = Sdk("cn-wuhan", {Service.CMS: "cms-vpc.cn-wuhan.example.com"})
    assert found._hosts == {Service.ARMS: "arms.aliyuncs.com", Service.CMS: "cms-vpc.cn-wuhan.example.com"}
    found = Sdk(REGION, {})
    assert found._hosts == {Service.ARMS: f"arms.{REGION}.aliyuncs.com", Service.CMS: f"metrics.{REGION}.aliyuncs.com"}


def test_a_service_that_never_answers_is_unsure(arms: FakeArms) -> None:
    arms.failures.append(Failure(SAVE, -1))
    with pytest.raises(UnsureError, match=r"CreateOrUpdateAlertRule: no answer within 0\.5 s"):
        sdk(arms, timeout=0.5).ask(Call(SAVE, {"AlertName": "a", "RegionId": REGION}))


def test_nobody_there_is_one_line() -> None:
    with FakeArms() as fake:
        pass
    with pytest.raises(UnsureError, match="GetAlertRules: cannot reach ARMS: Connection refused"):
        sdk(fake).ask(Call(LIST, {"RegionId": REGION}))


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"null", b'{"PageBean": 7}', b'{"PageBean": {"AlertRules": 3}}'])
def test_an_answer_of_another_shape_is_one_line(arms: FakeArms, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(arms, "reply", lambda *_: (200, body))
    rules: Any = alerting.Alerts(sdk(arms), {}, CLUSTER, REGION)
    with pytest.raises(PushError) as error:
        rules.plan()
    assert "GetAlertRules" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_cannot_be_said_is_told() -> None:
    keeping = [rule.name for rule in ALL_RULES if rule.keep]
    told = alerting.lost(ALL_RULES)
    assert told[0] == (
        f"alert rules: ARMS knows no keep_firing_for; {len(keeping)} rules end at once: {', '.join(keeping)}"
    )
    assert len(told) == 3


def test_every_severity_has_a_level_and_every_duration_fits() -> None:
    wanted = alerting.wanted(ALL_RULES, RENDERING, Links(), CLUSTER, REGION)
    assert {rule["Level"] for rule in wanted.values()} == {"P1", "P2", "P3"}
    for rule in wanted.values():
        assert 1 <= rule["Duration"] <= 1440
        assert "printf" not in rule["Message"]
        assert "{{ " not in rule["Message"]
        json.loads(rule["Annotations"])
