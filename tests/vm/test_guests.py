"""The parts of the runner that need no guest, and the kernels that every test run can afford."""

from __future__ import annotations

import pytest

from tests.vm import kernels

NAMES = """\
linux-image-5.10.0-46-cloud-amd64
linux-image-5.10.0-9-cloud-amd64
linux-image-6.1-cloud-amd64
linux-image-6.1.0-0.deb11.52-cloud-amd64
linux-image-6.1.0-56-cloud-amd64
linux-image-6.1.0-56-cloud-amd64-unsigned
linux-image-6.12.117+deb12-cloud-amd64
linux-image-6.12.94+deb13-cloud-amd64
linux-image-7.3.4+deb13-cloud-amd64
linux-image-7.3.4+deb13-rt-amd64
"""


@pytest.mark.parametrize(
    ("wanted", "release"),
    [
        ("5.10", "5.10.0-46-cloud-amd64"),
        ("6.1", "6.1.0-56-cloud-amd64"),
        ("6.12", "6.12.117+deb12-cloud-amd64"),
        ("newest", "7.3.4+deb13-cloud-amd64"),
    ],
)
def test_the_newest_stock_kernel_of_a_series_is_taken(wanted: str, release: str) -> None:
    assert kernels.newest(NAMES, wanted) == release


def test_a_series_that_debian_does_not_have_is_named_in_the_error() -> None:
    with pytest.raises(LookupError, match=r"no stock kernel 4\.18 in bullseye"):
        kernels.newest(NAMES, "4.18")
