"""The daemon: started, asked, told to stop, killed, and started without rights."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.conftest import TREES
from tests.unit.cli.daemon import daemon
from tests.unit.cli.program import run

if TYPE_CHECKING:
    from pathlib import Path

TREE = TREES / "6.18-x86_64-two-pods"
OVER_TREE = ("--proc", str(TREE / "proc"), "--sys", str(TREE / "sys"))
NOBODY = 65534


def test_it_serves_what_the_tree_holds() -> None:
    with daemon(*OVER_TREE) as started:
        started.wait_until_serving()
        status, body = started.get("/metrics")
        assert status == 200
        assert 'kubeskoop_udp_noports{k8s_namespace="",k8s_node="node-a",k8s_pod=""}' in body
        assert started.get("/-/ready")[0] == 200
        assert started.get("/-/healthy") == (200, "ok\n")
        assert len(started.get("/pods")[1]) > 2


def test_a_spoilt_file_costs_its_probe_and_not_the_scrape(tmp_path: Path) -> None:
    shutil.copytree(TREE, tmp_path / "tree", symlinks=True)
    spoilt = tmp_path / "tree" / "proc" / "1" / "net" / "softnet_stat"
    spoilt.write_bytes(b"zz zz zz\n")
    with daemon("--proc", str(tmp_path / "tree" / "proc"), "--sys", str(tmp_path / "tree" / "sys")) as started:
        started.wait_until_serving()
        status, body = started.get("/metrics")
        assert (status, "kubeskoop_softnet_" in body, "kubeskoop_udp_noports{" in body) == (200, False, True)
        reason = f"softnet: failed: {spoilt} line 1: expected "
        assert reason in started.get("/-/ready")[1]
        code, log = started.end(signal.SIGTERM)
    assert (code, log.count(reason), "Traceback" in log) == (0, 1, False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_soon_and_quietly_when_asked(number: signal.Signals) -> None:
    with daemon(*OVER_TREE) as started:
        started.wait_until_serving().get("/metrics")
        asked = time.monotonic()
        code, log = started.end(number)
        took = time.monotonic() - asked
    assert (code, "Traceback" in log, took < 2) == (0, False, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_open_connection_does_not_keep_it(number: signal.Signals) -> None:
    with daemon(*OVER_TREE) as started:
        port = int(started.wait_until_serving().address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as idle:
            idle.sendall(b"GET /-/healthy HTTP/1.1\r\n\r\n")
            idle.recv(10)
            code, log = started.end(number)
    assert (code, "Traceback" in log) == (0, False)


def test_killed_and_started_again_it_has_the_same_port_at_once() -> None:
    with daemon(*OVER_TREE) as first:
        port = first.wait_until_serving().address.rpartition(":")[2]
        with socket.create_connection(("127.0.0.1", int(port))) as kept:  # leaves the port in TIME_WAIT
            kept.sendall(b"GET /-/healthy HTTP/1.1\r\n\r\n")
            kept.recv(10)
            assert first.end(signal.SIGKILL)[0] == -signal.SIGKILL
            with daemon(*OVER_TREE, listen=f"127.0.0.1:{port}") as second:
                assert second.wait_until_serving().get("/-/healthy")[0] == 200
                code, log = second.end(signal.SIGTERM)
    assert (code, "Traceback" in log) == (0, False)


def test_a_port_in_use_is_one_line_and_exit_code_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = run("run", *OVER_TREE, "--listen", address)
    assert (code, out) == (1, "")
    assert err == (
        f"net-exporter: cannot listen on {address}: Address already in use; "
        "is another exporter running? choose one with --listen\n"
    )


@pytest.mark.parametrize(("listen", "shown"), [("[::]:0", "localhost"), ("[::1]:0", "[::1]"), (":0", "localhost")])
def test_it_says_where_it_can_be_reached(listen: str, shown: str) -> None:
    with daemon(*OVER_TREE, listen=listen) as started:
        started.wait_until_serving()
        assert started.address.startswith(f"http://{shown}:")
        assert started.get("/-/healthy")[0] == 200


# Rights are given up after loading, because nobody else may be able to read this checkout.
AS_NOBODY = f"""
import ctypes, os, sys
from exporter import __main__, registry
registry.load()
os.setgroups([])
os.setresgid(*[{NOBODY}] * 3)
os.setresuid(*[{NOBODY}] * 3)
ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE, as for a process that never had rights
sys.exit(__main__.main(sys.argv[2:]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_without_rights_it_serves_and_says_what_is_off_and_why() -> None:
    with daemon(before=(sys.executable, "-c", AS_NOBODY)) as started:
        started.wait_until_serving()
        status, body = started.get("/metrics")
        ready = started.get("/-/ready")[1]
        code, log = started.end(signal.SIGTERM)
    assert (status, code, "Traceback" in log) == (200, 0, False)
    assert "kubeskoop_softnet_processed{" in body
    assert 'probe="slab",status="unsupported"} 1.0' in body
    for told in (ready, log):
        assert "slab: unsupported: /proc/slabinfo may not be read; run as root or with" in told
    assert "may not be looked at, so namespaces that only they hold are missing; run as root or with" in log
