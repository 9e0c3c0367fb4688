"""The parts of the runner that need no guest, and the kernels that every test run can afford."""

from __future__ import annotations

import datetime as dt
import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from exporter import registry
from tests.bpf import compiling
from tests.vm import kernels, machine, matrix, rows

pytestmark = pytest.mark.timeout(0)  # a guest has a limit of its own

# The oldest kernel with everything that probes ask for at least, and what is to come; the others: make vmtest.
AFFORDED = ("5.10", "newest")
# All programs, and for each way of counting one whose numbers are known; IPVS and virtio devices are in guests only.
EXACT = (
    "tests/bpf/test_every_object.py",
    "tests/bpf/test_tcpretrans.py",
    "tests/bpf/test_virtcmdlatency.py",
    "tests/netns/test_ipvs.py",
    "tests/netns/test_tcp.py",
)
MOST_SECONDS = 900  # a minute or two where the machine does nothing else
NAMES = """\
linux-image-5.10.0-46-cloud-amd64
linux-image-5.10.0-9-cloud-amd64
linux-image-6.1-cloud-amd64
linux-image-6.1.0-0.deb11.52-cloud-amd64
linux-image-6.1.0-56-cloud-amd64
linux-image-6.1.0-56-cloud-amd64-unsigned
linux-image-6.12.117+deb12-cloud-amd64
linux-image-6.12.94+deb13-cloud-amd64
linux-image-7.3.4+deb13-cloud-amd64
linux-image-7.3.4+deb13-rt-amd64
"""


@pytest.mark.parametrize(
    ("wanted", "release"),
    [
        ("5.10", "5.10.0-46-cloud-amd64"),
        ("6.1", "6.1.0-56-cloud-amd64"),
        ("6.12", "6.12.117+deb12-cloud-amd64"),
        ("newest", "7.3.4+deb13-cloud-amd64"),
    ],
)
def test_the_newest_stock_kernel_of_a_series_is_taken(wanted: str, release: str) -> None:
    assert kernels.newest(NAMES, wanted) == release


def test_a_series_that_debian_does_not_have_is_named_in_the_error() -> None:
    with pytest.raises(LookupError, match=r"no stock kernel 4\.18 in bullseye"):
        kernels.newest(NAMES, "4.18")


def result_of(
    told: list[dict[str, object]], tests: list[dict[str, object]], status: int | None = 0, source: str = "kernel"
) -> machine.Result:
    """A guest in which `check` and the tests told this."""
    check = {"kernel": "6.1.0", "btf": {"source": source}, "backend": "core", "probes": told}
    files = {"check.json": json.dumps(check), "tests.jsonl": "".join(f"{json.dumps(test)}\n" for test in tests)}
    return machine.Result(status, "", "", 60.0, files)


def row_of(probe: str, status: str = "ok", reason: str = "") -> dict[str, object]:
    programs = [
        {"name": "first", "hook": "tp_btf/a", "state": "attached", "skipped": 0},
        {"name": "second", "hook": "kprobe/a", "state": "not_loaded", "skipped": 0},
    ]
    return {"probe": probe, "status": status, "reason": reason, "programs": programs}


def test_a_report_has_outcomes_and_no_durations() -> None:
    tests: list[dict[str, object]] = [
        {"test": "a", "outcome": "passed", "seconds": 1.5, "reason": ""},
        {"test": "b", "outcome": "skipped", "seconds": 0.5, "reason": "Skipped: no netem"},
        {"test": "c", "outcome": "failed", "seconds": 2.5, "reason": "assert"},
    ]
    result = result_of([row_of("tcp")], tests, status=1)
    found = matrix.report(rows.Row("6.1", rows.KERNEL), kernels.Kernel("6.1", "6.1.0-56", kernels.CACHE), ["a"], result)
    assert dt.date.fromisoformat(found.pop("date"))
    assert found == {
        "kernel": "6.1",
        "types": "kernel",
        "release": "6.1.0-56",
        "status": 1,
        "source": "kernel",
        "backend": "core",
        "probes": [{"probe": "tcp", "status": "ok", "reason": "", "hooks": ["tp_btf/a"]}],
        "tests": ["a"],
        "passed": 1,
        "failed": ["c"],
        "skipped": {"no netem": 1},
    }
    assert matrix.slowest(result, 2) == ["   2.5 s  c", "   1.5 s  a"]


@pytest.mark.parametrize(
    ("told", "status", "complaint"),
    [
        ([row_of("tcp")], 0, None),
        ([row_of("rdma", "unsupported", "no device")], 0, None),
        ([row_of("tcptwrcv", "unsupported", "no fentry")], 0, None),  # its first kernel is newer
        ([row_of("tcprtt", "unsupported", "no loop")], 0, "tcprtt is unsupported though it is said to run on this"),
        ([row_of("tcp", "failed", "garbage")], 0, "tcp is failed: garbage"),
        ([row_of("tcp")], 1, "tests ended with status 1"),
        ([row_of("tcp")], None, "the guest ended before its command did"),
        ([], 0, "net-exporter check told nothing"),
    ],
)
def test_what_a_kernel_should_do_and_does_not_is_a_complaint(
    told: list[dict[str, object]], status: int | None, complaint: str | None
) -> None:
    assert_complaints("5.10.0-46-cloud-amd64", rows.KERNEL, result_of(told, [], status), complaint)


@pytest.mark.parametrize(
    ("types", "source", "told", "complaint"),
    [
        (rows.NOTHING, "", row_of("tcprtt", "unsupported", "no types"), None),
        (rows.NOTHING, "", row_of("tcp", "unsupported", "no types"), "tcp is unsupported though"),
        (rows.NOTHING, "headers", row_of("tcp"), "types should be told by nothing, and are by headers"),
        (rows.HEADERS, "", row_of("tcp"), "types should be told by headers, and are by nothing"),
        (rows.HEADERS, "headers", row_of("tcptwrcv", "unsupported", "no fexit"), None),
        (rows.HEADERS, "headers", row_of("tcprtt", "unsupported", "no hook"), "tcprtt is unsupported though"),
    ],
)
def test_without_types_only_programs_may_be_lacking(
    types: str, source: str, told: dict[str, object], complaint: str | None
) -> None:
    assert_complaints("6.1.0-56-cloud-amd64", types, result_of([told], [], source=source), complaint)


def assert_complaints(release: str, types: str, result: machine.Result, complaint: str | None) -> None:
    kernel = kernels.Kernel("any", release, kernels.CACHE)
    complaints = list(matrix.complaints(matrix.report(rows.Row("any", types), kernel, (), result), registry.load()))
    assert len(complaints) == (complaint is not None)
    assert all(told.startswith(complaint or "") for told in complaints)


def test_a_kept_report_replaces_the_one_of_its_row_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "reference" / "kernels.json"
    for kernel, types, passed in [
        ("newest", rows.KERNEL, 1),
        ("5.10", rows.NOTHING, 2),
        ("4.4", rows.KERNEL, 3),
        ("5.10", rows.KERNEL, 4),
        ("newest", rows.KERNEL, 5),
    ]:
        matrix.kept(path, {"kernel": kernel, "types": types, "passed": passed})
    assert json.loads(path.read_text()) == {
        "kernels": [
            {"kernel": "5.10", "types": "kernel", "passed": 4},
            {"kernel": "newest", "types": "kernel", "passed": 5},
            {"kernel": "5.10", "types": "nothing", "passed": 2},
        ]
    }


@pytest.mark.parametrize(
    ("wanted", "types", "expected"),
    [
        (None, None, rows.ROWS),
        (["6.12"], None, (("6.12", "kernel"),)),
        (["5.10"], None, (("5.10", "kernel"), ("5.10", "headers"), ("5.10", "nothing"))),
        (["5.10", "6.7"], "headers", (("5.10", "headers"), ("6.7", "headers"))),
        (["6.7"], None, (("6.7", "kernel"),)),
    ],
)
def test_a_kernel_is_run_in_each_way_of_the_matrix_unless_one_is_asked_for(
    wanted: list[str] | None, types: str | None, expected: tuple[tuple[str, str], ...]
) -> None:
    assert rows.chosen(wanted, types) == expected


SHARING = """
import sys, time
from pathlib import Path
from tests.vm import machine
with machine._shared(Path(sys.argv[1]), Path("/"), read_only=True):
    print("shared", flush=True)
    time.sleep(600)
"""


def test_what_serves_a_guest_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    if lacking := machine.missing():
        pytest.skip(lacking)
    with subprocess.Popen([sys.executable, "-c", SHARING, tmp_path / "root"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"shared\n"
        (daemon,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        descriptor = os.pidfd_open(int(daemon))
        process.kill()
    assert select.select([descriptor], [], [], 60)[0] == [descriptor]  # readable once it has ended
    os.close(descriptor)


@pytest.mark.parametrize("wanted", AFFORDED)
def test_programs_load_and_count_on_a_stock_kernel(wanted: str) -> None:
    if lacking := machine.missing():
        pytest.skip(lacking)
    try:
        kernel = kernels.get(wanted)
    except (subprocess.CalledProcessError, LookupError) as error:
        pytest.skip(f"no stock kernel can be fetched: {error}")
    compiling.compile_all()
    result = machine.run(kernel, matrix.command(EXACT), seconds=MOST_SECONDS, nic=True)
    found = matrix.report(rows.Row(wanted, rows.KERNEL), kernel, EXACT, result)
    assert list(matrix.complaints(found, registry.load())) == [], result.output[-4000:] + result.console[-2000:]
    assert found["passed"] > 0
