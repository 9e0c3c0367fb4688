"""Reading a YAML file of settings: strictly, and bounded, since a typing error must not be guessed at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from yaml.constructor import ConstructorError

from exporter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Hashable

_MOST_BYTES = 1 << 20  # a configuration is a screenful; /dev/zero is none
_MOST_ENTRIES = 10_000  # of one mapping; merge keys that name one another multiply


class _Loader(yaml.SafeLoader):
    """The safe loader, which would let the last of two equal keys win, and merge keys grow without bound."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _MOST_ENTRIES:
            raise ConstructorError(None, None, f"more than {_MOST_ENTRIES} merged keys", node.start_mark)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - as the base class has it
        """Look for equal keys here, before merge keys are put in, which may be overridden."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[Hashable] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConstructorError(None, None, "a key must be a word", key.start_mark)
            if (key.tag, key.value) in seen:
                raise ConstructorError(None, None, f"key {key.value!r} is there twice", key.start_mark)
            seen.add((key.tag, key.value))
        return node


def read(path: str) -> dict[str, Any]:
    """The file as a mapping; an empty file is an empty one. Raises UsageError naming the file and line."""
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{path}: larger than {_MOST_BYTES} bytes; is it the configuration?")
    try:
        settings = _parse(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a text file ({error.reason} at byte {error.start})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path} line {mark.line + 1}" if mark else path
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "no YAML"
        raise UsageError(f"{place}: {problem}") from error
    except (ValueError, OverflowError) as error:  # a date such as 2024-13-01, a number such as 0b_
        raise UsageError(f"{path}: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply") from error
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise UsageError(f"{path}: must be a mapping of settings, is a {type(settings).__name__}")
    return settings


def _parse(text: str) -> Any:  # noqa: ANN401 - whatever the file holds
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader that is stricter still
