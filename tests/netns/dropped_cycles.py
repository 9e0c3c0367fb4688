"""Run as a program: open every probe, give up capabilities, do some cycles, print what was found.

    python -m tests.netns.dropped_cycles [declared [-CAP_X]]

Without `declared` nothing is given up, with it what nobody needs, and CAP_X besides.
"""

from __future__ import annotations

import json
import logging
import sys

from exporter import app, config, registry
from exporter.model.snapshot import Status
from exporter.runtime import privileges

CYCLES = 4  # what the kernel scan finds is believed from the third on
MOST_CYCLES = 12  # on a busy machine a probe may be late in one of them


def main() -> None:
    logging.disable()
    known = registry.load()
    parts = app.assemble(config.with_probes(config.load(known, None), known), known, "/proc", "/sys")
    if "declared" in sys.argv:
        privileges.drop(parts.keep - {word.removeprefix("-") for word in sys.argv})
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
    parts.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
