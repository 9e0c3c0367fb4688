"""The architecture, executable: what a probe module must be, and what must be declared only once."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from exporter import registry
from exporter.errors import DeclarationError
from exporter.model.metric import Kind, Metric, Naming, Scope, Unit

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path for folder in ("exporter", "dashboards", "alerts", "scrape") for path in sorted((ROOT / folder).rglob("*.py"))
] + [ROOT / "generate.py"]
MOST_LINES = 400

KNOWN = registry.load()


def test_there_is_a_probe_per_module() -> None:
    modules = {path.stem for path in (ROOT / "exporter" / "probes").glob("*.py")} - {"__init__"}
    assert modules == {spec.name for spec in KNOWN.probes}


def test_every_metric_is_declared_in_the_tuple_of_its_probe() -> None:
    for spec in KNOWN.probes:
        assert spec.metrics, f"{spec.name} declares no metric"
        assert len(set(spec.metrics)) == len(spec.metrics), f"{spec.name} lists a metric twice"


@pytest.mark.parametrize("metric", list(KNOWN.metrics()), ids=lambda metric: metric.name_in(Naming.KUBESKOOP))
def test_help_is_a_sentence_of_its_own(metric: Metric) -> None:
    assert metric.help[0].isupper()
    assert metric.help.endswith(".")
    assert 10 < len(metric.help) < 240


def test_no_two_metrics_share_a_help_text() -> None:
    texts: dict[str, str] = {}
    for metric in KNOWN.metrics():
        name = metric.name_in(Naming.KUBESKOOP)
        assert texts.setdefault(f"{metric.probe} {metric.help}", name) == name


def test_names_are_typed_only_where_they_are_declared() -> None:
    """No string that begins like a metric name stands outside probes and model."""
    allowed = {ROOT / "exporter" / "probes", ROOT / "exporter" / "model"}
    typed = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value[:60]}"
        for path in SOURCES
        if not allowed & set(path.parents)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(("kubeskoop_", "inspector_pod_", "inspector_node_"))
    ]
    assert typed == []


def test_files_are_small_and_named_after_a_subject() -> None:
    banned = {"utils", "util", "common", "helpers", "helper", "misc"}
    for path in SOURCES:
        lines = len(path.read_text("utf-8").splitlines())
        assert lines <= MOST_LINES, f"{path.relative_to(ROOT)} has {lines} lines: which two ideas live in it?"
        assert path.stem not in banned, f"{path.relative_to(ROOT)}: name it after its subject"


def test_importing_the_registry_opens_nothing() -> None:
    """Importing all probes reads no kernel file, opens no socket and loads no shared library of its own."""
    code = """
import sys
seen = []
def hook(event, args):
    if event == "socket.__new__" or (event == "ctypes.dlopen" and args[0] is not None):  # None: ctypes asks for itself
        seen.append((event, repr(args[:1])))
    elif event == "open" and str(args[0]).startswith(("/proc", "/sys", "/run")):
        seen.append((event, str(args[0])))
    elif event in {"os.listdir", "os.scandir"} and str(args[0]).startswith(("/proc", "/sys", "/run")):
        seen.append((event, str(args[0])))
sys.addaudithook(hook)
from exporter import registry
registry.load()
print(seen)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def _with(metric: Metric) -> registry.Registry:
    return registry.Registry(KNOWN.probes, (*KNOWN.own, metric))


def _metric(**changes: object) -> Metric:
    fields: dict[str, object] = {
        "probe": "exporter",
        "name": "new_thing",
        "kind": Kind.GAUGE,
        "unit": Unit.ONE,
        "help": "A thing that is new.",
        "scope": Scope.NODE,
        "source": "nowhere",
    }
    return Metric(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": "cycles_total", "kind": Kind.COUNTER}, "declared twice"),
        ({"name": "new-thing"}, "not a metric name"),
        ({"help": "no sentence"}, "one sentence"),
        ({"source": ""}, "says no source"),
        ({"name": "things_total"}, "must be a counter"),
        ({"aliases": ("kubeskoop_udp_noports",)}, "declared twice"),
    ],
)
def test_a_wrong_declaration_is_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(DeclarationError, match=complaint):
        registry.validate(_with(_metric(**changes)))


def test_a_right_declaration_is_accepted() -> None:
    registry.validate(_with(_metric()))
