from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from exporter.bpf import elf, objects
from exporter.errors import UnsupportedError
from exporter.model.metric import Metric, Naming
from exporter.probes import kernellatency as probe

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("metric", "name", "aliases"),
    [
        (probe.RX.slow, "rxslow", ("inspector_pod_kernellatency_rxslow",)),
        (probe.TX.slow, "txslow", ("inspector_pod_kernellatency_txslow",)),
        (
            probe.RX.very_slow,
            "rxslow100ms",
            ("inspector_pod_kernellatency_rxslow100ms", "kernellatency_rxslow100ms"),
        ),
        (
            probe.TX.very_slow,
            "txslow100ms",
            ("inspector_pod_kernellatency_txslow100ms", "kernellatency_txslow100ms"),
        ),
    ],
)
def test_the_documented_names_are_kept(metric: Metric, name: str, aliases: tuple[str, ...]) -> None:
    names = f"kubeskoop_kernellatency_{name}", f"inspector_pod_kernellatency{name}"
    assert (*map(metric.name_in, Naming), *metric.aliases) == (*names, *aliases)


def test_without_the_running_kernels_btf_nothing_is_loaded(env_of: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedError, match="CONFIG_DEBUG_INFO_BTF"):
        probe.open_probe(env_of("6.18-x86_64-two-pods"))


def test_kinds_are_those_of_the_program() -> None:
    try:
        btf = elf.read_btf(objects.find("kernellatency"))
    except UnsupportedError as error:
        pytest.skip(str(error))

    assert btf.enum("kind") == {"KIND_RX": 0, "KIND_TX": 1}
