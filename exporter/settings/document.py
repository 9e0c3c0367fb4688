"""Reading YAML: strictly, bounded, and with the place of each key and value, so that errors can name it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml
from yaml.constructor import ConstructorError

from exporter.settings.faults import Fault, FaultsError, Place

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from exporter.settings.faults import Faults

_MOST_BYTES: Final = 1 << 20  # a configuration is a screenful; /dev/zero is none
_MOST_ENTRIES: Final = 10_000  # of one mapping; merge keys that name one another multiply


class Section(dict[Any, Any]):
    """A mapping that knows where each key and each value is."""

    def __init__(self) -> None:
        super().__init__()
        self.keys_at: dict[Any, Place] = {}
        self.values_at: dict[Any, Place] = {}


class Items(list[Any]):
    """A list that knows where each entry is."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[Place] = []


class _Loader(yaml.SafeLoader):
    """The safe loader, which would let the last of two equal keys win, and merge keys grow without bound."""

    source: str
    faults: Faults

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _MOST_ENTRIES:
            raise ConstructorError(None, None, f"more than {_MOST_ENTRIES} merged keys", node.start_mark)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - as the base class has it
        """Look for equal keys here, before merge keys are put in, which may be overridden."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: dict[Hashable, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConstructorError(None, None, "a key must be a word", key.start_mark)
            name = (key.tag, key.value)
            if name in seen:
                text = f"key {key.value!r:.80} is there twice, first in line {seen[name]}"
                self.faults.add(self._place(key), str(key.value), text)
            seen.setdefault(name, key.start_mark.line + 1)
        return node

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.source, node.start_mark.line + 1, node.start_mark.column + 1)

    def section(self, node: yaml.MappingNode) -> Iterator[Section]:
        """A mapping; in two steps, as it may hold itself."""
        found = Section()
        yield found
        found.update(self.construct_mapping(node))
        for key_node, value_node in node.value:
            key = self.construct_object(key_node)
            found.keys_at[key] = self._place(key_node)
            found.values_at[key] = self._place(value_node)

    def items(self, node: yaml.SequenceNode) -> Iterator[Items]:
        """A list, likewise."""
        found = Items()
        yield found
        found.extend(self.construct_sequence(node))
        found.at.extend(map(self._place, node.value))


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.section)
_Loader.add_constructor("tag:yaml.org,2002:seq", _Loader.items)


def read(path: str) -> bytes:
    """The content of a file. Raises FaultsError naming it."""
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # the latter for a zero byte in the name
        raise _refusal(Place(path), getattr(error, "strerror", None) or str(error)) from error
    if len(content) > _MOST_BYTES:
        raise _refusal(Place(path), f"larger than {_MOST_BYTES} bytes; is it the configuration?")
    return content


def parse(content: bytes, source: str, faults: Faults) -> Any:  # noqa: ANN401 - whatever it holds
    """What the content holds, mappings as `Section` and lists as `Items`.

    Args:
        content: YAML.
        source: where it is from.
        faults: gets what is wrong without making it unreadable.

    Raises:
        FaultsError: it cannot be read at all; says where and why.
    """
    try:
        loader = _Loader(content.decode("utf-8"))
        loader.source, loader.faults = source, faults
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        raise _refusal(Place(source), f"not a text file ({error.reason} at byte {error.start})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(source, mark.line + 1, mark.column + 1) if mark else Place(source)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "no YAML"
        raise _refusal(place, problem) from error
    except (ValueError, OverflowError) as error:  # a date such as 2024-13-01, a number such as 0b_
        raise _refusal(Place(source), str(error)) from error
    except RecursionError as error:
        raise _refusal(Place(source), "nested too deeply") from error


def _refusal(place: Place, text: str) -> FaultsError:
    return FaultsError([Fault(place, "", text)])
