"""Boot a kernel, run one command as root, power off."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.vm import initramfs, kernels
from tests.vm.clock import counter_khz
from tests.vm.kernels import CACHE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.vm.kernels import Kernel

_MEMORY: Final = "3G"
_VIRTIOFSD: Final = (Path("/usr/lib/qemu/virtiofsd"), Path("/usr/libexec/virtiofsd"))
_TCG: Final = "tcg,thread=multi,tb-size=512"
_MAIN: Final = """\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
/bin/sh /run/job/command >/run/job/output 2>&1
echo $? >/run/job/status
busybox poweroff -f
"""
_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL")  # what is started ends with this process, however that ends
_KVM_PATIENCE: Final = 20  # seconds; a guest that works under KVM has started long before


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a command.

    Args:
        status: its exit status; None when the guest did not get that far.
        output: standard output and error.
        console: what the kernel said.
        seconds: from power on to power off.
        files: what the command left in /run/job, by name.
    """

    status: int | None
    output: str
    console: str
    seconds: float
    files: Mapping[str, str]


def missing() -> str:
    """What this machine lacks to run guests, for people; empty when nothing."""
    if os.geteuid() != 0:
        return "guests share the root file system, which needs root"
    if platform.machine() != "x86_64":
        return "guests are made for x86-64 only"
    wanted = {
        "qemu-system-x86": Path("/usr/bin/qemu-system-x86_64"),
        "busybox-static": initramfs.BUSYBOX,
        "kmod": Path("/sbin/depmod"),
        "apt": Path("/usr/bin/apt-get"),
        "debian-archive-keyring": kernels.KEYRING,
    }
    absent = [package for package, path in wanted.items() if not path.exists()]
    if not any(path.exists() for path in _VIRTIOFSD):
        absent.append("virtiofsd (or qemu-system-common of Debian 12)")
    return f"not installed: {', '.join(absent)}" if absent else ""


def run(  # noqa: PLR0913 -- each is a property of a guest that some test needs
    kernel: Kernel,
    command: str,
    *,
    seconds: float = 600,
    cpus: int = 2,
    hide_btf: bool = False,
    nic: bool = False,
    accelerator: str = "",
    watch: Callable[[Path], None] = lambda _job: None,
) -> Result:
    """Run a shell command in the working directory of this process, with a kernel of its own.

    Args:
        kernel: what to boot.
        command: for /bin/sh.
        seconds: after which the guest is switched off.
        cpus: of the guest.
        hide_btf: whether the guest has no /sys/kernel/btf/vmlinux.
        nic: whether it has a virtio network card.
        accelerator: of QEMU; the fastest that works here when empty.
        watch: is given the folder /run/job of the guest every second.
    """
    accelerator = accelerator or _accelerator(kernel)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vm-")))
        job = folder / "job"
        job.mkdir()
        (job / "main").write_text(_MAIN)
        (job / "command").write_text(f"cd '{Path.cwd()}' || exit\n{command}\n")
        (folder / "initramfs").write_bytes(initramfs.build(kernel))
        for share, source in {"root": Path("/"), "job": job}.items():
            stack.enter_context(_shared(folder / share, source, read_only=share == "root"))
        options = ("-nic", "user,model=virtio-net-pci") if nic else ()
        began = time.monotonic()
        with (folder / "qemu").open("wb") as said:
            machine = subprocess.Popen(
                [*_WITH_US, *_machine(folder, kernel, cpus, accelerator, hide_btf=hide_btf), *options],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
            stack.callback(_end, machine)
            while machine.poll() is None and time.monotonic() < began + seconds:
                with suppress(subprocess.TimeoutExpired):
                    machine.wait(1)
                watch(job)
            _end(machine)
        took = time.monotonic() - began
        status = _text(job / "status").strip()
        console = _text(folder / "qemu") + _text(folder / "console")
        files = {path.name: _text(path) for path in job.iterdir() if path.is_file()}
        return Result(int(status) if status else None, files.get("output", ""), console, took, files)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.exists() else ""


def _machine(folder: Path, kernel: Kernel, cpus: int, accelerator: str, *, hide_btf: bool) -> list[str]:
    cpu = "host" if accelerator == "kvm" else "max,la57=off"  # page tables of five levels are slow to emulate
    told = {"release": kernel.release, "modules": kernel.modules, "headers": kernel.headers or "",
            "btf": "hidden" if hide_btf else ""}  # fmt: skip
    handed = " ".join(f"{name}={value}" for name, value in told.items() if value)
    line = f"console=ttyS0 quiet panic=-1 mitigations=off nokaslr audit=0 random.trust_cpu=on {handed}"
    # A guest that has to find out by itself while others keep the machine busy may be wrong by an order of magnitude.
    line = f"{line} tsc=reliable tsc_early_khz={counter_khz()}"
    return [
        *("qemu-system-x86_64", "-machine", "q35,memory-backend=memory", "-accel", accelerator, "-cpu", cpu),
        *("-m", _MEMORY, "-object", f"memory-backend-memfd,id=memory,size={_MEMORY},share=on", "-smp", str(cpus)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-kernel", str(kernel.image), "-initrd", str(folder / "initramfs"), "-append", line),
        *("-chardev", f"file,id=console,path={folder}/console", "-serial", "chardev:console"),
        *(each for share in ("root", "job") for each in (
            "-chardev", f"socket,id={share},path={folder}/{share}.socket",
            "-device", f"vhost-user-fs-pci,chardev={share},tag={share},queue-size=1024")),
    ]  # fmt: skip


@contextmanager
def _shared(place: Path, source: Path, *, read_only: bool) -> Iterator[None]:
    """A daemon that gives a folder to the guest, listening at `<place>.socket`."""
    program = next(path for path in _VIRTIOFSD if path.exists())
    socket = place.with_suffix(".socket")
    cache = "always" if read_only else "none"
    with place.with_suffix(".log").open("wb") as log:
        daemon = subprocess.Popen(
            [
                *_WITH_US,
                program,
                f"--socket-path={socket}",
                "-f",
                "-o",
                f"source={source},cache={cache},sandbox=chroot,xattr",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        while not socket.exists():
            if daemon.poll() is not None:
                raise RuntimeError(f"{program} ended: {_text(place.with_suffix('.log'))}")
            time.sleep(0.01)
        yield
    finally:
        _end(daemon)


def _accelerator(kernel: Kernel) -> str:
    """KVM where a guest really starts under it, else emulation; remembered, as finding out takes a while."""
    known = CACHE / "accelerator"
    if not known.exists():
        works = os.access("/dev/kvm", os.W_OK)
        works = works and run(kernel, "true", seconds=_KVM_PATIENCE, accelerator="kvm").status == 0
        known.write_text("kvm" if works else _TCG)
    return known.read_text()
