"""Stock kernels from several Debian releases, through an apt of our own that leaves the machine's alone."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CACHE: Final = Path(os.environ.get("NET_EXPORTER_VM_CACHE", Path.home() / ".cache" / "net-exporter-vm"))
MATRIX: Final = ("5.10", "6.1", "6.12", "6.18", "newest")
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_SUITES: Final = ("bullseye", "bullseye-security", "bookworm", "bookworm-security", "bookworm-backports",
                  "trixie", "trixie-backports")  # fmt: skip
_IMAGE: Final = re.compile(r"^linux-image-(\d+\.\d+[.\w+~]*(?:-\d+)?-cloud-amd64)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel.

    Args:
        wanted: as asked for, for example 6.1 or newest.
        release: as `uname -r` says.
        root: where it was unpacked.
        with_headers: whether its guests have its headers.
    """

    wanted: str
    release: str
    root: Path
    with_headers: bool = False

    @property
    def modules(self) -> Path:
        """Its folder below lib/modules."""
        return self.root / "lib" / "modules" / self.release

    @property
    def image(self) -> Path:
        """What a boot loader starts."""
        places = self.root / "boot" / f"vmlinuz-{self.release}", self.modules / "vmlinuz"
        return next(place for place in places if place.exists())

    @property
    def headers(self) -> Path | None:
        """Where /usr/src of its headers was unpacked; None when they were not asked for."""
        place = self.root / "headers" / "usr" / "src"
        return place if self.with_headers and place.is_dir() else None


def get(wanted: str, *, headers: bool = False) -> Kernel:
    """The newest stock kernel of a series such as 6.1, or of all series. Raises LookupError when there is none."""
    _update()
    release = newest(_apt("apt-cache", "pkgnames", "linux-image-"), wanted)
    kernel = Kernel(wanted, release, CACHE / release, headers)
    if not kernel.root.is_dir():
        _unpack(f"linux-image-{release}", kernel.root, ("linux-binary-", "linux-modules-"))
        if not kernel.modules.is_dir():  # merged /usr
            (kernel.root / "lib").mkdir(exist_ok=True)
            (kernel.root / "lib" / "modules").symlink_to("../usr/lib/modules")
        subprocess.run(["depmod", "-b", kernel.root, release], check=True)
    if headers and kernel.headers is None:
        _unpack(f"linux-headers-{release}", kernel.root / "headers", ("linux-headers-",))
    for folder in sorted((kernel.headers or Path()).glob("linux-headers-*")):  # where a guest's compilers look
        link = kernel.modules / ("source" if folder.name.endswith("-common") else "build")
        if not link.is_symlink():
            link.symlink_to(f"/usr/src/{folder.name}")
    return kernel


def newest(names: str, wanted: str) -> str:
    """The newest release of a series among names of packages. Raises LookupError."""
    series = "" if wanted == "newest" else f"{wanted}."
    found = [release for release in _IMAGE.findall(names) if release.startswith(series) and "~" not in release]
    found = [release for release in found if "-0.deb" not in release]  # backports of what a newer suite has itself
    if not found:
        raise LookupError(f"no stock kernel {wanted} in {', '.join(_SUITES)}; has apt-get update succeeded?")
    return max(found, key=lambda release: [int(number) for number in re.findall(r"\d+", release)])


def _update() -> None:
    lists = CACHE / "apt" / "lists"
    if lists.is_dir() and any(lists.glob("*_Packages*")):
        return
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    (CACHE / "apt" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    mirror = _mirror()
    lines = (f"deb [signed-by={KEYRING}] {mirror}{'-security' * suite.endswith('security')} {suite} main\n"
             for suite in _SUITES)  # fmt: skip
    (CACHE / "apt" / "sources.list").write_text("".join(lines))
    (CACHE / "apt" / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{CACHE}/apt/sources.list";\n'
        'Dir::Etc::sourceparts "/nonexistent";\n'
        f'Dir::State::lists "{lists}";\n'
        f'Dir::Cache "{CACHE}/apt";\n'
        'APT::Sandbox::User "root";\n'  # else it may not enter a folder of root
        'Acquire::Languages "none";\n'
    )
    _apt("apt-get", "-qq", "update")


def _mirror() -> str:
    """The mirror that this machine uses."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    uris = [uri.rstrip("/") for uri in found]
    return next((uri for uri in uris if uri.endswith("/debian")), "http://deb.debian.org/debian")


def _apt(*command: str, cwd: Path | None = None) -> str:
    environment = os.environ | {"APT_CONFIG": str(CACHE / "apt" / "apt.conf")}
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd, env=environment).stdout


def _unpack(package: str, into: Path, companions: tuple[str, ...]) -> None:
    """Unpack a package and those that it depends on whose names begin so, all or nothing."""
    depends = re.findall(r"Depends: (\S+)", _apt("apt-cache", "depends", package))
    folder = into.with_name(f"{into.name}.new")
    folder.mkdir(parents=True, exist_ok=True)
    for name in (package, *(each for each in depends if each.startswith(companions))):
        _apt("apt-get", "-qq", "download", name, cwd=folder)
    for archive in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", archive, folder], check=True)
        archive.unlink()
    folder.rename(into)
