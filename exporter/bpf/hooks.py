"""Where programs are hooked: of several ways to the same place, the best that the running kernel offers.

    chosen = hooks.choose(bpf, (Hook("a dropped packet", (("drop",), ("drop_kprobe",))),), env.sys)
    bpf.load()
    for programs in chosen.values():
        for program in programs:
            bpf.attach(program)

A way is judged by the sections of its programs: what the kernel lacks is passed over with a reason for people, which
`bpf.choices` keeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.bpf import live_netns
from exporter.bpf.attachable import Attachable
from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from exporter.bpf.loader import BpfObject


_UNTYPED = ("raw_tp/", "kprobe/", "kretprobe/")


class Hook(NamedTuple):
    """A place in the kernel.

    Args:
        place: what happens there, for people: "a dropped packet".
        ways: alternatives, the best first; each is the programs that watch the place together.
    """

    place: str
    ways: tuple[tuple[str, ...], ...]


class Choice(NamedTuple):
    """How a place is watched.

    Args:
        place: as in `Hook`.
        programs: of the way that was chosen.
        passed_over: what the kernel lacks for each better way, best first.
    """

    place: str
    programs: tuple[str, ...]
    passed_over: tuple[str, ...]


def choose(
    bpf: BpfObject, hooks: Sequence[Hook], sys: Path, *, kernel: Attachable | None = None
) -> dict[str, tuple[str, ...]]:
    """Programs of the best way to each place, by place; exactly these will be loaded. Before load.

    Other programs stay as they are, but of those of netns_list.h the kernel gets the one that it can run. What was
    chosen, and why nothing better, is added to `bpf.choices`.

    Args:
        bpf: the object.
        hooks: the places; all of them are needed.
        sys: root of the running kernel's sysfs.
        kernel: what it offers, where that is known already.

    Raises:
        UnsupportedError: there is no way to a place; says why each fails.
        SourceError: the object has no such program.
    """
    kernel = kernel or Attachable(sys)
    choices = [_best(bpf, hook, kernel) for hook in hooks]
    wanted = {program for choice in choices for program in choice.programs}
    for program in dict.fromkeys(program for hook in hooks for way in hook.ways for program in way):
        bpf.set_autoload(program, wanted=program in wanted)
    if any(bpf.section(program).lstrip("?").startswith(_UNTYPED) for program in wanted):
        bpf.read_untyped()
    live_netns.prepare(bpf, kernel)
    bpf.choices.extend(choices)
    return {choice.place: choice.programs for choice in choices}


def _best(bpf: BpfObject, hook: Hook, kernel: Attachable) -> Choice:
    passed_over: list[str] = []
    for way in hook.ways:
        sections = [bpf.section(program) for program in way]
        lacking = next((f"{one}: {reason}" for one in sections if (reason := kernel.lacking(one))), "")
        if not lacking:
            return Choice(hook.place, way, tuple(passed_over))
        passed_over.append(lacking)
    raise UnsupportedError(f"{bpf.path}: {hook.place} cannot be watched on this kernel: {'; '.join(passed_over)}")
