#!/usr/bin/env python3
"""Write bundle/ from the declarations: dashboards, scrape configurations, alerts and the reference.

Needs neither root nor Linux; the same declarations give the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import alerts
import dashboards
import docs
import scrape
from docs.folder import differences, mend
from exporter import registry
from exporter.errors import NetExporterError, UsageError
from exporter.model.metric import Naming

SUBJECTS = {package.__name__: package.files for package in (dashboards, scrape, alerts, docs)}
BUNDLE = Path(__file__).resolve().parent / "bundle"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(message)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line. Raises UsageError naming the nearest option, naming or subject."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    options = (
        parser.add_argument(
            "--out", type=Path, default=BUNDLE, metavar="DIR", help="folder to write (default bundle/)"
        ),
        parser.add_argument("--naming", default="kubeskoop", help="family of metric names: kubeskoop or inspector"),
        parser.add_argument("--only", default=",".join(SUBJECTS), help="subjects, by comma (default %(default)s)"),
        parser.add_argument(
            "--check", action="store_true", help="write nothing; exit 1 and name each file that differs"
        ),
    )
    chosen, unknown = parser.parse_known_args(arguments)
    chosen.only = chosen.only.split(",")
    named = {"option": unknown, "naming": [chosen.naming], "subject": chosen.only}
    known = {
        "option": [flag for option in options for flag in option.option_strings],
        "naming": [naming.value for naming in Naming],
        "subject": list(SUBJECTS),
    }
    for kind, words in named.items():
        for word in words:
            if word not in known[kind]:
                raise UsageError(f"unknown {kind} {word!r}{registry.nearest(word, known[kind])}")
    return chosen


def main(arguments: list[str]) -> int:
    """Run. Returns the exit code: 0 done, 1 the bundle is not up to date, 2 wrong usage or declaration."""
    try:
        chosen = parse(arguments)
        wanted: dict[str, bytes] = {}
        for subject in chosen.only:
            made = SUBJECTS[subject](registry.load(), Naming(chosen.naming))
            print(f"{subject}: {len(made)} files, {sum(map(len, made.values())) // 1024} KiB")
            wanted |= made
        found = differences(chosen.out, wanted, chosen.only)
        if chosen.check:
            for path, state in found.items():
                print(f"{chosen.out / path}: {state}; run generate.py", file=sys.stderr)
            return 1 if found else 0
        mend(chosen.out, wanted, found)
        print(f"{chosen.out}: {len(found)} of {len(wanted)} files changed")
    except NetExporterError as error:
        print(f"generate.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
