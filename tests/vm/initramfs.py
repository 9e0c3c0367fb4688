"""The first file system of a guest: busybox, the modules that reach the real root, and a script that goes there."""

from __future__ import annotations

import lzma
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.vm.kernels import Kernel

BUSYBOX: Final = Path("/bin/busybox")
INIT: Final = Path(__file__).with_name("init.sh")

_WANTED: Final = ("virtio_pci", "virtio_console", "virtiofs", "overlay")
_DIRECTORY, _PROGRAM, _FILE, _DEVICE = 0o040755, 0o100755, 0o100644, 0o020600


def build(kernel: Kernel) -> bytes:
    """An archive that the kernel unpacks; see Documentation/driver-api/early-userspace/buffer-format in its sources."""
    modules = [(path.name.partition(".ko")[0] + ".ko", _content(path)) for path in _modules(kernel)]
    entries = [
        *((name, _DIRECTORY, b"") for name in ("bin", "dev", "modules")),
        ("dev/console", _DEVICE, b""),
        ("bin/busybox", _PROGRAM, BUSYBOX.read_bytes()),
        ("init", _PROGRAM, INIT.read_bytes()),
        *((f"modules/{name}", _FILE, content) for name, content in modules),
        ("modules/order", _FILE, "".join(f"{name}\n" for name, _ in modules).encode()),
        ("TRAILER!!!", 0, b""),
    ]
    return b"".join(_entry(number, *entry) for number, entry in enumerate(entries, 1))


def _entry(number: int, name: str, mode: int, content: bytes) -> bytes:
    """One entry in the format `newc`: numbers in hexadecimal, name and content padded to four bytes."""
    major, minor = (5, 1) if mode == _DEVICE else (0, 0)
    encoded = name.encode() + b"\0"
    numbers = (number, mode, 0, 0, 1, 0, len(content), 0, 0, major, minor, len(encoded), 0)
    head = b"070701" + b"".join(b"%08x" % each for each in numbers) + encoded
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


def _modules(kernel: Kernel) -> Iterator[Path]:
    """The wanted modules and what each needs, in the order to load them; those built into the kernel are absent."""
    needs: dict[str, list[str]] = {}
    by_name: dict[str, str] = {}
    for line in (kernel.modules / "modules.dep").read_text().splitlines():
        path, _, needed = line.partition(":")
        needs[path] = needed.split()
        by_name[Path(path).name.partition(".ko")[0].replace("-", "_")] = path
    ordered: dict[str, None] = {}
    for name in _WANTED:
        if name in by_name:
            path = by_name[name]
            # modules.dep lists what a module needs with the deepest need last.
            ordered |= dict.fromkeys([*reversed(needs[path]), path])
    return (kernel.modules / path for path in ordered)


def _content(path: Path) -> bytes:
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout
    return path.read_bytes()
