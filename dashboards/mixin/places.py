"""What the mixin's configuration decides within queries and words: names of metrics and labels, selectors, limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards import variables
from dashboards.mixin.source import place
from dashboards.panel import PREFIX
from exporter.model.metric import Identity, Naming
from exporter.model.promql import Rendering

if TYPE_CHECKING:
    from exporter.model.metric import Metric
    from exporter.model.promql import LabelKey, Limit

SHOWN = Naming.KUBESKOOP  # the family in whose names places are looked for
JOB = "net-exporter"
UID = place("c.dashboardUidPrefix")
_FAMILY = f"{SHOWN.value}_"
_METRIC = re.compile(rf"\b{_FAMILY}(\w+?)(_bucket)?\b(.?)", re.DOTALL)
_LABEL = re.compile(r"\bk8s_(node|namespace|pod)\b")
_QUERIES = frozenset({"expr", "query", "definition"})
_PROSE = frozenset({"description", "content"})  # for people, the same in both families
_SCRAPED = ", ".join(variables.SCRAPED)  # how a selector of a dashboard begins
_OWNER = ", ".join(place(f"l.{key.value}") for key in (Identity.NODE, Identity.NAMESPACE, Identity.POD))


@dataclass(frozen=True, slots=True)
class Places(Rendering):
    """Writes expressions of rules with places for what the configuration decides."""

    def label(self, key: LabelKey) -> str:
        """A place for a label of identity; other labels have one name."""
        return place(f"l.{key.value}") if isinstance(key, Identity) else key.name

    def name(self, metric: Metric) -> str:
        """A place; metrics of others have one name."""
        return metric.name_in(SHOWN) if metric.external else place(f"m.{field(metric)}")

    def selector(self, name: str, inside: str) -> str:
        """With a place for further matchers."""
        inside = inside.replace(f'job="{JOB}"', f'job="{place("c.job")}"')
        return f"{name}{{{place('s.first')}{inside}}}" if inside else name + place("s.all")

    def limit(self, limit: Limit) -> str:
        """A place."""
        return place(f"t.{limit.key}")


def field(metric: Metric) -> str:
    """Field of a metric in the table of names."""
    return metric.name_in(SHOWN).removeprefix(_FAMILY)


def in_tree(tree: Any, key: str = "") -> Any:  # noqa: ANN401 -- JSON
    """A dashboard, written for SHOWN, with places in its texts and keys."""
    if isinstance(tree, dict):
        return {_named(name): in_tree(value, name) for name, value in tree.items()}
    if isinstance(tree, list):
        return [in_tree(value, key) for value in tree]
    if not isinstance(tree, str) or key in _PROSE:
        return tree
    text = _named(_selected(tree) if key in _QUERIES else tree)
    return brief(text.replace(f"/d/{PREFIX}", f"/d/{UID}"))


def brief(text: str) -> str:
    """The labels that say whose a series is, which nearly always stand together, as one place."""
    return text.replace(_OWNER, place("l.owner"))


def _named(text: str) -> str:
    text = _METRIC.sub(lambda found: place(f"m.{found[1]}") + (found[2] or "") + found[3], text)
    return _LABEL.sub(lambda found: place(f"l.{found[1]}"), text)


def _selected(text: str) -> str:
    """Further matchers in every selector: within its braces, or with braces of their own behind a bare name."""
    bare = _METRIC.sub(lambda found: found[0] if found[3] in ("{", ":") else _behind_name(found), text)
    return bare.replace(f"{{{_SCRAPED}", f"{{{place('s.board')}").replace("{job=", f"{{{place('s.first')}job=")


def _behind_name(found: re.Match[str]) -> str:
    whole = found[0]
    end = len(whole) - len(found[3])
    return whole[:end] + place("s.all") + found[3]
