"""`python -m tests.vm`: the matrix of kernels, or one command in one of them."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exporter import registry
from tests.bpf import compiling
from tests.vm import kernels, machine, matrix, rows

if TYPE_CHECKING:
    from collections.abc import Callable

_SLOWEST = 5  # tests to name
REPORT = Path("docs/reference/kernels.json")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.vm",
        description="Run the tests in stock kernels and keep what came out in docs/reference/kernels.json, "
        "or run one command there.",
        epilog="example: python -m tests.vm --kernel 6.1 -- .venv/bin/net-exporter check",
    )
    parser.add_argument("--kernel", action="append", help=f"a series, may be repeated (default: {kernels.MATRIX})")
    parser.add_argument(
        "--types", choices=tuple(rows.TESTS), help="who tells the kernel's types (default: as in the matrix)"
    )
    parser.add_argument(
        "--tests", action="append", metavar="PATH", help="only these, may be repeated (default: all of the matrix)"
    )
    parser.add_argument("--seconds", type=float, default=3600, help="most time for each guest (default: %(default)s)")
    parser.add_argument("--nic", action="store_true", help="with a virtio network card, which tests always have")
    parser.add_argument("command", nargs="*", help="what to run instead of the tests")
    return parser.parse_args()


def main() -> int:
    """Exit status: 0 when every kernel does what it should."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # else its guest would go on without it
    if lacking := machine.missing():
        print(f"no guests here: {lacking}", file=sys.stderr)
        return 1
    if arguments.command:
        wanted = rows.chosen(arguments.kernel, arguments.types or rows.KERNEL)
        return max(_run(row, shlex.join(arguments.command), arguments) for row in wanted)
    compiling.compile_all()
    return max(_test(row, arguments) for row in rows.chosen(arguments.kernel, arguments.types))


def _run(row: rows.Row, command: str, arguments: argparse.Namespace) -> int:
    kernel = kernels.get(row.kernel, headers=row.with_headers)
    print(f"{kernel.release}:", flush=True)
    hide = row.types != rows.KERNEL
    result = machine.run(kernel, command, seconds=arguments.seconds, hide_btf=hide, nic=arguments.nic)
    print(result.output, end="")
    return int(result.status != 0)


def _test(row: rows.Row, arguments: argparse.Namespace) -> int:
    kernel = kernels.get(row.kernel, headers=row.with_headers)
    print(f"{kernel.release}, types told by {row.types}:", flush=True)
    tests, hide = arguments.tests or rows.TESTS[row.types], row.types != rows.KERNEL
    command = matrix.command(tests)
    result = machine.run(kernel, command, seconds=arguments.seconds, hide_btf=hide, nic=True, watch=_progress())
    found = matrix.report(row, kernel, tests, result)
    matrix.kept(REPORT, found)
    return int(_tell(found, result))


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


if __name__ == "__main__":
    sys.exit(main())
