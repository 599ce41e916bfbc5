"""Requests made up from their descriptors: some as they should be, some odd in a field or all."""

from __future__ import annotations

import json
from random import Random

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from fuzz import odd
from fuzz.world import World

_ODDNESS = (0.0, 0.02, 0.02, 0.1, 0.1, 0.3, 1.0)  # of each field of a message, by chance
_DEEPEST = 6  # messages in each other, as a rule
_TOO_DEEP = 90  # protobuf itself reads 100
_SELDOM = {"from", "to", "parent", "head", "path_range", "paginationMarker", "started_time", "page"}
_MOST = 200  # messages in each other and beside each other
_MANY = (100, 5_000)
_LARGEST = 8 << 20  # bytes; 20 MiB are the most that a daemon takes


class Messages:
    """Makes up messages.

    Args:
        random: Where the chance comes from.
        world: What there is to name.
    """

    def __init__(self, random: Random, world: World) -> None:
        self._random = random
        self._world = world
        self._oddness = 0.0
        self._left = 0  # of _MOST

    def make(self, kind: Descriptor) -> Message:
        """Returns a message of a kind."""
        self._oddness = self._random.choice(_ODDNESS)
        self._left = _MOST
        return self._message(kind, 0)

    def encode(self, message: Message) -> bytes:
        """Returns a message as it is sent, with what only bytes can hold; seldom it is spoiled."""
        sent = odd.raw(message.SerializeToString())
        return odd.spoiled(sent, self._random) if self._random.random() < 0.02 else sent

    def transaction(self) -> str:
        """Returns the ID of a transaction, as metadata names it."""
        known = self._world.names["Transaction.id"]
        return self._random.choice([*known, *known, "x", "9" * 4000])

    def _message(self, kind: Descriptor, depth: int) -> Message:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            return GetMessageClass(kind)()
        example = self._world.example(kind.full_name) if self._random.random() < 0.9 else None
        if example is not None:
            self._twist(example, depth)
            return example
        message = GetMessageClass(kind)()
        for field in self._chosen(kind):
            self._set(message, field, depth)
        return message

    def _chosen(self, kind: Descriptor) -> list[FieldDescriptor]:
        """Returns the fields to be set: at most one of a oneof."""
        chosen = [field for field in kind.fields if field.containing_oneof is None]
        for oneof in kind.oneofs:
            if not self._is_odd(0.3):
                first = self._random.random() < 0.5 and oneof.name == "source"
                chosen.append(oneof.fields[0] if first else self._random.choice(oneof.fields))
        return chosen

    def _twist(self, message: Message, depth: int) -> None:
        """Makes some fields of an example odd."""
        for field in message.DESCRIPTOR.fields:
            if self._is_odd(0.5):
                message.ClearField(field.name)
                self._set(message, field, depth)
            elif field.message_type and not field.is_repeated and message.HasField(field.name):
                self._twist(getattr(message, field.name), depth + 1)

    def _set(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        if field.is_repeated:
            self._fill(message, field, depth)
        elif field.message_type is not None:
            if self._random.random() < (0.3 if field.name in _SELDOM else 0.9):
                self._nest(getattr(message, field.name), field, depth)
        elif (value := self._value(field)) is not None:
            setattr(message, field.name, value)

    def _nest(self, place: Message, field: FieldDescriptor, depth: int) -> None:
        place.SetInParent()
        if field.message_type == field.containing_type and self._is_odd(0.2):
            for _ in range(_TOO_DEEP):  # picks of picks, inputs of inputs
                place = getattr(place, field.name)
                place.SetInParent()
        place.MergeFrom(self._message(field.message_type, depth + 1))

    def _fill(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        values = getattr(message, field.name)
        count = self._random.choice([0, 1, 1, 2])
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            key, value = field.message_type.fields
            for _ in range(self._random.choice(_MANY) if self._is_odd(0.1) else count):
                values[self._value(key) or str(len(values))] = self._value(value) or ""
            return
        if field.message_type is not None:
            values.extend(self._message(field.message_type, depth + 1) for _ in range(count))
        else:
            made = (self._value(field) for _ in range(count))
            values.extend(value for value in made if value is not None)
        if values and self._is_odd(0.1):
            times = self._random.choice(_MANY)
            if message.ByteSize() * times < _LARGEST:
                values.extend(list(values) * times)

    def _value(self, field: FieldDescriptor) -> object:
        """Returns a value for a field that holds no message; None to leave it unset."""
        if self._is_odd(1.0):
            return odd.scalar(field, self._random)
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            text = self._text(field)
            return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
        if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
            return self._random.choice(field.enum_type.values).number
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return self._random.random() < 0.3
        return self._random.choice([None, None, 1, 2, 10])

    def _text(self, field: FieldDescriptor) -> str:
        if field.name == "file":
            return json.dumps(self._world.secret())
        if field.name.endswith("json") or field.name == "template":
            return json.dumps(self._world.spec())
        names = self._world.names
        known = names.get(f"{field.containing_type.name}.{field.name}") or names.get(field.name)
        return self._random.choice(known or ["", "", "text"])

    def _is_odd(self, share: float) -> bool:
        return self._random.random() < self._oddness * share
