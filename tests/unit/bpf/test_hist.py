"""The bucket function of bpf/include/hist.h, compiled for this machine."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bpf.compiling import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

SLOTS = 32
VALUES = st.one_of(
    st.integers(0, (1 << 64) - 1),
    st.builds(
        lambda power, off: max(0, min((1 << power) + off, (1 << 64) - 1)), st.integers(0, 64), st.integers(-2, 2)
    ),
)


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], int]:
    if shutil.which("clang") is None:
        pytest.skip("there is no clang to compile the function with")
    folder = tmp_path_factory.mktemp("hist")
    (folder / "hist.c").write_text('#include "hist.h"\n__u32 slot(__u64 value) { return hist_slot(value); }\n')
    library = folder / "hist.so"
    command = ["clang", "-shared", "-fPIC", "-O2", f"-I{ROOT}/bpf/include", folder / "hist.c", "-o", library]
    subprocess.run(command, check=True)
    function = ctypes.CDLL(str(library)).slot
    function.argtypes, function.restype = (ctypes.c_uint64,), ctypes.c_uint32
    return lambda value: int(function(value))


@given(value=VALUES)
def test_a_value_is_at_most_its_bound_and_above_the_one_before(slot: Callable[[int], int], value: int) -> None:
    found = slot(value)
    assert 0 <= found < SLOTS
    assert found == SLOTS - 1 or value <= 1 << found
    assert found == 0 or value > 1 << (found - 1)


def test_bounds_belong_to_their_own_slot(slot: Callable[[int], int]) -> None:
    assert [slot(1 << power) for power in range(SLOTS)] == list(range(SLOTS))
    assert [slot((1 << power) + 1) for power in range(1, SLOTS - 1)] == list(range(2, SLOTS))
    assert (slot(0), slot((1 << 64) - 1)) == (0, SLOTS - 1)
