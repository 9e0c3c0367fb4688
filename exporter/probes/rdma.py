"""RDMA adapters: objects in use, and the counters of each port of the drivers mlx5 and erdma."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.errors import NoDataError, UnsupportedError
from exporter.model.metric import Kind, Label, Metric, Scope, Unit
from exporter.model.probe import ProbeSpec, Requirement, RequirementKind, stateless
from exporter.model.snapshot import Table
from exporter.sources import rdma, rdma_erdma, rdma_mlx5

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.model.probe import Cycle

_MOST_ROWS = 256  # ports of a node, virtual functions included
DEVICE = Label(name="device", help="RDMA device, for example mlx5_0.", budget=_MOST_ROWS)
TYPE = Label(name="type", help="Driver of the device.", values=rdma.TYPES)
PORT = Label(name="port", help="Port of the device, counted from 1.", budget=_MOST_ROWS)

_metric = partial(Metric, probe="rdma", scope=Scope.NODE)
_resource = partial(
    _metric, kind=Kind.GAUGE, unit=Unit.OBJECTS, source="RDMA netlink, resource summary", labels=(DEVICE, TYPE)
)

CM_ID = _resource(name="cm_id", column="cm_id", help="Identifiers of the connection manager in use.")
CQ = _resource(name="cq", column="cq", help="Completion queues in use.")
CTX = _resource(name="ctx", column="ctx", help="User contexts in use, about one for each program that uses the device.")
MR = _resource(
    name="mr",
    column="mr",
    help="Memory regions registered.",
    advice="Steady growth is a leak of the program that registers them; `rdma resource show mr` names it.",
)
PD = _resource(name="pd", column="pd", help="Protection domains in use.")
QP = _resource(
    name="qp",
    column="qp",
    help="Queue pairs in use.",
    advice="Steady growth means connections that are never closed; `rdma resource show qp` names the program.",
)
SRQ = _resource(name="srq", column="srq", help="Shared receive queues in use.")

RESOURCES = (CM_ID, CQ, CTX, MR, PD, QP, SRQ)


def _counters(driver: str, directory: str, known: Iterable[rdma.Counter]) -> tuple[Metric, ...]:
    return tuple(
        _metric(
            name=f"{driver}_{counter.name}",
            column=counter.name,
            kind=Kind.COUNTER,
            unit=counter.unit,
            help=counter.help,
            advice=counter.advice,
            labels=(DEVICE, TYPE, PORT),
            source=f"/sys/class/infiniband/<device>/ports/<port>/{directory}/{counter.name}",
        )
        for counter in known
    )


MLX5 = (
    *_counters(rdma.MLX5, "counters", rdma_mlx5.PORT),
    *_counters(rdma.MLX5, "hw_counters", rdma_mlx5.HARDWARE),
)
ERDMA = _counters(rdma.ERDMA, "hw_counters", rdma_erdma.HARDWARE)
_FILES = {
    rdma.MLX5: frozenset(metric.column for metric in MLX5),
    rdma.ERDMA: frozenset(metric.column for metric in ERDMA) | rdma_erdma.IN_TREE.keys(),
}


def collect(cycle: Cycle) -> list[Table]:
    """One row per device and one per port; other drivers' devices show their objects only."""
    devices = rdma.devices(cycle.env.sys)
    resources, refusal = Table(RESOURCES), None
    try:
        for device, found in cycle.on_host(rdma.read_resources).items():
            resources.pick(cycle.host, found, device, devices.get(device, rdma.UNKNOWN))
    except UnsupportedError as error:
        refusal = error
    ports = {rdma.MLX5: Table(MLX5), rdma.ERDMA: Table(ERDMA)}
    for device, kind in devices.items():
        for port, found in rdma.read_ports(cycle.env.sys, device, _FILES.get(kind, ())).items():
            if kind in ports and found:
                counters = {rdma_erdma.IN_TREE.get(name, name): value for name, value in found.items()}
                ports[kind].pick(cycle.host, counters, device, kind, port)
    tables = [table for table in (resources, *ports.values()) if table.rows]
    if not tables:
        raise refusal or NoDataError(f"the RDMA devices {', '.join(devices)} have no counter that is known")
    return tables


PROBE = ProbeSpec(
    name="rdma",
    summary="Objects in use and traffic, errors and congestion per port of the node's RDMA adapters.",
    metrics=(*RESOURCES, *MLX5, *ERDMA),
    open=stateless(collect),
    host_readers=(rdma.read_resources,),
    requires=(
        Requirement(RequirementKind.FILE, "/sys/class/infiniband", "it appears with the driver of an RDMA adapter"),
        Requirement(RequirementKind.CAPABILITY, "CAP_NET_ADMIN", "objects in use might not be told"),
    ),
    deadline=5.0,
)
