"""grafanalib's panels for Grafana 8.4 and later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grafanalib import core

from dashboards import grafana_tree
from dashboards.panel import Form

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

    def panel(self, panel: Panel, common: Json, naming: Naming) -> core.Panel:
        """One grafanalib panel."""
        return _PANELS[panel.form](panel, common, naming)


STYLE = Modern()


def _timeseries(panel: Panel, common: Json, naming: Naming) -> core.Panel:
    return core.TimeSeries(
        **common,
        unit=panel.unit.value,
        thresholds=steps(panel),
        thresholdsStyleMode="line" if panel.steps else "off",
        fillOpacity=10,
        showPoints="never",
        axisSoftMin=0,
        legendDisplayMode="table",
        legendCalcs=["lastNotNull", "max"],
        tooltipMode="multi",
        tooltipSort="desc",
        extraJson=_defaults(panel, links=grafana_tree.links(panel, STYLE, naming)),
    )


def _stat(panel: Panel, common: Json, naming: Naming) -> core.Panel:
    return core.Stat(
        **common,
        format=panel.unit.value,
        thresholds=steps(panel),
        reduceCalc="lastNotNull",
        colorMode="background",
        color={"mode": "thresholds"},
        noValue="0",
        extraJson=_defaults(panel, links=grafana_tree.links(panel, STYLE, naming)),
    )


def _table(panel: Panel, common: Json, naming: Naming) -> core.Panel:
    order, value = grafana_tree.column_order(panel, naming)
    overrides = [
        {
            "matcher": {"id": "byName", "options": value},
            "properties": [
                {"id": "unit", "value": panel.unit.value},
                {"id": "custom.displayMode", "value": "color-text"},
            ],
        },
        *(
            {"matcher": {"id": "byName", "options": column}, "properties": [{"id": "links", "value": [link]}]}
            for column, link in grafana_tree.column_links(panel, STYLE, naming)
        ),
    ]
    return core.Table(
        **common,
        thresholds=steps(panel),
        overrides=overrides,
        unit=panel.unit.value,
        sortBy=[core.TableSortByField(displayName=value, desc=not panel.ascending)],
        transformations=[{"id": "organize", "options": order}],
        extraJson={},
    )


def _bargauge(panel: Panel, common: Json, naming: Naming) -> core.Panel:
    return core.BarGauge(
        **common,
        format=panel.unit.value,
        thresholds=steps(panel),
        calc="lastNotNull",
        displayMode="gradient",
        max=panel.maximum,
        dataLinks=grafana_tree.links(panel, STYLE, naming),
    )


def _state_timeline(panel: Panel, common: Json, naming: Naming) -> core.Panel:
    return core.StateTimeline(
        **common,
        thresholds=steps(panel),
        showValue="never",
        mappings=_mappings(panel),
        extraJson=_defaults(panel, unit=panel.unit.value, links=grafana_tree.links(panel, STYLE, naming)),
    )


def _text(panel: Panel, common: Json, _naming: Naming) -> core.Panel:
    return core.Text(**common, content=panel.text)


def steps(panel: Panel) -> list[Json]:
    """Thresholds; the first has no lower end, which Grafana wants as null."""
    first: Json = {"color": panel.base.value, "value": None}
    return [first, *({"color": step.colour.value, "value": step.at} for step in panel.steps)]


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
    Form.TEXT: _text,
}
