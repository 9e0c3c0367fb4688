"""Where the kernel's types come from, with trees, compilers and folders that are only pretended."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from exporter.bpf import kernel_btf, objects
from exporter.bpf.btf_search import Machine
from exporter.bpf.btf_writer import BtfWriter
from exporter.bpf.types_provider import Types, provide
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from exporter.bpf.wanted import Wanted

RELEASE = "4.19.91-27.an8.x86_64"


def some_types() -> bytes:
    writer = BtfWriter()
    writer.struct("task_struct", 9792, [("pid", writer.integer(4), 10240, 0)])
    return writer.content()


class Compiler:
    """Stands in for bcc.

    Args:
        answer: what it gives, or the error that it ends with.
    """

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.calls: list[Path] = []

    def __call__(self, wanted: Wanted, source: Path) -> bytes:
        assert wanted.structs
        self.calls.append(source)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Node:
    """A machine in a folder, whose kernel tells nothing, and what `provide` makes of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.place = root / "run/btf"
        self.target = self.place / f"{RELEASE}.btf"
        self.build = root / "lib/modules" / RELEASE / "build"
        (self.build / "include/net").mkdir(parents=True)
        (self.build / "include/net/sock.h").write_text("struct sock;\n")

    def provide(self, compiler: Callable[[Wanted, Path], bytes], *, headers: bool = True) -> Types:
        machine = Machine(RELEASE, "x86_64", {"ID": "debian", "VERSION_ID": "12"}, self.root)
        return provide(self.root / "sys", headers=headers, machine=machine, place=self.place, make=compiler)


@pytest.fixture(autouse=True)
def _trust() -> Iterator[None]:
    yield
    kernel_btf.distrust(distrusted=False)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    if not objects.every():
        pytest.skip("no object is built, so nothing asks for types")
    return Node(tmp_path)


def test_without_a_file_headers_are_compiled_once(node: Node) -> None:
    compiler = Compiler(some_types())

    found = [node.provide(compiler) for _ in range(3)]

    assert found == [Types("headers", str(node.target))] * 3
    assert (node.target.read_bytes(), compiler.calls) == (some_types(), [node.build])
    assert sorted(path.name for path in node.place.iterdir()) == [f"{RELEASE}.btf", f"{RELEASE}.key"]


@pytest.mark.parametrize("change", ["headers", "types", "key", "no key"])
def test_what_does_not_fit_any_more_is_made_anew(node: Node, change: str) -> None:
    compiler = Compiler(some_types())
    node.provide(compiler)
    known = node.target.with_suffix(".key")

    match change:
        case "headers":
            os.utime(node.build / "include/net/sock.h", ns=(7, 7))
        case "types":
            node.target.write_bytes(some_types()[:-1])
        case "key":
            known.write_text("")
        case _:
            known.unlink()

    assert node.provide(compiler) == Types("headers", str(node.target))
    assert (len(compiler.calls), node.target.read_bytes()) == (2, some_types())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (UnsupportedError("bcc is not installed"), "bcc is not installed"),
        (SourceError("headers", "answers", "error: what?"), "error: what?"),
        (b"", "expected BTF"),
        (some_types()[:40], "expected BTF of at least"),
        (b"ELF, is it?" * 20, "expected BTF of this byte order"),
        (BtfWriter().content(), "expected struct task_struct"),
    ],
)
def test_a_compiler_that_fails_leaves_nothing_and_is_told_with_what_to_do(
    node: Node, answer: bytes | Exception, said: str
) -> None:
    node.provide(Compiler(some_types()))
    os.utime(node.build / "include/net/sock.h", ns=(7, 7))

    found = node.provide(Compiler(answer))

    assert (found.source, found.path) == ("", "")
    assert said in found.lacking
    assert f"apt install linux-image-{RELEASE}-dbg" in found.lacking
    assert list(node.place.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(node: Node) -> None:
    node.place.parent.mkdir()
    node.place.write_text("a file in its place")

    found = node.provide(Compiler(some_types()))

    assert found.source == ""
    assert found.lacking.startswith(f"{node.place}: File exists; boot a kernel built with CONFIG_DEBUG_INFO_BTF")


def test_headers_are_left_alone_when_nobody_wants_them(node: Node) -> None:
    compiler = Compiler(some_types())

    found = node.provide(compiler, headers=False)

    assert found.lacking.startswith("neither the kernel nor a file tells its types; boot a kernel")
    assert compiler.calls == []


def test_a_file_goes_before_headers_and_is_linked_to_where_the_loader_looks(node: Node) -> None:
    path = node.root / "boot" / f"{RELEASE}.btf"
    path.parent.mkdir()
    path.write_bytes(some_types())
    compiler = Compiler(some_types())

    assert node.provide(compiler) == Types("file", str(path))
    assert (node.target.readlink(), compiler.calls) == (path, [])
    assert node.provide(compiler) == Types("file", str(path))


def test_a_kernel_that_is_distrusted_is_believed_again_when_headers_do_not_help(node: Node) -> None:
    sys = node.root / "sys"
    own = sys / "kernel/btf/vmlinux"
    own.parent.mkdir(parents=True)
    own.write_bytes(some_types())
    machine = Machine(RELEASE, "x86_64", {}, node.root)

    def asked(answer: bytes | Exception) -> tuple[Types, bool]:
        found = provide(sys, distrust=True, machine=machine, place=node.place, make=Compiler(answer))
        return found, kernel_btf.is_distrusted()

    assert asked(some_types()) == (Types("headers", str(node.target)), True)
    os.utime(node.build / "include/net/sock.h", ns=(7, 7))
    assert asked(UnsupportedError("no bcc")) == (Types("kernel", str(own), "no bcc"), False)
    assert provide(sys, machine=machine, place=node.place) == Types("kernel", str(own))


def test_a_captured_tree_gets_no_types(tmp_path: Path) -> None:
    assert provide(tmp_path) == Types("", "", f"{tmp_path} is not that of the running kernel")
