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
from exporter import registry
from exporter.errors import NetExporterError, UsageError
from exporter.model.metric import Naming

SUBJECTS = {package.__name__: package.files for package in (dashboards, scrape, alerts, docs)}
MARKER = "GENERATED"
MARKER_TEXT = b"Everything in this folder is written by generate.py; edits are lost.\n"


class Parser(argparse.ArgumentParser):
    """One line per mistake, with the nearest word that would have been right."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(message)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line. Raises UsageError naming the nearest option or subject."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "bundle", help="folder (default bundle/)")
    parser.add_argument("--naming", default="kubeskoop", help="family of names: kubeskoop (default) or inspector")
    parser.add_argument("--only", default=",".join(SUBJECTS), help="comma-separated subjects (default %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if any file differs")
    chosen, unknown = parser.parse_known_args(arguments)
    chosen.only = chosen.only.split(",")
    known = {"option": list(parser._option_string_actions), "naming": [n.value for n in Naming], "subject": SUBJECTS}  # noqa: SLF001
    for kind, words in (("option", unknown), ("naming", [chosen.naming]), ("subject", chosen.only)):
        for word in words:
            if word not in known[kind]:
                raise UsageError(f"unknown {kind} {word!r}{registry.nearest(word, known[kind])}")
    return chosen


def differences(out: Path, wanted: dict[str, bytes], subjects: list[str]) -> dict[str, str]:
    """Path -> missing, differs or orphan, for what is not as it should be."""
    found = {path: "missing" for path in wanted if not (out / path).is_file()}
    found |= {path: "differs" for path in wanted if path not in found and (out / path).read_bytes() != wanted[path]}
    present = (file.relative_to(out).as_posix() for name in subjects for file in (out / name).rglob("*"))
    found |= {path: "orphan" for path in present if path not in wanted and (out / path).is_file()}
    return dict(sorted(found.items()))


def write(out: Path, wanted: dict[str, bytes], changed: dict[str, str]) -> None:
    """Mend the differences. Raises UsageError rather than touch a folder that is not a bundle."""
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise UsageError(f"{out} is neither empty nor a bundle (no file {MARKER}); name another folder with --out")
    for path, state in {MARKER: "missing", **changed}.items():
        if state == "orphan":
            (out / path).unlink()
            continue
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(wanted.get(path, MARKER_TEXT))


def main(arguments: list[str]) -> int:
    """Run. Returns the exit code: 0 done, 1 the bundle differs, 2 wrong usage or declaration."""
    try:
        chosen = parse(arguments)
        wanted: dict[str, bytes] = {}
        for subject in chosen.only:
            made = SUBJECTS[subject](registry.load(), Naming(chosen.naming))
            print(f"{subject}: {len(made)} files, {sum(map(len, made.values())) // 1024} KiB")  # noqa: T201
            wanted |= made
        changed = differences(chosen.out, wanted, chosen.only)
        if chosen.check:
            for path, state in changed.items():
                print(f"{chosen.out / path}: {state}; run generate.py", file=sys.stderr)  # noqa: T201
            return 1 if changed else 0
        write(chosen.out, wanted, changed)
        print(f"{chosen.out}: {len(changed)} of {len(wanted)} files changed")  # noqa: T201
    except NetExporterError as error:
        print(f"generate.py: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
