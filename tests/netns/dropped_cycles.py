"""Run as a program: open every probe, give up capabilities, do some cycles, print what was found as a line of JSON.

    python -m tests.netns.dropped_cycles WORD...

For the word `all` nothing is given up; for `declared` what nobody needs; for any other, the name of a capability, that
one besides. Each word is for a process of its own with the same open probes, as opening takes the longest.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import TYPE_CHECKING

from exporter import app, config, registry
from exporter.model.snapshot import Status
from exporter.runtime import privileges

if TYPE_CHECKING:
    from exporter.app import Parts

CYCLES = 4  # what the kernel scan finds is believed from the third on
MOST_CYCLES = 12  # on a busy machine a probe may be late in one of them


def main() -> None:
    logging.disable()
    known = registry.load()
    parts = app.assemble(config.with_probes(config.load(known, None), known), known, "/proc", "/sys")
    for word in sys.argv[1:]:
        if (child := os.fork()) == 0:
            cycle(parts, word)
            sys.stdout.flush()
            os._exit(0)
        if status := os.waitpid(child, 0)[1]:
            sys.exit(f"{word}: status {status}")
    parts.close()


def cycle(parts: Parts, word: str) -> None:
    """Print what is found after giving up what the word says."""
    if word != "all":
        privileges.drop(parts.agent.keep() - {word})
    for number in range(MOST_CYCLES):
        snapshot = parts.schedule.cycle()
        late = any(each.status is Status.TIMED_OUT for each in snapshot.outcomes)
        if number + 1 >= CYCLES and not late:
            break
    pods: dict[str, set[str]] = {}
    for table in snapshot.tables:
        for metric in table.metrics:
            pods.setdefault(metric.probe, set()).update(row.pod.name for row in table.rows)
    found = {
        "kept": sorted(privileges.held()),
        "statuses": {each.probe: [each.status.value, each.reason] for each in snapshot.outcomes},
        "pods": {probe: sorted(names) for probe, names in pods.items()},
        "scanned": [part.active for part in parts.scan.parts] if parts.scan else [],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
