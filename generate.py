#!/usr/bin/env python3
"""Write bundle/ from the declarations: dashboards, scrape configurations, alerts, the reference, manifests, a chart.

`generate.py push grafana|arms` brings them into a running server; see `generate.py push --help`.
`generate.py site` builds the documents as a static site; see `generate.py site --help`.

Needs neither root nor Linux; the same declarations give the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import alerts
import dashboards
import dashboards.loki
import docs
import scrape
import scrape.helm
import scrape.kubernetes
from alerts import overrides
from alerts.targets import feature, grafana, prometheus
from alerts.targets.chosen import EVERY, Targets
from alerts.words import Links
from dashboards import mixin
from docs import lang
from docs.folder import Wanted, differences, mend
from exporter import registry
from exporter.errors import NetExporterError, UsageError
from exporter.model.metric import Naming
from scrape import arms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import ModuleType

Files: TypeAlias = "dict[str, dict[str, bytes]]"  # subject -> path -> content
SUBJECTS: dict[str, Callable[..., dict[str, bytes]]] = {
    package.__name__.rpartition(".")[2]: package.files
    for package in (dashboards, scrape, arms, alerts, docs, mixin, scrape.kubernetes, scrape.helm, dashboards.loki)
}
# Imported when named: the clients are slow to import, and some are optional.
PUSHES = {
    "grafana": ("dashboards.push.command", "Create or update the folder and the dashboards of a Grafana."),
    "arms": (
        "scrape.arms.command",
        "The same and scraping, alerts and recording rules for Alibaba Cloud's Prometheus.",
    ),
}
NAMINGS = [naming.value for naming in Naming]
REPORTS = {
    "dashboards": dashboards.report,
    "scrape": scrape.report,
    "alerts": alerts.report,
    "loki": dashboards.loki.report,
}
WITH_RULES = ("alerts", "kubernetes", "helm")  # whose files hold alerts
LINKING = (
    "alerts",
    "mixin",
    "kubernetes",
    "helm",
    "docs",
)  # whose files link to dashboards or runbooks, or hold limits
BUNDLE = Path(__file__).resolve().parent / "bundle"
SITE = BUNDLE.parent / "build" / "site"


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(message)


def known(kind: str, word: str, words: Collection[str]) -> str:
    """The word itself. Raises UsageError naming the nearest one if it is none of the words."""
    if word not in words:
        raise UsageError(f"unknown {kind} {word!r}{registry.nearest(word, words)}")
    return word


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line. Raises UsageError."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add = parser.add_argument
    add("--out", type=Path, default=BUNDLE, metavar="DIR", help="folder to write (default bundle/)")
    add("--naming", default=NAMINGS[0], help=f"family of metric names: {' or '.join(NAMINGS)} (default %(default)s)")
    add_language(parser)
    add("--only", default=",".join(SUBJECTS), help="subjects, separated by commas (default %(default)s)")
    add("--check", action="store_true", help="write nothing; exit 1 and name each file that differs")
    add(
        "--grafana",
        metavar="VERSION",
        help=f"write only what this one and later ones load: {', '.join(grafana.VERSIONS)} (default: forms for all)",
    )
    add(
        "--prometheus",
        default=prometheus.DEFAULT,
        metavar="VERSION",
        help=f"the same for Prometheus: {', '.join(prometheus.VERSIONS)} (default %(default)s)",
    )
    add("--json", action="store_true", help="tell as JSON what was written and left out")
    add(
        "--thresholds",
        type=Path,
        metavar="FILE",
        help="YAML file of limits for alerts, by key (bundle/docs/thresholds.md)",
    )
    add("--grafana-url", default="", metavar="URL", help="where dashboard links of alerts lead (default: relative)")
    add("--runbooks", default="docs/runbooks", metavar="URL", help="where runbook links lead (default %(default)s)")
    chosen = spoken(understood(parser, arguments))
    chosen.targets = Targets(
        feature.parse("Grafana", chosen.grafana, grafana.VERSIONS) if chosen.grafana is not None else None,
        feature.parse("Prometheus", chosen.prometheus, prometheus.VERSIONS),
    )
    chosen.only = [known("subject", word, SUBJECTS) for word in chosen.only.split(",")]
    return chosen


def push(arguments: list[str]) -> int:
    """Run `push`. Returns 0 when all is there, 1 when something was left alone or failed. Raises NetExporterError."""
    parser = Parser(prog="generate.py push", description="Bring the bundle into a running server.", allow_abbrev=False)
    targets = parser.add_subparsers(dest="target", metavar="TARGET", required=True)
    target = next(iter(arguments), "")
    if target and target not in ("-h", "--help"):
        known("target", target, PUSHES)
    for name, (module, summary) in PUSHES.items():
        below = targets.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        add = below.add_argument
        add("--plan", action="store_true", help="show what would be done, and do nothing")
        add("--json", action="store_true", help="show plan and result as JSON")
        add(
            "--naming", default=NAMINGS[0], help=f"family of metric names: {' or '.join(NAMINGS)} (default %(default)s)"
        )
        if name == target:
            command = imported(module)
            command.declare(below)
    chosen = understood(parser, arguments)
    code: int = command.run(chosen)
    return code


def site(arguments: list[str]) -> int:
    """Run `site`. Returns 0 when it is there, 1 when --check finds it different. Raises NetExporterError."""
    what = "Build the documents as a static site, every link checked; read it with any web server or browser."
    parser = Parser(prog="generate.py site", description=what, allow_abbrev=False)
    add = parser.add_argument
    add("--out", type=Path, default=SITE, metavar="DIR", help="folder to write (default build/site)")
    add("--naming", default=NAMINGS[0], help=f"family of metric names: {' or '.join(NAMINGS)} (default %(default)s)")
    add_language(parser)
    add("--check", action="store_true", help="write nothing; exit 1 and name each file that differs")
    add("--grafana-url", default="", metavar="URL", help="where links to dashboards lead (default: none are made)")
    chosen = spoken(understood(parser, arguments))
    chosen.only, chosen.targets, chosen.json = list(SUBJECTS), EVERY, False
    chosen.runbooks, chosen.thresholds = "docs/runbooks", None
    website = imported("docs.website")
    files = {path: content for part in made(chosen).values() for path, content in part.items()}
    return write(chosen, {"site": website.build(files, chosen.lang)})


def add_language(parser: Parser) -> None:
    """Declare --lang."""
    known_ones = " or ".join(lang.languages())
    parser.add_argument(
        "--lang",
        default=lang.ENGLISH,
        help=f"language of dashboards, alerts and documents: {known_ones} (default %(default)s)",
    )


def spoken(chosen: argparse.Namespace) -> argparse.Namespace:
    """The same with the catalogue, None for English. Raises UsageError naming the languages there are."""
    if chosen.lang not in lang.languages():
        raise UsageError(f"unknown language {chosen.lang!r}; there are {', '.join(lang.languages())}")
    chosen.catalogue = None if chosen.lang == lang.ENGLISH else lang.load(chosen.lang)
    return chosen


def write(chosen: argparse.Namespace, files: Files) -> int:
    """Bring a folder up to date, or look whether it is. Returns the exit code. Raises NetExporterError."""
    wanted = Wanted(files, registry.load().fingerprint(), chosen.naming.value)
    found = differences(chosen.out, wanted)
    if not chosen.check:
        mend(chosen.out, wanted, found)
    (tell_as_json if chosen.json else tell)(chosen, files, found)
    return int(chosen.check and bool(found))


def imported(module: str) -> ModuleType:
    """A sub-command. Raises UsageError naming the package that is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UsageError(f"package {error.name} is not installed; run: pip install --group generate") from error


def understood(parser: Parser, arguments: list[str]) -> argparse.Namespace:
    """What the arguments say, with the naming as a value. Raises UsageError with the nearest word."""
    chosen, unknown = parser.parse_known_args(arguments)
    for word in unknown:
        known("option", word, [f"--{name.replace('_', '-')}" for name in vars(chosen)])
    chosen.naming = Naming(known("naming", chosen.naming, NAMINGS))
    return chosen


def made(chosen: argparse.Namespace) -> Files:
    """The files of each subject by path. Raises NetExporterError."""
    limits = overrides.read(chosen.thresholds) if chosen.thresholds else alerts.DECLARED
    links = Links(chosen.grafana_url.rstrip("/"), chosen.runbooks.rstrip("/"))
    more: dict[str, dict[str, Any]] = {subject: {} for subject in SUBJECTS}
    for subject in LINKING:
        more[subject] |= {"links": links, "limits": limits}
    for subject in {*REPORTS, *WITH_RULES}:
        more[subject]["targets"] = chosen.targets
    found = {subject: SUBJECTS[subject](registry.load(), chosen.naming, **more[subject]) for subject in chosen.only}
    if chosen.catalogue is None:
        return found
    return {subject: lang.translated(files, chosen.catalogue) for subject, files in found.items()}


def report(chosen: argparse.Namespace) -> list[feature.Section]:
    """What was left out for older versions."""
    asked = [REPORTS[subject] for subject in chosen.only if subject in REPORTS]
    return [section for each in asked for section in each(registry.load(), chosen.targets)]


def tell(chosen: argparse.Namespace, files: Files, found: dict[str, str]) -> None:
    """Show what was written or differs, and what was left out for the versions that were named."""
    for subject, of_subject in files.items():
        print(f"{subject}: {len(of_subject)} files, {sum(map(len, of_subject.values())) // 1024} KiB")
    if chosen.catalogue is not None:
        print(
            f"{chosen.lang}: {len(chosen.catalogue.used)} texts translated, {len(chosen.catalogue.missing)} in English"
        )
    if chosen.targets != EVERY:
        print(feature.text(report(chosen)), end="")
    for path, state in found.items():
        if chosen.check:
            print(f"{chosen.out / path}: {state}; run generate.py", file=sys.stderr)
        elif state == "edited orphan":
            print(f"{chosen.out / path}: no longer written, and kept as it was edited; remove it by hand")
    if not chosen.check:
        print(f"{chosen.out}: {len(found)} of {sum(map(len, files.values())) + 1} files changed")


def tell_as_json(chosen: argparse.Namespace, files: Files, found: dict[str, str]) -> None:
    """The same for programs."""
    document = {
        "out": str(chosen.out),
        "files": {subject: sorted(of_subject) for subject, of_subject in files.items()},
        "changed": found,
        "compatibility": feature.plain(report(chosen)),
    }
    print(json.dumps(document, indent=1))


def main(arguments: list[str]) -> int:
    """Run. Returns the exit code: 0 done, 1 not up to date, 2 wrong usage or declaration, 130 stopped by the user."""
    try:
        if arguments[:1] == ["push"]:
            return push(arguments[1:])
        if arguments[:1] == ["site"]:
            return site(arguments[1:])
        chosen = parse(arguments)
        return write(chosen, made(chosen))
    except NetExporterError as error:
        print(f"generate.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("generate.py: stopped; run it again to finish", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
