"""Where the types of a kernel are that does not tell them itself: files that distributions and archives offer."""

from __future__ import annotations

import os
import platform
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf.btf import BtfKind
from exporter.bpf.btf_packages import packages
from exporter.bpf.kernel_btf import PROVIDED, KernelBtf
from exporter.errors import CollectError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


ABSENT: Final = "does not exist"  # the problem of most places

_KERNEL: Final = "the running kernel"
_MOST_UNPACKED: Final = 64 << 20  # bytes; a kernel's BTF has 5 to 10 MiB


class Place(NamedTuple):
    """A file that may hold the types.

    Args:
        kind: where it comes from, for people.
        path: of the file.
        problem: why it was not taken; empty for the one that was.
    """

    kind: str
    path: Path
    problem: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides which file fits.

    Args:
        release: of the kernel, as `uname -r` says.
        architecture: as `uname -m` says.
        distribution: the fields of os-release.
        root: where the files of the node are, when not at /.
    """

    release: str
    architecture: str
    distribution: Mapping[str, str]
    root: Path = Path("/")

    @classmethod
    def this(cls, root: Path = Path("/")) -> Machine:
        """The one that this runs on."""
        try:
            lines = (root / "etc/os-release").read_text("utf-8", "replace").splitlines()
        except OSError:
            lines = []
        fields = dict(line.split("=", 1) for line in lines if "=" in line)
        told = {name: value.strip("\"'") for name, value in fields.items()}
        return cls(os.uname().release, platform.machine(), told, root)


@dataclass(frozen=True, slots=True)
class Search:
    """What was looked at.

    Args:
        places: in the order in which they were tried, up to the one that was taken.
        advice: what to install where none was taken; empty otherwise.
    """

    places: tuple[Place, ...]
    advice: str

    @property
    def path(self) -> Path | None:
        """The file to use."""
        return self.places[-1].path if self.places and not self.places[-1].problem else None

    @property
    def is_kernels_own(self) -> bool:
        """Whether the running kernel tells its types, so that nothing needs to be said to libbpf."""
        return self.path is not None and self.places[-1].kind == _KERNEL


def search(machine: Machine, sys: Path, folder: Path | None = None, unpacked: Path = PROVIDED) -> Search:
    """Find the types of the kernel.

    Args:
        machine: which kernel.
        sys: root of its sysfs.
        folder: further files, named by release, or an archive laid out as BTFHub's.
        unpacked: where a file out of an archive is put.
    """
    tried = []
    for kind, path in _candidates(machine, sys, folder):
        problem = _problem(path)
        if not problem and path.suffix == ".xz":
            path, problem = _unpack(path, unpacked)  # noqa: PLW2901 -- from here on the file inside is meant
            problem = problem or _problem(path)
        tried.append(Place(kind, path, problem))
        if not problem:
            return Search(tuple(tried), "")
    return Search(tuple(tried), _advice(machine, folder))


def _candidates(machine: Machine, sys: Path, folder: Path | None) -> Iterator[tuple[str, Path]]:
    release, root = machine.release, machine.root
    yield _KERNEL, sys / "kernel/btf/vmlinux"
    if folder is not None:
        yield from (("the configured folder", folder / name) for name in (f"{release}.btf", f"vmlinux-{release}"))
        yield from (("the archive", path) for path in _archived(machine, folder))
    yield from (("/boot", root / "boot" / name) for name in (f"vmlinux-{release}", f"{release}.btf"))
    yield from (
        ("the kernel's modules", root / "lib/modules" / release / name) for name in ("vmlinux", "build/vmlinux")
    )
    for name in (f"boot/vmlinux-{release}", f"boot/vmlinux-{release}.debug", f"lib/modules/{release}/vmlinux",
                 f"usr/lib/modules/{release}/vmlinux"):  # fmt: skip
        yield "debugging symbols", root / "usr/lib/debug" / name


def _archived(machine: Machine, folder: Path) -> Iterator[Path]:
    """Where an archive has it: distribution, version, architecture, release."""
    name, version = (machine.distribution.get(field, "") for field in ("ID", "VERSION_ID"))
    place = folder / name / version / machine.architecture
    yield place / f"{machine.release}.btf"
    yield place / f"{machine.release}.btf.tar.xz"


def _problem(path: Path) -> str:
    if not path.is_file():
        return ABSENT
    if path.suffix == ".xz":
        return ""
    try:
        known = KernelBtf(path).has(BtfKind.STRUCT, "task_struct")
    except CollectError as error:
        return str(error)
    return "" if known else "does not describe a kernel"


def _unpack(archive: Path, folder: Path) -> tuple[Path, str]:
    """The only file of an archive, taken out of it; the archive and what is wrong with it otherwise."""
    target = folder / archive.name.removesuffix(".tar.xz")
    try:
        with tarfile.open(archive) as content:
            member = next((each for each in content if each.isfile()), None)
            if member is None or member.size > _MOST_UNPACKED:
                return archive, "holds no file with the types of one kernel"
            file = content.extractfile(member)
            raw = file.read() if file else b""
        folder.mkdir(parents=True, exist_ok=True)
        target.write_bytes(raw)
    except (OSError, tarfile.TarError, EOFError) as error:
        return archive, f"cannot be unpacked to {folder} ({error})"
    return target, ""


def _advice(machine: Machine, folder: Path | None) -> str:
    place = next(_archived(machine, folder or Path("FOLDER")))
    return (
        f"boot a kernel built with CONFIG_DEBUG_INFO_BTF, or {packages(machine.release, machine.distribution)}, or put "
        f"the file of this kernel out of the BTFHub archive at {place}.tar.xz or at /boot/{machine.release}.btf"
    )
