"""The output folder: foreign files stay, files are whole or old, and every refusal is one line."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from docs import folder, manifest
from docs.folder import Wanted, differences, mend
from exporter.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

FIRST = {"a": {"a/one.txt": b"1", "a/deep/two.txt": b"2"}, "b": {"b.txt": b"3"}}


def wanted(**subjects: dict[str, bytes]) -> Wanted:
    return Wanted(subjects, registry="0123456789ab", naming="kubeskoop")


def write(out: Path, **subjects: dict[str, bytes]) -> dict[str, str]:
    asked = wanted(**subjects)
    found = differences(out, asked)
    mend(out, asked, found)
    return found


def content(out: Path) -> dict[str, bytes]:
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    files.pop("manifest.json", None)
    return files


@pytest.fixture
def out(tmp_path: Path) -> Path:
    place = tmp_path / "out"
    write(place, **FIRST)
    return place


def test_what_is_no_longer_wanted_goes_with_its_empty_folder(out: Path) -> None:
    assert write(out, a={"a/one.txt": b"1"}) == {"a/deep/two.txt": "orphan", "manifest.json": "differs"}
    assert content(out) == {"a/one.txt": b"1", "b.txt": b"3"}
    assert not (out / "a" / "deep").exists()
    assert differences(out, wanted(a={"a/one.txt": b"1"}, b={"b.txt": b"3"})) == {}


def test_a_foreign_file_stays_whatever_is_written(out: Path) -> None:
    (out / "a" / "mine.txt").write_bytes(b"mine")
    write(out, a={}, b={})
    assert content(out) == {"a/mine.txt": b"mine"}


def test_an_edited_file_that_is_no_longer_written_stays(out: Path) -> None:
    (out / "a" / "one.txt").write_bytes(b"edited")
    assert write(out, a={}) == {
        "a/deep/two.txt": "orphan",
        "a/one.txt": "edited orphan",
        "manifest.json": "differs",
    }
    assert content(out) == {"a/one.txt": b"edited", "b.txt": b"3"}
    assert differences(out, wanted(a={})) == {}


def test_a_listed_file_that_is_gone_already_is_no_error(out: Path) -> None:
    (out / "b.txt").unlink()
    assert write(out, b={}) == {"manifest.json": "differs"}


def test_a_file_is_replaced_as_a_whole(out: Path) -> None:
    with (out / "b.txt").open("rb") as reader:
        write(out, b={"b.txt": b"new"})
        assert reader.read() == b"3"
    assert (out / "b.txt").read_bytes() == b"new"
    assert [path for path in out.rglob(".*") if path.is_file()] == []


def test_a_new_file_has_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "out", b={"b.txt": b"3"})
    finally:
        os.umask(before)
    assert (tmp_path / "out" / "b.txt").stat().st_mode & 0o777 == 0o640


def test_an_interrupted_run_leaves_nothing_unknown(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, done = os.replace, []

    def third_fails(source: str, target: Path) -> None:
        done.append(target)
        if len(done) == 3:
            raise OSError(28, "No space left on device", str(target))
        real(source, target)

    monkeypatch.setattr(folder.os, "replace", third_fails)
    with pytest.raises(UsageError, match=r"cannot write .*: No space left on device; name another folder with --out"):
        write(out, a={"a/new1.txt": b"x", "a/new2.txt": b"y"})
    monkeypatch.undo()
    listed = manifest.read(out)
    assert listed is not None
    assert set(content(out)) <= set(listed.files)
    assert [path for path in out.rglob(".*") if path.is_file()] == []
    write(out, a={})
    assert content(out) == {"b.txt": b"3"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is not a manifest of generate.py"),
        (b"[]", "is not a manifest of generate.py"),
        (b'{"format": 1}', "is not a manifest of generate.py"),
        (b'{"format": 1, "subjects": {"a": 3}}', "is not a manifest of generate.py"),
        (b'{"format": 2, "subjects": {}}', "has format 2, not 1"),
        (b'{"format": 1, "subjects": {"a": {"../../etc/passwd": "0"}}}', "lists '../../etc/passwd'"),
        (b'{"format": 1, "subjects": {"a": {"/etc/passwd": "0"}}}', "lists '/etc/passwd'"),
        (b'{"format": 1, "subjects": {"a": {"a/one.txt": 7}}}', "lists 'a/one.txt'"),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused_and_nothing_is_touched(out: Path, text: bytes, message: str) -> None:
    (out / "manifest.json").write_bytes(text)
    before = content(out)
    with pytest.raises(UsageError) as error:
        write(out, a={})
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert content(out) == before


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"is neither empty nor a bundle \(no manifest.json\)"):
        write(tmp_path, **FIRST)
    assert content(tmp_path) == {"mine.txt": b"mine"}


def test_a_manifest_is_read_as_it_was_written() -> None:
    written = manifest.Manifest({"a": {"a/one.txt": manifest.digest(b"1")}})
    text = manifest.render(written, "0123456789ab", "kubeskoop")
    assert manifest.parse(text, "manifest.json") == written
    assert json.loads(text)["registry"] == "0123456789ab"
