"""Copy what the exporter reads of /proc and /sys into a tree that tests can read on any machine.

    python tests/capture.py tests/trees/NAME --special "what is worth knowing" [--process PID=NEWPID ...]

Process 1 is the host; each PID is a process in another namespace and is stored as NEWPID. Addresses are replaced
by those of RFC 5737 and RFC 3849, names of programs and of open files by others. Whatever may not be read here is
left out and named in the manifest.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import re
import shutil
from pathlib import Path

_NET = (
    "dev",
    "snmp",
    "netstat",
    "snmp6",
    "sockstat",
    "sockstat6",
    "softnet_stat",
    "route",
    "ipv6_route",
    "ip_vs_stats",
    "stat/nf_conntrack",
    "stat/arp_cache",
    "stat/ndisc_cache",
)
_PROCESS = ("stat", "io")
_NODE = ("slabinfo",)
_IPV4_PLACES = (1, 2)  # columns of `route` with addresses
_IPV6_PLACES = (0, 4)  # columns of `ipv6_route` with addresses
_NOBODYS = (b"", b"1", b"fe8", b"ff")  # ::, ::1 and the prefixes of link-local and multicast addresses
_DOCUMENTS_IPV4 = (b"0200C0", b"6433C6", b"7100CB")  # 192.0.2.0/24 and its like, least significant byte first
_ANONYMOUS = re.compile(r"(socket|pipe|anon_inode|net):|/dev/")


class Capture:
    """One tree in the making.

    Args:
        proc: procfs to copy from.
        sys: sysfs to copy from.
        tree: directory to fill.
    """

    def __init__(self, proc: Path, sys: Path, tree: Path) -> None:
        self._proc, self._sys, self._tree = proc, sys, tree
        self._addresses: dict[bytes, bytes] = {}
        self.absent: list[str] = []

    def host(self) -> None:
        self.process("1", "1")
        for name in _NODE:
            self._copy(self._proc / name, self._tree / "proc" / name)
        for device in sorted(os.listdir(self._sys / "class/net")):
            for link in ("device", "master"):
                self._link(self._sys / "class/net" / device / link, self._tree / "sys/class/net" / device / link)

    def process(self, pid: str, new: str) -> None:
        source, target = self._proc / pid, self._tree / "proc" / new
        self._namespace(source, target / "ns/net")
        for name in _NET:
            self._copy(source / "net" / name, target / "net" / name)
        for name in _PROCESS:
            self._copy(source / name, target / name)
        stat = target / "stat"
        name = b"init" if new == "1" else b"program"
        stat.write_bytes(re.sub(rb"^\d+ \(.*\)", b"%b (%b)" % (new.encode(), name), stat.read_bytes()))
        self._descriptors(source / "fd", target / "fd")

    def _namespace(self, source: Path, target: Path) -> None:
        try:
            text = os.readlink(source / "ns/net")
        except PermissionError:
            if source.name != "1":
                raise
            self.absent.append("proc/1/ns/net (taken from the capturing process, which is in the same namespace)")
            text = os.readlink(self._proc / "self/ns/net")
        target.parent.mkdir(parents=True)
        target.symlink_to(text)

    def _copy(self, source: Path, target: Path) -> None:
        try:
            content = source.read_bytes()
        except OSError as error:
            self.absent.append(f"{target.relative_to(self._tree)} ({error.strerror})")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.name in ("route", "ipv6_route"):
            content = self._without_addresses(content, _IPV4_PLACES if source.name == "route" else _IPV6_PLACES)
        target.write_bytes(content)

    def _link(self, source: Path, target: Path) -> None:
        if source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(os.readlink(source))

    def _descriptors(self, source: Path, target: Path) -> None:
        try:
            links = {name: os.readlink(source / name) for name in os.listdir(source)}
        except OSError as error:
            self.absent.append(f"{target.relative_to(self._tree)} ({error.strerror})")
            return
        target.mkdir()
        for name, text in links.items():
            (target / name).symlink_to(text if _ANONYMOUS.match(text) else "/file")

    def _without_addresses(self, content: bytes, places: tuple[int, ...]) -> bytes:
        """Replace each word that is an address by one reserved for documents, the same one every time."""
        lines = []
        for line in content.splitlines(keepends=True):
            words = line.split()
            for place in places:
                if len(words) > place:
                    line = line.replace(words[place], self._instead(words[place]))  # noqa: PLW2901 -- edited in place
            lines.append(line)
        return b"".join(lines)

    def _instead(self, word: bytes) -> bytes:
        is_address = len(word) in (8, 32) and word.strip(b"0") not in _NOBODYS
        if not is_address or word.startswith(b"20010db8") or word.endswith(_DOCUMENTS_IPV4):
            return word
        number = len(self._addresses) + 1
        new = b"%02X0200C0" % number if len(word) == 8 else b"20010db8%024x" % number
        return self._addresses.setdefault(word, new)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("--special", required=True, help="what is worth knowing about this tree")
    parser.add_argument("--proc", type=Path, default=Path("/proc"))
    parser.add_argument("--sys", type=Path, default=Path("/sys"))
    parser.add_argument("--scene", default="", help="script that set the scene, for the manifest")
    parser.add_argument("--process", action="append", default=[], metavar="PID=NEWPID")
    args = parser.parse_args()
    shutil.rmtree(args.tree, ignore_errors=True)
    capture = Capture(args.proc, args.sys, args.tree)
    capture.host()
    for process in args.process:
        capture.process(*process.split("="))
    (args.tree / "MANIFEST.toml").write_text(_manifest(args, capture.absent))


def _manifest(args: argparse.Namespace, absent: list[str]) -> str:
    release = platform.freedesktop_os_release()
    facts = {
        "kernel": platform.release().partition("-")[0],
        "machine": platform.machine(),
        "distribution": f"{release['ID']} {release.get('VERSION_ID', '')}".strip(),
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "command": f"python {args.scene or 'tests/capture.py'} {args.tree.name}",
        "special": args.special,
    }
    lines = [f"{name} = {_quoted(value)}" for name, value in facts.items()]
    return "\n".join([*lines, "absent = [", *(f"  {_quoted(item)}," for item in absent), "]", ""])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


if __name__ == "__main__":
    main()
