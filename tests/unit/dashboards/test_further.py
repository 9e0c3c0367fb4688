from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dashboards import catalogue, further
from exporter import registry
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, stateless
from exporter.probes import udp
from exporter.registry import Registry

if TYPE_CHECKING:
    from dashboards.panel import Board


def metric(name: str, probe: str = "new", **changes: object) -> Metric:
    given = {
        "kind": Kind.COUNTER,
        "unit": Unit.PACKETS,
        "help": f"What {name} is.",
        "scope": Scope.NETNS,
        "source": "/proc",
    }
    return Metric(probe=probe, name=name, **(given | changes))  # type: ignore[arg-type]


def spec(*metrics: Metric) -> ProbeSpec:
    return ProbeSpec(name=metrics[0].probe, summary="New.", metrics=metrics, open=stateless(lambda _cycle: []))


def row_of(board: Board) -> list[tuple[str, bool, list[str]]]:
    return [(row.title, row.collapsed, [panel.title for panel in row.panels]) for row in board.rows]


def test_a_metric_that_is_new_with_a_known_probe_shows_up_on_its_board() -> None:
    added = metric("lost_total", "udp", advice="Do something.")
    probes = tuple(
        replace(each, metrics=(*each.metrics, added)) if each.name == "udp" else each for each in registry.load().probes
    )
    (board,) = [each for each in catalogue.boards(Registry(probes, registry.load().own)) if each.slug == "udp"]
    assert ("Further counters: udp", True, ["lost_total"]) in row_of(board)
    (panel,) = [panel for panel in board.panels() if panel.title == "lost_total"]
    assert panel.description == "What lost_total is. Do something."


def test_a_new_probe_gets_a_place_without_any_edit() -> None:
    device = Label(name="device", help="Device.", budget=4)
    fresh = spec(metric("a"), metric("b", scope=Scope.NODE, labels=(device,)), metric("c", default=False))
    (board,) = further.unclaimed([], Registry((fresh,), ()))
    assert (board.slug, row_of(board)) == ("further", [("Further counters: new", True, ["a", "b"])])
    legends = [[query.legend for query in panel.queries] for panel in board.rows[0].panels]
    assert legends == [["{node}", "{namespace}/{pod}"], ["{node} {device}"]]


def test_a_hundred_metrics_share_panels_by_unit() -> None:
    many = [metric(f"m{number}", scope=Scope.NODE) for number in range(25)]
    (board,) = further.unclaimed([], Registry((spec(*many, metric("bytes", unit=Unit.BYTES)),), ()))
    assert [panel.title for panel in board.rows[0].panels] == [
        "bytes",
        "m0 to m5",
        "m6 to m11",
        "m12 to m17",
        "m18 to m23",
        "m24",
    ]


def test_nothing_is_added_where_all_is_shown() -> None:
    board = next(each for each in catalogue.boards(registry.load()) if each.slug == "udp")
    assert udp.NO_PORTS in {each for panel in board.panels() for each in panel.metrics}
    assert further.complete(board, registry.load()) == board
