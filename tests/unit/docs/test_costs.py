from __future__ import annotations

import docs
from docs.costs import series
from exporter import registry
from exporter.model.metric import Naming
from exporter.probes import conntrack, tcp, tcprtt

KNOWN = registry.load()
TEXT = docs.files(KNOWN, Naming.KUBESKOOP)["docs/costs.md"].decode()


def test_pods_and_the_host_have_a_series_each_and_the_node_has_one() -> None:
    assert series([tcp.ACTIVE_OPENS], 30) == 31
    assert series([conntrack.DROP], 30) == 1
    assert series([tcprtt.SECONDS], 30) == 31 * tcprtt.SECONDS.width


def test_what_has_labels_of_its_own_is_named_and_not_summed() -> None:
    assert series([conntrack.CHANGES], 30) == 0
    assert "| [conntrack](metrics/conntrack.md) | yes | 15 | 0 | 1 metric by change: at most 6 per node |" in TEXT


def test_every_probe_has_its_row() -> None:
    assert [
        spec.name for spec in KNOWN.probes if TEXT.count(f"\n| [{spec.name}](metrics/{spec.name}.md) | ") != 1
    ] == []


def test_queries_follow_the_family_of_names() -> None:
    inspector = docs.files(KNOWN, Naming.INSPECTOR)["docs/costs.md"].decode()
    assert '{__name__=~"kubeskoop_.+"}' in TEXT
    assert '{__name__=~"inspector_.+"}' in inspector
    assert "`inspector_pod_exporterseries`" in inspector
