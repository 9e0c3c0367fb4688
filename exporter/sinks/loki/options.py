"""The settings of the sink, in the configuration under `event.sinks[].args`."""

from __future__ import annotations

from exporter.model.probe import Option

_MIB = 1 << 20

OPTIONS = (
    Option(
        name="addr",
        help="Host, HOST:PORT (port 3100 if left out) or URL of Loki; empty takes the first of the services "
        "grafana-loki and loki-service that resolves.",
        default="",
    ),
    Option(
        name="namespace",
        help="Kubernetes namespace of the service when `addr` is empty; empty is the exporter's own.",
        default="",
    ),
    Option(name="tenant", help="Tenant, for the header X-Scope-OrgID.", default=""),
    Option(name="username", help="User for basic authentication.", default=""),
    Option(name="passwordFile", help="File with the password, read again when it is refused.", default=""),
    Option(name="passwordEnv", help="Environment variable with the password.", default=""),
    Option(name="caFile", help="Certificates (PEM) that an https address is checked by.", default=""),
    Option(name="insecure", help="Accept any certificate of an https address.", default=False),
    Option(name="timeout", help="Seconds that one request may take.", default=10.0, least=0.1, most=300),
    Option(name="format", help="Content of a line.", default="json", choices=("json", "text")),
    Option(name="labels", help="Further labels of every stream, each as name=value.", default=()),
    Option(
        name="maxStreams",
        help="Streams of pods at a time; further pods share one stream for each type, with the label pod=_other.",
        default=200,
        most=100_000,
    ),
    Option(name="batchBytes", help="Size at which a batch is sent.", default=_MIB, least=1024, most=4 * _MIB),
    Option(
        name="batchWait", help="Seconds after which a batch is sent, full or not.", default=1.0, least=0.01, most=60
    ),
    Option(
        name="bufferBytes",
        help="Memory for events that Loki has not taken yet; the oldest are lost first.",
        default=16 * _MIB,
        least=64 << 10,
        most=1024 * _MIB,
    ),
    Option(
        name="spillFolder",
        help="Folder, for this exporter alone, of events that exceed the memory; empty loses those.",
        default="",
    ),
    Option(
        name="spillBytes",
        help="Most bytes of the files in that folder, which are compressed.",
        default=128 * _MIB,
        least=_MIB,
        most=1_000_000 * _MIB,
    ),
)
