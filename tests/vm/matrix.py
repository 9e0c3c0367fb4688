"""What each kernel makes of the probes and of the tests, as a report to keep."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.vm import rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exporter.model.probe import ProbeSpec
    from exporter.registry import Registry
    from tests.vm.kernels import Kernel
    from tests.vm.machine import Result
    from tests.vm.rows import Row

# What a probe may lack in a guest whatever its kernel.
_HARDWARE: Final = {"rdma": "guests have no RDMA device"}
_BY_TYPES: Final = {
    "tcptwrcv": "before Linux 6.11 its only hook is fexit, for which the kernel itself must tell its types"
}
_MODULES: Final = "ip_vs nf_conntrack nf_conntrack_netlink virtio_net loop"
_SOURCES: Final = {rows.KERNEL: "kernel", rows.HEADERS: "headers", rows.NOTHING: ""}  # as `net-exporter check` tells


def command(tests: Iterable[str]) -> str:
    """What runs inside: everything that may be there is loaded, each probe is tried, and then the tests."""
    return (
        f"for module in {_MODULES}; do modprobe -q $module; done\n"
        "echo 1 >/proc/sys/net/netfilter/nf_conntrack_acct\n"
        ".venv/bin/net-exporter check --json >/run/job/check.json 2>/run/job/check.log\n"
        "VM_OUTCOMES=/run/job/tests.jsonl "
        f".venv/bin/python -m pytest -p no:cacheprovider -p tests.vm.outcomes {' '.join(tests)}"
    )


def report(row: Row, kernel: Kernel, ran: Iterable[str], result: Result) -> dict[str, Any]:
    """Plain values for kernels.json: outcome of each probe, and of the tests, which are those at the paths `ran`."""
    here = f"{Path.cwd()}/"
    tests = [json.loads(line.replace(here, "")) for line in result.files.get("tests.jsonl", "").splitlines()]
    check = json.loads(result.files.get("check.json", "").replace(here, "") or "{}")
    skipped = Counter(test["reason"].removeprefix("Skipped: ") for test in tests if test["outcome"] == "skipped")
    return {
        "kernel": row.kernel,
        "types": row.types,
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "release": kernel.release,
        "status": result.status,
        "source": check.get("btf", {}).get("source"),
        "backend": check.get("backend", ""),
        "probes": [_probe(each) for each in check.get("probes", ())],
        "tests": list(ran),
        "passed": sum(test["outcome"] == "passed" for test in tests),
        "failed": [test["test"] for test in tests if test["outcome"] == "failed"],
        "skipped": dict(sorted(skipped.items())),
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
    elif found["source"] != _SOURCES[found["types"]]:
        yield f"types should be told by {found['types']}, and are by {found['source'] or 'nothing'}"
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
        if status == "unsupported" and not _may_lack(registry.probe(name), release, found["types"]):
            yield f"{name} is unsupported though it is said to run on this kernel: {row['reason']}"


def _may_lack(spec: ProbeSpec, release: tuple[int, int], types: str) -> bool:
    if spec.name in _HARDWARE or release < spec.since:
        return True
    if types == rows.HEADERS and spec.name in _BY_TYPES:
        return True
    return types == rows.NOTHING and spec.since > (0, 0)  # those that ask for a kernel have programs


def _number(release: str) -> tuple[int, int]:
    major, minor = re.findall(r"\d+", release)[:2]
    return int(major), int(minor)


def kept(path: Path, found: dict[str, Any]) -> None:
    """Put a report in its place among the last ones of the other rows; those of no row of the matrix are left out."""
    before = json.loads(path.read_text("utf-8"))["kernels"] if path.exists() else []
    by_row = {(each["kernel"], each["types"]): each for each in (*before, found)}
    reports = [by_row[row] for row in rows.ROWS if row in by_row]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"kernels": reports}, indent=1, ensure_ascii=False) + "\n")
