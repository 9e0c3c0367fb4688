"""From our model to grafanalib's objects: what both generations of Grafana share.

What comes out is grafanalib's raw tree. It is never shipped as it is: `modern` and `legacy` mend it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from grafanalib import core
from grafanalib._gen import DashboardEncoder

from dashboards import grid, variables
from dashboards.panel import PREFIX, Form, panel_id, row_id
from exporter.model.metric import Identity, Naming
from exporter.model.promql import Rendering

if TYPE_CHECKING:
    from dashboards.grid import Place
    from dashboards.panel import Board, Link, Panel, Row

Json: TypeAlias = dict[str, Any]

TAG = "net-exporter"
COLUMN_TITLES = {Identity.NODE: "Node", Identity.NAMESPACE: "Namespace", Identity.POD: "Pod"}
_REFRESH_ON_TIME_RANGE = 2
_REF_IDS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Style(Protocol):
    """What differs between the generations."""

    @property
    def window(self) -> str:
        """Range of rates: a variable that Grafana fills."""

    @property
    def keep(self) -> str:
        """Query parameters by which a link keeps data source, job and instance."""

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
        for row, place, inside in grid.arrange(board):
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
            tags=[TAG],
            timezone="browser",
            editable=False,
            graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
            refresh=board.refresh,
            time=core.Time("now-1h", "now"),
            links=[_menu()],
            templating=core.Templating(self._variables(board)),
            panels=panels,
        )
        tree: Json = json.loads(json.dumps(dashboard.to_json_data(), cls=DashboardEncoder))
        return tree

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
        instant = panel.form in (Form.TABLE, Form.BARGAUGE)
        return [
            core.Target(
                expr=query.expr.render(rendering),
                legendFormat=query.legend_in(self.naming),
                refId=_REF_IDS[position],
                datasource=self.style.datasource(),
                instant=instant,
                format="table" if panel.form is Form.TABLE else "time_series",
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


def column_order(panel: Panel, naming: Naming) -> tuple[Json, str]:
    """Options of the `organize` transformation of a table, and the title of its value column."""
    query = panel.queries[0]
    keys = [key for key in COLUMN_TITLES if key in query.expr.labels]
    own = sorted((key for key in query.expr.labels if not isinstance(key, Identity)), key=lambda key: key.name)
    names = [*(key.name_in(naming) for key in keys), *(key.name for key in own)]
    titles = [*(COLUMN_TITLES[key] for key in keys), *(key.name.capitalize() for key in own)]
    options = {
        "excludeByName": {"Time": True},
        "indexByName": {name: position for position, name in enumerate((*names, "Value"))},
        "renameByName": {**dict(zip(names, titles, strict=True)), "Value": query.legend},
    }
    return options, query.legend


def _url(link: Link, style: Style, naming: Naming, *, of_row: bool) -> str:
    def value(key: Identity) -> str:
        return f"__data.fields.{COLUMN_TITLES[key]}" if of_row else f"__field.labels.{key.name_in(naming)}"

    carried = "&".join(f"var-{key.value}=${{{value(key)}}}" for key in link.carry)
    return f"/d/{PREFIX}{link.board}?{style.keep}&{carried}&${{__url_time_range}}"


def _menu() -> core.DashboardLink:
    return core.DashboardLink(
        title="net-exporter", type="dashboards", tags=[TAG], asDropdown=True, includeVars=True, keepTime=True
    )


def _pos(place: Place) -> core.GridPos:
    return core.GridPos(h=place.height, w=place.width, x=place.x, y=place.y)
