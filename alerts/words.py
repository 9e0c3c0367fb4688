"""The words of an alert for one dialect: templates for Prometheus, and the text that they must become in a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from alerts.model import POD_KEYS
from exporter.model.metric import Identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerts.model import AlertRule
    from exporter.model.promql import LabelKey, Rendering

HOST_OWNER = "the host network"
UID_PREFIX = "net-exporter-"  # of every dashboard; a contract test compares it with the dashboards


@dataclass(frozen=True, slots=True)
class Links:
    """Where links lead; without a base they are relative to Grafana and to the bundle.

    Args:
        grafana: address of Grafana, without a slash at the end.
        runbooks: address of the folder of runbooks, without a slash at the end.
        registry: hash of the declarations from which the alerts are made; told to whoever looks at a firing one.
    """

    grafana: str = ""
    runbooks: str = "docs/runbooks"
    registry: str = ""


def templates(rule: AlertRule, rendering: Rendering, links: Links) -> dict[str, str]:
    """Annotations as Prometheus templates."""
    places = {key: f"{{{{ $labels.{rendering.label(key)} }}}}" for key in rule.expr.labels}
    linked = {key: f"{{{{ $labels.{rendering.label(key)} | urlquery }}}}" for key in rule.expr.labels}
    node, namespace, pod = (places.get(key, "") for key in POD_KEYS)
    inside = f"pod {namespace}/{pod}"
    owner = f"{{{{ if $labels.{rendering.label(Identity.POD)} }}}}{inside}{{{{ else }}}}{HOST_OWNER}{{{{ end }}}}"
    return _annotations(rule, links, places, linked, value=rule.show.value, owner=f"{owner} on {node}")


def placeholders(rule: AlertRule, rendering: Rendering, links: Links) -> dict[str, str]:
    """Annotations for who fills in labels and the value, but knows neither conditions nor formats."""
    places = {key: f"{{{{$labels.{rendering.label(key)}}}}}" for key in rule.expr.labels}
    node, namespace, pod = (places.get(key, "") for key in POD_KEYS)
    return _annotations(rule, links, places, places, value="{{$value}}", owner=f"pod {namespace}/{pod} on {node}")


def texts(rule: AlertRule, links: Links, labels: Mapping[LabelKey, str], value: str) -> dict[str, str]:
    """The same annotations as they must read once Prometheus has filled them in."""
    places = {key: labels.get(key, "") for key in rule.expr.labels}
    node, namespace, pod = (places.get(key, "") for key in POD_KEYS)
    owner = f"pod {namespace}/{pod}" if pod else HOST_OWNER
    linked = {key: quote_plus(text) for key, text in places.items()}
    return _annotations(rule, links, places, linked, value=value, owner=f"{owner} on {node}")


def _annotations(  # noqa: PLR0913 -- all that differs between templates and texts
    rule: AlertRule,
    links: Links,
    places: Mapping[LabelKey, str],
    linked: Mapping[LabelKey, str],
    *,
    value: str,
    owner: str,
) -> dict[str, str]:
    named = {key.value if isinstance(key, Identity) else key.name: text for key, text in places.items()}
    variables = [f"var-{key.value}={linked[key]}" for key in POD_KEYS if key in linked]
    query = f"?{'&'.join(variables)}" if variables else ""
    return {
        "summary": rule.summary,
        "description": rule.description.format_map({**named, "value": value, "owner": owner}),
        "runbook_url": f"{links.runbooks}/{rule.name}.md",
        "dashboard_url": f"{links.grafana}/d/{UID_PREFIX}{rule.dashboard}{query}",
        **({"registry": links.registry} if links.registry else {}),
    }
