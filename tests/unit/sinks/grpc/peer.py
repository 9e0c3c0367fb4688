"""A client of the event stream made from the peer's public layout alone, by the official protobuf runtime."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
MESSAGE = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
LAYOUT = {
    "Meta": ("node", "pod", "namespace", "netns"),
    "Event": (("meta", "Meta"), "name", "value"),
    "WatchRequest": ("name", ("filter", "Meta")),
    "WatchReply": ("name", ("event", "Event")),
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="inspector.proto", package="proto", syntax="proto3")
    for message, fields in LAYOUT.items():
        made = file.message_type.add(name=message)
        for number, field in enumerate(fields, 1):
            name, inner = (field, None) if isinstance(field, str) else field
            added = made.field.add(name=name, number=number, label=1, type=MESSAGE if inner else TEXT)
            if inner:
                added.type_name = f".proto.{inner}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"proto.{name}")) for name in LAYOUT}


CLASSES = _classes()


@contextmanager
def watch(
    address: str, *, token: str = "", credentials: grpc.ChannelCredentials | None = None, name: str = "", **wanted: str
) -> Iterator[Any]:
    """A call; an iterator of WatchReply. The server has accepted it once `initial_metadata()` returns."""
    request = CLASSES["WatchRequest"](name=name, filter=CLASSES["Meta"](**wanted))
    channel = grpc.secure_channel(address, credentials) if credentials else grpc.insecure_channel(address)
    with channel:
        method = channel.unary_stream(
            "/proto.inspector/WatchEvent",
            request_serializer=CLASSES["WatchRequest"].SerializeToString,
            response_deserializer=CLASSES["WatchReply"].FromString,
        )
        call = method(request, metadata=(("authorization", f"Bearer {token}"),) if token else None)
        yield call
        call.cancel()
