"""The settings: one table declares each; the file, the checks and the documents follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

_KINDS: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", list: "a list"}


def kind_of(default: object) -> str:
    """The type that a value must have where this is the default, for people."""
    return _KINDS[type(default)]


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the configuration file.

    Args:
        key: dotted path, for example `metrics.interval`.
        default: value when absent; its type is the type accepted (a number accepts integers and fractions).
        help: one sentence.
        choices: values accepted, or empty for all.
        least: smallest number accepted.
        most: largest number accepted.
        aliases: keys of other programs' configurations that mean the same and take the same values.
        live: whether a change takes effect while the exporter runs, rather than at its next start.
    """

    key: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float = 1e9
    aliases: tuple[str, ...] = ()
    live: bool = True

    @property
    def kind(self) -> str:
        """The type accepted, for people."""
        return kind_of(self.default)


SETTINGS = (
    Setting("listen", "0.0.0.0:9102", "Address and port of the HTTP endpoint.", live=False),
    Setting(
        "node",
        "",
        "Name of this node; empty takes $NODE_NAME or $INSPECTOR_NODENAME, else the host name.",
        live=False,
    ),
    Setting(
        "identity",
        "auto",
        "Where pods' names come from; auto: the API server where the exporter has a service account or a kubeconfig.",
        choices=("auto", "kubernetes", "standalone"),
        live=False,
    ),
    Setting("kubeconfig", "", "File that tells how to reach the API server; empty: the service account.", live=False),
    Setting("logLevel", "info", "How much is logged.", choices=("debug", "info", "warning", "error")),
    Setting(
        "debugmode",
        False,  # noqa: FBT003
        "Log at level debug unless `logLevel` is set, and serve pages about the exporter itself under /debug/.",
        aliases=("debugMode",),
    ),
    Setting(
        "web.configFile",
        "",
        "Web configuration file: TLS, client certificates, passwords, headers and limits of the endpoint.",
        live=False,
    ),
    Setting("web.enableLifecycle", False, "Let `POST /-/reload` read the configuration anew.", live=False),  # noqa: FBT003
    Setting("security.dropPrivileges", True, "Keep only the capabilities that the running probes declare.", live=False),  # noqa: FBT003
    Setting(
        "enableLegacyVersion",
        True,  # noqa: FBT003
        "With `auto`: make types from the kernel's headers, by bcc, where neither the kernel nor a file has them.",
        live=False,
    ),
    Setting(
        "ebpf.backend",
        "auto",
        "Where types of the kernel come from: itself, else a file, else headers; core: no headers; bcc: only headers.",
        choices=("auto", "core", "bcc"),
        live=False,
    ),
    Setting(
        "ebpf.btfFolder",
        "",
        "Folder with types of kernels, `<release>.btf`, or an archive laid out as BTFHub's.",
        live=False,
    ),
    Setting(
        "metrics.interval",
        5.0,
        "Seconds between collection cycles.",
        least=0.1,
        most=3600,
        aliases=("metric_config.interval",),
    ),
    Setting("metrics.enabled", True, "Collect metrics; without, probes run for their events alone."),  # noqa: FBT003
    Setting("metrics.timestamps", False, "Put the time of collection on each sample; always on for inspector names."),  # noqa: FBT003
    Setting("metrics.naming", "kubeskoop", "Family of metric names.", choices=("kubeskoop", "inspector", "both")),
    Setting("metrics.kernelScan", True, "Take counters of all pods at once by eBPF where the kernel can.", live=False),  # noqa: FBT003
    Setting(
        "metrics.ebpfStats",
        False,  # noqa: FBT003
        "Count runs and time of eBPF programs, at 50 ns for each run on the node.",
        live=False,
    ),
    Setting("metrics.maxSeries", 200_000, "Most series exposed; what exceeds it is cut and counted.", least=1),
    Setting(
        "metrics.additionalLabels",
        [],
        "Labels for every series: `NAME=TEMPLATE` with ${labels:KEY} and ${ip}, of the pod.",
    ),
    Setting(
        "metrics.verbose",
        False,  # noqa: FBT003
        "Add each pod's address and its label `app` to every series, as ip and app.",
        aliases=("metric_config.verbose",),
    ),
    Setting(
        "metrics.probes",
        [],
        "Probes to run: names, or `name` with `args`; empty runs the default set.",
        aliases=("metric_config.probes",),
    ),
    Setting("event.naming", "kubeskoop", "Family of names of event types.", choices=("kubeskoop", "ack")),
    Setting(
        "event.port",
        19102,
        "Port of the event stream while there are events; 0 for none.",
        least=0,
        most=65535,
        aliases=("event_config.port",),
    ),
    Setting("event.queue", 10_000, "Most events that wait for a sink; further ones are lost to it.", least=1, most=1e6),
    Setting(
        "event.probes",
        [],
        "Probes whose events are taken: names, or `name` with `args`; empty takes none.",
        aliases=("event_config.probes",),
    ),
    Setting("event.sinks", [], "Where events go besides the page and the stream: names, or `name` with `args`."),
)
