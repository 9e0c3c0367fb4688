"""Stock Debian kernels in QEMU, with this machine's files inside: where the programs meet the kernels that users run.

    python -m tests.vm                     # the whole matrix, into docs/reference/kernels.json
    python -m tests.vm --kernel 6.1        # its rows alone; those of the other kernels stay as they were
    python -m tests.vm --kernel 6.1 --types headers -- uname -a

A kernel is downloaded and unpacked by apt and dpkg below the cache folder, never installed. The guest's root is the
machine's own file system, read-only, under an overlay that is lost at the end; so the checkout and its virtual
environment are there, at the same path.
"""
