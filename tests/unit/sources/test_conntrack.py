from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from exporter.errors import SourceError, UnsupportedError
from exporter.model.pod import NetnsRef, Pod
from exporter.sources import conntrack, netns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import FakeNetns

PATH = "/proc/1/net/stat/nf_conntrack"
NETFILTER = 12

# Linux 6.18, with numbers of our own
NEW_FILE = b"""\
entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  \
expect_new expect_create expect_delete search_restart
0000002a  00000001 00000002 00000000 00000003 00000000 00000000 00000004 00000005 00000006 00000007 00000008 00000009  \
00000000 00000000 00000000 0000000a
0000002a  00000010 00000020 00000000 00000030 00000000 00000000 00000040 00000050 00000060 00000070 00000080 00000090  \
00000000 00000000 00000000 000000a0
"""
NEW_COUNTERS = {
    "found": 0x22,
    "invalid": 0x33,
    "insert": 0x55,
    "insert_failed": 0x66,
    "drop": 0x77,
    "early_drop": 0x88,
    "error": 0x99,
    "search_restart": 0xAA,
    "clash_resolve": 0x11,
    "chain_toolong": 0x44,
}
# Linux 4.19
OLD_FILE = b"""\
entries  searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error  \
expect_new expect_create expect_delete search_restart
00000007  00000000 00000001 00000000 00000002 00001f00 00000000 00000000 00000003 00000000 00000000 00000000 00000000  \
00000000 00000000 00000000 00000004
"""
KINDS = {
    "found": 2,
    "invalid": 4,
    "insert": 8,
    "insert_failed": 9,
    "drop": 10,
    "early_drop": 11,
    "error": 12,
    "search_restart": 13,
    "clash_resolve": 14,
    "chain_toolong": 15,
}


def message(kind: int, attributes: dict[int, int]) -> bytes:
    body = bytes(4) + b"".join(
        struct.pack("=HH", 8, key) + struct.pack(">I", value) for key, value in attributes.items()
    )
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body


def cpu_message(counters: dict[str, int]) -> bytes:
    return message(0x104, {KINDS[name]: value for name, value in counters.items()})


DONE = struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0)
ACKNOWLEDGED = struct.pack("=IHHIIi", 20, 2, 0, 1, 0, 0)


def test_counters_of_all_cpus_are_added() -> None:
    answer = cpu_message({"found": 2, "drop": 1}) + cpu_message({"found": 40, "drop": 2}) + DONE
    assert conntrack.parse_cpus(answer) == {"found": 42, "drop": 3}


def test_counters_near_their_32_bit_end_add_up_beyond_it() -> None:
    answer = cpu_message({"found": 2**32 - 1}) + cpu_message({"found": 2**32 - 1}) + DONE
    assert conntrack.parse_cpus(answer) == {"found": 2**33 - 2}


def test_a_truncated_netlink_answer_names_what_is_missing() -> None:
    with pytest.raises(SourceError, match="bytes of message"):
        conntrack.parse_cpus(cpu_message({"found": 2, "drop": 1})[:-3])


def test_an_answer_without_the_table_is_an_error() -> None:
    with pytest.raises(SourceError, match="size of the table"):
        conntrack.parse_table(ACKNOWLEDGED)


def test_a_table_without_its_size_is_an_error() -> None:
    with pytest.raises(SourceError, match="size of the table"):
        conntrack.parse_table(message(0x105, {2: 262144}) + ACKNOWLEDGED)


def test_netlink_gives_counters_and_size(fake_netns: type[FakeNetns]) -> None:
    answers = {
        (NETFILTER, conntrack.REQUEST_CPUS): cpu_message(NEW_COUNTERS) + DONE,
        (NETFILTER, conntrack.REQUEST_TABLE): message(0x105, {1: 42, 2: 262144}) + ACKNOWLEDGED,
    }
    expected = {**NEW_COUNTERS, "entries": 42, "max_entries": 262144}
    assert conntrack.read(fake_netns(answers=answers)) == expected


def test_a_kernel_that_does_not_send_the_maximum_tells_it_by_sysctl(fake_netns: type[FakeNetns]) -> None:
    answers = {
        (NETFILTER, conntrack.REQUEST_CPUS): cpu_message({"found": 1}) + DONE,
        (NETFILTER, conntrack.REQUEST_TABLE): message(0x105, {1: 42}) + ACKNOWLEDGED,
    }
    sysctls = {"netfilter/nf_conntrack_max": b"65536\n"}
    found = conntrack.read(fake_netns(answers=answers, sysctls=sysctls))
    assert found == {"found": 1, "entries": 42, "max_entries": 65536}


def test_without_netlink_the_file_gives_the_same_names_and_sums(fake_netns: type[FakeNetns]) -> None:
    files, sysctls = {"stat/nf_conntrack": NEW_FILE}, {"netfilter/nf_conntrack_max": b"262144\n"}
    found = conntrack.read(fake_netns(files=files, sysctls=sysctls))
    shown = {name: found[name] for name in (*NEW_COUNTERS, "entries", "max_entries")}
    assert shown == {**NEW_COUNTERS, "entries": 42, "max_entries": 262144}


def test_in_a_captured_tree_only_the_maximum_is_missing(fake_netns: type[FakeNetns]) -> None:
    found = conntrack.read(fake_netns(files={"stat/nf_conntrack": NEW_FILE}))
    assert (found["entries"], "max_entries" in found) == (42, False)


def test_ignore_is_missing_where_the_kernel_stopped_counting_it() -> None:
    assert "ignore" not in conntrack.parse_file(NEW_FILE, PATH)


def test_ignore_is_counted_by_an_older_kernel_and_clashes_are_not() -> None:
    found = conntrack.parse_file(OLD_FILE, PATH)
    shown = {name: found.get(name) for name in ("ignore", "search_restart", "clash_resolve", "chain_toolong")}
    assert shown == {"ignore": 0x1F00, "search_restart": 4, "clash_resolve": None, "chain_toolong": None}


def test_without_any_source_the_module_to_load_is_named(fake_netns: type[FakeNetns]) -> None:
    with pytest.raises(UnsupportedError, match="modprobe nf_conntrack"):
        conntrack.read(fake_netns())


@pytest.mark.parametrize(
    ("content", "message_"),
    [
        (b"", "line 1: expected a header line"),
        (NEW_FILE.splitlines()[0] + b"\n", "line 1: expected a header line and a line per CPU"),
        (NEW_FILE.replace(b"0000000a", b""), "line 2: expected 17 columns"),
        (NEW_FILE.replace(b"000000a0", b"000000g0"), "line 3: expected hexadecimal numbers"),
        (NEW_FILE[:-30], "line 3: expected 17 columns"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(content: bytes, message_: str) -> None:
    with pytest.raises(SourceError, match=f"{PATH} {message_}"):
        conntrack.parse_file(content, PATH)


def test_entries_of_a_namespace_come_from_netlink(fake_netns: type[FakeNetns]) -> None:
    answers = {(NETFILTER, conntrack.REQUEST_TABLE): message(0x105, {1: 42, 2: 262144}) + ACKNOWLEDGED}
    assert conntrack.read_entries(fake_netns(answers=answers)) == 42


def test_without_netlink_entries_of_a_namespace_come_from_its_sysctl(fake_netns: type[FakeNetns]) -> None:
    assert conntrack.read_entries(fake_netns(sysctls={"netfilter/nf_conntrack_count": b"17\n"})) == 17


@pytest.fixture
def tracking_namespace() -> Iterator[NetnsRef]:
    """A network namespace whose loopback traffic is tracked, with a few connections made."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "iptables", "ip", "ping"))):
        pytest.skip("needs root, unshare, ip, iptables and ping to make tracked connections")
    script = (
        "ip link set lo up && iptables -A INPUT -m conntrack --ctstate INVALID -j DROP"
        " && ping -q -c 3 127.0.0.1 >/dev/null; ping -q -c 1 127.0.0.2 >/dev/null; echo ready; read _"
    )
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            pytest.skip("this machine cannot track connections in a new namespace")
        inode = netns.inode_of(f"/proc/{process.pid}/ns/net")
        yield NetnsRef(Pod("test", "tracking", inode), (process.pid,))
        process.communicate(b"\n")


def test_netlink_and_file_agree_in_a_namespace_with_traffic(tracking_namespace: NetnsRef) -> None:
    visitor = netns.Visitor(Path("/proc"))
    try:
        with visitor.visit(tracking_namespace) as inside:
            found = conntrack.read(inside)
            by_file = conntrack.parse_file(inside.read("stat/nf_conntrack"), PATH)
            entries = conntrack.read_entries(inside)
    finally:
        visitor.close()
    assert (found["entries"], entries) == (2, 2)
    assert {name: by_file.get(name) for name in found if name != "max_entries"} == {
        name: value for name, value in found.items() if name != "max_entries"
    }
