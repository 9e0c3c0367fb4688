"""The path forms of every runtime, driver and version, as nodes show them, and what is none of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.identity.cgroups import Placement, parse

FORMS = sorted((Path(__file__).parents[2] / "trees" / "cgroups").glob("*.txt"))


def _expected(text: str) -> tuple[Placement, ...]:
    """The first lines of a file say what is in it: `# pod container nested`."""
    found = []
    for line in text.splitlines():
        if line.startswith("# pod "):
            _, _, uid, container, nested = line.split()
            found.append(Placement(uid, "" if container == "-" else container, nested == "nested"))
    return tuple(found)


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_every_form_tells_pod_and_container(form: Path) -> None:
    text = form.read_text()
    content = "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("#")).encode()
    assert parse(content) == _expected(text)


UID = "0f2a8f3e-7c1d-4b2e-9a55-3d1c0b9e8f70"
OTHER = "11111111-7c1d-4b2e-9a55-3d1c0b9e8f70"
ID = "ab" * 32


def test_hierarchies_that_disagree_about_the_pod_tell_none() -> None:
    assert parse(f"3:cpu:/kubepods/pod{UID}/{ID}\n2:pids:/kubepods/pod{OTHER}/{ID}\n".encode()) == ()


def test_the_hierarchy_that_knows_the_container_is_believed() -> None:
    lines = f"3:cpu:/kubepods/pod{UID}\n2:pids:/kubepods/pod{UID}/{ID}\n1:name=systemd:/\n0::/system.slice\n"
    assert parse(lines.encode()) == (Placement(UID, ID, nested=False),)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/kubepods",
        f"/kubepods/pod{UID[:-1]}/{ID}",
        f"/kubepods/xpod{UID}/{ID}",
        f"/kubepods/pod{UID}x/{ID}",
        f"/machine.slice/machine-libpod_pod_{ID}.slice",
        "/user.slice/user-0.slice/session-1.scope",
    ],
)
def test_a_path_that_is_nearly_one_is_none(path: str) -> None:
    assert parse(f"0::{path}\n".encode()) == ()


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(content: bytes) -> None:
    parse(content)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n\r/"), max_size=40), st.integers(0, 4))
def test_what_is_around_a_pod_does_not_matter(part: str, count: int) -> None:
    content = f"0::{f'/a{part}' * count}/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/crio-{ID}.scope\n"
    assert parse(content.encode())[-1:] == (Placement(UID, ID, nested=False),)
