"""Panels on which configuration each exporter runs with."""

from __future__ import annotations

from dashboards.panel import Colour, Form, Panel, Query, Step
from dashboards.units import Show
from dashboards.views import NODES, ON_NODE, TO_NODE, topic
from exporter.model import config_health
from exporter.model.metric import Identity
from exporter.model.promql import gauge, total

_CONFIGURATION = (
    topic(
        "Configuration could be used",
        "1 where the configuration holds as it was read last, 0 where it is wrong and the former one runs, or where "
        "the machine refused a part; `/-/ready` names each fault with its line.",
        (config_health.RELOADED, ""),
    ),
    topic(
        "Settings that wait for a restart",
        "Settings that were changed and take effect at the next start; `/-/ready` names them.",
        (config_health.WAITING, ""),
        steps=(Step(1, Colour.WATCH),),
    ),
    topic(
        "Configuration in force",
        "A number for the settings as a whole: nodes with the same number run with the same ones.",
        (config_health.HASH, ""),
    ),
)

_TAKEN_OVER = Panel(
    title="Configuration taken over",
    description="When each exporter last took over a configuration that is right as a whole.",
    form=Form.TABLE,
    queries=(Query(total(gauge(config_health.RELOADED_AT, ON_NODE), Identity.NODE) * 1000, "Taken over"),),
    unit=Show.AGO,
    ascending=True,
    links=(TO_NODE,),
    base=Colour.PLAIN,
)

PANELS = (*(each.panel(NODES) for each in _CONFIGURATION), _TAKEN_OVER)
