"""Which configuration runs, declared like any other metric; the runtime fills these in."""

from __future__ import annotations

from functools import partial

from exporter.model.metric import Kind, Metric, Scope, Unit

_own = partial(Metric, probe="exporter", scope=Scope.NODE, source="the exporter itself")

RELOADED = _own(
    name="config_last_reload_successful",
    kind=Kind.GAUGE,
    unit=Unit.STATE,
    help="Whether the configuration, when it was read last, could be used whole, 1 or 0.",
    advice="The log and `/-/ready` name what is wrong, with line and key; `net-exporter config check FILE` too.",
)
RELOADED_AT = _own(
    name="config_last_reload_success_timestamp_seconds",
    kind=Kind.GAUGE,
    unit=Unit.SECONDS,
    help="When a configuration was last taken over whole.",
)
HASH = _own(
    name="config_hash",
    kind=Kind.GAUGE,
    unit=Unit.ONE,
    help="Number that is the same on all nodes that run with the same settings.",
)
WAITING = _own(
    name="config_settings_waiting",
    kind=Kind.GAUGE,
    unit=Unit.OBJECTS,
    help="Settings that have changed and take effect at the next start.",
    advice="Restart the exporter; `/-/ready` names the settings.",
)

METRICS = (RELOADED, RELOADED_AT, HASH, WAITING)
