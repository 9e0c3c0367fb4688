"""Other languages: one catalogue each, keyed by the English text, put over the files of the bundle.

Texts without a translation stay English and are counted; names, queries and code are never touched.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

ENGLISH: Final = "en"
_FOLDER: Final = Path(__file__).parent
_SHOWN: Final = frozenset({"title", "label", "description"})  # keys of a dashboard whose text somebody reads
_FENCED: Final = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"(?m)^(#+ )(.+)$")
_FACT: Final = re.compile(r"(?m)^(\* )([a-z][a-z ]*)(: )")
_HEAD_ROW: Final = re.compile(r"(?m)^(\|.+\|)(?=\n\|(?: --- \|)+$)")
_CELL: Final = re.compile(r"(?<=\| )([^|\n]+?)(?= \|)")
_LINE: Final = re.compile(r"(?m)^([A-Z][^|\n]+)$")
_SUMMARY: Final = re.compile(r"(?m)^( *summary: )(.+)$")


class Catalogue:
    """The texts of one language, and which of them were asked for.

    Args:
        texts: English -> translated. `{}` in both stands for a part that is looked up by itself.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)
        self._patterns = [
            (re.compile(re.escape(english).replace(r"\{\}", "(.+)")), english) for english in texts if "{}" in english
        ]
        self.used: set[str] = set()
        self.missing: set[str] = set()

    def text(self, english: str) -> str:
        """The translation, or the English text, which then counts as missing."""
        if english in self._texts:
            self.used.add(english)
            return self._texts[english]
        for pattern, key in self._patterns:
            if found := pattern.fullmatch(english):
                self.used.add(key)
                return self._texts[key].format(self.part(found[1]))
        self.missing.add(english)
        return english

    def part(self, english: str) -> str:
        """The same for what may be a name, and so is not missed."""
        known = english in self.missing
        found = self.text(english)
        if found == english and not known:
            self.missing.discard(english)
        return found


def languages() -> list[str]:
    """English, and each that has a catalogue."""
    return [ENGLISH, *sorted(path.stem for path in _FOLDER.glob("*.yml"))]


def load(language: str) -> Catalogue:
    """The catalogue of a language other than English."""
    return Catalogue(yaml.safe_load((_FOLDER / f"{language}.yml").read_text("utf-8")))


def translated(files: Mapping[str, bytes], catalogue: Catalogue) -> dict[str, bytes]:
    """The same files, their texts in another language."""
    return {path: _file(path, content, catalogue) for path, content in files.items()}


def _file(path: str, content: bytes, catalogue: Catalogue) -> bytes:
    if path.startswith("docs/") and path.endswith(".md"):
        return _markdown(content.decode(), catalogue).encode()
    if path.startswith("dashboards/") and path.endswith(".json"):
        return _dashboard(content.decode(), catalogue).encode()
    if path.startswith("alerts/"):
        return _SUMMARY.sub(lambda line: line[1] + catalogue.text(line[2]), content.decode()).encode()
    return content


def _markdown(text: str, catalogue: Catalogue) -> str:
    parts = _FENCED.split(text)
    return "".join(part if part.startswith("```") else _prose(part, catalogue) for part in parts)


def _prose(text: str, catalogue: Catalogue) -> str:
    """Headings, heads and cells of tables, names of facts, and lines that are one text."""
    linked = set(re.findall(r"\]\(#([^)]+)\)", text))

    def heading(found: re.Match[str]) -> str:
        return found[0] if found[2].lower() in linked else found[1] + catalogue.part(found[2])

    text = _HEAD_ROW.sub(lambda row: _CELL.sub(lambda cell: catalogue.text(cell[1]), row[1]), text)
    text = _HEADING.sub(heading, text)
    text = _FACT.sub(lambda fact: fact[1] + catalogue.part(fact[2]) + fact[3], text)
    text = _LINE.sub(lambda line: catalogue.text(line[1]), text)
    return _CELL.sub(lambda cell: catalogue.part(cell[1]), text)


def _dashboard(text: str, catalogue: Catalogue) -> str:
    indent = 1 if text.startswith("{\n") else None
    tree = _tree(json.loads(text), catalogue)
    return json.dumps(tree, indent=indent, sort_keys=True, ensure_ascii=False) + "\n"


def _tree(tree: Any, catalogue: Catalogue) -> Any:  # noqa: ANN401 -- any JSON
    if isinstance(tree, list):
        return [_tree(each, catalogue) for each in tree]
    if isinstance(tree, dict):
        return {
            key: catalogue.text(value)
            if key in _SHOWN and isinstance(value, str) and value
            else _tree(value, catalogue)
            for key, value in tree.items()
        }
    return tree
