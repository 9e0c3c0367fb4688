"""Which capabilities are needed, and giving up the others, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.errors import SourceError
from exporter.model.needs import declared, union
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.runtime import privileges

HEADER = Path("/usr/include/linux/capability.h")
KEEP = ("CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF")
REPORT = """
import sys
from exporter.runtime import privileges
{before}
kept = privileges.drop({keep!r})
print(*sorted(kept), sep=",")
for line in open("/proc/self/status"):
    if line.startswith(("Cap", "NoNewPrivs")): print(line.strip())
"""


def _spec(name: str, *needs: tuple[RequirementKind, str, str]) -> ProbeSpec:
    requires = tuple(Requirement(*need) for need in needs)
    return ProbeSpec(name=name, summary="A test.", metrics=(), open=stateless(lambda _: []), requires=requires)


FD = _spec("fd", (RequirementKind.CAPABILITY, "CAP_SYS_PTRACE", "others' processes are left out"))
FLOW = _spec("flow", (RequirementKind.CAPABILITY, "CAP_BPF", "nothing is loaded"), (RequirementKind.FILE, "/f", "none"))
TCP = _spec("tcp")


def in_child(keep: tuple[str, ...], before: str = "") -> tuple[str, dict[str, str], str]:
    """What was kept, the process's status after dropping, and what it complained of."""
    script = REPORT.format(keep=keep, before=before)
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    first, *lines = done.stdout.splitlines() or [""]
    return first, dict(line.split(":\t") for line in lines), done.stderr


def mask(*names: str) -> str:
    return f"{sum(1 << privileges.NAMES.index(name) for name in names):016x}"


def test_what_nobody_of_those_that_run_needs_is_not_needed() -> None:
    without = declared((FD, TCP), scan=False)
    every = declared((FD, FLOW, TCP), scan=True)
    assert (list(without), list(every)) == (["namespaces", "fd"], ["namespaces", "kernel_scan", "fd", "flow"])
    assert union(without) == {"CAP_SYS_PTRACE", "CAP_SYS_ADMIN"}
    assert union(every) == {"CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_BPF", "CAP_PERFMON"}


def test_what_is_lost_is_told_once_for_all_that_lose_it() -> None:
    other = _spec("io", (RequirementKind.CAPABILITY, "CAP_SYS_PTRACE", "others' processes are left out"))
    needs = {spec.name: spec.requires for spec in (FD, other)} | {"flow": FLOW.requires[:1]}
    assert privileges.losses(needs, {"CAP_BPF"}) == {"CAP_SYS_PTRACE": "fd, io: others' processes are left out"}
    assert privileges.losses(needs, {"CAP_BPF", "CAP_SYS_PTRACE"}) == {}


def test_the_names_are_in_the_order_of_the_kernels_header() -> None:
    if not HEADER.exists():
        pytest.skip(f"{HEADER} is not installed")
    words = [line.split() for line in HEADER.read_text().splitlines() if line.startswith("#define CAP_")]
    numbers = {word[1]: int(word[2]) for word in words if len(word) > 2 and word[2].isdecimal()}
    assert numbers == {name: number for number, name in enumerate(privileges.NAMES)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root holds capabilities")
def test_all_but_those_to_keep_are_given_up_for_good() -> None:
    kept, status, complaint = in_child(KEEP)
    assert (kept, complaint) == (",".join(sorted(KEEP)), "")
    expected = mask(*KEEP)
    assert status == {
        "CapInh": mask(),
        "CapPrm": expected,
        "CapEff": expected,
        "CapBnd": expected,
        "CapAmb": mask(),
        "NoNewPrivs": "1",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root holds capabilities")
def test_what_is_not_held_cannot_be_kept_and_dropping_twice_is_no_error() -> None:
    kept, status, complaint = in_child(KEEP, "privileges.drop({'CAP_BPF', 'CAP_CHOWN'})")
    assert (kept, status["CapEff"], complaint) == ("CAP_BPF", mask("CAP_BPF"), "")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root holds capabilities")
def test_an_older_thread_that_keeps_its_capabilities_is_named() -> None:
    before = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    kept, _, complaint = in_child(KEEP, before)
    assert kept == ""
    assert "expected no thread older than this, which keeps capabilities, found ['CAP_" in complaint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root holds capabilities")
def test_the_capability_that_includes_others_counts_for_them() -> None:
    script = "from exporter.runtime import privileges as p; p.drop({'CAP_SYS_ADMIN'}); print(*sorted(p.held()))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"]


def test_a_status_without_capabilities_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "status").write_text("Name:\tx\nCapPrm:\t0000000000000000\n")
    monkeypatch.setattr(privileges, "_STATUS", str(tmp_path / "status"))
    with pytest.raises(SourceError, match=r"status: expected lines of capabilities, found \['Prm'\]"):
        privileges.held()
