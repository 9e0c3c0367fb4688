"""Probes that measure only one of so many, or each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from exporter import registry

if TYPE_CHECKING:
    from exporter.model.probe import Env, Probe, ProbeSpec


def measuring(name: str, one_in: int = 1, **options: int) -> ProbeSpec:
    """A probe with its option `sample_one_in`, and any others."""
    spec = registry.load().probe(name)

    def open_probe(env: Env) -> Probe:
        return spec.open(replace(env, options={name: {"sample_one_in": one_in, **options}}))

    return replace(spec, open=open_probe)
