"""What Prometheus and VictoriaMetrics have in common: the HTTP API that Grafana asks."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass(frozen=True)
class Database:
    """One of them, running at this address."""

    address: str
    answers: dict[tuple[str, float], list[dict[str, Any]]] = field(default_factory=dict)

    def api(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            pytest.fail(f"{path} {parameters}: {error.read().decode()}")

    def query(self, expression: str, at: float) -> list[dict[str, Any]]:
        """Series with their value at that time (Unix seconds), which is past: asked once, kept for the next test."""
        key = (expression, at)
        if key not in self.answers:
            self.answers[key] = self.api("query", query=expression, time=f"{at:.3f}")["result"]
        return self.answers[key]
