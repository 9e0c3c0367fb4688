"""The real client against a server that is an API server in all that is asked of it, good and bad."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING

import pytest

from exporter.errors import ApiError, ApiFault
from exporter.identity.credentials import Credentials
from exporter.identity.pod_api import PodApi, Timeouts
from exporter.identity.pod_cache import PodCache
from exporter.identity.pod_object import KnownPod
from exporter.model import identity_health
from exporter.model.pod import PodFacts
from exporter.runtime.pod_watch import PodWatch
from tests.api_server import TOKEN, ApiServer, Truth, pod, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.api_server import Request

QUICK = Timeouts(connect=2.0, answer=2.0, quiet=2.0)


class Cluster:
    """A server, a client that watches it, and what the client knows.

    Args:
        folder: for files.
    """

    def __init__(self, folder: Path) -> None:
        self.truth = Truth()
        self.server = ApiServer(self.truth)
        self.kubeconfig = folder / "kubeconfig"
        self.sign_in(TOKEN)
        self.cache = PodCache()
        self.watch = PodWatch(self.connect, self.cache, first_pause=0.02)

    def sign_in(self, token: str) -> None:
        content = {
            "clusters": [{"name": "c", "cluster": {"server": self.server.url}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        self.kubeconfig.write_text(json.dumps(content))

    def connect(self, timeouts: Timeouts = QUICK) -> PodApi:
        return PodApi(Credentials(str(self.kubeconfig), self.kubeconfig.parent, {}), "node-a", timeouts)

    def names(self) -> set[str]:
        return {each.name for each in self.cache.pods.values()}

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for the client; what it got to is asserted by the test."""
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, (self.names(), self.errors(), self.truth.requests[-5:])
            time.sleep(0.01)

    def errors(self) -> dict[str, float]:
        counts = self.watch.samples()[identity_health.ERRORS]
        return {reason: count for (reason,), count in counts.items() if count}

    def outage(self) -> None:
        self.server.stop()

    def back(self) -> None:
        self.server = ApiServer(self.truth, port=self.server.server_port)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.watch.stop()
    made.server.stop()
    assert made.truth.faults == []


def test_pods_are_listed_and_changes_followed(cluster: Cluster) -> None:
    cluster.truth.put(pod("web-0", "u0", ip="10.0.0.7"), pod("agent", "u1", "kube-system", host_network=True))
    cluster.watch.start()
    cluster.until(lambda: cluster.names() == {"web-0", "agent"})
    assert cluster.cache.pods == {
        "u0": KnownPod("u0", "shop", "web-0", in_host_network=False, facts=PodFacts({"app": "web-0"}, "10.0.0.7")),
        "u1": KnownPod("u1", "kube-system", "agent", in_host_network=True, facts=PodFacts({"app": "agent"}, "")),
    }
    cluster.truth.put(pod("web-1", "u2"))
    cluster.truth.put(pod("web-0", "u0", ip="10.0.0.8"))
    cluster.truth.delete("u1")
    cluster.until(lambda: cluster.names() == {"web-0", "web-1"})
    assert cluster.cache.pods["u0"].facts == PodFacts({"app": "web-0"}, "10.0.0.8")
    assert cluster.errors() == {}
    first = cluster.truth.requests[0]
    assert (first.token, first.query["resourceVersion"]) == (TOKEN, "0")


def test_a_list_comes_in_pages_where_the_server_wants_it(cluster: Cluster) -> None:
    cluster.truth.caches, cluster.truth.page = False, 3
    cluster.truth.put(*(pod(f"web-{index}", f"u{index}") for index in range(8)))
    cluster.watch.start()
    cluster.until(lambda: cluster.names() == {f"web-{index}" for index in range(8)})
    assert [each.query.get("continue", "-") for each in cluster.truth.requests[:3]] == ["-", "108/3", "108/6"]


def test_a_static_pod_is_known_by_what_the_kubelet_calls_it(cluster: Cluster) -> None:
    cluster.truth.put(pod("etcd-a", "u0", annotations={"kubernetes.io/config.mirror": "d41d8cd9"}))
    cluster.watch.start()
    cluster.until(cluster.names)
    assert set(cluster.cache.pods) == {"d41d8cd9"}


def test_labels_named_as_what_is_dropped_are_kept(cluster: Cluster) -> None:
    cluster.truth.put(pod("web-0", "u0", labels={"app": "x", "env": "prod", "volumes": "many"}))
    listed = cluster.connect().list(newest=False).pods[0]
    assert listed["metadata"]["labels"] == {"app": "x", "env": "prod", "volumes": "many"}
    assert "managedFields" not in listed["metadata"]
    assert "containers" not in listed["spec"]


def test_bookmarks_move_on_where_a_watch_begins_again(cluster: Cluster) -> None:
    cluster.truth.bookmark_seconds = 0.05
    cluster.truth.put(pod("web-0", "u0"))
    cluster.watch.start()
    cluster.until(lambda: cluster.truth.watching)
    cluster.truth.forget()  # the list's version is too old from here on, the bookmark's is not
    version = str(cluster.truth.version)
    cluster.until(lambda: cluster.watch._version == version)
    cluster.outage()
    cluster.back()
    cluster.until(lambda: cluster.truth.requests[-1].query.get("resourceVersion") == version)
    assert cluster.watch.samples()[identity_health.LISTS] == {(): 1}


@pytest.mark.parametrize("by_status", [True, False])
def test_an_expired_version_leads_to_a_new_list_of_what_is_there_now(cluster: Cluster, *, by_status: bool) -> None:
    cluster.truth.put(pod("web-0", "u0"), pod("web-1", "u1"))
    served = []

    def expired(request: Request) -> tuple[int, bytes] | None:
        if "watch" in request.query and by_status and not served:
            served.append(request)
            cluster.truth.delete("u0")
            return 410, status(410, "too old resource version")
        return None

    def expired_in_stream(request: Request) -> Iterator[bytes] | None:
        if by_status or served:
            return None
        served.append(request)
        cluster.truth.delete("u0")
        return iter([b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}\n'])

    cluster.truth.answer, cluster.truth.feed = expired, expired_in_stream
    cluster.watch.start()
    cluster.until(lambda: cluster.names() == {"web-1"})
    lists = [
        each.query.get("resourceVersion", "newest") for each in cluster.truth.requests if "watch" not in each.query
    ]
    assert lists == ["0", "newest"]  # a cache that lags may still have the version that has expired
    assert cluster.errors() == {"expired": 1}


def test_names_outlive_an_outage_and_what_changed_meanwhile_is_learnt_after_it(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    cluster.truth.put(pod("web-0", "u0"), pod("web-1", "u1"))
    cluster.watch.start()
    cluster.until(lambda: cluster.truth.watching)
    cluster.outage()
    cluster.until(lambda: cluster.errors().get("unreachable", 0) > 1)
    assert cluster.names() == {"web-0", "web-1"}
    assert cluster.watch.samples()[identity_health.CONNECTED] == {(): False}
    cluster.truth.delete("u0")
    cluster.truth.put(pod("web-2", "u2"))
    cluster.back()
    cluster.until(lambda: cluster.names() == {"web-1", "web-2"})
    assert cluster.watch.samples()[identity_health.CONNECTED] == {(): True}
    told = [each.message for each in caplog.records if each.name == "exporter.runtime.pod_watch"]
    assert told[0].startswith(f"pods are not told of by the API server, 2 pods keep their names: {cluster.server.url}")
    assert told[-1] == "no longer: pods are not told of by the API server"


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        ((403, status(403, 'pods is forbidden: User "x" cannot list')), "forbidden", "get, list and watch of pods"),
        ((500, status(500, "etcdserver: leader changed")), "server", "500 etcdserver: leader changed"),
        ((503, b"<html>busy</html>"), "server", "busy"),
        ((429, status(429, "too many requests")), "server", "429 too many requests"),
        ((302, b""), "server", "302"),
        ((200, b"\xff\x00garbage"), "garbage", "expected JSON"),
        ((200, b"[]"), "garbage", "expected a JSON object"),
        ((200, b'{"items": {}}'), "garbage", "expected a PodList"),
        ((200, b'{"metadata": {}, "items": []}'), "garbage", "expected a resourceVersion"),
        ((200, b"[" * 100_000), "garbage", "expected JSON"),
        ((200, b""), "garbage", "expected JSON"),
    ],
)
def test_a_refusal_is_told_with_the_server_and_over_when_it_is_over(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, answer: tuple[int, bytes], reason: str, words: str
) -> None:
    cluster.truth.put(pod("web-0", "u0"))
    cluster.truth.answer = lambda _: answer
    cluster.watch.start()
    cluster.until(lambda: cluster.errors().get(reason, 0) > 1)
    assert set(cluster.errors()) == {reason}
    warning = next(each.message for each in caplog.records if each.levelno == logging.WARNING)
    assert warning.startswith(f"pods are not told of by the API server, no pod has a name yet: {cluster.server.url}")
    assert words in warning
    cluster.truth.answer = lambda _: None
    cluster.until(lambda: cluster.names() == {"web-0"})


def test_a_wrong_token_is_told_and_the_right_one_taken_from_the_file_without_a_restart(cluster: Cluster) -> None:
    cluster.truth.put(pod("web-0", "u0"))
    cluster.truth.token = "rotated"  # noqa: S105 - of a server that lives for one test
    cluster.watch.start()
    cluster.until(lambda: cluster.errors().get("unauthorised", 0) > 1)
    assert cluster.names() == set()
    cluster.sign_in("rotated")
    cluster.until(lambda: cluster.names() == {"web-0"})


@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b"[]\n",
        b'{"type": "ADDED"}\n',
        b'{"type": "ADDED", "object": [1]}\n',
        b'{"type": "ERROR", "object": {"code": "x"}}\n',
        b'{"type": "ADDED", "object": {"metadata": 7}}\n',
        b'{"type": "ADDED", "object": {"metadata": {"uid": 1, "name": [], "namespace": {}}}}\n',
        b"x" * (5 << 20),
    ],
    ids=["text", "list", "no object", "no pod", "error", "number", "wrong types", "endless"],
)
def test_rubbish_in_a_watch_harms_nobody(cluster: Cluster, line: bytes) -> None:
    cluster.truth.put(pod("web-0", "u0"))
    served = []

    def feed(request: Request) -> Iterator[bytes] | None:
        if served:
            return None
        served.append(request)
        return iter([line])

    cluster.truth.feed = feed
    cluster.watch.start()
    cluster.until(lambda: served)
    cluster.truth.put(pod("web-1", "u1"))
    cluster.until(lambda: cluster.names() == {"web-0", "web-1"})
    assert sum(cluster.errors().values()) == 1


def test_events_in_small_pieces_are_put_together(cluster: Cluster) -> None:
    cluster.truth.put(pod("web-0", "u0"))
    text = b"".join(
        json.dumps({"type": "ADDED", "object": pod(f"late-{index}", f"l{index}")}).encode() + b"\n"
        for index in range(3)
    )

    def feed(_: Request) -> Iterator[bytes]:
        yield from (text[at : at + 701] for at in range(0, len(text), 701))
        with cluster.truth.changed:  # and stay, as a watch does
            cluster.truth.changed.wait_for(lambda: cluster.server.ending, 30)

    cluster.truth.feed = feed
    cluster.watch.start()
    cluster.until(lambda: cluster.names() == {"web-0", "late-0", "late-1", "late-2"})


def test_a_server_that_says_nothing_is_given_up(cluster: Cluster) -> None:
    def silent(_: Request) -> Iterator[bytes]:
        with cluster.truth.changed:
            cluster.truth.changed.wait_for(lambda: cluster.server.ending, 30)
        yield b""

    cluster.truth.feed = silent
    hurried = Timeouts(connect=2.0, answer=2.0, quiet=0.2)
    watch = PodWatch(lambda: cluster.connect(hurried), cluster.cache, first_pause=0.02)
    watch.start()
    cluster.until(lambda: watch.samples()[identity_health.ERRORS]["unreachable",] > 1)
    watch.stop()
    assert not watch.is_alive()


def test_stopping_does_not_wait_for_a_watch(cluster: Cluster) -> None:
    cluster.watch.start()
    cluster.until(lambda: cluster.truth.watching)
    cluster.watch.stop()
    cluster.watch.join(30)
    assert not cluster.watch.is_alive()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "file is empty"),
        ("[]", "not a kubeconfig"),
        ("{", "flow node"),
        ('{"current-context": "none", "contexts": []}', "none"),
    ],
)
def test_a_kubeconfig_that_is_none_is_said_with_its_name(cluster: Cluster, content: str, words: str) -> None:
    cluster.kubeconfig.write_text(content)
    with pytest.raises(ApiError) as raised:
        cluster.connect()
    assert raised.value.fault is ApiFault.CREDENTIALS
    assert str(raised.value).startswith(f"{cluster.kubeconfig}: ")
    assert words in str(raised.value)


def test_too_many_pods_are_cut_and_counted() -> None:
    cache = PodCache(most=2)
    cache.replace(
        KnownPod(f"u{index}", "shop", f"web-{index}", in_host_network=False, facts=PodFacts({}, ""))
        for index in range(5)
    )
    assert (len(cache.pods), cache.cut) == (2, 3)


def test_a_pod_of_a_name_that_is_taken_has_ended_the_other() -> None:
    cache = PodCache()
    cache.put(KnownPod("u0", "shop", "web-0", in_host_network=False, facts=PodFacts({}, "")))
    cache.put(KnownPod("u1", "shop", "web-0", in_host_network=False, facts=PodFacts({}, "")))
    assert set(cache.pods) == {"u1"}


def test_text_that_no_exposition_can_hold_is_replaced(cluster: Cluster) -> None:
    cluster.truth.put(pod("web-\ud800", "u0", labels={"app": "a\udfffb"}, ip="\ud801"))
    cluster.watch.start()
    cluster.until(cluster.names)
    assert cluster.cache.pods["u0"] == KnownPod(
        "u0", "shop", "web-?", in_host_network=False, facts=PodFacts({"app": "a?b"}, "?")
    )
