"""The RAM policy with exactly the calls that a push makes."""

from __future__ import annotations

import json

from scrape.arms.calls import ACTIONS


def render() -> bytes:
    """JSON for RAM; limit its resources further by putting your region, account and instance for the stars."""
    actions: dict[str, list[str]] = {}
    for service, known in ACTIONS.items():
        for action, resource in known.items():
            actions.setdefault(resource, []).append(f"{service.value}:{action}")
    statements = [
        {"Effect": "Allow", "Action": sorted(allowed), "Resource": [resource]}
        for resource, allowed in sorted(actions.items())
    ]
    return (json.dumps({"Version": "1", "Statement": statements}, indent=2) + "\n").encode()
