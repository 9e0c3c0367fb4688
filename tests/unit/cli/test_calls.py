"""Wrong calls: one line, the exit code that says whose fault it is, and no trace."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from exporter import __version__, registry
from exporter.model.event import EventNaming
from exporter.model.snapshot import Status
from tests.conftest import TREES
from tests.unit.cli.program import BIN, ENVIRONMENT, SECONDS, run, shell

if TYPE_CHECKING:
    from pathlib import Path

TREE = TREES / "6.18-x86_64-two-pods"
OVER_TREE = ("--proc", str(TREE / "proc"), "--sys", str(TREE / "sys"))
ONCE = "net-exporter once --help"
COMMANDS = "run, once, check, list, config, explain"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "the following arguments are required: COMMAND; see net-exporter --help"),
        (("rum",), f"unknown command 'rum'; did you mean 'run'?; there are {COMMANDS}"),
        (("\n",), f"unknown command '\\n'; there are {COMMANDS}"),
        (("once", "--cofnig", "x"), f"unknown option '--cofnig'; did you mean '--config'?; see {ONCE}"),
        (("once", "--zzz=1"), "unknown option '--zzz'; see net-exporter once --help"),
        (("once", "more"), "unknown argument 'more'; see net-exporter once --help"),
        (("once", "--json"), "unknown option '--json'; see net-exporter once --help"),
        (("once", "--proc"), "argument --proc: expected one argument; see net-exporter once --help"),
        (("--nothing", "list"), "unknown option '--nothing'; see net-exporter list --help"),
        (("explain",), "the following arguments are required: METRIC; see net-exporter explain --help"),
        (
            ("explain", "kubeskoop_udp_nopor"),
            "unknown metric 'kubeskoop_udp_nopor'; did you mean 'kubeskoop_udp_noports'?",
        ),
        (("explain", ""), "unknown metric ''"),
        (("explain", "a\nb\udcff"), "unknown metric 'a\\nb\\udcff'"),
        (("run", "--listen", "9102"), "--listen: listen must be ADDRESS:PORT, for example 0.0.0.0:9102, is '9102'"),
        (("run", "--config", "/none\nsuch"), "/none such: No such file or directory"),
        (("once", "--config", ""), ": No such file or directory"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(words: tuple[str, ...], said: str) -> None:
    assert run(*words) == (2, "", f"net-exporter: {said}\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("metrics: {probes: [tpc]}", "1:20: metrics.probes: unknown probe 'tpc'; did you mean 'tcp'?"),
        ("metrics: {interval: fast}", "1:21: metrics.interval must be a number, is 'fast'"),
        ("metric: {}", "1:1: unknown key 'metric'; did you mean 'metrics'?"),
    ],
)
@pytest.mark.parametrize("command", ["run", "once", "check"])
def test_a_wrong_file_is_one_line_and_exit_code_2(tmp_path: Path, command: str, content: str, said: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    assert run(command, "--config", str(path)) == (2, "", f"net-exporter: {path}:{said}\n")


def test_what_the_machine_refuses_is_one_line_and_exit_code_1() -> None:
    code, out, err = run("run", "--listen", "192.0.2.1:0")
    complaints = [line for line in err.splitlines() if line.startswith("net-exporter: ")]
    assert (code, out, "Traceback" in err) == (1, "", False)
    assert complaints == ["net-exporter: cannot listen on 192.0.2.1:0: Cannot assign requested address"]


def test_versions_and_help_are_no_errors() -> None:
    assert run("--version") == (0, f"net-exporter {__version__}\n", "")
    for words in (("--help",), ("once", "--help"), ("explain", "-h")):
        code, out, err = run(*words)
        assert (code, err, out.startswith("usage: net-exporter")) == (0, "", True)
    assert run("version", program="inspector") == (0, f"inspector {__version__}\n", "")


# What is printed.

LISTED: dict[str, type] = {
    "probe": str,
    "metric": str,
    "names": dict,
    "aliases": list,
    "type": str,
    "unit": str,
    "scope": str,
    "labels": dict,
    "source": str,
    "help": str,
    "advice": str,
    "default": bool,
}


def _shape(row: dict[str, Any]) -> dict[str, type]:
    return {key: type(value) for key, value in row.items()}


def test_list_prints_every_metric_as_json() -> None:
    code, out, err = run("list", "--json")
    rows = json.loads(out)
    assert (code, err) == (0, "")
    assert [_shape(row) for row in rows] == [LISTED] * len(rows)
    assert [(row["probe"], row["metric"]) for row in rows] == [
        (metric.probe, metric.name) for metric in registry.load().metrics()
    ]


def test_list_prints_a_table_for_people() -> None:
    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split()[:3] == ["probe", "kubeskoop", "name"]
    assert len(out.splitlines()) == 1 + len(list(registry.load().metrics()))


def test_check_prints_how_every_probe_ended_as_json() -> None:
    code, out, err = run("check", "--json", *OVER_TREE)
    found = json.loads(out)
    rows = found.pop("probes")
    assert (code, err) == (0, "")
    assert _shape(found) == {"kernel": str, "btf": dict, "backend": str, "kernel_scan": list, "shared_programs": dict}
    assert [_shape(part) for part in found["kernel_scan"]] == [{"part": str, "lacking": str}] * 5
    assert all(part["lacking"] for part in found["kernel_scan"])  # the tree is of another machine
    assert _shape(found["btf"]) == {"source": str, "path": str, "lacking": str}
    assert [row["probe"] for row in rows] == [spec.name for spec in registry.load().probes]
    shape = {
        "probe": str,
        "default": bool,
        "status": str,
        "reason": str,
        "seconds": float,
        "requires": list,
        "programs": list,
        "places": list,
    }
    assert [_shape(row) for row in rows] == [shape] * len(rows)
    assert {row["status"] for row in rows} <= {status.value for status in Status}
    assert all(row["reason"] for row in rows if row["status"] != "ok")
    for need in (need for row in rows for need in row["requires"]):
        held = {"held": bool} if need["kind"] == "capability" else {}
        assert _shape(need) == {"kind": str, "what": str, "why": str, **held}


def test_check_names_every_probe_for_people() -> None:
    code, out, err = run("check", *OVER_TREE)
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines() if not line.startswith(" ")} == {
        spec.name for spec in registry.load().probes
    }


@pytest.mark.parametrize("name", ["kubeskoop_udp_noports", "inspector_pod_udpnoports"])
def test_explain_knows_a_metric_by_any_name(name: str) -> None:
    code, out, err = run("explain", name)
    assert (code, err, out.splitlines()[0]) == (0, "", "kubeskoop_udp_noports")
    told = json.loads(run("explain", name, "--json")[1])
    assert _shape(told) == {**LISTED, "used by": dict}


# Where it is printed to.


@pytest.mark.parametrize("words", [("list",), ("list", "--json"), ("once", *OVER_TREE), ("explain", "up"), ("--help",)])
def test_a_reader_that_has_seen_enough_is_no_error(words: tuple[str, ...]) -> None:
    with subprocess.Popen(
        [str(BIN / "net-exporter"), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()  # before it has written anything
        assert b"Traceback" not in (told := started.stderr.read()), told
        assert b"BrokenPipe" not in told
        assert started.wait(SECONDS) == 0


def test_head_sees_one_line() -> None:
    for call in ("net-exporter list", "inspector list metric"):
        code, out, err = shell(f"{{bin}}/{call} | head -1")
        assert (code, err, len(out.splitlines())) == (0, "", 1)


def test_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        code, _, err = run("list", output=full.fileno())
    assert (code, err) == (1, "net-exporter: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("call", ["list", f"once {' '.join(OVER_TREE)}", "explain up"])
def test_a_closed_standard_output_is_no_trace(call: str) -> None:
    code, out, err = shell(f"{{bin}}/net-exporter {call} >&-")
    assert (code, out, "Traceback" in err) == (0, "", False)


# The other program.


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("lst",), "unknown command 'lst'; did you mean 'list'?; there are list, watch, completion, btf, version"),
        (("list", "probes"), None),
        (("list", "probe", "--jsn"), "unknown option '--jsn'; did you mean '--json'?; see inspector list --help"),
    ],
)
def test_inspector_s_wrong_calls_are_one_line_too(words: tuple[str, ...], said: str | None) -> None:
    code, out, err = run(*words, program="inspector")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said is None or err == f"inspector: {said}\n"


def test_inspector_lists_what_is_registered() -> None:
    assert run("list", "probe", program="inspector")[1].split() == [spec.name for spec in registry.load().probes]
    assert "inspector_pod_udpnoports" in json.loads(run("list", "metric", "--json", program="inspector")[1])


def test_events_are_listed_with_the_names_of_both_families() -> None:
    rows = json.loads(run("list", "event", "--json", program="inspector")[1])
    assert [(row["probe"], row["names"]["kubeskoop"], row["names"]["ack"]) for row in rows] == [
        (each.probe, each.name, each.name_in(EventNaming.ACK)) for each in registry.load().events()
    ]
    lines = run("list", "event", program="inspector")[1].splitlines()
    assert lines[0].split() == ["probe", "kubeskoop", "name", "ack", "name", "meaning"]
    assert [line.split()[:3] for line in lines[1:]] == [[row["probe"], *row["names"].values()] for row in rows]


def test_inspector_says_where_no_exporter_answers() -> None:
    code, out, err = run("list", "entity", "-s", "127.0.0.1:1", program="inspector")
    assert (code, out) == (1, "")
    assert err == (
        "inspector: no exporter answers at http://127.0.0.1:1/pods ([Errno 111] Connection refused); "
        "name another with --server\n"
    )


@pytest.mark.parametrize("server", ["127.0.0.1:x", "[::", "a b", "http://x", ""])
def test_inspector_survives_a_server_that_is_no_address(server: str) -> None:
    code, out, err = run("list", "entity", "-s", server, program="inspector")
    assert (code, out, err.count("\n"), "Traceback" in err) == (1, "", 1, False)
