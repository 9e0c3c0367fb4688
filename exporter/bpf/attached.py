"""One of the exporter's objects: set up, loaded, and attached wherever this kernel allows."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from exporter.bpf import hooks, kernel_btf, objects
from exporter.bpf.loader import BpfObject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from exporter.bpf.hooks import Hook

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


def attached(  # noqa: PLR0913 -- one place for all that has to happen before load
    name: str,
    sys: Path,
    places: Sequence[Hook],
    *,
    variables: Mapping[str, int] = _NOTHING,
    entries: Mapping[str, int] = _NOTHING,
    cgroup: Path | None = None,
) -> BpfObject:
    """The object `<name>.bpf.o` at work; closing it detaches and unloads.

    Args:
        name: of the object.
        sys: root of the running kernel's sysfs; a captured one has no BTF, and then nothing is loaded.
        places: where it watches, attached in this order: what ends something goes before what begins it, so that
            nothing begins whose end could be missed.
        variables: values of globals, by name.
        entries: sizes of maps, by name.
        cgroup: to which programs for cgroups attach, see `exporter.bpf.cgroup`.

    Raises:
        UnsupportedError: this machine cannot run it; the text says what would change that.
        SourceError: the object is not what it should be, or the verifier objects.
    """
    kernel_btf.require(sys)
    bpf = BpfObject(objects.find(name))
    try:
        for variable, value in variables.items():
            bpf.set_variable(variable, value)
        for table, size in entries.items():
            bpf.set_max_entries(table, size)
        chosen = hooks.choose(bpf, places, sys)
        bpf.load()
        for programs in chosen.values():
            for program in programs:
                if cgroup is not None and bpf.section(program).lstrip("?").startswith("cgroup"):
                    bpf.attach_to_cgroup(program, cgroup)
                else:
                    bpf.attach(program)
    except BaseException:
        bpf.close()
        raise
    return bpf
