"""Packages that tell a kernel's types, by the names that each distribution gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Packages(NamedTuple):
    """Commands of one distribution.

    Args:
        headers: installs the kernel's headers and bcc, which makes types of them.
        symbols: installs its debugging symbols.
    """

    headers: str
    symbols: str


# The names of repositories with debugging symbols differ, not that they have `debug` in them.
_DNF: Final = _Packages(
    "dnf install kernel-devel-{release} python3-bcc", "dnf install --enablerepo='*debug*' kernel-debuginfo-{release}"
)
_YUM: Final = _Packages(*(each.replace("dnf", "yum") for each in _DNF))
# By ID of /etc/os-release; what is not here is found by ID_LIKE.
_DISTRIBUTIONS: Final = {
    "debian": _Packages("apt install linux-headers-{release} python3-bpfcc", "apt install linux-image-{release}-dbg"),
    "ubuntu": _Packages(
        "apt install linux-headers-{release} python3-bpfcc",
        "apt install linux-image-{release}-dbgsym, with ddebs.ubuntu.com among the sources",
    ),
    "rhel": _DNF,
    "fedora": _DNF,
    "openEuler": _DNF,
    "centos": _YUM,
    "anolis": _YUM,
    "alinux": _YUM,  # Alibaba Cloud Linux
    "amzn": _YUM,
    "suse": _Packages(
        "zypper install kernel-{flavour}-devel python3-bcc",
        "zypper --plus-content debug install kernel-{flavour}-debuginfo, both of version {number}",
    ),
}


def packages(release: str, distribution: Mapping[str, str]) -> str:
    """What to install to have the types of a kernel, for people.

    Args:
        release: of the kernel, as `uname -r` says.
        distribution: the fields of os-release.
    """
    likes = " ".join(distribution.get(field, "") for field in ("ID", "ID_LIKE")).split()
    found = next((_DISTRIBUTIONS[name] for name in likes if name in _DISTRIBUTIONS), None)
    if found is None:
        return "install the kernel's headers and bcc for Python, or its debugging symbols"
    number, _, flavour = release.rpartition("-")
    headers, symbols = (each.format(release=release, number=number, flavour=flavour) for each in found)
    return f"{headers}, or {symbols}"
