"""Kernels that do not tell their types: headers do, or the exporter does without eBPF."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from exporter import registry
from tests.bpf import compiling
from tests.vm import kernels, machine, matrix, rows

pytestmark = pytest.mark.timeout(0)  # a guest has a limit of its own

WANTED = "5.10"
MOST_SECONDS = 900
EXACT = ("tests/bpf/test_tcpretrans.py", "tests/bpf/test_virtcmdlatency.py")
ONE_CYCLE = ".venv/bin/net-exporter once >/run/job/metrics 2>/run/job/once.log"
DISCOVER = ".venv/bin/inspector btf discover 2>/run/job/discover.log"
CHECK = ".venv/bin/net-exporter check --json >/run/job/check.json"


def kernel(*, headers: bool) -> kernels.Kernel:
    """The oldest of the matrix, which is the likeliest to be met without types."""
    if lacking := machine.missing():
        pytest.skip(lacking)
    try:
        found = kernels.get(WANTED, headers=headers)
    except (subprocess.CalledProcessError, LookupError) as error:
        pytest.skip(f"no stock kernel can be fetched: {error}")
    compiling.compile_all()
    return found


@pytest.mark.skipif(
    os.environ.get("NET_EXPORTER_VM") != "all",
    reason="takes many minutes, and is a part of make vmtest: set NET_EXPORTER_VM=all",
)
def test_programs_count_exactly_with_types_from_headers() -> None:
    """A part of what `make vmtest` runs: a raw tracepoint in the one, kprobes in the other."""
    booted = kernel(headers=True)
    result = machine.run(booted, matrix.command(EXACT), seconds=MOST_SECONDS, hide_btf=True, nic=True)
    if "bcc is not installed" in result.files.get("check.log", ""):
        pytest.skip("bcc is not installed: apt install python3-bpfcc")
    found = matrix.report(rows.Row(WANTED, rows.HEADERS), booted, EXACT, result)
    assert list(matrix.complaints(found, registry.load())) == [], result.output[-4000:] + result.console[-2000:]
    assert found["backend"] == "bcc"
    assert found["passed"] > 0


def test_without_types_all_of_proc_is_served_and_one_line_says_what_is_missing() -> None:
    result = machine.run(
        kernel(headers=False), f"{ONE_CYCLE} && {CHECK} && ! {DISCOVER}", seconds=MOST_SECONDS, hide_btf=True
    )
    assert result.status == 0, result.output + result.console[-2000:]

    told = [line for line in result.files["once.log"].splitlines() if "types of the kernel" in line]
    assert len(told) == 1
    assert "apt install linux-image-" in told[0]
    assert told[0].endswith("metrics from /proc are served, those of eBPF are not")
    assert re.search(r"apt install linux-headers-5\.10\S* python3-bpfcc, or apt install", result.files["discover.log"])
    assert result.files["discover.log"].count("\n") == 1
    assert "kubeskoop_tcp_activeopens{" in result.files["metrics"]
    check = json.loads(result.files["check.json"])
    outcomes = {row["probe"]: row["status"] for row in check["probes"]}
    by_ebpf = {row["probe"] for row in check["probes"] if "CAP_BPF" in {need["what"] for need in row["requires"]}}
    assert (check["btf"]["source"], check["backend"]) == ("", "")
    assert {outcomes[probe] for probe in by_ebpf - {"conntrack", "fd", "io"}} == {
        "unsupported"
    }  # these have other sources, too
    assert set(outcomes.values()) - {"unsupported"} == {"ok", "no_data"}
    lacking = {probe for probe, status in outcomes.items() if status == "unsupported"}
    assert lacking - by_ebpf <= {"rdma", "ipvs"}  # no device, no module
