"""`python -m tests.vm`: the matrix of kernels, or one command in one of them."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter import registry
from tests.bpf import compiling
from tests.vm import kernels, machine, matrix

if TYPE_CHECKING:
    from collections.abc import Callable

_SLOWEST = 5  # tests to name
REPORT = Path("docs/reference/kernels.json")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.vm",
        description="Run the tests in stock kernels and write docs/reference/kernels.json, or run one command there.",
        epilog="example: python -m tests.vm --kernel 6.1 -- net-exporter check",
    )
    parser.add_argument("--kernel", action="append", help=f"a series, may be repeated (default: {kernels.MATRIX})")
    parser.add_argument("--seconds", type=float, default=1200, help="most time for each kernel (default: %(default)s)")
    parser.add_argument("--hide-btf", action="store_true", help="take /sys/kernel/btf away")
    parser.add_argument("--headers", action="store_true", help="with the headers of the kernel in /usr/src")
    parser.add_argument("--nic", action="store_true", help="with a virtio network card")
    parser.add_argument("command", nargs="*", help="what to run instead of the tests")
    return parser.parse_args()


def main() -> int:
    """Exit status: 0 when every kernel does what it should."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # else its guest would go on without it
    if lacking := machine.missing():
        print(f"no guests here: {lacking}", file=sys.stderr)
        return 1
    if not arguments.command:
        compiling.compile_all()
    tests = matrix.TESTS
    if arguments.hide_btf:
        tests = matrix.BY_HEADERS if arguments.headers else matrix.WITHOUT_TYPES
    reports, wrong = [], 0
    for wanted in arguments.kernel or kernels.MATRIX:
        kernel = kernels.get(wanted, headers=arguments.headers)
        print(f"{kernel.release}:", flush=True)
        result = machine.run(
            kernel,
            shlex.join(arguments.command) if arguments.command else matrix.command(" ".join(tests)),
            seconds=arguments.seconds,
            hide_btf=arguments.hide_btf,
            nic=arguments.nic or not arguments.command,
            watch=_progress(),
        )
        if arguments.command:
            print(result.output, end="")
            wrong += result.status != 0
            continue
        found = matrix.report(kernel, result)
        reports.append(found)
        wrong += _tell(found, result)
    if reports and not arguments.kernel:
        _write(reports)
    return 1 if wrong else 0


def _progress() -> Callable[[Path], None]:
    def show(job: Path) -> None:
        if sys.stderr.isatty() and (done := job / "tests.jsonl").exists():
            print(f"\r  {done.read_bytes().count(10)} tests", end="", file=sys.stderr, flush=True)

    return show


def _tell(found: dict[str, Any], result: machine.Result) -> bool:
    wrong = list(matrix.complaints(found, registry.load()))
    skipped = sum(found["skipped"].values())
    print(f"\r  {found['passed']} passed, {skipped} skipped, {result.seconds:.0f} s; the slowest:", flush=True)
    print(*matrix.slowest(result, _SLOWEST), sep="\n", flush=True)
    for complaint in wrong:
        print(f"  {complaint}")
    if wrong:
        print(result.output[-4000:], result.console[-2000:] if result.status is None else "", sep="\n")
    return bool(wrong)


def _write(reports: list[dict[str, Any]]) -> None:
    today = dt.datetime.now(dt.UTC).date().isoformat()
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps({"date": today, "kernels": reports}, indent=1, ensure_ascii=False) + "\n")
    print(f"wrote {REPORT}")


if __name__ == "__main__":
    sys.exit(main())
