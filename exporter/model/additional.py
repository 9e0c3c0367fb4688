"""Labels that users add to every series, made of the pod's labels and address: `app=${labels:app}`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from exporter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_PLACE: Final = re.compile(r"\$\{([^}]*)\}")
_OF_POD: Final = "labels:"
_ADDRESS: Final = "ip"
_MOST: Final = 30  # a scrape has a limit for labels too
_SHOWN: Final = 80  # characters of an entry in a message
_VERBOSE: Final = {"ip": "${ip}", "app": "${labels:app}"}  # as verbose mode of the first age added them


@dataclass(frozen=True, slots=True)
class AdditionalLabels:
    """The labels, the same for every series.

    Args:
        names: in their order.
        templates: of the values, in the same order.
    """

    names: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()

    def values(self, labels: Mapping[str, str], address: str) -> tuple[str, ...]:
        """Of one pod; what it lacks is empty.

        Args:
            labels: of the pod, by key.
            address: of the pod.
        """

        def filled(place: re.Match[str]) -> str:
            return address if place[1] == _ADDRESS else labels.get(place[1].removeprefix(_OF_POD), "")

        return tuple(_PLACE.sub(filled, template) for template in self.templates)

    @property
    def nobodys(self) -> tuple[str, ...]:
        """Values for the host, and for whoever has no labels and no address that is known."""
        return self.values({}, "")


NONE: Final = AdditionalLabels()


def parse(entries: Sequence[object], taken: Collection[str], *, verbose: bool = False) -> AdditionalLabels:
    """Read `name=template` entries. Raises UsageError saying what is wrong with which entry.

    Args:
        entries: as in the configuration.
        taken: names of labels that series have anyway.
        verbose: whether the pod's address and its label `app` come first.
    """
    if len(entries) > _MOST:
        raise UsageError(f"metrics.additionalLabels: {len(entries)} labels; at most {_MOST} can be added")
    found = dict(_VERBOSE) if verbose else {}
    for entry in entries:
        shown = f"metrics.additionalLabels: {entry!r:.{_SHOWN}}"
        if not isinstance(entry, str) or "=" not in entry:
            raise UsageError(f"{shown} must be NAME=TEMPLATE, for example app=${{labels:app}}")
        name, _, template = entry.partition("=")
        _check(name, template, shown)
        if verbose and name in _VERBOSE:
            raise UsageError(f"{shown}: metrics.verbose adds a label {name} already; choose another name")
        if name in found:
            raise UsageError(f"{shown}: label {name} is there twice")
        if name in taken:
            raise UsageError(f"{shown}: series have a label {name} already; choose another name")
        found[name] = template
    return AdditionalLabels(tuple(found), tuple(found.values()))


def _check(name: str, template: str, shown: str) -> None:
    if not _NAME.fullmatch(name) or name.startswith("__"):
        raise UsageError(f"{shown}: {name!r} is no label name; letters, digits and _, no digit first, not __ first")
    if template.encode("utf-8", "replace").decode("utf-8") != template:
        raise UsageError(f"{shown}: half of a surrogate pair is no text")
    for place in _PLACE.findall(template):
        if place != _ADDRESS and not (place.startswith(_OF_POD) and len(place) > len(_OF_POD)):
            raise UsageError(f"{shown}: ${{{place}}} is unknown; there are ${{labels:KEY}} and ${{ip}}")
    if "${" in _PLACE.sub("", template):
        raise UsageError(f"{shown}: a ${{ is not closed")
