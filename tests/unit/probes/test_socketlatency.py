from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import UnsupportedError
from exporter.model.metric import Metric, Naming
from exporter.probes import socketlatency as probe

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("metric", "names"),
    [
        (probe.READ.slow, ("kubeskoop_socketlatency_read1ms", "inspector_pod_socketlatencyread1ms")),
        (probe.READ.very_slow, ("kubeskoop_socketlatency_read100ms", "inspector_pod_socketlatencyread100ms")),
        (probe.WRITE.slow, ("kubeskoop_socketlatency_write1ms", "inspector_pod_socketlatencywrite1ms")),
        (probe.WRITE.very_slow, ("kubeskoop_socketlatency_write100ms", "inspector_pod_socketlatencywrite100ms")),
    ],
)
def test_the_documented_names_are_kept(metric: Metric, names: tuple[str, str]) -> None:
    assert (metric.name_in(Naming.KUBESKOOP), metric.name_in(Naming.INSPECTOR)) == names


def test_the_thresholds_are_those_in_the_names() -> None:
    defaults = {option.name: option.default for option in probe.PROBE.options}

    assert (defaults["slow_ms"], defaults["very_slow_ms"]) == (1, 100)


def test_without_the_running_kernels_btf_nothing_is_loaded(env_of: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF"):
        probe.open_probe(env_of("6.18-x86_64-two-pods"))
