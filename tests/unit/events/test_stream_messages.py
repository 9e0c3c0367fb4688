"""Our codec of the event stream says the same as the official runtime, and refuses what is none."""

from __future__ import annotations

import pytest
from google.protobuf import message
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import SourceError
from exporter.events.stream_messages import (
    Meta,
    Reply,
    Watch,
    decode_reply,
    decode_watch,
    encode_event,
    encode_lost,
    encode_watch,
)
from tests.unit.sinks.grpc.peer import CLASSES

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
META = st.builds(Meta, TEXT, TEXT, TEXT, TEXT)
COUNT = st.integers(0, 2**64 - 1)


@given(TEXT, META)
def test_a_request_is_what_the_official_runtime_reads_and_writes(name: str, wanted: Meta) -> None:
    theirs = CLASSES["WatchRequest"](name=name, filter=CLASSES["Meta"](**wanted._asdict()))
    assert CLASSES["WatchRequest"].FromString(encode_watch(Watch(name, wanted))).filter == theirs.filter
    assert decode_watch(theirs.SerializeToString()) == Watch(name, wanted)


@given(TEXT, META, TEXT, COUNT, COUNT)
def test_an_old_client_reads_a_reply_and_skips_what_it_does_not_know(
    name: str, meta: Meta, value: str, time: int, lost: int
) -> None:
    sent = encode_event(Reply(name, meta, value, time)) + encode_lost(lost)
    read = CLASSES["WatchReply"].FromString(sent)
    told = [read.name, read.event.name, read.event.value, *(getattr(read.event.meta, key) for key in Meta._fields)]
    assert told == [name, name, value, *meta]
    assert decode_reply(sent) == Reply(name, meta, value, time, lost)


@given(TEXT, META, TEXT)
def test_the_reply_of_an_old_server_is_read(name: str, meta: Meta, value: str) -> None:
    event = CLASSES["Event"](name=name, meta=CLASSES["Meta"](**meta._asdict()), value=value)
    sent = CLASSES["WatchReply"](name=name, event=event).SerializeToString()
    assert decode_reply(sent) == Reply(name, meta, value)


def test_an_empty_request_wants_everything() -> None:
    assert decode_watch(b"") == Watch("", Meta("", "", "", ""))


def test_text_that_is_no_unicode_is_sent_as_far_as_it_is() -> None:
    sent = encode_event(Reply("T", Meta(pod="a\udcffb")))
    assert CLASSES["WatchReply"].FromString(sent).event.meta.pod == "a?b"


@given(st.binary(max_size=60))
def test_whatever_arrives_is_read_or_refused(content: bytes) -> None:
    for decode in (decode_watch, decode_reply):
        try:
            decode(content)
        except SourceError as refused:
            assert str(refused).startswith("watch re")  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x0a\x05abc", "watch request: expected 5 bytes of field 1, found b'abc'"),
        (b"\x0a", "watch request: expected a number of at most ten bytes, found b'\\n'"),
        (b"\x80" * 11, f"watch request: expected a number of at most ten bytes, found {bytes([0x80]) * 10!r:.80}"),
        (b"\x08\x01", "watch request: expected a text or message, found 1"),
        (b"\x0b", "watch request: expected -1 bytes of field 1, found b''"),
    ],
)
def test_garbage_is_refused_with_place_and_content(content: bytes, said: str) -> None:
    with pytest.raises(SourceError) as refused:
        decode_watch(content)
    assert str(refused.value) == said
    with pytest.raises(message.DecodeError):
        CLASSES["WatchRequest"].FromString(content if content[0] != 8 else b"\x0b")
