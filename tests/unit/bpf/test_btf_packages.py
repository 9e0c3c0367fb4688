"""What is to be installed, by the os-release and `uname -r` of each distribution."""

from __future__ import annotations

import pytest

from exporter.bpf.btf_packages import packages

RPM_SYMBOLS = "install --enablerepo='*debug*' kernel-debuginfo-"


@pytest.mark.parametrize(
    ("distribution", "release", "advice"),
    [
        (
            {"ID": "debian", "VERSION_ID": "10"},
            "4.19.0-27-amd64",
            "apt install linux-headers-4.19.0-27-amd64 python3-bpfcc, or apt install linux-image-4.19.0-27-amd64-dbg",
        ),
        (
            {"ID": "linuxmint", "ID_LIKE": "ubuntu debian"},
            "5.4.0-216-generic",
            (
                "apt install linux-headers-5.4.0-216-generic python3-bpfcc, or apt install "
                "linux-image-5.4.0-216-generic-dbgsym, with ddebs.ubuntu.com among the sources"
            ),
        ),
        (
            {"ID": "rocky", "ID_LIKE": "rhel centos fedora"},
            "4.18.0-80.el8.x86_64",
            f"dnf install kernel-devel-4.18.0-80.el8.x86_64 python3-bcc, or dnf {RPM_SYMBOLS}4.18.0-80.el8.x86_64",
        ),
        (
            {"ID": "alinux", "ID_LIKE": "rhel fedora centos anolis"},
            "5.10.134-16.1.al8.x86_64",
            (
                f"yum install kernel-devel-5.10.134-16.1.al8.x86_64 python3-bcc, or yum {RPM_SYMBOLS}"
                "5.10.134-16.1.al8.x86_64"
            ),
        ),
        (
            {"ID": "sles", "ID_LIKE": "suse"},
            "5.3.18-150300.59.43-default",
            (
                "zypper install kernel-default-devel python3-bcc, or zypper --plus-content debug install "
                "kernel-default-debuginfo, both of version 5.3.18-150300.59.43"
            ),
        ),
        ({"ID": "slackware"}, "5.15.19", "install the kernel's headers and bcc for Python, or its debugging symbols"),
        ({}, "6.1", "install the kernel's headers and bcc for Python, or its debugging symbols"),
    ],
)
def test_packages_are_named_exactly(distribution: dict[str, str], release: str, advice: str) -> None:
    assert packages(release, distribution) == advice
