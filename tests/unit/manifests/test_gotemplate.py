"""The double of Helm's renderer, by what Go's documentation of templates says."""

from __future__ import annotations

import pytest

from tests.unit.manifests.gotemplate import Files, render

CONTEXT = {
    "Values": {
        "on": True,
        "off": False,
        "word": 'a "b"',
        "number": 7,
        "list": ["x", "y"],
        "none": [],
        "map": {"k": "v"},
    },
    "Files": Files({"f/a.json": b"{}\n", "f/b.json": b"[]\n", "g": b"raw {{ .x }}"}),
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a {{ .Values.number }} b", "a 7 b"),
        ("a \n {{- .Values.number -}} \n b", "a7b"),
        ("a {{- /* words */ -}} b", "ab"),
        ("{{ .Values.word | quote }}", '"a \\"b\\""'),
        ("{{ if .Values.on }}1{{ else }}2{{ end }}{{ if .Values.off }}3{{ end }}", "1"),
        ("{{ if .Values.none }}1{{ else }}2{{ end }}", "2"),
        ("k: {{- toYaml .Values.list | nindent 2 }}", "k:\n  - x\n  - y"),
        ("k: {{- toYaml .Values.none | nindent 2 }}", "k:\n  []"),
        ('{{ toYaml (concat (list "a" "b") .Values.list) }}', "- a\n- b\n- x\n- y"),
        ('{{ toYaml (merge (dict "k" "mine" "l" "w") .Values.map) }}', "k: mine\nl: w"),
        ('{{ default "d" .Values.off }}{{ .Values.number | default 3 }}', "d7"),
        ('{{ range $p, $c := .Files.Glob "f/*.json" }}{{ base $p | trimSuffix ".json" }} {{ end }}', "a b "),
        ('{{ range $p, $c := .Files.Glob "f/*" }}{{ $.Files.Get $p | trim }};{{ end }}', "{};[];"),
        ('{{ .Files.Get "g" }}', "raw {{ .x }}"),
        ("{{ $p := .Values.number }}{{ $p }}", "7"),
    ],
)
def test_it_renders(template: str, expected: str) -> None:
    assert render(template, CONTEXT) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ .Values.typo }}",
        "{{ if .Values.on }}1",
        "1{{ end }}",
        "{{ unknown .Values.on }}",
        "{{ .Values.list }}",
        "{{ .Values.on ? }}",
        '{{ .Files.Get "typo" }}',
    ],
)
def test_it_refuses(template: str) -> None:
    with pytest.raises((AssertionError, KeyError, SyntaxError, TypeError)):
        render(template, CONTEXT)
