"""Whatever one probe does, the others and the scrape stay whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from exporter.errors import CollectError, GoneError, NoDataError, SourceError, UnsupportedError
from exporter.exposition.text import Format, Renderer
from exporter.model.metric import Label, Naming, Scope
from exporter.model.snapshot import Row, Status, Table
from tests.unit.runtime.worlds import (
    GOOD,
    HOST,
    OK,
    POD_A,
    collector,
    good,
    metric,
    outcomes,
    read_number,
    remove,
    spec_of,
    values,
    world,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.model.probe import Cycle, Netns, Probe, ProbeSpec

BAD = metric(probe="bad", name="value")
QUEUE = Label(name="queue", help="Number of the queue.", budget=4)


def _raises(error: BaseException) -> Callable[[Any], Any]:
    def collect(_: Any) -> Any:  # noqa: ANN401 - stands for any probe or reader
        raise error

    return collect


RAISED = [
    (SourceError("/proc/1/net/x", "a number", b"y", line=3), Status.FAILED, "/proc/1/net/x line 3: expected a number"),
    (UnsupportedError("no such file; modprobe x"), Status.UNSUPPORTED, "no such file; modprobe x"),
    (NoDataError("nothing yet"), Status.NO_DATA, "nothing yet"),
    (GoneError("/proc/1"), Status.FAILED, "/proc/1"),
    (CollectError("a plain one"), Status.FAILED, "a plain one"),
    (KeyError("x"), Status.FAILED, "KeyError: 'x'"),
    (RecursionError("too deep"), Status.FAILED, "RecursionError: too deep"),
    (MemoryError(), Status.FAILED, "MemoryError"),
    (OSError(5, "Input/output error"), Status.FAILED, "Input/output error"),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), Status.FAILED, "UnicodeDecodeError"),
]


@pytest.mark.parametrize(("error", "status", "reason"), RAISED, ids=[type(error).__name__ for error, *_ in RAISED])
def test_a_probe_that_raises_costs_only_itself(
    tmp_path: Path, error: Exception, status: Status, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    found = collector(world(tmp_path), spec_of("bad", _raises(error)), good()).cycle()
    assert values(found) == {"good": GOOD}
    assert outcomes(found)["good"] == OK
    assert outcomes(found)["bad"][0] is status
    assert reason in outcomes(found)["bad"][1]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("error", "status", "reason"), RAISED, ids=[type(error).__name__ for error, *_ in RAISED])
def test_a_reader_that_raises_everywhere_costs_only_its_probe(
    tmp_path: Path, error: Exception, status: Status, reason: str
) -> None:
    found = collector(world(tmp_path), good("bad", _raises(error)), good()).cycle()
    assert values(found)["good"] == GOOD
    assert outcomes(found)["good"] == OK
    if isinstance(error, GoneError):  # every namespace ended: nothing is left to report
        assert (outcomes(found)["bad"], values(found)["bad"]) == (OK, {})
    else:
        assert outcomes(found)["bad"][0] is status
        assert reason in outcomes(found)["bad"][1]
        assert "bad" not in values(found)


def _table(*metrics: Any, rows: list[Row]) -> Table:  # noqa: ANN401 - also what is no metric
    table = Table(metrics)
    table.rows = rows
    return table


OTHER = metric(probe="bad", name="other")
LABELLED = metric(probe="bad", name="value", labels=(QUEUE,))
CONTRADICTIONS: dict[str, tuple[Any, str]] = {
    "an undeclared metric": ([_table(OTHER, rows=[Row(HOST, (), (1,))])], "emitted other, which it does not declare"),
    "another probe's metric": (
        [_table(metric(probe="good", name="value"), rows=[Row(HOST, (), (1,))])],
        "which it does not declare",
    ),
    "one metric in two tables": (
        [_table(BAD, rows=[Row(HOST, (), (1,))]), _table(BAD, rows=[Row(POD_A, (), (1,))])],
        "emitted value in two tables",
    ),
    "one series twice": ([_table(BAD, rows=[Row(HOST, (), (1,)), Row(HOST, (), (2,))])], "emitted value twice for"),
    "one name for two namespaces": (
        [_table(BAD, rows=[Row(POD_A, (), (1,)), Row(POD_A._replace(netns=9), (), (2,))])],
        "emitted value twice for",
    ),
    "no metrics": ([_table(rows=[Row(HOST, (), ())])], "a table without metrics"),
    "too few numbers": ([_table(BAD, rows=[Row(HOST, (), ())])], "emitted value with values ()"),
    "too many numbers": ([_table(BAD, rows=[Row(HOST, (), (1, 2))])], "emitted value with values (1, 2)"),
    "a text for a number": ([_table(BAD, rows=[Row(HOST, (), ("1",))])], "emitted value with values ('1',)"),
    "bytes for a number": ([_table(BAD, rows=[Row(HOST, (), (b"1",))])], "emitted value with values (b'1',)"),
    "a label too many": ([_table(BAD, rows=[Row(HOST, ("x",), (1,))])], "emitted value with label values ('x',)"),
    "a number for a label": (
        [_table(LABELLED, rows=[Row(HOST, (7,), (1,))])],  # type: ignore[arg-type] # the point of the test
        "emitted value with label values (7,)",
    ),
    "a label missing": ([_table(LABELLED, rows=[Row(HOST, (), (1,))])], "emitted value with label values ()"),
    "no list": (None, "TypeError"),
    "a list of other things": ([7], "AttributeError"),
}


@pytest.mark.parametrize(("handed", "reason"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_probe_that_contradicts_its_declaration_costs_only_itself(
    tmp_path: Path,
    handed: Any,  # noqa: ANN401 - also what no probe may hand over
    reason: str,
) -> None:
    found = collector(world(tmp_path), spec_of("bad", lambda _: handed), good()).cycle()
    assert values(found) == {"good": GOOD}
    assert outcomes(found)["bad"][0] is Status.FAILED
    assert reason in outcomes(found)["bad"][1]
    assert b"kubeskoop_good_value" in Renderer("n", (Naming.KUBESKOOP,)).render(found.tables, 0.0, Format.TEXT)


def test_metrics_with_different_labels_may_not_share_a_table(tmp_path: Path) -> None:
    mixed = replace(spec_of("bad", lambda _: [_table(BAD, LABELLED, rows=[])]), metrics=(BAD, LABELLED))
    found = collector(world(tmp_path), mixed).cycle()
    assert outcomes(found)["bad"] == (Status.FAILED, "probe bad emitted value in a table of metrics with other labels")


def test_a_probe_that_cannot_be_opened_says_why_in_every_cycle(tmp_path: Path) -> None:
    closed = replace(spec_of("bad", lambda _: []), open=_raises(UnsupportedError("this kernel has no BTF")))
    broken = replace(spec_of("worse", lambda _: []), open=_raises(ZeroDivisionError("x")))
    made = collector(world(tmp_path), closed, broken, good())
    for _ in range(2):
        found = made.cycle()
        assert outcomes(found)["bad"] == (Status.UNSUPPORTED, "this kernel has no BTF")
        assert outcomes(found)["worse"] == (
            Status.FAILED,
            f"defect in {__name__}: ZeroDivisionError: x",
        )
        assert values(found) == {"good": GOOD}
    made.close()


def test_closing_goes_on_after_a_probe_that_cannot_be_closed(tmp_path: Path) -> None:
    closed = []

    class Opened:
        def __init__(self, name: str) -> None:
            self.name = name

        def collect(self, _: Cycle) -> list[Table]:
            return []

        def close(self) -> None:
            closed.append(self.name)
            if self.name == "bad":
                raise OSError(9, "Bad file descriptor")

    def opening(name: str) -> ProbeSpec:
        def open_(_: object) -> Probe:
            return Opened(name)

        return replace(spec_of(name, lambda _: []), open=open_)

    collector(world(tmp_path), opening("bad"), opening("good")).close()
    assert closed == ["bad", "good"]


def test_disabled_probes_are_told_as_such(tmp_path: Path) -> None:
    found = collector(world(tmp_path), good(), disabled=["slab"]).cycle()
    assert outcomes(found) == {"good": OK, "slab": (Status.DISABLED, "not selected")}


# One namespace among others.


def _only_in(inode: int, error: Exception) -> Callable[[Netns], int]:
    def read_some(netns: Netns) -> int:
        if netns.pod.netns == inode:
            raise error
        return read_number(netns)

    return read_some


def _without(name: str) -> dict[Any, Any]:
    return {key: value for key, value in GOOD.items() if key != (name,)}


@pytest.mark.parametrize("error", [UnsupportedError("no IPv6 here"), NoDataError("empty"), GoneError("/proc/1101")])
def test_what_one_namespace_lacks_is_a_gap_there(tmp_path: Path, error: Exception) -> None:
    found = collector(world(tmp_path), good(reader=_only_in(101, error))).cycle()
    assert (values(found), outcomes(found)) == ({"good": _without("ns101")}, {"good": OK})


def test_garbage_in_one_namespace_fails_the_whole_probe(tmp_path: Path) -> None:
    error = SourceError("/proc/1101/net/x", "a number", b"y", line=2)
    found = collector(world(tmp_path), good("bad", _only_in(101, error)), good()).cycle()
    assert values(found) == {"good": GOOD}
    assert outcomes(found)["bad"] == (Status.FAILED, "/proc/1101/net/x line 2: expected a number, found b'y'")


def test_a_namespace_that_ends_is_counted_and_its_series_are_gone(tmp_path: Path) -> None:
    env = world(tmp_path)

    def end(netns: Netns) -> int:
        number = read_number(netns)
        if netns.pod.netns == 102:
            remove(env.proc / "1102")
        return number

    made = collector(env, good(reader=end), good("other"))
    assert values(made.cycle()) == {"good": _without("ns102"), "other": _without("ns102")}
    assert made.costs.namespaces_gone == 1
    found = made.cycle()
    assert [pod.name for pod in found.pods] == ["", "ns101"]
    assert (values(found)["good"], made.costs.namespaces_gone) == (_without("ns102"), 1)


def test_a_process_number_given_to_another_namespace_is_not_mistaken_for_the_pod(tmp_path: Path) -> None:
    env = world(tmp_path)

    def move(netns: Netns) -> int:
        number = read_number(netns)
        if netns.pod.netns == 102:
            link = env.proc / "1102" / "ns" / "net"
            link.unlink()
            link.symlink_to("net:[777]")
        return number

    made = collector(env, good(reader=move))
    assert values(made.cycle()) == {"good": _without("ns102")}
    assert made.costs.namespaces_gone == 1


def test_namespaces_that_cannot_be_listed_fail_every_probe_but_not_the_cycle(tmp_path: Path) -> None:
    env = replace(world(tmp_path), proc=tmp_path / "nowhere")
    found = collector(env, good(), disabled=["slab"]).cycle()
    reason = (
        f"{tmp_path}/nowhere/1/net: expected the host's network files (is --proc right?), found 'no such directory'"
    )
    assert (found.tables, found.pods) == ((), ())
    assert outcomes(found) == {"good": (Status.FAILED, reason), "slab": (Status.DISABLED, "not selected")}


def test_a_reader_that_no_probe_declared_finds_nothing(tmp_path: Path) -> None:
    undeclared = spec_of("bad", lambda cycle: [Table((BAD,), [Row(HOST, (), (cycle.on_host(read_number),))])])
    found = collector(world(tmp_path), undeclared).cycle()
    assert outcomes(found)["bad"][0] is Status.FAILED


def test_a_probe_sees_what_each_owner_s_processes_are(tmp_path: Path) -> None:
    node = metric(probe="bad", name="value", scope=Scope.POD)
    counting = replace(
        spec_of(
            "bad", lambda cycle: [Table((node,), [Row(pod, (), (sum(pids),)) for pod, pids in cycle.pids.items()])]
        ),
        metrics=(node,),
    )
    found = collector(world(tmp_path), counting).cycle()
    assert values(found) == {"bad": {("",): (1,), ("ns101",): (1101,), ("ns102",): (1102,)}}
