"""Types of a kernel that has none of its own, made from its headers.

The objects need to know where a few hundred members of the kernel's structs are. So C is written that asks for each
(`offsetof`, `sizeof`, the value of a name), bcc compiles it against the headers, and the answers are read out of the
instructions: nothing of it is ever loaded. What the headers do not have is an error of the compiler in the line that
asks, and is left out. The result is BTF that libbpf takes in place of the kernel's, for the very objects that run
everywhere else.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from exporter.bpf import bcc_compile
from exporter.bpf.btf import BtfKind
from exporter.bpf.btf_writer import BtfWriter
from exporter.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from exporter.bpf.wanted import Field, Wanted

INTERPRETERS: Final = (sys.executable, "/usr/bin/python3")

HEADERS: Final = (
    "linux/sched.h", "linux/sched/signal.h", "linux/fs.h", "linux/fdtable.h", "linux/nsproxy.h", "linux/netdevice.h",
    "linux/skbuff.h", "linux/tcp.h", "linux/udp.h", "linux/ip.h", "linux/ipv6.h", "linux/bpf.h", "linux/blkdev.h",
    "linux/blk-mq.h", "linux/inetdevice.h", "linux/seq_file.h", "linux/skmsg.h",
    "net/net_namespace.h", "net/sock.h", "net/tcp.h",
    "net/inet_sock.h", "net/inet_connection_sock.h", "net/inet_hashtables.h", "net/inet_timewait_sock.h",
    "net/request_sock.h", "net/route.h", "net/ip6_fib.h", "net/snmp.h", "net/dst.h", "net/neighbour.h",
    "net/netfilter/nf_conntrack.h", "net/sch_generic.h", "net/inet_frag.h", "net/dropreason.h", "net/rstreason.h",
)  # fmt: skip
# Enums whose values programs tell by number and people know by name.
_NAMED: Final = {
    "skb_drop_reason": ("SKB_DROP_REASON_", ("include/net/dropreason-core.h", "include/net/dropreason.h",
                                             "include/linux/skbuff.h")),
    "sk_rst_reason": ("SK_RST_REASON_", ("include/net/rstreason.h",)),
}  # fmt: skip
_HELPERS: Final = "bpf_func_id"  # bcc brings a newer list of its own, so the kernel's is read as text
_ROUNDS: Final = 4
_SECONDS: Final = 300.0  # for one compilation, which takes one or two
_INTEGER: Final = 1  # what __builtin_classify_type says
_ADDRESS: Final = 5
_RECORDS: Final = (12, 13)
_POINTER: Final = 8  # bytes
_WORDS: Final = 320  # of 8 bytes: the largest struct in which bit fields are looked for
_BAD_LINE: Final = re.compile(r"^question:(\d+):\d+: (?:fatal )?error: ", re.MULTILINE)
_COMPILER: Final = "the kernel's headers, compiled by bcc"
_NO_BCC: Final = "No module named 'bcc'"

Question = tuple[str, ...]  # what is asked of which struct and member


def make(wanted: Wanted, source: Path) -> bytes:
    """BTF with what is wanted.

    Args:
        wanted: by the objects.
        source: the kernel's sources, as far as they belong to its headers.

    Raises:
        UnsupportedError: there is no bcc, or there are no headers.
        SourceError: the compiler refuses more than single questions.
    """
    questions = dict(_questions(wanted, source))
    answers = _answers(questions)
    writer = BtfWriter()
    for name, members in wanted.structs.items():
        if (size := answers.get((name, "", "size"))) is not None:
            writer.struct(name, size, list(_members(writer, answers, (name,), members, 0)))
    for name in {*wanted.enums, *_NAMED} - {_HELPERS}:
        values = {key[2]: value for key, value in answers.items() if key[:2] == (name, "value")}
        if values:
            writer.enum(name, values)
    writer.enum(_HELPERS, _helpers(source))
    return writer.content()


def _questions(wanted: Wanted, source: Path) -> Iterator[tuple[Question, str]]:
    """What is asked, and the C expression that answers it."""
    for name, members in wanted.structs.items():
        yield (name, "", "size"), f"sizeof(struct {name})"
        yield from _of_members(name, "", members)
    for name, values in wanted.enums.items():
        if name != _HELPERS:
            yield from (((name, "value", value), value) for value in sorted(values))
    for name, (prefix, files) in _NAMED.items():
        texts = ((source / file).read_text("utf-8", "replace") for file in files if (source / file).is_file())
        known = sorted({word for text in texts for word in re.findall(rf"\b{prefix}[A-Z0-9_]+\b", text)})
        yield from (((name, "value", value), value) for value in known)


def _of_members(struct_name: str, above: str, members: dict[str, Field]) -> Iterator[tuple[Question, str]]:
    for name, each in members.items():
        path = f"{above}{name}"
        place = f"((struct {struct_name} *)0)->{path}"
        if each.bits:
            bits = f"bits_{struct_name}_{path.replace('.', '_')}"
            for word in range(_WORDS):
                number = f"{word} < sizeof({bits}) / 8"
                yield (
                    (struct_name, path, f"word{word}"),
                    f"{number} ? ((const u64 *)&{bits})[{number} ? {word} : 0] : 0",
                )
            continue
        yield (struct_name, path, "offset"), f"__builtin_offsetof(struct {struct_name}, {path})"
        yield (struct_name, path, "size"), f"sizeof({place})"
        yield (struct_name, path, "class"), f"__builtin_classify_type({place})"
        if each.arrays:
            yield (struct_name, path, "element"), f"sizeof({place}[0])"
        yield from _of_members(struct_name, f"{path}[0]." if each.arrays else f"{path}.", each.members)


def _text(questions: dict[Question, str]) -> str:
    lines = [f"#if __has_include(<{header}>)\n#include <{header}>\n#endif" for header in HEADERS]
    for struct_name, path in sorted({key[:2] for key in questions if key[2].startswith("word")}):
        number = 1 + next(place for place, key in enumerate(questions) if key[:2] == (struct_name, path))
        bits = f"bits_{struct_name}_{path.replace('.', '_')}"
        lines.append(f'#line {number} "question"\nstatic const struct {struct_name} {bits} = {{.{path} = -1}};')
    lines.append("int answers(void *ctx)\n{\nvolatile u64 asked, answer;")
    lines += (
        f'#line {number} "question"\nasked = {number}; answer = {text};'
        for number, text in enumerate(questions.values(), 1)
    )
    return "\n".join((*lines, "return 0;\n}\n"))


def _answers(questions: dict[Question, str]) -> dict[Question, int]:
    """Ask until the compiler has nothing to complain of; questions that it does not understand have no answer."""
    for _ in range(_ROUNDS):
        done = _compile(_text(questions))
        if done.returncode == 0:
            return _paired(questions, done.stdout)
        bad = {int(number) for number in _BAD_LINE.findall(done.stderr)} & set(range(1, len(questions) + 1))
        if not bad:
            break
        # A bit field that is not there is one complaint, and all that is asked of it is pointless.
        keys = list(questions)
        gone = {keys[number - 1][:2] for number in bad if keys[number - 1][2].startswith("word")}
        questions = {
            key: text
            for number, (key, text) in enumerate(questions.items(), 1)
            if number not in bad and key[:2] not in gone
        }
    raise SourceError(_COMPILER, "answers", _complaint(done.stderr))


def _paired(questions: dict[Question, str], printed: str) -> dict[Question, int]:
    try:
        return dict(_answered(tuple(questions), stored(bytes.fromhex(printed.rsplit(maxsplit=1)[-1]))))
    except (ValueError, IndexError, struct.error) as error:
        raise SourceError(_COMPILER, f"answers to {len(questions)} questions", str(error)) from error


def _answered(questions: Sequence[Question], stores: Iterable[tuple[int, int]]) -> Iterator[tuple[Question, int]]:
    """Questions with their answers; the compiler leaves out a store of bits that are padding, for which any will do."""
    stores = iter(stores)
    asked, number = next(stores, (0, 0))
    if number != 1:
        raise ValueError(f"it begins with {number}")
    for place, value in stores:
        if place != asked:
            yield questions[number - 1], value
        elif value == number + 1:
            number = value
        else:
            raise ValueError(f"{value} after {number}")
    if number != len(questions):
        raise ValueError(f"it ends with {number}")


def _complaint(said: str) -> str:
    """What the compiler, or else the interpreter, says is wrong."""
    lines = [line for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "error:" in line), lines[-1] if lines else "nothing")


def _compile(text: str) -> subprocess.CompletedProcess[str]:
    """Raises UnsupportedError without bcc or headers."""
    for interpreter in INTERPRETERS:
        try:
            done = subprocess.run(  # noqa: S603 -- our own text for an interpreter named here
                [interpreter, "-I", bcc_compile.__file__],  # isolated: a module beside it is called bcc too
                input=text,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            continue
        except subprocess.TimeoutExpired as error:
            raise SourceError(_COMPILER, f"an end within {_SECONDS:g} s") from error
        if _NO_BCC not in done.stderr:
            break
    else:
        raise UnsupportedError("bcc is not installed; Debian and Ubuntu: apt install python3-bpfcc; else: python3-bcc")
    if "Unable to find kernel headers" in done.stderr or "chdir(/lib/modules" in done.stderr:
        release = os.uname().release
        raise UnsupportedError(
            f"there are no headers of Linux {release}; install linux-headers-{release} or kernel-devel"
        )
    return done


def stored(code: bytes) -> Iterator[tuple[int, int]]:
    """What instructions store on the stack, in order: where, and a constant. Raises SourceError for any other."""
    registers: dict[int, int] = {}
    place = 0
    while place < len(code):
        operation, pair, offset, number = struct.unpack_from("<BBhi", code, place)
        target, source = pair & 15, pair >> 4
        place += 8
        match operation:
            case 0xB7:  # move a constant, its sign extended
                registers[target] = number & (1 << 64) - 1
            case 0xB4:  # move a constant of 32 bits
                registers[target] = number & 0xFFFFFFFF
            case 0x18:  # a constant of 64 bits, in two instructions
                registers[target] = number & 0xFFFFFFFF | struct.unpack_from("<I", code, place + 4)[0] << 32
                place += 8
            case 0x7B if target == 10 and offset < 0:  # noqa: PLR2004 -- the frame pointer
                yield offset, registers[source]
            case 0x95:  # exit
                return
            case _:
                raise SourceError(_COMPILER, "constants only", f"operation {operation:#x}")


def _members(
    writer: BtfWriter, answers: dict[Question, int], above: tuple[str, ...], members: dict[str, Field], base: int
) -> Iterator[tuple[str, int, int, int]]:
    """Members of a struct for the writer; those that the kernel does not have are left out."""
    struct_name, *path = above
    for name, each in members.items():
        key = struct_name, ".".join((*path, name))
        if each.bits:
            words = [answers.get((*key, f"word{word}"), 0) for word in range(_WORDS)]
            number = sum(word << 64 * place for place, word in enumerate(words))
            if number:
                first = (number & -number).bit_length() - 1
                yield name, writer.integer(1), first - base * 8, number.bit_length() - first
            continue
        offset, size = answers.get((*key, "offset")), answers.get((*key, "size"))
        if offset is None or size is None:
            continue
        match _kind(each, answers.get((*key, "class"), _INTEGER), size):
            case BtfKind.PTR:
                kind = writer.pointer()
            case BtfKind.ARRAY:
                element = answers.get((*key, "element")) or 1
                if each.members:
                    repeated = (*above, f"{name}[0]")
                    inner = writer.struct("", element, list(_members(writer, answers, repeated, each.members, offset)))
                else:
                    inner = writer.pointer() if each.element is BtfKind.PTR else writer.integer(element)
                kind = writer.array(inner, size // element)
            case BtfKind.STRUCT:
                kind = writer.struct("", size, list(_members(writer, answers, (*above, name), each.members, offset)))
            case _:
                kind = writer.integer(size)
        yield name, kind, (offset - base) * 8, 0


def _kind(field: Field, found: int, size: int) -> BtfKind:
    """What the kernel has it for, which decides whether it is what an object means. As the compiler classifies."""
    if found == _ADDRESS:  # of an array too
        return BtfKind.ARRAY if field.arrays or size != _POINTER else BtfKind.PTR
    return BtfKind.STRUCT if found in _RECORDS else BtfKind.INT


def _helpers(source: Path) -> dict[str, int]:
    """The kernel's helpers for programs, by number, from the list of which its headers make the enum."""
    path = source / "include/uapi/linux/bpf.h"
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    text = text[text.find("__BPF_FUNC_MAPPER(FN") :]
    return {f"BPF_FUNC_{name}": number for number, name in enumerate(re.findall(r"\bFN\((\w+)[,)]", text))}
