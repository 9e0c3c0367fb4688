"""grafanalib's panels for Grafana 7.0 to 8.3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grafanalib import core

from dashboards import grafana_tree
from dashboards.panel import Colour, Form

if TYPE_CHECKING:
    from collections.abc import Callable

    from dashboards.grafana_tree import Json
    from dashboards.panel import Panel
    from exporter.model.metric import Naming

_SINGLESTAT_COLOURS = 3


class Legacy:
    """The style of Grafana before 8.4."""

    window = "$interval"
    keep = "var-datasource=$datasource"  # the query parameter format of several values came with Grafana 8

    def datasource(self) -> Any:  # noqa: ANN401 - see Style
        """By name."""
        return "$datasource"

    def extra_variables(self) -> list[core.Template]:
        """The window of rates: `$__rate_interval` came with Grafana 7.2."""
        return [
            core.Template(
                name="interval",
                type="interval",
                label="Rate over",
                query="2m,5m,10m,30m,1h,6h",
                auto=True,
                autoCount=100,
                autoMin="2m",
                refresh=2,
            )
        ]

    def draws(self, form: Form) -> bool:
        """All but the node graph, which came with Grafana 8."""
        return form in _PANELS

    def panel(self, panel: Panel, common: Json, naming: Naming) -> core.Panel:
        """One grafanalib panel."""
        return _PANELS[panel.form](panel, common, naming)


STYLE = Legacy()


def _graph(panel: Panel, common: Json, naming: Naming) -> core.Panel:
    return core.Graph(
        **common,
        yAxes=core.single_y_axis(format=panel.unit.value, min=0, max=panel.maximum),
        unit=panel.unit.value,
        steppedLine=panel.form is Form.STATE_TIMELINE,
        nullPointMode="null",
        lineWidth=1,
        legend=core.Legend(alignAsTable=True, current=True, max=True, values=True, sort="current", sortDesc=True),
        tooltip=core.Tooltip(sort=2, valueType="individual"),
        thresholds=[
            {
                "colorMode": "critical" if step.colour is Colour.BAD else "warning",
                "fill": False,
                "line": True,
                "op": "gt",
                "value": step.at,
                "yaxis": "left",
            }
            for step in panel.steps
        ],
        dataLinks=grafana_tree.links(panel, STYLE, naming),
    )


def _singlestat(panel: Panel, common: Json, naming: Naming) -> core.Panel:
    colours = [panel.base.value, *(step.colour.value for step in panel.steps)]
    return core.SingleStat(
        **common,
        format=panel.unit.value,
        valueName="current",
        colorBackground=True,
        colors=(colours + colours[-1:] * _SINGLESTAT_COLOURS)[:_SINGLESTAT_COLOURS],
        thresholds=",".join(f"{step.at:g}" for step in panel.steps),
        nullText="0",
        links=grafana_tree.links(panel, STYLE, naming),
        nullPointMode="null",
        sparkline=core.SparkLine(show=True),
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


def _heatmap(panel: Panel, common: Json, _naming: Naming) -> core.Panel:
    return grafana_tree.heatmap(panel, common)


def _text(panel: Panel, common: Json, _naming: Naming) -> core.Panel:
    return core.Text(**common, content=panel.text)


_PANELS: dict[Form, Callable[[Panel, Json, Naming], core.Panel]] = {
    Form.TIMESERIES: _graph,
    Form.STAT: _singlestat,
    Form.TABLE: _table,
    Form.BARGAUGE: _bargauge,
    Form.STATE_TIMELINE: _graph,  # no such panel before Grafana 8
    Form.HEATMAP: _heatmap,
    Form.TEXT: _text,
}
