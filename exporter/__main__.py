"""The `net-exporter` command line: run, once, check, list, config, explain."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from exporter import __version__, app, config, registry
from exporter.bpf import features, objects, running
from exporter.cli import config_command, reports
from exporter.cli.arguments import Parser, add_commands, check_command
from exporter.cli.command import execute
from exporter.cli.explain import explain, explain_plain
from exporter.errors import UsageError
from exporter.exposition.text import Format
from exporter.runtime import privileges

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from exporter.config import Config
    from exporter.registry import Registry
    from exporter.settings.resolve import Resolved

COMMANDS = {
    "run": "Collect at each interval and serve metrics until stopped.",
    "once": "Do one cycle and print the exposition.",
    "check": "Do one cycle of every probe and say how each ended, why, and what it needs.",
    "list": "Print the registry: every metric that can be collected.",
    "config": "Show, check or translate a configuration.",
    "explain": "Say what a metric measures, where it comes from and what to do when it rises.",
}


def parser() -> Parser:
    """The command line's grammar."""
    top = Parser(prog="net-exporter", description="Network observability for Kubernetes nodes.")
    top.add_argument("--version", action="version", version=f"net-exporter {__version__}")
    commands = add_commands(top, COMMANDS)
    for name in ("run", "once", "check"):
        command = commands[name]
        command.add_argument("--config", metavar="FILE", help="configuration file (YAML); without one, all defaults")
        command.add_argument("--kubeconfig", metavar="FILE", help="overrides kubeconfig: how to reach the API server")
        command.add_argument("--proc", metavar="DIR", default="/proc", help="procfs of the host (default: %(default)s)")
        command.add_argument("--sys", metavar="DIR", default="/sys", help="sysfs of the host (default: %(default)s)")
        command.add_argument(
            "--backend", choices=("auto", "core", "bcc"), help="overrides ebpf.backend (default: auto)"
        )
        config_command.add_set(command)
    config_command.add_actions(commands["config"])
    commands["run"].add_argument(
        "--listen", metavar="ADDR:PORT", help="address of the endpoint (default: 0.0.0.0:9102)"
    )
    commands["run"].add_argument(
        "--web.config.file",
        dest="web_config",
        metavar="FILE",
        help="web configuration file: TLS, client certificates, passwords, headers and limits",
    )
    commands["run"].add_argument(
        "--web.enable-lifecycle", dest="lifecycle", action="store_true", help="let POST /-/reload read the file anew"
    )
    for name in ("check", "list", "explain"):
        commands[name].add_argument("--json", action="store_true", help="print JSON")
    commands["explain"].add_argument("metric", metavar="METRIC", help="a metric's name in any dialect")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns the exit code: 0, 1 when the machine refuses, 2 for a wrong call."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    return execute("net-exporter", lambda: _command(words))


def _command(words: list[str]) -> None:
    check_command(words, tuple(COMMANDS))
    options = parser().parse(words)
    _COMMANDS[options.command](options, registry.load())


def _trees(options: Namespace) -> tuple[str, str]:
    """The host's procfs and sysfs. Raises UsageError for a folder that does not exist."""
    for option, folder in (("--proc", options.proc), ("--sys", options.sys)):
        if not os.path.isdir(folder):
            raise UsageError(f"{option} {folder}: no such folder")
    return options.proc, options.sys


def _chosen(options: Namespace) -> list[str]:
    """Settings of the command line that have no option of their own, and those whose option is another spelling."""
    return options.chosen if options.kubeconfig is None else [*options.chosen, f"kubeconfig={options.kubeconfig}"]


def _settings(options: Namespace, known: Registry) -> Config:
    return config.load(known, options.config, backend=options.backend, chosen=_chosen(options))


def _run(options: Namespace, known: Registry) -> None:
    chosen = [*_chosen(options), *(["web.enableLifecycle=true"] if options.lifecycle else [])]

    def read() -> tuple[Config, Resolved]:
        return config.read(
            known,
            options.config,
            listen=options.listen,
            backend=options.backend,
            web_config=options.web_config,
            chosen=chosen,
        )

    settings, _ = read()
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stderr
    )
    app.run(settings, known, *_trees(options), path=options.config, read=read)


def _once(options: Namespace, known: Registry) -> None:
    parts = app.assemble(_settings(options, known), known, *_trees(options))
    parts.identity.start()
    snapshot = parts.schedule.cycle()
    sys.stdout.buffer.write(parts.answers.get(snapshot, Format.TEXT, compressed=False))
    sys.stdout.flush()
    parts.close()


def _check(options: Namespace, known: Registry) -> None:
    settings = config.with_event_probes(_settings(options, known))
    if options.config is None:
        settings = config.with_probes(settings, known)
    parts = app.assemble(settings, known, *_trees(options))
    parts.identity.start()
    held = privileges.held()
    outcomes, loaded = parts.collector.cycle().outcomes, running.survey()
    rows = reports.checked(known, outcomes, held, loaded)
    shared = [each for each in loaded if each.name not in {row["probe"] for row in rows}]
    scan = (
        [features.Feature(part.name, part.reason) for part in parts.scan.parts]
        if parts.scan
        else [features.Feature("everything", "switched off by metrics.kernelScan")]
    )
    found = reports.node(_release(Path(options.proc)), parts.types, rows, shared, scan)
    print(reports.as_json(found) if options.json else reports.check_text(rows))
    if not options.json and Path(options.proc, "self").exists():  # a captured tree is of another machine
        print(reports.node_text(found))
        print(reports.capabilities_text(parts.agent.needs(), held))
        scanned = [features.Feature(f"kernel scan of {name}", lacking) for name, lacking in scan]
        print(reports.features_text((*features.survey(Path(options.sys), objects.every()), *scanned)))
    parts.close()


def _release(proc: Path) -> str:
    file = proc / "sys/kernel/osrelease"
    return file.read_text().strip() if file.exists() else ""


def _list(options: Namespace, known: Registry) -> None:
    print(reports.as_json(reports.listed(known)) if options.json else reports.list_text(known))


def _explain(options: Namespace, known: Registry) -> None:
    metric = known.metric(options.metric)
    print(reports.as_json(explain_plain(known, metric)) if options.json else explain(known, metric))


_COMMANDS = {
    "run": _run,
    "once": _once,
    "check": _check,
    "list": _list,
    "config": config_command.execute,
    "explain": _explain,
}

if __name__ == "__main__":
    sys.exit(main())
