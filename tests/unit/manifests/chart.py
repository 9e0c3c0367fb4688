"""The generated chart, rendered with values."""

# ruff: noqa: ANN401 -- what YAML and templates hold is of any type

from __future__ import annotations

import copy
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema
import yaml

from exporter import __version__, registry
from exporter.model.metric import Naming
from scrape import helm
from tests.unit.manifests.gotemplate import Files, render

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMESPACE = "net-exporter"


@cache
def files() -> dict[str, bytes]:
    made = helm.files(registry.load(), Naming.KUBESKOOP)
    return {path.removeprefix(f"{helm.CHART}/"): content for path, content in made.items()}


def values(**changes: Any) -> dict[str, Any]:
    """The chart's own values, with others in the stead of some: `config__metricServerPort=1`. Checked by its schema."""
    found: dict[str, Any] = copy.deepcopy(yaml.safe_load(files()["values.yaml"]))
    for path, value in changes.items():
        *groups, name = path.split("__")
        at = found
        for group in groups:
            at = at[group]
        at[name] = value
    jsonschema.validate(found, json.loads(files()["values.schema.json"]))
    return found


def text(name: str, content: dict[str, Any]) -> str:
    """One template, filled."""
    context = {
        "Values": content,
        "Release": {"Namespace": NAMESPACE},
        "Chart": {"AppVersion": __version__},
        "Files": Files(files()),
    }
    return render(files()[f"templates/{name}"].decode(), context)


def objects(content: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """All objects of the chart by kind and name."""
    names = [path.removeprefix("templates/") for path in files() if path.endswith(".yaml") and "templates/" in path]
    return by_name(each for name in names for each in parsed(text(name, content)))


def parsed(documents: str) -> list[Any]:
    """By the parser in C, as dashboards are long lines."""
    return list(yaml.load_all(documents, yaml.CSafeLoader))


def by_name(documents: Iterable[Any]) -> dict[tuple[str, str], Any]:
    """Objects by kind and name; no two of the same."""
    found: dict[tuple[str, str], Any] = {}
    for each in documents:
        if each is not None:
            key = each["kind"], each["metadata"]["name"]
            assert key not in found, key
            found[key] = each
    return found
