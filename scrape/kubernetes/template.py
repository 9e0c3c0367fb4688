"""Objects with places for values: one tree, from which the plain manifest and the chart's template follow.

A tree consists of mappings, lists and scalars, and of the places below. `resolve` fills them with values; `render`
writes what Helm fills with the same values later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from alerts.output import dump

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Values: TypeAlias = Mapping[str, Any]

ABSENT: Final = object()  # instead of a value: the key or item is left out
_LINE: Final = re.compile(r"(?P<indent> *(?:- )*)(?P<key>[^ ].*?:)? ?PLACE-(?P<number>\d+)-")


@dataclass(frozen=True, slots=True)
class Ref:
    """A value of the chart.

    Args:
        path: dotted, for example `config.metricServerPort`; of Helm's own objects with a capital, `Release.Namespace`.
        fallback: a list of texts, or another place, for an empty value.
    """

    path: str
    fallback: tuple[str, ...] | Ref | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A text around scalar values.

    Args:
        pattern: as `str.format` takes it.
        refs: what fills it.
    """

    pattern: str
    refs: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class When:
    """One of two trees, as a value is set (true, not 0, not empty) or not.

    Args:
        path: of the value.
        then: if it is set.
        otherwise: if not; the key or item goes missing without.
    """

    path: str
    then: Any
    otherwise: Any = ABSENT


@dataclass(frozen=True, slots=True)
class Plus:
    """A list or mapping of texts, and what a value adds to it.

    Args:
        base: what is there anyway.
        path: of the value.
    """

    base: tuple[str, ...] | Mapping[str, str]
    path: str


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML document in a text, as in a ConfigMap.

    Args:
        tree: its content.
    """

    tree: Any


def look_up(values: Values, path: str) -> Any:  # noqa: ANN401 -- values are of any type
    """The value under a dotted path."""
    return reduce(lambda found, name: found[name], path.split("."), values)


def resolve(tree: Any, values: Values) -> Any:  # noqa: ANN401, PLR0911 -- any YAML; one case for each kind of place
    """The tree with all places filled."""
    match tree:
        case Ref(path, fallback):
            found = look_up(values, path)
            if found or fallback is None:
                return found
            return resolve(fallback, values) if isinstance(fallback, Ref) else list(fallback)
        case Text(pattern, refs):
            return pattern.format(*(resolve(ref, values) for ref in refs))
        case When(path, then, otherwise):
            return resolve(then if look_up(values, path) else otherwise, values)
        case Plus(base, path):
            more = look_up(values, path)
            return [*base, *more] if isinstance(base, tuple) else {**more, **base}
        case Document(inner):
            return yaml.safe_dump(resolve(inner, values), sort_keys=False)
        case dict():
            filled = {key: resolve(each, values) for key, each in tree.items()}
            return {key: each for key, each in filled.items() if each is not ABSENT}
        case list():
            return [each for each in (resolve(each, values) for each in tree) if each is not ABSENT]
        case _:
            return tree


def render(tree: Any, values: Values, margin: int = 0) -> str:  # noqa: ANN401 -- any YAML
    """The template of a tree.

    Args:
        tree: of an object.
        values: the defaults, whose types say which value is a scalar.
        margin: spaces in front of each line.
    """
    places: list[Any] = []
    text = dump(_marked(tree, places)).decode().partition("\n")[2]  # without the notice
    lines = (" " * margin + raw for raw in text.splitlines())
    return "".join(f"{line}\n" for raw in lines for line in _lines(raw, places, values))


def _marked(tree: Any, places: list[Any]) -> Any:  # noqa: ANN401 -- any YAML
    """The tree with a word in each place, so that it can be written as YAML."""
    match tree:
        case Ref() | Text() | When() | Plus():
            places.append(tree)
            return f"PLACE-{len(places) - 1}-"
        case Document(inner):
            return dump(_marked(inner, places)).decode().partition("\n")[2]
        case dict():
            return {key: _marked(each, places) for key, each in tree.items()}
        case list():
            return [_marked(each, places) for each in tree]
        case _:
            return tree


def _lines(raw: str, places: list[Any], values: Values) -> Iterable[str]:
    """The lines of the template in the stead of one with a place in it."""
    found = _LINE.fullmatch(raw)
    if found is None:
        return [raw]
    place = places[int(found["number"])]
    head = found["indent"] + (f"{found['key']} " if found["key"] else "")
    match place:
        case When(path, then, otherwise):
            lines = [f"{{{{- if {_path(path)} }}}}", *_branch(found, then, values)]
            if otherwise is not ABSENT:
                lines += ["{{- else }}", *_branch(found, otherwise, values)]
            return [*lines, "{{- end }}"]
        case Text(pattern, refs):
            inner = pattern.format(*(f"{{{{ {_value(ref)} }}}}" for ref in refs))
            return [f'{head}"{inner}"']
        case Plus(base, path):
            call, items = ("concat", "list") if isinstance(base, tuple) else ("merge", "dict")
            words = base if isinstance(base, tuple) else (word for pair in base.items() for word in pair)
            inner = f"{call} ({items} {' '.join(map(_quoted, words))}) {_path(path)}"
            return [f"{head.rstrip()}{_block(f'({inner})', found)}"]
        case _:
            return [f"{head.rstrip()}{_expression(place, found, values)}"]


def _branch(found: re.Match[str], tree: Any, values: Values) -> list[str]:  # noqa: ANN401 -- any YAML
    """The lines of what one case puts in the place."""
    margin = len(found["indent"])
    if found["key"]:
        return render({found["key"].removesuffix(":"): tree}, values, margin).splitlines()
    return render([tree], values, margin - 2).splitlines()  # the dash of the item is in its place already


def _expression(ref: Ref, found: re.Match[str], values: Values) -> str:
    default = look_up(values, ref.path)
    if isinstance(default, str):
        return f" {{{{ {_value(ref)} | quote }}}}"
    if isinstance(default, bool | int):
        return f" {{{{ {_value(ref)} }}}}"
    if isinstance(ref.fallback, tuple):
        return _block(f"(default (list {' '.join(map(_quoted, ref.fallback))}) {_path(ref.path)})", found)
    return _block(_path(ref.path), found)


def _block(what: str, found: re.Match[str]) -> str:
    """A list or mapping, on lines of its own below its key."""
    return f" {{{{- toYaml {what} | nindent {len(found['indent']) + 2} }}}}"


def _value(ref: Ref) -> str:
    return (
        f"{_path(ref.path)} | default {_path(ref.fallback.path)}" if isinstance(ref.fallback, Ref) else _path(ref.path)
    )


def _path(path: str) -> str:
    """Helm's own objects begin with a capital."""
    return f".{path}" if path[0].isupper() else f".Values.{path}"


def _quoted(word: str) -> str:
    return f'"{word}"'
