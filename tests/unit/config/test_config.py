from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from exporter import config
from exporter.errors import UsageError
from exporter.model.additional import AdditionalLabels
from exporter.model.event import EventNaming
from exporter.model.metric import Naming
from exporter.model.settings import SETTINGS
from tests.unit.config.declared import FILE, REGISTRY, STREAM, TELLING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _defaults() -> config.Config:
    return config.load(REGISTRY, None)


def test_without_a_file_everything_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NODE_NAME", "INSPECTOR_NODENAME"):
        monkeypatch.delenv(name, raising=False)
    assert _defaults() == config.Config(
        host="0.0.0.0",
        port=9102,
        node=socket.gethostname(),
        identity="auto",
        kubeconfig="",
        additional=AdditionalLabels(),
        log_level="info",
        interval=5.0,
        timestamps=False,
        namings=(Naming.KUBESKOOP,),
        kernel_scan=True,
        ebpf_stats=False,
        backend="auto",
        headers=True,
        btf_folder="",
        drop_privileges=True,
        max_series=200_000,
        probes=REGISTRY.probes[:2],
        options={"softnet": {}, "tcp": {"extra": ()}},
        events=config.EventConfig(implied_sinks=((STREAM, {"port": 19102}),)),
    )


@pytest.mark.parametrize(
    "content", ["", "\n\n", "# nothing\n", "---\n", "null", "metrics:\n", "metrics: {}\n", "\ufeff# mark\n"]
)
def test_an_empty_file_is_all_defaults(load: Callable[..., config.Config], content: str) -> None:
    assert load(content) == _defaults()


def test_every_setting_can_be_set(load: Callable[..., config.Config]) -> None:
    content = {
        "listen": "127.0.0.1:0",
        "node": "worker-1",
        "identity": "kubernetes",
        "kubeconfig": "/etc/kubeconfig",
        "logLevel": "debug",
        "debugmode": True,
        "web": {"configFile": "/etc/web.yml", "enableLifecycle": True},
        "security": {"dropPrivileges": False},
        "enableLegacyVersion": True,
        "ebpf": {"backend": "core", "btfFolder": "/srv/btf"},
        "metrics": {
            "enabled": True,
            "interval": 15,
            "timestamps": True,
            "naming": "both",
            "kernelScan": False,
            "ebpfStats": True,
            "maxSeries": 10,
            "additionalLabels": ["team=${labels:team}"],
            "verbose": True,
            "probes": ["softnet", {"name": "tuned", "args": {"depth": 7, "share": 1, "exact": True, "mode": "slow"}}],
        },
        "event": {
            "naming": "ack",
            "port": 0,
            "queue": 7,
            "probes": [{"name": "telling", "args": {"stack": True}}],
            "sinks": [{"name": "file", "args": {"path": "/x"}}],
        },
    }
    given = {
        f"{key}.{name}" if name else key
        for key, value in content.items()
        for name in (value if isinstance(value, dict) else [""])
    }
    assert given == {setting.key for setting in SETTINGS}
    assert load(yaml.safe_dump(content)) == config.Config(
        host="127.0.0.1",
        port=0,
        node="worker-1",
        identity="kubernetes",
        kubeconfig="/etc/kubeconfig",
        additional=AdditionalLabels(("ip", "app", "team"), ("${ip}", "${labels:app}", "${labels:team}")),
        log_level="debug",
        web_config="/etc/web.yml",
        debug=True,
        interval=15.0,
        timestamps=True,
        namings=(Naming.KUBESKOOP, Naming.INSPECTOR),
        kernel_scan=False,
        ebpf_stats=True,
        backend="core",
        headers=False,
        btf_folder="/srv/btf",
        drop_privileges=False,
        max_series=10,
        probes=(REGISTRY.probes[0], REGISTRY.probes[2]),
        options={"softnet": {}, "tuned": {"depth": 7, "share": 1, "exact": True, "mode": "slow"}},
        events=config.EventConfig(
            naming=EventNaming.ACK,
            queue=7,
            probes=(TELLING,),
            options={"telling": {"stack": True}},
            sinks=((FILE, {"path": "/x"}),),
        ),
        lifecycle=True,
    )


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:9102", ("0.0.0.0", 9102)),
        (":9102", ("0.0.0.0", 9102)),
        ("[::]:9102", ("::", 9102)),
        ("[::1]:0", ("::1", 0)),
        ("::1:9102", ("::1", 9102)),
        ("node.example:65535", ("node.example", 65535)),
    ],
)
def test_an_address_has_a_port_and_may_have_a_host(text: str, address: tuple[str, int]) -> None:
    found = config.load(REGISTRY, None, listen=text)
    assert (found.host, found.port) == address


NO_ADDRESS = ["", ":", "9102", "host:", "host:x", "host:-1", "host:65536", "host:9999999", ":²", ": 1", "host:1\n"]


@pytest.mark.parametrize("text", [*NO_ADDRESS, ":\N{ARABIC-INDIC DIGIT THREE}", ":" + "9" * 5000])
def test_what_is_no_address_is_refused(text: str, load: Callable[..., config.Config], tmp_path: Path) -> None:
    complaint = f"must be ADDRESS:PORT, for example 0.0.0.0:9102, is {text!r}"
    with pytest.raises(UsageError) as raised:
        config.load(REGISTRY, None, listen=text)
    assert str(raised.value) == f"--listen: listen {complaint}"
    with pytest.raises(UsageError) as raised:
        load(yaml.safe_dump({"listen": text}))
    assert str(raised.value) == f"{tmp_path}/config.yaml:1:9: listen {complaint}"


@pytest.mark.parametrize(
    ("content", "option", "headers"),
    [
        ("", None, True),
        ("enableLegacyVersion: false", None, False),
        ("{enableLegacyVersion: true, ebpf: {backend: core}}", None, False),
        ("{enableLegacyVersion: false, ebpf: {backend: bcc}}", None, True),
        ("ebpf: {backend: core}", "bcc", True),
        ("ebpf: {backend: bcc}", "auto", True),
        ("{enableLegacyVersion: false, ebpf: {backend: bcc}}", "auto", False),
    ],
)
def test_headers_may_tell_types_unless_somebody_says_no(
    content: str,
    option: str | None,
    headers: bool,  # noqa: FBT001
    load: Callable[..., config.Config],
) -> None:
    assert load(content, backend=option).headers is headers


def test_inspector_names_always_carry_timestamps(load: Callable[..., config.Config]) -> None:
    assert [load(f"metrics: {{naming: {naming}}}").timestamps for naming in ("kubeskoop", "inspector", "both")] == [
        False,
        True,
        True,
    ]


def test_probes_are_sorted_and_those_off_by_default_can_be_selected(load: Callable[..., config.Config]) -> None:
    found = load("metrics: {probes: [tuned, softnet]}")
    assert [spec.name for spec in found.probes] == ["softnet", "tuned"]
    assert found.options["tuned"] == {"depth": 5, "share": 0.5, "exact": False, "mode": "fast"}


def test_all_probes_keep_the_options_that_were_set(load: Callable[..., config.Config]) -> None:
    found = config.with_probes(load("metrics: {probes: [{name: tuned, args: {depth: 9}}]}"), REGISTRY)
    assert [spec.name for spec in found.probes] == ["softnet", "tcp", "tuned", "telling"]
    assert (found.options["tuned"]["depth"], found.options["tcp"]) == (9, {"extra": ()})


def test_every_default_satisfies_its_own_declaration(load: Callable[..., config.Config]) -> None:
    content: dict[str, Any] = {}
    for setting in SETTINGS:
        section, _, name = setting.key.rpartition(".")
        (content.setdefault(section, {}) if section else content)[name] = setting.default
        assert setting.help.endswith(".")
    assert load(yaml.safe_dump(content)) == _defaults()
