"""From the kernel to the terminal: an exporter and `inspector watch`, both as users start them."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from exporter.identity.standalone import NAMESPACE
from tests.unit.cli.daemon import daemon
from tests.unit.cli.watching import watching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.netns.namespaces import Pair
    from tests.unit.cli.watching import Watching

LINE = re.compile(r" \S+Z INFO  (\S+) Namespace=(\S*) Pod=(\S*) Node=node-a Netns=(\d+) (\S+) -> (\S+) .*")


def refused(pair: Pair, address: str, port: int) -> tuple[str, str]:
    """Both ends of a connection from the left to a port of the right where nobody listens."""
    with pair.left.entered():
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    with client:
        client.bind((pair.left6 if ":" in address else pair.left4, 0))
        with pytest.raises(ConnectionRefusedError):
            client.connect((address, port))
        host, ours = client.getsockname()[:2]
    return (f"[{host}]:{ours}", f"[{address}]:{port}") if ":" in address else (f"{host}:{ours}", f"{address}:{port}")


def told(seen: Watching) -> Iterator[tuple[str, ...]]:
    while True:
        found = LINE.fullmatch(seen.lines(1)[0])
        assert found
        yield found.groups()


@pytest.mark.usefixtures("as_root")
def test_each_refused_connection_is_a_line_with_the_right_pod_and_ports(pair: Pair, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "config.yaml"
    config.write_text(f"metrics: {{probes: [tcp]}}\nevent: {{port: {port}, probes: [tcpreset]}}\n")
    words = ("-v", "-s", f"127.0.0.1:{port}", "--type", "TCPRESET_NOSOCK", "--pod", pair.right.pod.name)
    with daemon("--config", str(config)) as exporter, watching(*words) as seen:
        exporter.wait_until_serving()
        while not seen.ready(0.1):
            refused(pair, pair.right4, 82)  # until it is connected
        expected = [refused(pair, address, 81) for address in (pair.right4, pair.right6) * 7]
        lines = (line for line in told(seen) if not line[-1].endswith(":82"))
        right = pair.right.pod
        for ends in expected:
            assert next(lines) == ("TCPRESET_NOSOCK", NAMESPACE, right.name, str(right.netns), *ends)
        assert seen.end()[0] == 130
