from __future__ import annotations

from dashboards import catalogue, variables
from dashboards.variables import Variable
from exporter import registry
from exporter.model.metric import Naming


def names(slug: str) -> list[str]:
    (board,) = [each for each in catalogue.boards(registry.load()) if each.slug == slug]
    return [variable.name for variable in variables.of(board, Naming.INSPECTOR)]


def test_each_variable_depends_on_those_before_it() -> None:
    (board,) = [each for each in catalogue.boards(registry.load()) if each.slug == "udp"]
    scraped = 'job=~"$job", instance=~"$instance"'
    own, anchor = "inspector_pod_exporterbuild_info", "inspector_pod_udprcvbuferrors"
    assert variables.of(board, Naming.INSPECTOR) == (
        Variable("job", "Job", f"label_values({own}, job)", whole=False),
        Variable("instance", "Instance", f'label_values({own}{{job=~"$job"}}, instance)'),
        Variable("node", "Node", f"label_values({own}{{{scraped}}}, node)"),
        Variable(
            "namespace",
            "Namespace",
            f'label_values({anchor}{{{scraped}, node=~"$node", namespace!=""}}, namespace)',
        ),
        Variable(
            "pod",
            "Pod",
            f'label_values({anchor}{{{scraped}, node=~"$node", namespace=~"$namespace", pod!=""}}, pod)',
        ),
    )


def test_a_board_of_node_wide_numbers_asks_for_no_pod() -> None:
    assert names("softnet") == ["job", "instance", "node"]
