"""Which way to a place is chosen, with objects and kernels that are only pretended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.bpf import hooks
from exporter.bpf.attachable import Attachable
from exporter.bpf.hooks import Choice, Hook
from exporter.bpf.loader import BpfObject
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from exporter.bpf.loader import BpfObject as Bpf

SYS = Path("/sys")
SECTIONS = {
    "drop": "tp_btf/kfree_skb",
    "drop_entry": "fentry/kfree_skb",
    "drop_exit": "fexit/kfree_skb",
    "drop_kprobe": "kprobe/kfree_skb",
    "send": "tp_btf/tcp_send_reset",
    "other": "syscall",
}
DROP = Hook("a dropped packet", (("drop",), ("drop_entry", "drop_exit"), ("drop_kprobe",)))
SEND = Hook("a reset sent", (("send",),))


class Object:
    """Stands in for a BpfObject: names, sections, and what was asked of it."""

    path = "some.bpf.o"

    def __init__(self) -> None:
        self.choices: list[Choice] = []
        self.autoload: dict[str, bool] = {}
        self.programs = SECTIONS
        self.typed = True

    def section(self, program: str) -> str:
        return SECTIONS[program]

    def set_autoload(self, program: str, *, wanted: bool) -> None:
        self.autoload[program] = wanted

    def read_untyped(self) -> None:
        self.typed = False


class Without(Attachable):
    """A kernel that lacks these sections."""

    def __init__(self, *lacked: str) -> None:
        super().__init__(SYS)
        self.lacked = lacked

    def lacking(self, section: str) -> str:
        return f"no {section}" if section in self.lacked else ""


def choose(bpf: Object, *lacked: str, places: tuple[Hook, ...] = (DROP, SEND)) -> dict[str, tuple[str, ...]]:
    return hooks.choose(bpf, places, SYS, kernel=Without(*lacked))  # type: ignore[arg-type]


def test_the_best_way_is_taken_where_everything_is_there() -> None:
    bpf = Object()
    assert choose(bpf) == {"a dropped packet": ("drop",), "a reset sent": ("send",)}
    assert bpf.choices == [Choice("a dropped packet", ("drop",), ()), Choice("a reset sent", ("send",), ())]


def test_exactly_the_chosen_programs_are_loaded_and_others_are_left_alone() -> None:
    bpf = Object()
    choose(bpf, "tp_btf/kfree_skb")
    assert bpf.autoload == {"drop": False, "drop_entry": True, "drop_exit": True, "drop_kprobe": False, "send": True}


def test_a_way_of_which_one_program_is_lacking_is_passed_over_with_the_reason() -> None:
    bpf = Object()
    assert choose(bpf, "tp_btf/kfree_skb", "fexit/kfree_skb")["a dropped packet"] == ("drop_kprobe",)
    passed_over = ("tp_btf/kfree_skb: no tp_btf/kfree_skb", "fexit/kfree_skb: no fexit/kfree_skb")
    assert bpf.choices[0] == Choice("a dropped packet", ("drop_kprobe",), passed_over)


@pytest.mark.parametrize(("lacked", "typed"), [((), True), (("tp_btf/kfree_skb",), True),
                                               (("tp_btf/kfree_skb", "fexit/kfree_skb"), False)])  # fmt: skip
def test_programs_that_share_handlers_with_a_kprobe_read_as_it_does(lacked: tuple[str, ...], typed: bool) -> None:  # noqa: FBT001
    bpf = Object()
    choose(bpf, *lacked)
    assert bpf.typed is typed


def test_a_program_that_two_places_share_is_loaded_once_one_of_them_chose_it() -> None:
    bpf = Object()
    other = Hook("a freed packet", (("drop_kprobe",),))
    assert choose(bpf, places=(DROP, other)) == {"a dropped packet": ("drop",), "a freed packet": ("drop_kprobe",)}
    assert bpf.autoload["drop_kprobe"]


def test_without_any_way_every_reason_is_told_and_nothing_is_set() -> None:
    bpf = Object()
    expected = (
        "some.bpf.o: a dropped packet cannot be watched on this kernel: tp_btf/kfree_skb: no tp_btf/kfree_skb; "
        "fentry/kfree_skb: no fentry/kfree_skb; kprobe/kfree_skb: no kprobe/kfree_skb"
    )
    with pytest.raises(UnsupportedError) as error:
        choose(bpf, "tp_btf/kfree_skb", "fentry/kfree_skb", "kprobe/kfree_skb")
    assert (str(error.value), bpf.autoload, bpf.choices) == (expected, {}, [])


def test_real_objects_are_asked_for_their_sections(probe_object: Path) -> None:
    bpf: Bpf
    with BpfObject(probe_object) as bpf:
        with pytest.raises(SourceError, match=r"one of the programs .*no_such_program"):
            hooks.choose(bpf, (Hook("x", (("no_such_program",),)),), SYS)
        name, section = next(iter(bpf.programs.items()))
        assert bpf.section(name) == section


class Kernel(Without):
    """A kernel with these helpers."""

    def __init__(self, *helpers: str) -> None:
        super().__init__()
        self.helpers = helpers

    def has_helper(self, name: str) -> bool:
        return name in self.helpers


@pytest.mark.parametrize("helpers", [("loop",), ()])
def test_namespaces_are_listed_by_the_program_that_the_kernel_can_run(helpers: tuple[str, ...]) -> None:
    bpf = Object()
    bpf.programs = SECTIONS | {"list_netns": "syscall", "list_netns_in_steps": "raw_tp", "walk_on": "raw_tp"}
    hooks.choose(bpf, (SEND,), SYS, kernel=Kernel(*helpers))  # type: ignore[arg-type]
    at_once = bool(helpers)
    expected = {"send": True, "list_netns": at_once, "list_netns_in_steps": not at_once, "walk_on": not at_once}
    assert bpf.autoload == expected
