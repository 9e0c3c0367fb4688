"""From our model to grafanalib's objects: what both generations of Grafana share.

What comes out is grafanalib's raw tree. It is never shipped as it is: `modern` and `legacy` mend it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from grafanalib import core
from grafanalib._gen import DashboardEncoder

from dashboards import grid, node_graph, variables
from dashboards.panel import COMPLAINT, PREFIX, Form, panel_id, row_id
from dashboards.units import Show
from exporter.model.metric import Identity, Naming
from exporter.model.promql import Rendering

if TYPE_CHECKING:
    from dashboards.grid import Place
    from dashboards.panel import Board, Colour, Link, Panel, Query, Row, Step

Json: TypeAlias = dict[str, Any]

TAG = "net-exporter"
COLUMN_TITLES = {Identity.NODE: "Node", Identity.NAMESPACE: "Namespace", Identity.POD: "Pod"}
_REFRESH_ON_TIME_RANGE = 2
_FORMATS = {Form.TABLE: "table", Form.NODE_GRAPH: "table", Form.HEATMAP: "heatmap"}
_REF_IDS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Style(Protocol):
    """What differs between the generations."""

    @property
    def window(self) -> str:
        """Range of rates: a variable that Grafana fills."""

    @property
    def keep(self) -> str:
        """Query parameters by which a link keeps data source, job and instance."""

    def draws(self, form: Form) -> bool:
        """Whether this generation has such a panel."""

    def datasource(self) -> Any:  # noqa: ANN401 - a name in one generation, an object in the other
        """How a panel refers to the data source variable."""

    def panel(self, panel: Panel, common: Json, naming: Naming) -> core.Panel:
        """Grafanalib's panel for ours; `common` holds what every panel class takes."""

    def extra_variables(self) -> list[core.Template]:
        """Variables that only this generation needs."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Writes boards as grafanalib trees in one style and naming."""

    style: Style
    naming: Naming

    def of(self, board: Board) -> Json:
        """Raw JSON tree of a board."""
        panels: list[core.Panel] = []
        for row, place, inside in grid.arrange(self._drawable(board)):
            placed = [self._panel(row, panel, at) for panel, at in inside]
            nested = placed if row.collapsed else []
            panels.append(
                core.RowPanel(
                    title=row.title, id=row_id(row), gridPos=_pos(place), collapsed=row.collapsed, panels=nested
                )
            )
            panels += [] if row.collapsed else placed
        dashboard = core.Dashboard(
            title=board.title,
            description=board.description,
            uid=board.uid,
            tags=[TAG, *board.tags],
            timezone="browser",
            editable=False,
            graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
            refresh=board.refresh,
            time=core.Time("now-1h", "now"),
            links=[_menu("By complaint", COMPLAINT), _menu("By subject", TAG)],
            templating=core.Templating(self._variables(board)),
            panels=panels,
        )
        tree: Json = json.loads(json.dumps(dashboard.to_json_data(), cls=DashboardEncoder))
        return tree

    def _drawable(self, board: Board) -> Board:
        rows = (
            replace(row, panels=tuple(panel for panel in row.panels if self.style.draws(panel.form)))
            for row in board.rows
        )
        return replace(board, rows=tuple(row for row in rows if row.panels))

    def _panel(self, row: Row, panel: Panel, place: Place) -> core.Panel:
        common = {
            "id": panel_id(row, panel),
            "title": panel.title,
            "description": panel.description,
            "gridPos": _pos(place),
        }
        if panel.form is not Form.TEXT:
            common |= {"dataSource": self.style.datasource(), "targets": self._targets(panel)}
        return self.style.panel(panel, common, self.naming)

    def _targets(self, panel: Panel) -> list[core.Target]:
        rendering = Rendering(self.naming, self.style.window, variables.SCRAPED)
        instant = panel.form in (Form.TABLE, Form.BARGAUGE, Form.NODE_GRAPH)
        return [
            core.Target(
                expr=query.expr.render(rendering),
                legendFormat=query.legend_in(self.naming),
                refId=_REF_IDS[position],
                datasource=self.style.datasource(),
                instant=instant,
                format=_FORMATS.get(panel.form, "time_series"),
            )
            for position, query in enumerate(panel.queries)
        ]

    def _variables(self, board: Board) -> list[core.Template]:
        source = core.Template(name="datasource", type="datasource", query="prometheus", label="Data source")
        chosen = [
            core.Template(
                name=variable.name,
                label=variable.label,
                query=variable.query,
                dataSource=self.style.datasource(),
                multi=True,
                includeAll=variable.whole,
                allValue=".+",
                refresh=_REFRESH_ON_TIME_RANGE,
            )
            for variable in variables.of(board, self.naming)
        ]
        return [source, *chosen, *self.style.extra_variables()]


def links(panel: Panel, style: Style, naming: Naming, *, of_row: bool = False) -> list[Json]:
    """Data links of a panel; in a table (`of_row`) the values come from the row, else from the series' labels."""
    return [
        {"title": link.title, "url": _url(link, style, naming, of_row=of_row), "targetBlank": False}
        for link in panel.links
    ]


def column_links(panel: Panel, style: Style, naming: Naming) -> list[tuple[str, Json]]:
    """For a table: the column that leads to another board, and the link."""
    found = links(panel, style, naming, of_row=True)
    return [(COLUMN_TITLES[link.carry[-1]], made) for link, made in zip(panel.links, found, strict=True)]


def table(panel: Panel, common: Json, style: Style, naming: Naming) -> core.Panel:
    """A table, which both generations write alike: a column for each label, then one for each query with a title."""
    several = len(panel.queries) > 1
    columns = _columns(panel, naming)
    organize = {"id": "organize", "options": columns}
    shown = [query for query in panel.queries if query.legend]
    first = shown[0].legend if shown else list(columns["renameByName"].values())[-1]
    return core.Table(
        **common,
        thresholds=steps(panel.base, panel.steps),
        overrides=[
            *({"matcher": _named(query.legend), "properties": _value(panel, query)} for query in shown),
            *(
                {"matcher": _named(column), "properties": [{"id": "links", "value": [link]}]}
                for column, link in column_links(panel, style, naming)
            ),
        ],
        unit=panel.unit.value,
        sortBy=[core.TableSortByField(displayName=first, desc=not panel.ascending)],
        transformations=[{"id": "merge", "options": {}}, organize] if several else [organize],
        # An empty list of the worst is good news; "No data" would look like a fault.
        extraJson={"fieldConfig": {"defaults": {"noValue": "None"}}},
    )


def heatmap(panel: Panel, common: Json) -> core.Panel:
    """Buckets over time, in the shape of Grafana before 9; `modern` adds the one that came after."""
    return core.Heatmap(
        **common,
        dataFormat="tsbuckets",
        yBucketBound="upper",
        hideZeroBuckets=True,
        yAxis=core.YAxis(format=panel.unit.value),
    )


def steps(base: Colour, above: tuple[Step, ...]) -> list[Json]:
    """Thresholds; the first has no lower end, which Grafana wants as null."""
    return [
        {"color": base.value, "value": None},
        *({"color": step.colour.value, "value": step.at} for step in above),
    ]


def renamed(panel: Panel) -> Json:
    """For a node graph: its values under the name by which it looks for them."""
    values = [f"Value #{_REF_IDS[position]}" for position, _ in enumerate(panel.queries)]
    return {
        "excludeByName": {"Time": True},
        "indexByName": {},
        "renameByName": dict.fromkeys(values, node_graph.VALUE),
    }


def _columns(panel: Panel, naming: Naming) -> Json:
    labels = panel.queries[0].expr.labels
    keys = [key for key in COLUMN_TITLES if key in labels]
    own = sorted((key for key in labels if not isinstance(key, Identity)), key=lambda key: key.name)
    # Grafana's name of the column of values, which depends on how many there are.
    values = [f"Value #{ref_id}" for ref_id in _REF_IDS] if len(panel.queries) > 1 else ["Value"]
    titles = {
        **{key.name_in(naming): COLUMN_TITLES[key] for key in keys},
        **{key.name: key.name.capitalize() for key in own},
        **{value: query.legend for value, query in zip(values, panel.queries, strict=False) if query.legend},
    }
    unnamed = {value: True for value, query in zip(values, panel.queries, strict=False) if not query.legend}
    return {
        "excludeByName": {"Time": True, **unnamed},
        "indexByName": {name: position for position, name in enumerate(titles)},
        "renameByName": titles,
    }


def _value(panel: Panel, query: Query) -> list[Json]:
    """How a column of values looks: in colour only where a limit tells what the colour means."""
    unit, above = query.unit or panel.unit, panel.steps if query.steps is None else query.steps
    found: list[Json] = [{"id": "unit", "value": unit.value}, {"id": "noValue", "value": ""}]
    if unit is Show.COUNT:
        found.append({"id": "decimals", "value": 0})  # an extrapolated increase is no whole number
    if above:
        found.append({"id": "custom.displayMode", "value": "color-text"})
    if query.steps is not None:
        found.append({"id": "thresholds", "value": {"mode": "absolute", "steps": steps(panel.base, query.steps)}})
    return found


def _named(column: str) -> Json:
    return {"id": "byName", "options": column}


def _url(link: Link, style: Style, naming: Naming, *, of_row: bool) -> str:
    def value(key: Identity) -> str:
        return f"__data.fields.{COLUMN_TITLES[key]}" if of_row else f"__field.labels.{key.name_in(naming)}"

    carried = [f"var-{key.value}=${{{value(key)}}}" for key in link.carry]
    return f"/d/{PREFIX}{link.board}?{'&'.join([style.keep, *carried, '${__url_time_range}'])}"


def _menu(title: str, tag: str) -> core.DashboardLink:
    return core.DashboardLink(
        title=title, type="dashboards", tags=[tag], asDropdown=True, includeVars=True, keepTime=True
    )


def _pos(place: Place) -> core.GridPos:
    return core.GridPos(h=place.height, w=place.width, x=place.x, y=place.y)
