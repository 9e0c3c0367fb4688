from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.bpf import cgroup

if TYPE_CHECKING:
    from pathlib import Path

V1 = "31 24 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
ROOT = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
OWN = "42 31 0:38 /kubepods/pod1 /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"


@pytest.mark.parametrize(
    ("mounts", "place"),
    [(V1 + ROOT, "/sys/fs/cgroup/unified"), (OWN + ROOT, "/sys/fs/cgroup/unified"), (OWN, ""), (V1, ""), ("", "")],
)
def test_only_the_root_of_cgroup2_is_taken(mounts: str, place: str) -> None:
    assert cgroup.mounted(mounts) == place


def test_without_processes_there_is_no_root(tmp_path: Path) -> None:
    assert cgroup.root(tmp_path) is None


def test_a_namespace_that_is_not_the_first_does_not_show_the_root(tmp_path: Path) -> None:
    own = tmp_path / "self"
    (own / "ns").mkdir(parents=True)
    (own / "ns" / "cgroup").touch()
    (own / "mountinfo").write_text(ROOT)

    assert cgroup.root(tmp_path) is None
