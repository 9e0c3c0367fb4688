from __future__ import annotations

from alerts import thresholds
from alerts.rules import device, node, tcp_path, tcp_socket, udp
from dashboards.boards import conntrack, signs, tcp
from dashboards.limits import limits
from dashboards.panel import Colour, Step


def test_a_panel_changes_colour_where_the_alert_fires() -> None:
    assert limits(device.DROPS) == (Step(thresholds.DROPPED_SHARE.value, Colour.WATCH),)
    both = (
        Step(thresholds.CONNTRACK_SHARE.value, Colour.WATCH),
        Step(thresholds.CONNTRACK_SHARE_CRITICAL.value, Colour.BAD),
    )
    assert both == limits(node.CONNTRACK_NEARLY_FULL, node.CONNTRACK_FULL) == conntrack.FILL.steps


def test_a_count_in_a_window_becomes_a_rate_of_three_digits() -> None:
    assert limits(udp.NO_PORTS, window=900) == (Step(0.00333, Colour.WATCH),)
    assert limits(tcp_socket.ABORT_ON_MEMORY, window=600) == (Step(0.00167, Colour.BAD),)


def test_the_same_number_has_the_same_limit_on_every_board() -> None:
    expected = limits(tcp_path.RETRANSMITS, tcp_path.RETRANSMITS_CRITICAL)
    (sign,) = [query for query in signs.PODS_IN_TROUBLE.queries if query.legend == "Sent again"]
    assert (expected, expected) == (tcp.RETRANSMITTED.steps, sign.steps)
