from __future__ import annotations

from typing import TYPE_CHECKING

from exporter import config, registry

if TYPE_CHECKING:
    from pathlib import Path


def test_without_metrics_only_probes_with_wanted_events_are_left(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("metrics: {enabled: false, probes: [tcp]}\nevent: {probes: [tcpreset]}\n")
    loaded = config.load(registry.load(), str(file))
    assert (loaded.probes, loaded.options) == ((), {})
    assert [spec.name for spec in loaded.events.probes] == ["tcpreset"]
