"""How many of alike things a program measures: the user side of bpf/include/sampling.h."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.model.probe import Option

if TYPE_CHECKING:
    from exporter.bpf.netns_latency import Given

DEFAULT: Final = 16
_NAME: Final = "sample_one_in"


def option(what: str, chosen: str = "at random") -> Option:
    """How many of `what`, in the plural, there are to each one that is measured, and how it is chosen."""
    return Option(
        name=_NAME,
        help=f"Measure one of so many {what}, chosen {chosen}; 1 measures each. Every metric of the probe counts what "
        "was measured, so a counter shows about this fraction.",
        default=DEFAULT,
    )


def sampled(given: Given) -> Given:
    """With the fraction that the option means."""
    return given._replace(variables={**given.variables, _NAME: given.values[_NAME]})
