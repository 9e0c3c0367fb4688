from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exporter.probes import neigh
from exporter.sources import neigh as source
from exporter.sources.neigh import State, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.model.pod import Pod


def test_namespaces_have_their_entries_and_the_node_has_the_tables(
    host: Pod, web: Pod, dns: Pod, fake_cycle: Callable[..., Any], values_of: Callable[..., Any]
) -> None:
    entries = [(host, {}), (web, {"ipv4": {State.REACHABLE: 2, State.FAILED: 3}}), (dns, {"ipv6": {State.STALE: 5}})]
    thresholds = {"gc_thresh1": 128, "gc_thresh2": 512, "gc_thresh3": 1024}
    counters = {"table_fulls": 7, "forced_gc_runs": 11, "res_failed": 13, "unresolved_discards": 2**63 + 17}
    tables = [Table("ipv4", {"entries": 19} | thresholds | counters), Table("ipv6", {"entries": 23})]
    cycle = fake_cycle({source.read: entries, source.read_tables: [(host, tables)]})

    found = values_of(neigh.collect(cycle))

    assert found.pop((host, "ipv4")) == {
        "table_entries": 19,
        **thresholds,
        "table_fulls_total": 7,
        "forced_gc_runs_total": 11,
        "resolution_failures_total": 13,
        "unresolved_discards_total": 2**63 + 17,
    }
    assert found.pop((host, "ipv6")) == {metric.name: None for metric in neigh.SHARED} | {"table_entries": 23}
    zeros = dict.fromkeys(("incomplete", "reachable", "stale", "delay", "probe", "failed", "permanent"), 0)
    assert {key: values["entries"] for key, values in found.items()} == {
        **{(web, "ipv4", state): n for state, n in (zeros | {"reachable": 2, "failed": 3}).items()},
        **{(dns, "ipv6", state): n for state, n in (zeros | {"stale": 5}).items()},
    }
