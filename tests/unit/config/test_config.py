from __future__ import annotations

import socket
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from exporter import config
from exporter.errors import UsageError
from exporter.model.event import EventNaming, EventType
from exporter.model.metric import Naming
from exporter.model.probe import Option, ProbeSpec, stateless
from exporter.model.settings import SETTINGS
from exporter.registry import Registry
from exporter.sinks.context import SinkSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.model.event import Sink


def _spec(name: str, *options: Option, default: bool = True) -> ProbeSpec:
    return ProbeSpec(
        name=name, summary="A test.", metrics=(), open=stateless(lambda _: []), options=options, default=default
    )


TELLING = ProbeSpec(
    name="telling",
    summary="A test.",
    metrics=(),
    events=(EventType(probe="telling", name="SEEN", help="A test."),),
    open=stateless(lambda _: []),
    event_options=(Option(name="stack", help="Whether.", default=False),),
    default=False,
)


def _sink(_args: object, _context: object) -> Sink:
    raise NotImplementedError


FILE = SinkSpec(
    name="file", summary="A test.", open=_sink, options=(Option(name="path", help="Where to.", default=""),)
)
STREAM = SinkSpec(
    name="stream",
    summary="A test.",
    open=_sink,
    options=(Option(name="port", help="Where.", default=1, least=0, most=65535),),
    default=True,
)
REGISTRY = Registry(
    (
        _spec("softnet"),
        _spec("tcp", Option(name="extra", help="More.", default=(), choices=("all", "Syncookies"))),
        _spec(
            "tuned",
            Option(name="depth", help="How deep.", default=5),
            Option(name="share", help="How much.", default=0.5, least=0, most=1),
            Option(name="exact", help="Whether.", default=False),
            Option(name="mode", help="Which.", default="fast", choices=("fast", "slow")),
            default=False,
        ),
        TELLING,
    ),
    (),
    (FILE, STREAM),
)


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., config.Config]:
    """Write a file and load it."""

    def write(content: str | bytes, **more: Any) -> config.Config:  # noqa: ANN401 - as config.load takes it
        path = tmp_path / "config.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return config.load(REGISTRY, str(path), **more)

    return write


@pytest.fixture
def refusal(load: Callable[..., config.Config], tmp_path: Path) -> Callable[..., str]:
    """What is said about a file, without its path."""

    def said(content: str | bytes) -> str:
        with pytest.raises(UsageError) as raised:
            load(content)
        text = str(raised.value)
        assert text.startswith(f"{tmp_path}/config.yaml")
        assert "\n" not in text
        return text.removeprefix(f"{tmp_path}/config.yaml").removeprefix(":").strip()

    return said


def _defaults() -> config.Config:
    return config.load(REGISTRY, None)


def test_without_a_file_everything_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INSPECTOR_NODENAME", raising=False)
    assert _defaults() == config.Config(
        host="0.0.0.0",
        port=9102,
        node=socket.gethostname(),
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
        "logLevel": "debug",
        "security": {"dropPrivileges": False},
        "enableLegacyVersion": True,
        "ebpf": {"backend": "core", "btfFolder": "/srv/btf"},
        "metrics": {
            "interval": 15,
            "timestamps": True,
            "naming": "both",
            "kernelScan": False,
            "ebpfStats": True,
            "maxSeries": 10,
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
        log_level="debug",
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
    )


ENTRY = "metrics.probes: an entry is a name, or `name` with `args`, not"
CANNOT = "metrics.probes: option"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("listen: 9102", "listen must be a text, is 9102"),
        ("listen: [a]", "listen must be a text, is ['a']"),
        ("node: 7", "node must be a text, is 7"),
        ("node: 2024-01-01", "node must be a text, is datetime.date(2024, 1, 1)"),
        ("node: null", "node must be a text, is None"),
        ("logLevel: verbose", "logLevel must be one of debug, info, warning, error"),
        ("logLevel: warn", "logLevel must be one of debug, info, warning, error; did you mean 'warning'?"),
        ("logLevel: true", "logLevel must be a text, is True"),
        ("metrics: {interval: 0}", "metrics.interval must be from 0.1 to 3600, is 0"),
        ("metrics: {interval: -1}", "metrics.interval must be from 0.1 to 3600, is -1"),
        ("metrics: {interval: .inf}", "metrics.interval must be from 0.1 to 3600, is inf"),
        ("metrics: {interval: .nan}", "metrics.interval must be from 0.1 to 3600, is nan"),
        ("metrics: {interval: 99999999999}", "metrics.interval must be from 0.1 to 3600, is 99999999999"),
        ("metrics: {interval: true}", "metrics.interval must be a number, is True"),
        ("metrics: {interval: 5s}", "metrics.interval must be a number, is '5s'"),
        ("metrics: {timestamps: 1}", "metrics.timestamps must be true or false, is 1"),
        ("metrics: {timestamps: 'no'}", "metrics.timestamps must be true or false, is 'no'"),
        (
            "metrics: {naming: kubeskop}",
            "metrics.naming must be one of kubeskoop, inspector, both; did you mean 'kubeskoop'?",
        ),
        ("metrics: {maxSeries: 0}", "metrics.maxSeries must be from 1 to 1000000000, is 0"),
        ("metrics: {maxSeries: 1.5}", "metrics.maxSeries must be a whole number, is 1.5"),
        ("metrics: {maxSeries: true}", "metrics.maxSeries must be a whole number, is True"),
        (
            "metrics: {maxSeries: 0x" + "f" * 5000 + "}",
            "metrics.maxSeries must be from 1 to 1000000000, is a number of 20000 bits",
        ),
        ("metrics: {probes: tcp}", "metrics.probes must be a list, is 'tcp'"),
        ("metrics: {probes: {tcp: {}}}", "metrics.probes must be a list, is {'tcp': {}}"),
        ("metrics: [interval]", "metrics must be a mapping"),
        ("metrics: 5", "metrics must be a mapping"),
        ("loglevel: info", "unknown key 'loglevel'; did you mean 'logLevel'?"),
        ("metrics: {intervall: 5}", "unknown key 'metrics.intervall'; did you mean 'metrics.interval'?"),
        ("interval: 5", "unknown key 'interval'; did you mean 'metrics.interval'?"),
        ("zzz: 5", "unknown key 'zzz'"),
        ("1: 5", "unknown key '1'"),
        ("null: 5", "unknown key 'None'"),
        ("metrics: {probes: [tpc]}", "unknown probe 'tpc'; did you mean 'tcp'?"),
        ("metrics: {probes: [tcp, tcp]}", "metrics.probes: 'tcp' is there twice"),
        ("metrics: {probes: [tcp, {name: tcp}]}", "metrics.probes: 'tcp' is there twice"),
        ("metrics: {probes: [5]}", f"{ENTRY} 5"),
        ("metrics: {probes: [null]}", f"{ENTRY} None"),
        ("metrics: {probes: [{args: {}}]}", ENTRY + " {'args': {}}"),
        (
            "metrics: {probes: [{name: tcp, arg: {}}]}",
            ENTRY + " {'arg': {}, 'name': 'tcp'}",
        ),
        ("metrics: {probes: [{name: tcp, args: [all]}]}", "metrics.probes: args of 'tcp' must be a mapping"),
        ("metrics: {probes: [{name: tcp, args: []}]}", "metrics.probes: args of 'tcp' must be a mapping"),
        ("metrics: {probes: [{name: tcp, args: 0}]}", "metrics.probes: args of 'tcp' must be a mapping"),
        (
            "metrics: {probes: [{name: tcp, args: {extr: []}}]}",
            "metrics.probes: tcp has no option 'extr'; did you mean 'extra'?",
        ),
        (
            "metrics: {probes: [{name: tuned, args: {depth: 0}}]}",
            "metrics.probes: depth of tuned must be from 1 to 10000000, is 0",
        ),
        (
            "metrics: {probes: [{name: tuned, args: {share: 1.5}}]}",
            "metrics.probes: share of tuned must be from 0 to 1, is 1.5",
        ),
        ("metrics: {probes: [{name: softnet, args: {a: 1}}]}", "metrics.probes: softnet has no option 'a'"),
        ("metrics: {probes: [{name: tcp, args: {extra: all}}]}", f"{CANNOT} 'extra' of tcp cannot be 'all'"),
        (
            "metrics: {probes: [{name: tcp, args: {extra: [Syncookie]}}]}",
            "metrics.probes: 'Syncookie' is no extra of tcp; did you mean 'Syncookies'?",
        ),
        ("metrics: {probes: [{name: tcp, args: {extra: [[all]]}}]}", "metrics.probes: ['all'] is no extra of tcp"),
        ("metrics: {probes: [{name: tuned, args: {depth: x}}]}", f"{CANNOT} 'depth' of tuned cannot be 'x'"),
        ("metrics: {probes: [{name: tuned, args: {depth: true}}]}", f"{CANNOT} 'depth' of tuned cannot be True"),
        ("metrics: {probes: [{name: tuned, args: {depth: 1.5}}]}", f"{CANNOT} 'depth' of tuned cannot be 1.5"),
        ("metrics: {probes: [{name: tuned, args: {exact: 1}}]}", f"{CANNOT} 'exact' of tuned cannot be 1"),
        ("metrics: {probes: [{name: tuned, args: {depth: null}}]}", f"{CANNOT} 'depth' of tuned cannot be None"),
        (
            "metrics: {probes: [{name: tuned, args: {mode: fat}}]}",
            "metrics.probes: 'fat' is no mode of tuned; did you mean 'fast'?",
        ),
    ],
)
def test_what_is_wrong_is_named_with_the_file_the_key_and_the_nearest_right_one(
    refusal: Callable[..., str], content: str, said: str
) -> None:
    assert refusal(content) == said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- listen\n", "must be a mapping of settings, is a list"),
        ("listen", "must be a mapping of settings, is a str"),
        ("7", "must be a mapping of settings, is a int"),
        ("a: b\n  c: d\n", "line 2: mapping values are not allowed here"),
        ("listen: [\n", "line 2: expected the node content, but found '<stream end>'"),
        ("listen: '\n", "line 2: found unexpected end of stream"),
        ("\tlisten: x\n", "line 1: found character '\\t' that cannot start any token"),
        ("listen: *x\n", "line 1: found undefined alias 'x'"),
        ("listen: !!python/object:os.system x\n", None),
        ("a: 1\n---\nb: 2\n", "line 2: but found another document"),
        (b"\xff\xfe\x00listen", "not a text file (invalid start byte at byte 0)"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "special characters are not allowed"),
        (b"listen: \x00x", "special characters are not allowed"),
        ("node: 2024-13-41\n", "month must be in 1..12"),
        ("metrics: {interval: 0b_}\n", None),
        ("listen: a:1\nlisten: b:2\n", "line 2: key 'listen' is there twice"),
        ("metrics:\n  interval: 5\nmetrics:\n  naming: both\n", "line 3: key 'metrics' is there twice"),
        ("metrics:\n  interval: 5\n  interval: 6\n", "line 3: key 'interval' is there twice"),
        ("? [a, b]\n: 1\n", "line 1: a key must be a word"),
        ("? {a: b}\n: 1\n", "line 1: a key must be a word"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("x" * (2 << 20), "larger than 1048576 bytes; is it the configuration?"),
    ],
)
def test_what_is_no_configuration_is_refused_in_one_line(
    refusal: Callable[..., str], content: str | bytes, said: str | None
) -> None:
    assert said in (None, refusal(content))


def test_anchors_and_merge_keys_may_be_used(load: Callable[..., config.Config]) -> None:
    found = load("metrics:\n  <<: [&base {interval: 7, naming: both}, *base]\n  naming: kubeskoop\n  maxSeries: 5\n")
    assert (found.interval, found.max_series, found.namings) == (7.0, 5, (Naming.KUBESKOOP,))


BOMB = "\n".join(
    f"{name}: &{name} [{', '.join([of] * 9)}]"
    for name, of in zip("abcdefghi", ["x", *(f"*{each}" for each in "abcdefgh")], strict=True)
)
MERGE_BOMB = "b0: &b0 {" + ", ".join(f"k{number}: 1" for number in range(9)) + "}\n" + "\n".join(
    f"b{level}: &b{level} {{<<: [{', '.join([f'*b{level - 1}'] * 9)}]}}" for level in range(1, 10)
)  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB, "unknown key 'a'"),
        (BOMB.replace("\ni:", "\nlisten:"), "unknown key 'a'"),
        (f"metrics: {{maxSeries: [&z [{', '.join('x' * 9)}], *z, *z]}}", None),
        (MERGE_BOMB, "more than 10000 merged keys"),
    ],
    ids=["lists", "lists as a value", "small", "merges"],
)
def test_aliases_cannot_make_a_small_file_large(refusal: Callable[..., str], content: str, said: str | None) -> None:
    tracemalloc.start()
    text = refusal(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (said or "") in text
    assert (len(text) < 1000, peak < 64 << 20) == (True, True)


def test_a_value_made_of_aliases_is_shown_shortened(refusal: Callable[..., str]) -> None:
    nested = "[x, x, x, x, x, x, x, x, x]"
    for name in "abcdefg":
        nested = f"[&{name} {nested}, {', '.join([f'*{name}'] * 8)}]"
    assert len(refusal(f"node: {nested}")) < 500


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "none.yaml", "No such file or directory")):
        with pytest.raises(UsageError) as raised:
            config.load(REGISTRY, str(path))
        assert str(raised.value) == f"{path}: {why}"
    with pytest.raises(UsageError):
        config.load(REGISTRY, "")
    with pytest.raises(UsageError, match=r"^/dev/zero: larger than"):
        config.load(REGISTRY, "/dev/zero")


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
    assert str(raised.value) == f"--listen {complaint}"
    with pytest.raises(UsageError) as raised:
        load(yaml.safe_dump({"listen": text}))
    assert str(raised.value) == f"{tmp_path}/config.yaml: listen {complaint}"


def test_the_command_line_overrides_the_file(load: Callable[..., config.Config]) -> None:
    found = load("listen: 127.0.0.1:1\n", listen="127.0.0.1:2")
    assert (found.host, found.port) == ("127.0.0.1", 2)


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


@pytest.mark.parametrize(
    ("file", "variable", "node"),
    [
        ("node: from-file\n", "from-variable", "from-file"),
        ("", "from-variable", "from-variable"),
        ("node: ''\n", "from-variable", "from-variable"),
        ("", "", socket.gethostname()),
        ("", b"caf\xe9".decode("utf-8", "surrogateescape"), "caf?"),
        ('node: "\\ud800"\n', "", "?"),
    ],
)
def test_the_node_name_is_the_file_s_else_the_variable_s_else_the_machine_s(
    load: Callable[..., config.Config], monkeypatch: pytest.MonkeyPatch, file: str, variable: str, node: str
) -> None:
    monkeypatch.setenv("INSPECTOR_NODENAME", variable)
    assert load(file).node == node


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


def test_every_default_satisfies_its_own_declaration() -> None:
    for setting in SETTINGS:
        assert config._value(setting, setting.default, "") == setting.default
        assert setting.help.endswith(".")
