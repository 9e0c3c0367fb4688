"""Taking fields out of a YAML document, so that each error can name its line and key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from exporter.errors import UsageError
from exporter.registry import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAG = "tag:yaml.org,2002:"
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")


class Section:
    """A mapping of the document.

    Args:
        path: of the file.
        name: dotted, with a dot at its end; empty for the whole document.
        node: of the document; None for a section that is not there.
        known: keys that it may have; None for any.

    Raises UsageError for what is no mapping, an unknown key, or one that is there twice.
    """

    def __init__(self, path: str, name: str, node: yaml.Node | None, known: Sequence[str] | None) -> None:
        self._path = path
        self._name = name
        self.nodes: dict[str, yaml.Node] = {}
        if node is None or _is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            raise self.fault(node, "must be a mapping", name.rstrip("."))
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.fault(key, "a key must be a word", name.rstrip("."))
            if known is not None and key.value not in known:
                raise UsageError(f"{self._place(key)}: unknown key {name + key.value!r}{nearest(key.value, known)}")
            if key.value in self.nodes:
                raise self.fault(key, "is there twice", name + key.value)
            self.nodes[key.value] = value

    def section(self, key: str, known: Sequence[str] | None) -> Section:
        """A mapping within."""
        return Section(self._path, f"{self._name}{key}.", self.nodes.get(key), known)

    def text(self, key: str, choices: Sequence[str] = ()) -> str:
        """A text, or a number as it is written; empty where there is none."""
        node = self.nodes.get(key)
        if node is None or _is_null(node):
            return ""
        if not isinstance(node, yaml.ScalarNode):
            raise self.wrong(key, "must be a text")
        if node.value and choices and node.value not in choices:
            raise self.wrong(
                key, f"must be one of {', '.join(choices)}, is {node.value!r:.60}{nearest(node.value, choices)}"
            )
        return str(node.value)

    def flag(self, key: str) -> bool | None:
        """True, false, or None where nothing is said."""
        node = self.nodes.get(key)
        if node is None or _is_null(node):
            return None
        word = node.value.lower() if isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}bool" else ""
        if word not in (*_TRUE, *_FALSE):
            raise self.wrong(key, "must be true or false")
        return word in _TRUE

    def number(self, key: str) -> int:
        """A whole number, not negative; 0 where there is none."""
        text = self.text(key) or "0"
        if not (text.isascii() and text.isdecimal() and len(text) < 10):  # noqa: PLR2004 - a billion is enough
            raise self.wrong(key, f"must be a whole number, is {text!r:.60}")
        return int(text)

    def texts(self, key: str, choices: Sequence[str] = ()) -> tuple[str, ...] | None:
        """A list of texts, or None where there is none."""
        node = self.nodes.get(key)
        if node is None or _is_null(node):
            return None
        if not isinstance(node, yaml.SequenceNode):
            raise self.wrong(key, "must be a list")
        for each in node.value:
            if not isinstance(each, yaml.ScalarNode) or _is_null(each):
                raise self.fault(each, "an entry must be a text", self._name + key)
            if choices and each.value not in choices:
                problem = f"unknown name {each.value!r:.60}{nearest(each.value, choices)}"
                raise self.fault(each, problem, self._name + key)
        return tuple(each.value for each in node.value)

    def wrong(self, key: str, problem: str) -> UsageError:
        """An error at a key, or of the whole section where that key is missing."""
        return self.fault(self.nodes.get(key), problem, self._name + key)

    def fault(self, node: yaml.Node | None, problem: str, name: str) -> UsageError:
        """An error at a place of the document."""
        return UsageError(f"{self._place(node)}: {name + ' ' if name else ''}{problem}")

    def _place(self, node: yaml.Node | None) -> str:
        return self._path if node is None else f"{self._path} line {node.start_mark.line + 1}"


def document(content: bytes, path: str) -> yaml.Node | None:
    """The document of a file; None for an empty one. Raises UsageError naming the line."""
    try:
        return yaml.compose(content.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a text file ({error.reason} at byte {error.start})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path} line {mark.line + 1}" if mark else path
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "no YAML"
        raise UsageError(f"{place}: {problem}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: nested too deeply") from error


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == f"{_TAG}null")
