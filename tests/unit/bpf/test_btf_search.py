"""Which file with the kernel's types is taken, on trees made here; the types are the running kernel's."""

from __future__ import annotations

import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest

from exporter.bpf.btf_search import Machine, search
from exporter.bpf.kernel_btf import VMLINUX

if TYPE_CHECKING:
    from pathlib import Path

RELEASE = "4.19.91-27.an8.x86_64"
DISTRIBUTION = {"ID": "anolis", "VERSION_ID": "8.8", "ID_LIKE": "rhel fedora centos"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(RELEASE, "x86_64", DISTRIBUTION, tmp_path)


def types_at(path: Path) -> Path:
    if not VMLINUX.exists():
        pytest.skip("this kernel has no types to copy")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(VMLINUX, path)
    return path


def archive(path: Path, member: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:xz", preset=0) as content:
        content.add(member, f"./{RELEASE}.btf")


@pytest.mark.parametrize(
    "name",
    [
        f"boot/vmlinux-{RELEASE}",
        f"boot/{RELEASE}.btf",
        f"lib/modules/{RELEASE}/vmlinux",
        f"usr/lib/debug/lib/modules/{RELEASE}/vmlinux",
    ],
)
def test_the_usual_places_are_known(machine: Machine, tmp_path: Path, name: str) -> None:
    path = types_at(tmp_path / name)

    found = search(machine, tmp_path / "sys")

    assert (found.path, found.is_kernels_own, found.advice) == (path, False, "")
    assert {place.problem for place in found.places[:-1]} == {"does not exist"}


def test_what_the_kernel_tells_itself_goes_before_all_files(machine: Machine, tmp_path: Path) -> None:
    types_at(tmp_path / "boot" / f"{RELEASE}.btf")
    own = types_at(tmp_path / "sys/kernel/btf/vmlinux")

    found = search(machine, tmp_path / "sys", tmp_path)

    assert (found.path, found.is_kernels_own) == (own, True)


def test_an_archive_is_unpacked_by_distribution_version_and_architecture(machine: Machine, tmp_path: Path) -> None:
    types = types_at(tmp_path / "types")
    archive(tmp_path / "hub/anolis/8.8/x86_64" / f"{RELEASE}.btf.tar.xz", types)

    found = search(machine, tmp_path / "sys", tmp_path / "hub", tmp_path / "unpacked")

    assert found.path == tmp_path / "unpacked" / f"{RELEASE}.btf"
    assert found.path.read_bytes() == types.read_bytes()


@pytest.mark.parametrize("content", [b"", b"\x9f\xeb\x01\x00", b"\x7fELF\x02\x01\x01", b"no types at all\n"])
def test_what_is_no_description_of_a_kernel_is_passed_over(machine: Machine, tmp_path: Path, content: bytes) -> None:
    wrong = tmp_path / "boot" / f"vmlinux-{RELEASE}"
    wrong.parent.mkdir()
    wrong.write_bytes(content)
    right = types_at(tmp_path / "boot" / f"{RELEASE}.btf")

    found = search(machine, tmp_path / "sys")

    problem = next(place.problem for place in found.places if place.path == wrong)
    assert found.path == right
    assert str(wrong) in problem


def test_a_damaged_archive_says_so(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "hub/anolis/8.8/x86_64" / f"{RELEASE}.btf.tar.xz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xfd7zXZ\0 and then nothing of the kind")

    found = search(machine, tmp_path / "sys", tmp_path / "hub", tmp_path / "unpacked")

    assert found.path is None
    assert "cannot be unpacked" in next(place.problem for place in found.places if place.path == path)


def test_where_there_is_nothing_the_advice_fits_the_distribution(machine: Machine, tmp_path: Path) -> None:
    found = search(machine, tmp_path / "sys")

    assert found.path is None
    assert f"yum install --enablerepo='*debug*' kernel-debuginfo-{RELEASE}" in found.advice
    assert f"FOLDER/anolis/8.8/x86_64/{RELEASE}.btf.tar.xz" in found.advice


def test_the_distribution_of_a_node_is_read_below_its_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID="alinux"\nVERSION_ID="3"\n# a remark\n')

    assert Machine.this(tmp_path).distribution == {"ID": "alinux", "VERSION_ID": "3"}
    assert Machine.this(tmp_path / "nowhere").distribution == {}
