"""Compile C against the running kernel's headers and print the eBPF instructions of its function `answers`, in hex.

Run as a program by the interpreter that has bcc, which distributions install for their own Python only. It also keeps
bcc's compiler, 200 MiB, out of the exporter.
"""

import sys

if __name__ == "__main__":
    from bcc import BPF  # type: ignore[import-not-found]  # of the distribution

    sys.stdout.write(BPF(text=sys.stdin.read(), cflags=["-ferror-limit=0", "-w"]).dump_func("answers").hex())
