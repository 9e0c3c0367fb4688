"""Where names of pods come from, put together: the API server of a cluster, or namespaces alone."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from exporter.errors import ApiError, CollectError, UsageError
from exporter.identity import credentials, standalone
from exporter.identity.cluster import Cluster
from exporter.identity.pod_cache import PodCache
from exporter.model import identity_health as health
from exporter.runtime.attempt import attempt
from exporter.runtime.pod_watch import PodWatch
from exporter.sources import cgroup_namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from exporter.config import Config
    from exporter.identity.credentials import Credentials
    from exporter.identity.pod_api import PodApi
    from exporter.model.metric import Metric
    from exporter.model.pod import NetnsRef, Pod
    from exporter.model.probe import Env
    from exporter.runtime.health import Samples

log = logging.getLogger(__name__)

# The first cycle waits for names. An attempt to learn them gives up before that, and then there are none to wait for.
_FIRST_LIST_SECONDS: Final = 25.0


class Standalone:
    """Every network namespace is a pod."""

    def discover(self, env: Env) -> tuple[NetnsRef, ...]:
        """All namespaces now."""
        return standalone.discover(env)

    look = discover

    def ended(self, _: tuple[NetnsRef, ...]) -> Collection[Pod]:
        """Nobody, as names here are those of the namespaces themselves."""
        return ()

    def samples(self) -> Mapping[Metric, Samples]:
        """The self-metrics."""
        return {health.SOURCE: {(credentials.STANDALONE,): 1}}

    def start(self) -> None:
        """There is nothing to follow."""

    def stop(self) -> None:
        """Nothing was started."""


class InCluster:
    """Pods as the API server knows them.

    Args:
        cluster: finds namespaces.
        watch: learns of pods.
        node: name of the node, for people.
    """

    def __init__(self, cluster: Cluster, watch: PodWatch, node: str) -> None:
        self.ended = cluster.ended
        self.start = watch.start
        self.stop = watch.stop
        self._cluster = cluster
        self._watch = watch
        self._node = node
        self._doubted = False

    def discover(self, env: Env) -> tuple[NetnsRef, ...]:
        """All namespaces of known pods now; the first time, once pods are known or cannot be."""
        self._watch.wait(_FIRST_LIST_SECONDS)
        return self.look(env)

    def look(self, env: Env) -> tuple[NetnsRef, ...]:
        """All namespaces of known pods now, for those who cannot wait."""
        found = self._cluster.discover(env)
        if self._cluster.unnamed and self._watch.knows_none and not self._doubted:
            self._doubted = True
            log.warning(
                "the API server knows no pod of node %r, but %d run here; is that the node's name? Set `node`, or "
                "NODE_NAME from spec.nodeName",
                self._node,
                self._cluster.unnamed,
            )
        return found

    def samples(self) -> Mapping[Metric, Samples]:
        """The self-metrics."""
        return {
            health.SOURCE: {(credentials.KUBERNETES,): 1},
            health.UNNAMED: {(): self._cluster.unnamed},
            **self._watch.samples(),
        }


def choose(config: Config, proc: Path) -> Standalone | InCluster:
    """What the configuration and the machine allow. Raises UsageError where credentials are wanted and of no use."""
    found = credentials.find(config.identity, config.kubeconfig, os.environ)
    if found is None:
        return Standalone()
    connect = _connector(found, config.node)
    if found.kubeconfig:
        try:
            connect().close()  # which reads the file and talks to nobody
        except ApiError as error:
            raise UsageError(f"identity: {error}") from error
    behind = attempt(cgroup_namespace.enter_host, proc)
    if isinstance(behind, CollectError):
        log.warning("the exporter's own pod has no name, as its cgroup namespace hides it: %s", behind)
    log.info("pods are named by the API server, with %s, as node %s", found.place, config.node)
    cache = PodCache()
    watch = PodWatch(connect, cache)
    return InCluster(Cluster(proc, lambda: cache.pods), watch, config.node)


def _connector(found: Credentials, node: str) -> Callable[[], PodApi]:
    def connect() -> PodApi:
        from exporter.identity.pod_api import PodApi  # noqa: PLC0415 - 20 MiB for whoever has a cluster, not for all

        return PodApi(found, node)

    return connect
