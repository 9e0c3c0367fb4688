from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import NoDataError
from exporter.probes import qdisc
from exporter.sources import qdisc as source
from exporter.sources.qdisc import Qdisc

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod


def test_each_device_with_a_queue_has_a_row(
    host: Pod, web: Pod, dns: Pod, fake_cycle: Callable[..., Any], values_of: Callable[..., Any]
) -> None:
    fast = Qdisc("eth0", "mq", 2**63 + 1, 2, 3, 5, 7, 11, 13)
    old = Qdisc("eth1", "pfifo_fast", 17, 19, 23, 29, None, 31, 37)
    cycle = fake_cycle({source.read: [(host, [fast, old]), (web, [fast]), (dns, [])]})

    names = ("bytes", "packets", "drops", "overlimits", "requeues_total", "qlen", "backlog")
    expected_fast = dict(zip(names, fast[2:], strict=True))
    assert values_of(qdisc.collect(cycle)) == {
        (host, "eth0", "mq"): expected_fast,
        (host, "eth1", "pfifo_fast"): dict(zip(names, old[2:], strict=True)),
        (web, "eth0", "mq"): expected_fast,
    }


def test_where_no_device_has_a_queue_there_is_nothing_to_report(web: Pod, fake_cycle: Callable[..., Any]) -> None:
    with pytest.raises(NoDataError, match="noqueue"):
        qdisc.collect(fake_cycle({source.read: [(web, [])]}))
