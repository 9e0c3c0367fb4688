from __future__ import annotations

from exporter.bpf.btf import Btf, BtfKind
from exporter.bpf.btf_writer import BtfWriter


def test_what_is_written_reads_back_the_same() -> None:
    writer = BtfWriter()
    inner = writer.struct("", 8, [("net", writer.pointer(), 0, 0)])
    name = writer.array(writer.integer(1), 16)
    writer.struct(
        "sock", 760, [("skc_net", inner, 48 * 8, 0), ("name", name, 64, 0), ("state", writer.integer(1), 13, 5)]
    )
    writer.enum("reason", {"REASON_A": 0, "REASON_B": 2**31})

    found = Btf(writer.content(), "written")
    sock = found.struct("sock")

    assert (sock.size, [(each.name, each.bit_offset, each.bit_size) for each in sock.members]) == (
        760,
        [("skc_net", 384, 0), ("name", 64, 0), ("state", 13, 5)],
    )
    assert [found.size_of(each.type_id) for each in sock.members] == [8, 16, 1]
    assert found.resolve(found.resolve(sock.members[0].type_id).members[0].type_id).kind is BtfKind.PTR
    assert found.enum("reason") == {"REASON_A": 0, "REASON_B": 2**31}


def test_what_no_integer_has_room_for_is_bytes() -> None:
    writer = BtfWriter()
    writer.struct("sk_buff", 224, [("cb", writer.integer(48), 40 * 8, 0)])

    found = Btf(writer.content(), "written")

    assert found.size_of(found.struct("sk_buff").members[0].type_id) == 48
