"""eBPF: objects compiled from bpf/, loaded through the system's libbpf, their types read from BTF.

    from exporter.bpf import objects
    from exporter.bpf.entries import Entries
    from exporter.bpf.layout import bind
    from exporter.bpf.loader import BpfObject

    with BpfObject(objects.find("tcpreset")) as bpf:      # UnsupportedError: not built, no libbpf
        bpf.set_variable("events_per_second", 10)         # const volatile, before load; also set_max_entries,
        bpf.set_autoload("on_send_kprobe", wanted=False)  # and which programs
        bpf.load()                                        # UnsupportedError, SourceError with the verifier's reason
        bpf.attach("on_send")                             # a Link; closing the object detaches
        counts = Entries(bpf.map("counts"), bind(bpf.btf, "key", Key), bind(bpf.btf, "count", Count))
        for key, count in counts.read(): ...              # one pair per key, per-CPU values summed

Single events about packets and connections go through `net_events.NetEvents`, those about what processes wait for
otherwise through `task_events.TaskEvents`; `event_plan` prepares both.

`attached.attached("tcpreset", env.sys, hooks)` does this for a probe; `netns_latency` makes tables of times.

Otherwise: `bpf.run("scan", context)` runs a `SEC("syscall")` program once; `bpf.map("rows").mapped()` is the memory
of an array with BPF_F_MMAPABLE; `bpf.ring("events").consume()` gives records of a ring buffer;
`bpf.attach("tasks").read()` runs an iterator; `bpf.map(...)` also has lookup, update, delete and read (all entries in
batches); `entries.counters(bpf.map("faults"), bpf.btf, "fault")` reads an array whose indices are an enum.

`hooks.choose(bpf, (Hook(...), ...), env.sys)` before load picks the best of several ways to the same place in the
kernel that it offers, and gives the programs to attach.

`bind(bpf.btf, "row", Row)` gives a decoder of struct row into the NamedTuple Row, matched by field name; members
whose name begins with `pad` are skipped. `elf.read_btf(path)` reads an object's types without loading it;
`kernel_btf.enum_of("SKB_DROP_REASON_NO_SOCKET")` names the running kernel's enums; `features` tells what it offers.
"""
