from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exporter.bpf.elf import read_btf, sections
from exporter.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path


def test_sections_carry_the_names_of_hooks(probe_object: Path) -> None:
    found = sections(probe_object.read_bytes(), "probe")
    assert {"syscall", "tp_btf/task_rename", "?iter/task", ".maps", ".BTF"} <= set(found)
    assert found["license"] == b"Dual BSD/GPL\0"


def test_what_is_no_object_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"x: expected a 64-bit little-endian ELF object, found b'#!/bin/sh'"):
        sections(b"#!/bin/sh", "x")


def test_every_cut_is_an_error(probe_object: Path) -> None:
    content = probe_object.read_bytes()
    for end in range(0, len(content) - 1, 97):
        with pytest.raises(SourceError):
            sections(content[:end], "cut")


def test_an_object_without_types_says_how_it_must_be_compiled(probe_object: Path, tmp_path: Path) -> None:
    path = tmp_path / "bare.bpf.o"
    path.write_bytes(probe_object.read_bytes().replace(b".BTF\0", b".BTX\0"))
    with pytest.raises(SourceError, match=r"bare\.bpf\.o: expected a section \.BTF \(clang -g makes one in a program"):
        read_btf(path)
