"""Files of a captured tree, each spoilt in turn: its probes say which file, and nobody else notices."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from exporter import app, config, registry
from exporter.exposition.text import Format
from exporter.model.snapshot import Snapshot, Status
from tests.conftest import TREES
from tests.unit.cli.program import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TREE = TREES / "6.18-x86_64-two-pods"
FILES = sorted(
    str(path.relative_to(TREE))
    for folder in ("proc/1/net", "proc/101/net", "proc/101", "proc", "sys")
    for path in (TREE / folder).glob("**/*" if folder in ("proc/1/net", "proc/101/net") else "*")
    if path.is_file() and not path.is_symlink()
)
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "binary": lambda _: bytes(range(256)) * 8,
    "half": lambda content: content[: len(content) // 2],
    "words": lambda content: re.sub(rb"\b[0-9]+\b", b"many", content),
    "endless numbers": lambda content: re.sub(rb"\b[0-9]+\b", b"9" * 400, content),
    "other file": lambda _: b"Inter-|   Receive\n face |bytes\n  lo: 1\n",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("tree") / "tree"
    shutil.copytree(TREE, copy, symlinks=True)
    return copy


@pytest.fixture
def spoil(tree: Path) -> Iterator[Callable[[str, Callable[[bytes], bytes]], None]]:
    """Damage a file until the end of the test."""
    kept: dict[Path, bytes] = {}

    def change(name: str, damage: Callable[[bytes], bytes]) -> None:
        path = tree / name
        kept[path] = path.read_bytes()
        path.write_bytes(damage(kept[path]))

    yield change
    for path, content in kept.items():
        path.write_bytes(content)


def _cycle(tree: Path) -> tuple[Snapshot, bytes]:
    known = registry.load()
    settings = config.with_probes(config.load(known, None), known)
    parts = app.assemble(settings, known, str(tree / "proc"), str(tree / "sys"))
    snapshot = parts.schedule.cycle()
    return snapshot, parts.answers.get(snapshot, Format.TEXT, compressed=False)


def _by_probe(snapshot: Snapshot) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for table in snapshot.tables:
        found.setdefault(table.metrics[0].probe, []).extend((table.metrics, row) for row in table.rows)
    return found


@pytest.fixture(scope="module")
def whole(tree: Path) -> Snapshot:
    return _cycle(tree)[0]


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_a_spoilt_file_fails_only_the_probes_that_read_it_and_they_name_it(
    tree: Path,
    whole: Snapshot,
    spoil: Callable[[str, Callable[[bytes], bytes]], None],
    name: str,
    damage: Callable[[bytes], bytes],
) -> None:
    spoil(name, damage)
    snapshot, body = _cycle(tree)
    before = {outcome.probe: outcome for outcome in whole.outcomes}
    for outcome in snapshot.outcomes:
        if outcome.status is Status.FAILED and before[outcome.probe].status is not Status.FAILED:
            assert str(tree / name) in outcome.reason
            assert "defect" not in outcome.reason
    ended = {outcome.probe: outcome.status for outcome in snapshot.outcomes}
    readers = {probe for probe, status in ended.items() if status is not before[probe].status}
    unharmed, were = _by_probe(snapshot), _by_probe(whole)
    changed = {probe for probe in were if were[probe] != unharmed.get(probe)}
    assert readers <= changed | {probe for probe in before if probe not in were}
    assert len(changed) < len(were) / 2
    assert b"kubeskoop_exporter_probe_status" in body


def test_once_says_which_file_and_line_and_still_ends_well(
    tree: Path, spoil: Callable[[str, Callable[[bytes], bytes]], None]
) -> None:
    spoil("proc/101/net/snmp", DAMAGE["words"])
    code, out, err = run("once", "--proc", str(tree / "proc"), "--sys", str(tree / "sys"))
    complaints = [line for line in err.splitlines() if "failed" in line]
    assert code == 0
    assert complaints
    for line in complaints:
        assert re.search(rf"{tree}/proc/101/net/snmp line \d+: expected ", line)
    assert (
        'kubeskoop_exporter_probe_status{k8s_namespace="",k8s_node="node-a",k8s_pod="",probe="udp",status="failed"} 1.0'
        in out
    )
    assert (
        'kubeskoop_exporter_probe_status{k8s_namespace="",k8s_node="node-a",k8s_pod="",probe="softnet",status="ok"} 1.0'
        in out
    )
    assert "kubeskoop_softnet_processed{" in out
    assert "kubeskoop_udp_noports{" not in out


def test_a_tree_without_the_host_s_files_fails_everything_but_ends_well(tmp_path: Path) -> None:
    code, out, err = run("once", "--proc", str(tmp_path), "--sys", str(tmp_path))
    assert (code, "Traceback" in err) == (0, False)
    assert 'probe="udp",status="failed"} 1.0' in out
    assert f"{tmp_path}/1/net: expected the host's network files (is --proc right?)" in err


def test_a_folder_that_does_not_exist_is_a_wrong_call(tmp_path: Path) -> None:
    for option in ("--proc", "--sys"):
        code, out, err = run("once", option, str(tmp_path / "none"))
        assert (code, out, err) == (2, "", f"net-exporter: {option} {tmp_path}/none: no such folder\n")
