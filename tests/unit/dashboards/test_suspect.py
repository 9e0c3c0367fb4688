from __future__ import annotations

import pytest

from alerts.rules import tcp_socket, udp
from dashboards.panel import Colour, Form, Step
from dashboards.suspect import share
from dashboards.suspects import connections, datagrams, node, queues
from dashboards.views import NODES
from exporter.errors import DeclarationError
from exporter.model.metric import Naming
from exporter.model.promql import Rendering
from exporter.probes import tcp, tcpext

ACK = Rendering(Naming.INSPECTOR, "5m")


def test_limits_are_those_of_the_alerts_in_the_colour_of_their_severity() -> None:
    assert node.TABLE_FULL.steps == (Step(0.8, Colour.WATCH), Step(0.95, Colour.BAD))
    assert queues.SENT_AGAIN.steps == (Step(0.05, Colour.WATCH), Step(0.15, Colour.BAD))


def test_an_alert_that_counts_in_a_window_gives_a_limit_per_second() -> None:
    assert datagrams.LATE_ANSWERS.steps == (Step(0.00333, Colour.WATCH),)
    assert connections.ACCEPT_QUEUE_OVERFLOWS.steps == (Step(0.00333, Colour.WATCH),)


def test_a_share_of_very_little_stays_below_its_limit_as_the_alert_stays_silent() -> None:
    """The alert wants 1 % and one lost datagram a second: of fewer than 100 datagrams a second, one is no 1 %."""
    expr = datagrams.RECEIVE_QUEUE_FULL.of(NODES).render(ACK)
    assert expr.endswith(", 100)")
    assert "clamp_min(sum by (node) (rate(inspector_pod_udpindatagrams" in expr


def test_a_share_per_minute_keeps_that_relation() -> None:
    """The alert wants 10 % a minute and one a second: of fewer than 600 connections, one a second is no 10 %."""
    expr = connections.CONNECTIONS_CUT.of(NODES).render(ACK)
    assert ") * 60) / clamp_min(" in expr
    assert expr.endswith(", 600)")


def test_an_alert_without_a_second_limit_gives_no_share() -> None:
    lost = NODES.rate(tcp.OUT_RSTS)
    with pytest.raises(DeclarationError, match="alert NetTcpAcceptQueueSaturated has no second threshold"):
        share(lost, lost, tcp_socket.ACCEPT_QUEUE)


def test_the_words_are_those_of_the_runbook() -> None:
    words, *drawn = datagrams.LATE_ANSWERS.panels([])
    runbook = udp.NO_PORTS.runbook
    assert (words.form, len(drawn)) == (Form.TEXT, 2)
    for said in (runbook.meaning, *runbook.diagnosis, *runbook.mitigation, udp.NO_PORTS.name):
        assert said in words.text
    assert all(runbook.meaning in panel.description for panel in drawn)


def test_without_an_alert_the_words_are_those_of_the_metric_and_no_colour_claims_a_limit() -> None:
    (words, _pods, _nodes), tile = connections.PEER_SILENT.panels([]), connections.PEER_SILENT.tile()
    assert tcpext.TCP_ABORT_ON_TIMEOUT.advice in words.text
    assert (tile.steps, tile.base) == ((), Colour.PLAIN)


def test_what_is_off_by_default_says_how_to_switch_it_on() -> None:
    assert node.SOFT_INTERRUPTS_WAIT.needs({"softirq", "tcprtt"}) == ["softirq"]
    words, *_drawn = node.SOFT_INTERRUPTS_WAIT.panels(["softirq"])
    assert words.text.startswith("**Off by default**")
    assert "name `softirq` in `metrics.probes`" in words.text


def test_a_tile_shows_the_worst_of_pods_and_nodes_or_of_nodes_where_no_pod_has_the_number() -> None:
    of_both = datagrams.LATE_ANSWERS.tile().queries[0].expr.render(ACK)
    assert of_both.startswith("max (sum by (node, namespace, pod) (")
    assert " or on (namespace, node, pod) sum by (node, namespace, pod) (" in of_both
    assert "pod" not in node.BACKLOG_DROPS.tile().queries[0].expr.render(ACK).replace("inspector_pod_", "")
