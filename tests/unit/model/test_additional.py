"""Labels that users add."""

from __future__ import annotations

import pytest

from exporter.errors import UsageError
from exporter.model import additional
from exporter.model.additional import AdditionalLabels


def test_templates_take_labels_and_the_address_and_keep_all_else() -> None:
    labels = additional.parse(["app=${labels:app.kubernetes.io/name}", "where=${ip}:${labels:port}", "c=prod"], ())
    assert labels.names == ("app", "where", "c")
    assert labels.values({"app.kubernetes.io/name": "web", "port": "80"}, "10.0.0.1") == ("web", "10.0.0.1:80", "prod")
    assert labels.values({"app.kubernetes.io/name": "${ip}"}, "10.0.0.1")[0] == "${ip}"  # values are no templates
    assert labels.nobodys == ("", ":", "prod")


def test_verbose_mode_adds_two_whose_names_are_taken_then() -> None:
    labels = additional.parse(["team=${labels:team}"], (), verbose=True)
    assert labels == AdditionalLabels(("ip", "app", "team"), ("${ip}", "${labels:app}", "${labels:team}"))
    with pytest.raises(UsageError, match=r"'app=x': metrics.verbose adds a label app already; choose another name"):
        additional.parse(["app=x"], (), verbose=True)


def test_without_entries_there_are_none() -> None:
    assert additional.parse([], ()) == AdditionalLabels()
    assert AdditionalLabels().nobodys == ()


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (["app"], "'app' must be NAME=TEMPLATE"),
        ([7], "7 must be NAME=TEMPLATE"),
        ([{"app": "x"}], "must be NAME=TEMPLATE"),
        (["=x"], "'' is no label name"),
        (["__app=x"], "'__app' is no label name"),
        (["a-b=x"], "'a-b' is no label name"),
        (["a=x", "a=y"], "label a is there twice"),
        (["k8s_pod=x"], "series have a label k8s_pod already"),
        (["a=${label:x}"], "${label:x} is unknown; there are ${labels:KEY} and ${ip}"),
        (["a=${labels:}"], "${labels:} is unknown"),
        (["a=${labels:x"], "a ${ is not closed"),
        (["a=\ud800"], "half of a surrogate pair is no text"),
        ([f"a{index}=x" for index in range(31)], "31 labels; at most 30"),
    ],
)
def test_an_entry_that_is_wrong_is_named(entries: list[object], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        additional.parse(entries, {"k8s_pod"})
    assert str(raised.value).startswith("metrics.additionalLabels: ")
    assert words in str(raised.value)
