"""The ways in which resets can be watched, one at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.bpf.attachable import Attachable
from exporter.bpf.btf import BtfKind
from exporter.bpf.kernel_btf import KernelBtf, location

TRACEPOINTS = tuple(f"{kind}/tcp_{which}_reset" for kind in ("tp_btf", "raw_tp") for which in ("send", "receive"))
WAYS = {
    "tracepoint": ("fentry/", "kprobe/"),
    "fentry": (*TRACEPOINTS, "kprobe/"),
    "kprobe": (*TRACEPOINTS, "fentry/"),
}


def tells_reasons() -> bool:
    """From Linux 6.10 on the tracepoint tells of all resets sent, with a reason."""
    return KernelBtf(location(Path("/sys"))).has(BtfKind.ENUM, "sk_rst_reason")


@pytest.fixture(params=WAYS)
def reset_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Watch in one way only, where the kernel can be watched so and every reset is seen."""
    name: str = request.param
    bad, lacking = WAYS[name], Attachable.lacking
    hidden = "hidden by a test"
    monkeypatch.setattr(
        Attachable, "lacking", lambda self, section: hidden if section.startswith(bad) else lacking(self, section)
    )
    needed = {"tracepoint": "raw_tp/tcp_send_reset"}.get(name, f"{name}/tcp_v4_send_reset")
    if reason := lacking(Attachable(Path("/sys")), needed):
        pytest.skip(reason)
    if name == "tracepoint" and not tells_reasons():
        pytest.skip("this kernel's tracepoint tells only of resets of whole sockets")
    return name
