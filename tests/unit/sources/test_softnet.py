from __future__ import annotations

import pytest

from exporter.errors import SourceError
from exporter.sources import softnet
from exporter.sources.softnet import Softnet

TWO_CPUS = (
    b"0000c5a1 00000002 00000003 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
    b"00000000 00000000 00000000\n"
    b"00001f43 00000001 00000010 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
    b"00000001 00000000 00000000\n"
)


def test_cpus_add_up() -> None:
    assert softnet.parse(TWO_CPUS, "softnet_stat") == Softnet(processed=58596, dropped=3, time_squeeze=19)


def test_an_old_kernel_prints_fewer_columns() -> None:
    assert softnet.parse(b"ffffffff 00000001 00000002\n", "softnet_stat") == Softnet(4294967295, 1, 2)


@pytest.mark.parametrize("line", [b"0000c5a1 00000002\n", b"0000c5a1 0000000g 00000003\n", b"\n"])
def test_garbage_is_refused_with_its_place(line: bytes) -> None:
    with pytest.raises(SourceError, match="softnet_stat line 3: expected"):
        softnet.parse(TWO_CPUS + line, "softnet_stat")
