from __future__ import annotations

import threading

from exporter.events.selection import Selection
from exporter.events.stream_messages import Meta, Reply, decode_reply
from exporter.sinks.grpc.watchers import Watchers


def nothing() -> None:
    pass


def replies(*names: str, pod: str = "web") -> list[Reply]:
    return [Reply(name, Meta(pod=pod)) for name in names]


def events(*names: str, pod: str = "web") -> list[tuple[object, Reply]]:
    return [(reply.name, reply) for reply in replies(*names, pod=pod)]


def test_everybody_gets_what_it_wants_in_order() -> None:
    watchers = Watchers(most=2, places=10, patience=30)
    everything = watchers.add(Selection(), nothing)
    some = watchers.add(Selection(types=frozenset({"B"}), pods=("w*",)), nothing)
    assert everything is not None
    assert some is not None
    assert watchers.publish([*events("A", "B"), *events("B", pod="db")]) == (0, 0)
    watchers.close()
    assert [decode_reply(content) for content in iter(everything.take, None)] == [
        *replies("A", "B"),
        *replies("B", pod="db"),
    ]
    assert [decode_reply(content) for content in iter(some.take, None)] == replies("B")


def test_who_does_not_read_misses_only_its_own_and_is_told_how_many_where() -> None:
    watchers = Watchers(most=2, places=3, patience=30)
    slow, fast = watchers.add(Selection(), nothing), watchers.add(Selection(), nothing)
    assert slow is not None
    assert fast is not None
    seen = []
    for turn in range(7):
        assert watchers.publish(events(str(turn))) == (int(turn > 2), 0)
        seen.append(fast.take())
    assert [decode_reply(content or b"") for content in seen] == replies(*map(str, range(7)))
    assert [decode_reply(slow.take() or b"").name for _ in range(2)] == ["0", "1"]
    assert watchers.publish(events("7", "8", "9")) == (1, 0)
    watchers.close()
    rest = [decode_reply(content) for content in iter(slow.take, None)]
    assert [(reply.name, reply.lost) for reply in rest] == [("2", 0), ("7", 4), ("8", 0)]


def test_who_reads_nothing_for_too_long_is_hung_up_on() -> None:
    called = threading.Event()
    watchers = Watchers(most=1, places=1, patience=0)
    assert watchers.add(Selection(), called.set) is not None
    assert watchers.publish(events("A")) == (0, 0)
    assert not called.is_set()
    assert watchers.publish(events("B")) == (1, 1)
    assert called.is_set()
    assert watchers.publish(events("C")) == (0, 0)


def test_who_had_nothing_to_read_is_not_stuck() -> None:
    watchers = Watchers(most=1, places=1, patience=30)
    watcher = watchers.add(Selection(types=frozenset({"rare"})), nothing)
    assert watcher is not None
    watcher._read_at -= 3600
    assert watchers.publish(events("rare", "rare")) == (1, 0)
    assert watcher.stuck() < 30


def test_there_are_no_more_than_agreed_until_one_goes() -> None:
    watchers = Watchers(most=1, places=1, patience=30)
    first = watchers.add(Selection(), nothing)
    assert first is not None
    assert watchers.add(Selection(), nothing) is None
    watchers.remove(first)
    assert watchers.add(Selection(), nothing) is not None
    assert len(watchers) == 1


def test_who_comes_after_the_end_gets_nothing() -> None:
    watchers = Watchers(most=1, places=1, patience=30)
    watchers.close()
    late = watchers.add(Selection(), nothing)
    assert late is not None
    assert late.take() is None
