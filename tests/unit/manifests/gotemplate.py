"""The part of Go's templates, and of Helm's functions, that our chart is written in. What it does not know is an error.

Stands in for `helm template` where there is no helm. Wrong fields are errors here, while Helm prints `<no value>`.
"""

# ruff: noqa: ANN401 -- what YAML and templates hold is of any type

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Node = tuple[Any, ...]

ACTION = re.compile(r"\{\{(-(?=\s))?\s*(.*?)\s*((?<=\s)-)?\}\}", re.DOTALL)
TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|:=|[()|,]|\$?[\w.]+|\$)')


def to_yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=True, default_flow_style=False).removesuffix("\n").removesuffix("\n...")


def printed(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int):
        raise TypeError(f"{value!r} would be printed as Go writes it; use toYaml")
    return str(value)


def indented(width: int, text: str) -> str:
    return "\n" + "\n".join(" " * width + line for line in text.split("\n"))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "base": lambda path: path.rpartition("/")[2],
    "concat": lambda *lists: [each for one in lists for each in one],
    "default": lambda fallback, value: value or fallback,
    "dict": lambda *words: dict(zip(words[::2], words[1::2], strict=True)),
    "list": lambda *words: list(words),
    "merge": lambda target, source: {**source, **target},
    "nindent": indented,
    "quote": lambda value: json.dumps(printed(value)),
    "toYaml": to_yaml,
    "trim": str.strip,
    "trimSuffix": lambda suffix, text: text.removesuffix(suffix),
}


@dataclass
class Files:
    """`.Files` of a chart."""

    content: dict[str, bytes] = field(default_factory=dict)

    def get(self, path: str) -> str:
        return self.content[path].decode()

    def glob(self, pattern: str) -> dict[str, bytes]:
        found = {path: self.content[path] for path in sorted(self.content) if fnmatch.fnmatch(path, pattern)}
        assert found, pattern
        return found


def render(template: str, context: dict[str, Any]) -> str:
    """What `helm template` would print."""
    tokens = list(_split(template))
    nodes, rest = _parse(tokens, 0, ())
    assert rest == len(tokens), f"an end without a beginning: {tokens[rest - 1]}"
    return "".join(_run(nodes, context, {"$": context}))


def _split(template: str) -> Iterator[tuple[str, str]]:
    at, trim = 0, False
    for found in ACTION.finditer(template):
        text = template[at : found.start()]
        text = text.lstrip() if trim else text
        yield "text", text.rstrip() if found[1] else text
        if not found[2].startswith("/*"):
            yield "action", found[2]
        at, trim = found.end(), bool(found[3])
    yield "text", template[at:].lstrip() if trim else template[at:]


def _parse(tokens: list[tuple[str, str]], at: int, ends: tuple[str, ...]) -> tuple[list[Node], int]:
    nodes: list[Node] = []
    while at < len(tokens):
        kind, text = tokens[at]
        at += 1
        word = text.split(" ", 1)[0]
        if kind == "text":
            nodes.append(("text", text))
        elif word in ends:
            return nodes, at
        elif word == "if":
            then, at = _parse(tokens, at, ("else", "end"))
            other: list[Node] = []
            if tokens[at - 1][1] == "else":
                other, at = _parse(tokens, at, ("end",))
            nodes.append(("if", text[3:], then, other))
        elif word == "range":
            body, at = _parse(tokens, at, ("end",))
            names, _, what = text[6:].partition(":=")
            nodes.append(("range", [name.strip() for name in names.split(",")], what, body))
        elif word in ("end", "else"):
            raise SyntaxError(f"{text} where none belongs")
        else:
            nodes.append(("print", text))
    assert not ends, f"no {ends} in sight"
    return nodes, at


def _run(nodes: list[Node], context: Any, variables: dict[str, Any]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ("text", text):
                yield text
            case ("print", text) if ":=" in text:
                name, _, what = text.partition(":=")
                variables[name.strip()] = _value(what, context, variables)
            case ("print", text):
                yield printed(_value(text, context, variables))
            case ("if", what, then, other):
                yield from _run(then if _value(what, context, variables) else other, context, variables)
            case ("range", (key, each), what, body):
                for name, value in _value(what, context, variables).items():
                    yield from _run(body, value, {**variables, key: name, each: value})


def _value(text: str, context: Any, variables: dict[str, Any]) -> Any:
    tokens = TOKEN.findall(text)
    assert "".join(tokens) == re.sub(r'("(?:[^"\\]|\\.)*")|\s+', lambda found: found[1] or "", text), text
    value, rest = _pipeline(tokens, context, variables)
    assert not rest, rest
    return value


def _pipeline(tokens: list[str], context: Any, variables: dict[str, Any]) -> tuple[Any, list[str]]:
    value, tokens = _command(tokens, context, variables, ())
    while tokens and tokens[0] == "|":
        value, tokens = _command(tokens[1:], context, variables, (value,))
    return value, tokens


def _command(
    tokens: list[str], context: Any, variables: dict[str, Any], last: tuple[Any, ...]
) -> tuple[Any, list[str]]:
    head, tokens = tokens[0], tokens[1:]
    if head == "(":
        value, tokens = _pipeline(tokens, context, variables)
        tokens = tokens[1:]
        assert not last, "a value takes no argument"
        return value, tokens
    method = head.rpartition(".")
    callee = FUNCTIONS.get(head)
    if method[2] in ("Get", "Glob") and method[0].endswith(".Files"):
        callee = getattr(_look_up(method[0], context, variables), method[2].lower())
    if callee is None:
        assert not last, f"{head} takes no argument"
        return _operand(head, context, variables), tokens
    arguments = []
    while tokens and tokens[0] not in ("|", ")"):
        if tokens[0] == "(":
            value, tokens = _pipeline(tokens[1:], context, variables)
        else:
            value = _operand(tokens[0], context, variables)
        arguments.append(value)
        tokens = tokens[1:]
    return callee(*arguments, *last), tokens


def _operand(token: str, context: Any, variables: dict[str, Any]) -> Any:
    if token.startswith('"'):
        return json.loads(token)
    return int(token) if token.isdecimal() else _look_up(token, context, variables)


def _look_up(path: str, context: Any, variables: dict[str, Any]) -> Any:
    first, *names = path.split(".")
    value = variables[first] if first else context
    for name in names:
        value = value[name] if name else value
    return value
