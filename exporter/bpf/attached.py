"""One of the exporter's objects: set up, loaded, and attached wherever this kernel allows."""

from __future__ import annotations

from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.bpf import hooks, kernel_btf, objects
from exporter.bpf.loader import BpfObject
from exporter.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from exporter.bpf.hooks import Hook

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})
_OLDER: Final = "-5.10"  # of names of objects without what Linux 5.12 brought, where there is such a one


class Untyped(NamedTuple):
    """What it takes besides where programs may not read the kernel's structures as such, nor keep data with sockets.

    Args:
        places: where it watches as well.
        entries: sizes of the maps that are used then.
    """

    places: Sequence[Hook] = ()
    entries: Mapping[str, int] = _NOTHING


def attached(  # noqa: PLR0913 -- one place for all that has to happen before load
    name: str,
    sys: Path,
    places: Sequence[Hook],
    *,
    variables: Mapping[str, int] = _NOTHING,
    entries: Mapping[str, int] = _NOTHING,
    cgroup: Path | None = None,
    untyped: Untyped = Untyped(),  # noqa: B008 -- immutable
    prepare: Callable[[BpfObject], None] | None = None,
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
        untyped: what it takes besides on some kernels.
        prepare: sets the object up further, its programs chosen; `event_plan.prepare` for those with events.

    Raises:
        UnsupportedError: this machine cannot run it; the text says what would change that.
        SourceError: the object is not what it should be, or the verifier objects.
    """
    kernel_btf.require(sys)
    wish = _Wish(places, variables, entries, cgroup, untyped, prepare)
    try:
        return _attached(objects.find(name), sys, wish, typed=True)
    except UnsupportedError:
        for path in _others(name):
            with suppress(UnsupportedError):
                return _attached(path, sys, wish, typed=False)
        raise


def _others(name: str) -> Iterator[Path]:
    """What to try on older kernels, without what has to do with types."""
    yield objects.find(name)
    with suppress(UnsupportedError):
        yield objects.find(f"{name}{_OLDER}")


class _Wish(NamedTuple):
    """As the arguments of `attached`."""

    places: Sequence[Hook]
    variables: Mapping[str, int]
    entries: Mapping[str, int]
    cgroup: Path | None
    untyped: Untyped
    prepare: Callable[[BpfObject], None] | None


def _attached(path: Path, sys: Path, wish: _Wish, *, typed: bool) -> BpfObject:
    bpf = BpfObject(path)
    try:
        for variable, value in wish.variables.items():
            bpf.set_variable(variable, value)
        chosen = hooks.choose(bpf, wish.places, sys)
        if not typed:
            bpf.read_untyped()
        if not bpf.typed:
            chosen = hooks.choose(bpf, wish.untyped.places, sys) | chosen
        for table, size in {**wish.entries, **({} if bpf.typed else wish.untyped.entries)}.items():
            bpf.set_max_entries(table, size)
        if wish.prepare is not None:
            wish.prepare(bpf)
        bpf.load()
        for programs in chosen.values():
            for program in programs:
                if wish.cgroup is not None and bpf.section(program).lstrip("?").startswith("cgroup"):
                    bpf.attach_to_cgroup(program, wish.cgroup)
                else:
                    bpf.attach(program)
    except BaseException:
        bpf.close()
        raise
    return bpf
