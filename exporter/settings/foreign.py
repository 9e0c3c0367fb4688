"""What configurations of other programs call otherwise than we do: `kubeskoop-config` and `inspector-config`.

A key that only has another name is an alias of the setting (`exporter.model.settings`). Here is what must be translated
and what has no equivalent. All keys are accepted side by side, so nobody says which kind a file is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from exporter.settings.document import Items, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.settings.faults import Place

Translated = tuple[str, Any] | None  # our key and its value


class Foreign(NamedTuple):
    """A key of another program's configuration.

    Args:
        key: dotted path.
        default: a value of the type accepted.
        help: what becomes of it, one sentence.
        translate: our key and value; None where it says nothing. Raises ValueError with what is wrong.
        most: largest number accepted.
    """

    key: str
    default: Any
    help: str
    translate: Callable[[Any], Translated] | None = None
    most: float = 65_535


class LokiEntry(NamedTuple):
    """What the older configuration says about sinks.

    Args:
        place: where.
        sinks: as entries of `event.sinks`.
    """

    place: Place
    sinks: Items


def _port(value: int) -> Translated:
    return "listen", f"0.0.0.0:{value}"


def _address(value: str) -> Translated:
    if value.startswith("unix:"):
        raise ValueError("cannot be a unix socket, as Prometheus scrapes none; give [tcp://]ADDRESS:PORT")
    return "listen", value.removeprefix("tcp://")


LOKI_ENABLE: Final = "event_config.loki_enable"
LOKI_ADDRESS: Final = "event_config.loki_address"
TO_LOG: Final = "event_config.infotolog"

KEYS: Final = (
    Foreign("port", 9102, "Becomes the port of `listen`.", _port),
    Foreign("address", "", "Becomes `listen`.", _address),
    Foreign("metric_config.port", 9102, "Becomes the port of `listen`.", _port),
    Foreign(LOKI_ENABLE, False, "Becomes a sink `loki` under `event.sinks`."),  # noqa: FBT003
    Foreign(LOKI_ADDRESS, "", "Becomes `addr` of that sink; empty has it find the service `grafana-loki`."),
    Foreign(TO_LOG, False, "Becomes a sink `stderr` under `event.sinks`."),  # noqa: FBT003
    Foreign("enableController", False, "Has no equivalent: there is no controller to connect to."),  # noqa: FBT003
    Foreign("controllerAddr", "", "Has no equivalent: there is no controller to connect to."),
    Foreign("metric_config.expose_labels", [], "Has no equivalent: name the labels in `metrics.additionalLabels`."),
)
LOST: Final = frozenset(each.key for each in KEYS if each.help.startswith("Has no equivalent"))


def sinks(given: Mapping[str, tuple[Any, Place]]) -> LokiEntry | None:
    """The sinks that `event_config` asks for; None for none.

    Args:
        given: value and place of the foreign keys in the file.
    """
    made = Items()
    if given.get(TO_LOG, (False, None))[0]:
        made.append("stderr")
        made.at.append(given[TO_LOG][1])
    if given.get(LOKI_ENABLE, (False, None))[0]:
        address, place = given.get(LOKI_ADDRESS, ("", given[LOKI_ENABLE][1]))
        made.append(_loki(address, place))
        made.at.append(place)
    return LokiEntry(made.at[0], made) if made else None


def _loki(address: str, place: Place) -> Section:
    args = Section()
    args["addr"] = address
    entry = Section()
    entry |= {"name": "loki", "args": args}
    for section in (args, entry):
        section.keys_at |= dict.fromkeys(section, place)
        section.values_at |= dict.fromkeys(section, place)
    return entry
