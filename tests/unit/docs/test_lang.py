from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

import alerts
import generate
from docs import lang, website
from docs.lang import Catalogue

if TYPE_CHECKING:
    from pathlib import Path

CHINESE = lang.load("zh")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bundle in each language."""
    out = tmp_path_factory.mktemp("bundles")
    for language in lang.languages():
        assert generate.main(["--out", str(out / language), "--lang", language]) == 0
    return {language: out / language for language in lang.languages()}


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_text_of_a_catalogue_is_stale(bundles: dict[str, Path]) -> None:
    for language in lang.languages()[1:]:
        catalogue = lang.load(language)
        lang.translated(files(bundles[lang.ENGLISH]), catalogue)
        texts = yaml.safe_load((generate.BUNDLE.parent / "docs" / "lang" / f"{language}.yml").read_text("utf-8"))
        assert set(texts) - catalogue.used == set()


def test_dashboards_differ_in_their_texts_alone(bundles: dict[str, Path]) -> None:
    def without_texts(tree: object) -> object:
        if isinstance(tree, list):
            return [without_texts(each) for each in tree]
        if isinstance(tree, dict):
            texts = {"title", "label", "description"}
            return {
                key: without_texts(each) for key, each in tree.items() if not (key in texts and isinstance(each, str))
            }
        return tree

    for path in sorted((bundles["zh"] / "dashboards").rglob("*.json")):
        twin = bundles["en"] / path.relative_to(bundles["zh"])
        chinese, english = json.loads(path.read_text("utf-8")), json.loads(twin.read_text("utf-8"))
        assert without_texts(chinese) == without_texts(english), path
    board = json.loads((bundles["zh"] / "dashboards" / "dns-timeouts.json").read_text("utf-8"))
    assert board["title"] == "net-exporter / DNS 解析超时"


def test_rules_have_the_summaries_of_the_catalogue(bundles: dict[str, Path]) -> None:
    found = {
        rule["alert"]: rule["annotations"]["summary"]
        for file in (bundles["zh"] / "alerts" / "rules").glob("*.yml")
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert found == {rule.name: CHINESE.text(rule.summary) for rule in alerts.rules()}


def test_promtool_finds_the_chinese_rules_to_do_the_same(bundles: dict[str, Path]) -> None:
    tests = sorted((bundles["zh"] / "alerts" / "tests").glob("*.yml"))
    ran = subprocess.run(["promtool", "test", "rules", *tests], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_link_of_the_chinese_site_leads_somewhere(bundles: dict[str, Path]) -> None:
    home = website.build(files(bundles["zh"]), "zh")["bundle/docs/guides/dns-timeouts.html"].decode()
    assert '<html lang="zh"' in home
    assert "DNS 解析超时" in home


def test_an_unknown_language_is_one_line_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ([], ["site"]):
        assert generate.main([*command, "--lang", "tlh"]) == 2
        assert capsys.readouterr().err == "generate.py: unknown language 'tlh'; there are en, zh\n"


def test_parts_of_a_text_are_looked_up_by_themselves_and_names_stay() -> None:
    catalogue = Catalogue({"{}: nodes": "{}的节点", "Pings": "探测", "never asked for": "x"})
    assert catalogue.text("Pings: nodes") == "探测的节点"
    assert catalogue.text("tcpext: nodes") == "tcpext的节点"
    assert catalogue.text("Unknown text.") == "Unknown text."
    assert catalogue.missing == {"Unknown text."}
    assert catalogue.used == {"{}: nodes", "Pings"}


def test_code_and_linked_headings_stay_as_they_are() -> None:
    catalogue = Catalogue({"Sinks": "输出端", "Labels": "标签"})
    text = "[there](#sinks)\n\n## Sinks\n\n## Labels\n\n```sh\n# Labels\n```\n"
    found = lang.translated({"docs/x.md": text.encode()}, catalogue)["docs/x.md"]
    assert found.decode() == text.replace("## Labels", "## 标签")
