"""grafanalib's panels for Grafana 8.4 and later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grafanalib import core

from dashboards import grafana_tree
from dashboards.panel import Form
from dashboards.units import Show

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboards.grafana_tree import Json
    from dashboards.panel import Panel
    from exporter.model.metric import Naming


class Modern:
    """The style of Grafana 8.4 and later."""

    window = "$__rate_interval"
    keep = "var-datasource=${datasource}&${job:queryparam}&${instance:queryparam}"

    def datasource(self) -> Any:  # noqa: ANN401 - see Style
        """By type and uid."""
        return {"type": "prometheus", "uid": "${datasource}"}

    def extra_variables(self) -> list[core.Template]:
        """None: Grafana itself knows `$__rate_interval`."""
        return []

    def draws(self, form: Form) -> bool:
        """Every form."""
        return form in _PANELS

    def panel(self, panel: Panel, common: Json, naming: Naming) -> core.Panel:
        """One grafanalib panel."""
        return _PANELS[panel.form](panel, common, naming)


STYLE = Modern()

_LEAST = {
    Show.BYTES: 1024.0,
    Show.BYTES_PER_SECOND: 1000.0,
    Show.PACKETS_PER_SECOND: 5.0,  # below 1 its unit counts thousandths, `mp/s`
    Show.PER_SECOND: 1.0,
    Show.CALLS_PER_SECOND: 1.0,
    Show.REQUESTS_PER_SECOND: 1.0,
    Show.SHARE: 0.01,
    Show.NUMBER: 1.0,
}
_FROM_ZERO = {Show.PER_SECOND, Show.SHARE}  # where a threshold stands near zero


def _timeseries(panel: Panel, common: Json, naming: Naming) -> core.Panel:
    return core.TimeSeries(
        **common,
        unit=panel.unit.value,
        thresholds=grafana_tree.steps(panel.base, panel.steps),
        thresholdsStyleMode="line" if panel.steps else "off",
        fillOpacity=0,  # the areas of ten pods are one grey one
        showPoints="never",
        axisSoftMin=0,
        legendDisplayMode="table",
        legendCalcs=["lastNotNull", "max"],
        tooltipMode="multi",
        tooltipSort="desc",
        # Not by grafanalib's argument, which takes whole numbers only.
        extraJson=_defaults(
            panel, links=grafana_tree.links(panel, STYLE, naming), custom={"axisSoftMax": _quiet(panel)}
        ),
    )


def _quiet(panel: Panel) -> float | None:
    """Least height of the scale, so that lines at zero do not make it reach from 0 to 100 of anything.

    Losses are seen against their first threshold: far below the line is quiet.
    """
    if panel.unit is Show.PACKETS_PER_SECOND:
        return max(_LEAST[panel.unit], *(step.at for step in panel.steps[:1]), 0)
    if panel.steps and panel.unit in _FROM_ZERO:
        return panel.steps[0].at
    return _LEAST.get(panel.unit)


def _stat(panel: Panel, common: Json, naming: Naming) -> core.Panel:
    return core.Stat(
        **common,
        format=panel.unit.value,
        thresholds=grafana_tree.steps(panel.base, panel.steps),
        reduceCalc="lastNotNull",
        colorMode="background",
        color={"mode": "thresholds"},
        noValue="0",
        extraJson=_defaults(panel, links=grafana_tree.links(panel, STYLE, naming)),
    )


def _table(panel: Panel, common: Json, naming: Naming) -> core.Panel:
    return grafana_tree.table(panel, common, STYLE, naming)


def _bargauge(panel: Panel, common: Json, naming: Naming) -> core.Panel:
    return core.BarGauge(
        **common,
        format=panel.unit.value,
        thresholds=grafana_tree.steps(panel.base, panel.steps),
        calc="lastNotNull",
        displayMode="gradient",
        max=panel.maximum,
        dataLinks=grafana_tree.links(panel, STYLE, naming),
    )


def _state_timeline(panel: Panel, common: Json, naming: Naming) -> core.Panel:
    return core.StateTimeline(
        **common,
        thresholds=grafana_tree.steps(panel.base, panel.steps),
        showValue="never",
        mappings=_mappings(panel),
        extraJson=_defaults(panel, unit=panel.unit.value, links=grafana_tree.links(panel, STYLE, naming)),
    )


class _NodeGraph(core.Panel):  # type: ignore[misc]  # grafanalib has no types
    """A panel that grafanalib lacks."""

    def to_json_data(self) -> Json:
        found: Json = self.panel_json({"type": Form.NODE_GRAPH.value, "options": {}})
        return found


def _node_graph(panel: Panel, common: Json, _naming: Naming) -> core.Panel:
    stat = {"mainStatUnit": panel.unit.value}
    return _NodeGraph(
        **common,
        transformations=[{"id": "organize", "options": grafana_tree.renamed(panel)}],
        extraJson={
            "options": {"nodes": stat, "edges": stat},
            "fieldConfig": {"defaults": {"unit": panel.unit.value}},
        },
    )


def _heatmap(panel: Panel, common: Json, _naming: Naming) -> core.Panel:
    return grafana_tree.heatmap(panel, common)


def _text(panel: Panel, common: Json, _naming: Naming) -> core.Panel:
    return core.Text(**common, content=panel.text)


def _mappings(panel: Panel) -> list[Json]:
    """Names and colours of states."""
    if not panel.mappings:
        return []
    options = {
        str(state.value): {"color": state.colour.value, "index": position, "text": state.text}
        for position, state in enumerate(panel.mappings)
    }
    return [{"type": "value", "options": options}]


def _defaults(panel: Panel, **more: Any) -> Json:  # noqa: ANN401 - values of JSON
    bounds = {} if panel.maximum is None else {"max": panel.maximum}
    return {"fieldConfig": {"defaults": {**bounds, **{key: value for key, value in more.items() if value}}}}


_PANELS: dict[Form, Callable[[Panel, Json, Naming], core.Panel]] = {
    Form.TIMESERIES: _timeseries,
    Form.STAT: _stat,
    Form.TABLE: _table,
    Form.BARGAUGE: _bargauge,
    Form.STATE_TIMELINE: _state_timeline,
    Form.HEATMAP: _heatmap,
    Form.NODE_GRAPH: _node_graph,
    Form.TEXT: _text,
}
