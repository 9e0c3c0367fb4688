"""What is wrong with values and entries is named with its place, all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


ENTRY = "metrics.probes: an entry is a name, or `name` with `args`, not"
CANNOT = "metrics.probes: option"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("listen: 9102", "1:9: listen must be a text, is 9102"),
        ("listen: [a]", "1:9: listen must be a text, is ['a']"),
        ("node: 7", "1:7: node must be a text, is 7"),
        ("node: 2024-01-01", "1:7: node must be a text, is datetime.date(2024, 1, 1)"),
        ("node: null", "1:7: node must be a text, is None"),
        ("logLevel: verbose", "1:11: logLevel must be one of debug, info, warning, error"),
        ("logLevel: warn", "1:11: logLevel must be one of debug, info, warning, error; did you mean 'warning'?"),
        ("logLevel: true", "1:11: logLevel must be a text, is True"),
        ("metrics: {interval: 0}", "1:21: metrics.interval must be from 0.1 to 3600, is 0"),
        ("metrics: {interval: -1}", "1:21: metrics.interval must be from 0.1 to 3600, is -1"),
        ("metrics: {interval: .inf}", "1:21: metrics.interval must be from 0.1 to 3600, is inf"),
        ("metrics: {interval: .nan}", "1:21: metrics.interval must be from 0.1 to 3600, is nan"),
        ("metrics: {interval: 99999999999}", "1:21: metrics.interval must be from 0.1 to 3600, is 99999999999"),
        ("metrics: {interval: true}", "1:21: metrics.interval must be a number, is True"),
        ("metrics: {interval: 5s}", "1:21: metrics.interval must be a number, is '5s'"),
        ("metrics: {timestamps: 1}", "1:23: metrics.timestamps must be true or false, is 1"),
        ("metrics: {timestamps: 'no'}", "1:23: metrics.timestamps must be true or false, is 'no'"),
        (
            "metrics: {naming: kubeskop}",
            "1:19: metrics.naming must be one of kubeskoop, inspector, both; did you mean 'kubeskoop'?",
        ),
        ("metrics: {maxSeries: 0}", "1:22: metrics.maxSeries must be from 1 to 1000000000, is 0"),
        ("metrics: {maxSeries: 1.5}", "1:22: metrics.maxSeries must be a whole number, is 1.5"),
        ("metrics: {maxSeries: true}", "1:22: metrics.maxSeries must be a whole number, is True"),
        (
            "metrics: {maxSeries: 0x" + "f" * 5000 + "}",
            "1:22: metrics.maxSeries must be from 1 to 1000000000, is a number of 20000 bits",
        ),
        ("metrics: {probes: tcp}", "1:19: metrics.probes must be a list, is 'tcp'"),
        ("metrics: {probes: {tcp: {}}}", "1:19: metrics.probes must be a list, is {'tcp': {}}"),
        ("metrics: [interval]", "1:10: metrics must be a mapping"),
        ("metrics: 5", "1:10: metrics must be a mapping"),
        ("loglevel: info", "1:1: unknown key 'loglevel'; did you mean 'logLevel'?"),
        ("metrics: {intervall: 5}", "1:11: unknown key 'metrics.intervall'; did you mean 'metrics.interval'?"),
        ("interval: 5", "1:1: unknown key 'interval'; did you mean 'metrics.interval'?"),
        ("zzz: 5", "1:1: unknown key 'zzz'"),
        ("1: 5", "1:1: unknown key '1'"),
        ("null: 5", "1:1: unknown key 'None'"),
        ("metrics: {probes: [tpc]}", "1:20: metrics.probes: unknown probe 'tpc'; did you mean 'tcp'?"),
        ("metrics: {probes: [tcp, tcp]}", "1:25: metrics.probes: 'tcp' is there twice"),
        ("metrics: {probes: [tcp, {name: tcp}]}", "1:32: metrics.probes: 'tcp' is there twice"),
        ("metrics: {probes: [5]}", "1:20: metrics.probes: an entry is a name, or `name` with `args`, not 5"),
        ("metrics: {probes: [null]}", "1:20: metrics.probes: an entry is a name, or `name` with `args`, not None"),
        (
            "metrics: {probes: [{args: {}}]}",
            "1:20: metrics.probes: an entry is a name, or `name` with `args`, not {'args': {}}",
        ),
        (
            "metrics: {probes: [{name: tcp, arg: {}}]}",
            "1:20: metrics.probes: an entry is a name, or `name` with `args`, not {'arg': {}, 'name': 'tcp'}",
        ),
        ("metrics: {probes: [{name: tcp, args: [all]}]}", "1:38: metrics.probes: args of 'tcp' must be a mapping"),
        ("metrics: {probes: [{name: tcp, args: []}]}", "1:38: metrics.probes: args of 'tcp' must be a mapping"),
        ("metrics: {probes: [{name: tcp, args: 0}]}", "1:38: metrics.probes: args of 'tcp' must be a mapping"),
        (
            "metrics: {probes: [{name: tcp, args: {extr: []}}]}",
            "1:39: metrics.probes: tcp has no option 'extr'; did you mean 'extra'?",
        ),
        (
            "metrics: {probes: [{name: tuned, args: {depth: 0}}]}",
            "1:48: metrics.probes: depth of tuned must be from 1 to 10000000, is 0",
        ),
        (
            "metrics: {probes: [{name: tuned, args: {share: 1.5}}]}",
            "1:48: metrics.probes: share of tuned must be from 0 to 1, is 1.5",
        ),
        ("metrics: {probes: [{name: softnet, args: {a: 1}}]}", "1:43: metrics.probes: softnet has no option 'a'"),
        (
            "metrics: {probes: [{name: tcp, args: {extra: all}}]}",
            "1:46: metrics.probes: option 'extra' of tcp cannot be 'all'",
        ),
        (
            "metrics: {probes: [{name: tcp, args: {extra: [Syncookie]}}]}",
            "1:46: metrics.probes: 'Syncookie' is no extra of tcp; did you mean 'Syncookies'?",
        ),
        (
            "metrics: {probes: [{name: tcp, args: {extra: [[all]]}}]}",
            "1:46: metrics.probes: ['all'] is no extra of tcp",
        ),
        (
            "metrics: {probes: [{name: tuned, args: {depth: x}}]}",
            "1:48: metrics.probes: option 'depth' of tuned cannot be 'x'",
        ),
        (
            "metrics: {probes: [{name: tuned, args: {depth: true}}]}",
            "1:48: metrics.probes: option 'depth' of tuned cannot be True",
        ),
        (
            "metrics: {probes: [{name: tuned, args: {depth: 1.5}}]}",
            "1:48: metrics.probes: option 'depth' of tuned cannot be 1.5",
        ),
        (
            "metrics: {probes: [{name: tuned, args: {exact: 1}}]}",
            "1:48: metrics.probes: option 'exact' of tuned cannot be 1",
        ),
        (
            "metrics: {probes: [{name: tuned, args: {depth: null}}]}",
            "1:48: metrics.probes: option 'depth' of tuned cannot be None",
        ),
        (
            "metrics: {probes: [{name: tuned, args: {mode: fat}}]}",
            "1:47: metrics.probes: 'fat' is no mode of tuned; did you mean 'fast'?",
        ),
    ],
)
def test_what_is_wrong_is_named_with_the_file_the_key_and_the_nearest_right_one(
    refusal: Callable[..., str], content: str, said: str
) -> None:
    assert refusal(content) == said
