from __future__ import annotations

from exporter.sinks.loki.streams import Streams

FIXED = {"job": "kubeskoop", "node": "node-a"}
HOUR = 3600.0


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_stream_is_of_a_pod_and_a_type_and_its_labels_are_sorted() -> None:
    streams = Streams(FIXED, 10, _Clock())
    assert streams.labels("TCPRESET_NOSOCK", "shop", "web-0") == (
        ("job", "kubeskoop"),
        ("namespace", "shop"),
        ("node", "node-a"),
        ("pod", "web-0"),
        ("type", "TCPRESET_NOSOCK"),
    )


def test_what_is_not_known_is_no_label() -> None:
    streams = Streams(FIXED, 10, _Clock())
    assert streams.labels("BIOLAT", "", "") == (("job", "kubeskoop"), ("node", "node-a"), ("type", "BIOLAT"))


def test_pods_beyond_the_limit_share_one_stream_for_each_type_and_are_counted() -> None:
    streams = Streams(FIXED, 3, _Clock())
    own = [streams.labels("A", "shop", f"web-{number}") for number in range(3)]
    shared = [streams.labels(kind, "shop", f"web-{number}") for number in range(3, 8) for kind in "AB"]
    assert len(set(own)) == 3
    assert set(shared) == {(*FIXED.items(), ("pod", "_other"), ("type", kind)) for kind in "AB"}
    assert streams.folded == 10
    assert [streams.labels("A", "shop", f"web-{number}") for number in range(3)] == own


def test_the_node_has_its_streams_whatever_the_limit() -> None:
    streams = Streams(FIXED, 1, _Clock())
    streams.labels("A", "shop", "web-0")
    assert streams.labels("B", "", "") == (*FIXED.items(), ("type", "B"))
    assert streams.folded == 0


def test_a_stream_that_was_idle_for_an_hour_makes_place_and_the_longest_idle_one_first() -> None:
    clock = _Clock()
    streams = Streams(FIXED, 2, clock)
    streams.labels("A", "shop", "old")
    clock.now = 10.0
    streams.labels("A", "shop", "young")
    clock.now = HOUR + 5
    assert ("pod", "new") in streams.labels("A", "shop", "new")
    assert ("pod", "_other") in streams.labels("A", "shop", "old")
    clock.now = HOUR + 10
    assert ("pod", "old") in streams.labels("A", "shop", "old")


def test_what_is_remembered_does_not_grow_with_the_pods_that_come_and_go() -> None:
    clock = _Clock()
    streams = Streams(FIXED, 5, clock)
    for number in range(1000):
        clock.now += HOUR / 2
        streams.labels("A", "shop", f"web-{number}")
    assert len(streams._used) == 5
    assert len(streams._labels) <= 6


def test_use_keeps_a_stream() -> None:
    clock = _Clock()
    streams = Streams(FIXED, 2, clock)
    for clock.now, pod in ((0.0, "busy"), (10.0, "quiet"), (20.0, "busy"), (HOUR + 15, "new"), (HOUR + 15, "busy")):
        assert ("pod", pod) in streams.labels("A", "shop", pod)
    assert ("pod", "_other") in streams.labels("A", "shop", "quiet")
