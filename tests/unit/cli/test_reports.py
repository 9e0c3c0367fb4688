"""What `check` prints about privileges and programs."""

from __future__ import annotations

import pytest

from exporter.bpf.features import Feature
from exporter.bpf.running import Program, Running, State
from exporter.bpf.types_provider import Types
from exporter.cli import reports
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Outcome, Status
from exporter.registry import Registry

BPF = Requirement(RequirementKind.CAPABILITY, "CAP_BPF", "loading programs")
ADMIN = Requirement(RequirementKind.CAPABILITY, "CAP_SYS_ADMIN", "entering namespaces")
KERNEL = Requirement(RequirementKind.KERNEL, "Linux 5.17", "a reason")
FLOW = ProbeSpec(
    name="flow", summary="A test.", metrics=(), open=stateless(lambda _: []), requires=(KERNEL, ADMIN, BPF)
)
PROGRAMS = (
    Program("on_send", "tp_btf/send", State.ATTACHED, skipped=2),
    Program("old", "kprobe/send", State.NOT_LOADED),
)


def test_each_probe_tells_what_it_lacks_and_what_runs_for_it() -> None:
    objects = (Running("flow", PROGRAMS, {}, ()), Running("netns_scan", (), {}, ()))
    (row,) = reports.checked(Registry((FLOW,), ()), [Outcome("flow", Status.OK)], {"CAP_BPF"}, objects)
    assert [need.get("held") for need in row["requires"]] == [None, False, True]
    assert row["programs"] == [
        {"name": "on_send", "hook": "tp_btf/send", "state": "attached", "skipped": 2},
        {"name": "old", "hook": "kprobe/send", "state": "not_loaded", "skipped": 0},
    ]
    assert reports.check_text([row]).splitlines() == [
        "flow  OK",
        "      needs Linux 5.17 (kernel): a reason",
        "      needs CAP_SYS_ADMIN (capability, which is not held): entering namespaces",
        "      needs CAP_BPF (capability): loading programs",
        "      tp_btf/send (on_send): attached",
        "      kprobe/send (old): not_loaded",
    ]


def test_programs_of_several_probes_and_the_parts_of_the_kernel_scan_are_told_beside_the_probes() -> None:
    scan = [Feature("counters", ""), Feature("sockets", "it needs Linux 5.19")]
    shared = [Running("netns_scan", PROGRAMS[:1], {}, ())]
    assert reports.node("6.1.0", Types("kernel", "/sys/kernel/btf/vmlinux"), [], shared, scan) == {
        "kernel": "6.1.0",
        "btf": {"source": "kernel", "path": "/sys/kernel/btf/vmlinux", "lacking": ""},
        "backend": "core",
        "kernel_scan": [{"part": "counters", "lacking": ""}, {"part": "sockets", "lacking": "it needs Linux 5.19"}],
        "shared_programs": {
            "netns_scan": [{"name": "on_send", "hook": "tp_btf/send", "state": "attached", "skipped": 2}]
        },
        "probes": [],
    }


@pytest.mark.parametrize(
    ("types", "backend", "line"),
    [
        (
            Types("kernel", "/sys/kernel/btf/vmlinux"),
            "core",
            "  Linux 6.1.0, back end core, types from the kernel itself: /sys/kernel/btf/vmlinux",
        ),
        (
            Types("headers", "/run/6.1.0.btf"),
            "bcc",
            "  Linux 6.1.0, back end bcc, types from the kernel's headers: /run/6.1.0.btf",
        ),
        (Types("", "", "install it"), "", "  Linux 6.1.0 without types, so no eBPF programs: install it"),
    ],
)
def test_the_kernel_and_where_its_types_come_from_are_told(types: Types, backend: str, line: str) -> None:
    found = reports.node("6.1.0", types, [])
    assert (found["kernel"], found["btf"], found["backend"]) == ("6.1.0", types._asdict(), backend)
    assert reports.node_text(found).splitlines() == ["", line]


def test_capabilities_are_listed_with_all_who_need_them() -> None:
    needs = {"namespaces": (ADMIN,), "flow": (ADMIN, BPF)}
    assert reports.capabilities_text(needs, {"CAP_BPF", "CAP_CHOWN", "CAP_KILL"}).splitlines() == [
        "",
        "  Capabilities that are needed, and by whom:",
        "  CAP_BPF        held     flow",
        "  CAP_SYS_ADMIN  lacking  namespaces, flow",
        "  held and not needed by what was checked: 2",
    ]
