"""What `check` prints about how places in the kernel are watched."""

from __future__ import annotations

from exporter.bpf.hooks import Choice
from exporter.bpf.running import Running
from exporter.cli import reports
from exporter.model.probe import ProbeSpec, stateless
from exporter.model.snapshot import Outcome, Status
from exporter.registry import Registry

FLOW = ProbeSpec(name="flow", summary="A test.", metrics=(), open=stateless(lambda _: []))


def test_better_ways_that_the_kernel_lacks_are_told_with_the_reason() -> None:
    best = Choice("a reset received", ("receive_reset",), ())
    other = Choice("a reset sent", ("send_kprobe",), ("fentry/tcp_v4_send_reset: the kernel refuses fentry programs",))
    loaded = Running("flow", (), {}, (), (best, other))
    (row,) = reports.checked(Registry((FLOW,), ()), [Outcome("flow", Status.OK)], set(), [loaded])
    assert row["places"] == [
        {"place": "a reset received", "programs": ["receive_reset"], "passed_over": []},
        {"place": "a reset sent", "programs": ["send_kprobe"], "passed_over": list(other.passed_over)},
    ]
    assert reports.check_text([row]).splitlines() == [
        "flow  OK",
        "      a reset sent is not watched by fentry/tcp_v4_send_reset: the kernel refuses fentry programs",
    ]
