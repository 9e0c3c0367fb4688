"""What each kernel makes of the probes and of the tests, as a report to keep."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.registry import Registry
    from tests.vm.kernels import Kernel
    from tests.vm.machine import Result

TESTS: Final = ("tests/netns", "tests/bpf", "tests/unit/sources/test_conntrack.py")
# What must count the same where the kernel's headers, rather than the kernel, tell its types; and where nobody does.
_NAMED: Final = (
    "packetloss", "tcpreset", "tcpretrans", "softirq", "socketlatency", "kernellatency", "virtcmdlatency",
)  # fmt: skip
BY_HEADERS: Final = (
    *(f"tests/bpf/test_{name}.py" for name in _NAMED),
    # Open: in emulated 5.10 and 6.1 its one long wait is not among those counted, while it is on 6.18.
    "--deselect=tests/bpf/test_socketlatency.py::test_a_peer_that_closes_its_window_lets_written_data_wait",
)
WITHOUT_TYPES: Final = ("tests/netns/test_tcp.py", "tests/netns/test_neigh.py", "tests/netns/test_sock_diag.py")
# What a probe may lack in a guest whatever its kernel.
_HARDWARE: Final = {"rdma": "guests have no RDMA device"}
_MODULES: Final = "ip_vs nf_conntrack nf_conntrack_netlink virtio_net loop"


def command(tests: str = " ".join(TESTS)) -> str:
    """What runs inside: everything that may be there is loaded, each probe is tried, and then the tests."""
    return (
        f"for module in {_MODULES}; do modprobe -q $module; done\n"
        "echo 1 >/proc/sys/net/netfilter/nf_conntrack_acct\n"
        ".venv/bin/net-exporter check --json >/run/job/check.json 2>/run/job/check.log\n"
        f"VM_OUTCOMES=/run/job/tests.jsonl .venv/bin/python -m pytest -p no:cacheprovider -p tests.vm.outcomes {tests}"
    )


def report(kernel: Kernel, result: Result) -> dict[str, Any]:
    """Plain values for kernels.json: outcome of each probe, and of the tests."""
    here = f"{Path.cwd()}/"
    tests = [json.loads(line.replace(here, "")) for line in result.files.get("tests.jsonl", "").splitlines()]
    check = json.loads(result.files.get("check.json", "").replace(here, "") or "{}")
    skipped = Counter(test["reason"].removeprefix("Skipped: ") for test in tests if test["outcome"] == "skipped")
    return {
        "kernel": kernel.wanted,
        "release": kernel.release,
        "status": result.status,
        "types": check.get("btf", {}).get("source", ""),
        "backend": check.get("backend", ""),
        "probes": [_probe(row) for row in check.get("probes", ())],
        "passed": sum(test["outcome"] == "passed" for test in tests),
        "failed": [test["test"] for test in tests if test["outcome"] == "failed"],
        "skipped": dict(skipped),
    }


def _probe(row: dict[str, Any]) -> dict[str, Any]:
    hooks = {each["hook"] for each in row["programs"] if each["state"] == "attached"}
    return {"probe": row["probe"], "status": row["status"], "reason": row["reason"], "hooks": sorted(hooks)}


def slowest(result: Result, count: int) -> list[str]:
    """The tests that took the longest, for people."""
    tests = [json.loads(line) for line in result.files.get("tests.jsonl", "").splitlines()]
    tests.sort(key=lambda test: -float(test["seconds"]))
    return [f"{test['seconds']:6.1f} s  {test['test']}" for test in tests[:count]]


def complaints(found: dict[str, Any], registry: Registry) -> Iterator[str]:
    """What is wrong with a report; nothing when the kernel is supported as declared."""
    if not found["probes"]:
        yield "net-exporter check told nothing"
    if found["status"] is None:
        yield "the guest ended before its command did"
    elif found["status"]:
        yield f"tests ended with status {found['status']}"
    yield from (f"failed: {test}" for test in found["failed"])
    release = _number(found["release"])
    for row in found["probes"]:
        name, status = row["probe"], row["status"]
        if status in ("failed", "timed_out"):
            yield f"{name} is {status}: {row['reason']}"
        declared = status == "unsupported" and name not in _HARDWARE and release >= registry.probe(name).since
        if declared:
            yield f"{name} is unsupported though it is said to run on this kernel: {row['reason']}"


def _number(release: str) -> tuple[int, int]:
    major, minor = re.findall(r"\d+", release)[:2]
    return int(major), int(minor)
