"""The site as it is read: built, then every link and every anchor of its pages followed."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote, urlsplit

import pytest

import alerts
from docs import website
from exporter import registry
from exporter.errors import DeclarationError
from exporter.model.metric import Naming
from exporter.model.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[3]
KNOWN = registry.load()


class Page(HTMLParser):
    """Where a page leads, what it loads, and where it can be entered."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.anchors |= {said[name] for name in ("id", "name") if name in said}
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        elif tag in ("link", "script", "img", "iframe"):
            self.loads += [said[name] for name in ("href", "src") if name in said]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as a user builds it."""
    out = tmp_path_factory.mktemp("site") / "out"
    command = [sys.executable, "generate.py", "site", "--out", str(out)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {file.relative_to(site).as_posix(): Page(file.read_text("utf-8")) for file in site.rglob("*.html")}


def test_every_link_and_anchor_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    lost = []
    followed = 0
    for path, page in pages.items():
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            followed += 1
            target = normpath(join(dirname(path), unquote(parts.path))) if parts.path else path
            if not (site / target).exists() or (
                parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors
            ):
                lost.append((path, link))
    assert lost == []
    assert followed > len(list(KNOWN.metrics()))


def test_nothing_is_loaded_from_elsewhere(pages: dict[str, Page]) -> None:
    assert {load for page in pages.values() for load in page.loads if urlsplit(load).netloc} == set()


def test_every_metric_alert_event_option_and_setting_is_there(site: Path, pages: dict[str, Page]) -> None:
    reference = "bundle/docs"
    for metric in KNOWN.metrics():
        assert metric.name_in(Naming.KUBESKOOP).lower() in pages[f"{reference}/metrics/{metric.probe}.html"].anchors
    for rule in alerts.rules():
        assert {"meaning", "mitigation"} <= pages[f"{reference}/runbooks/{rule.name}.html"].anchors
    probes = (site / reference / "probes.html").read_text("utf-8")
    for option in [option for spec in KNOWN.probes for option in spec.options]:
        assert f"<code>{option.name}</code>" in probes
    events = (site / reference / "events.html").read_text("utf-8")
    for event in KNOWN.events():
        assert f"<code>{event.name}</code>" in events
    settings = (site / reference / "configuration.html").read_text("utf-8")
    for setting in SETTINGS:
        assert f"<code>{setting.key}</code>" in settings


def test_a_newcomer_finds_the_way_from_the_home_page(pages: dict[str, Page]) -> None:
    for page in ("docs/first-look.html", "bundle/docs/guides/index.html", "bundle/docs/metrics.html"):
        assert page in pages["index.html"].links


def test_a_second_build_changes_nothing(site: Path) -> None:
    command = [sys.executable, "generate.py", "site", "--out", str(site), "--check"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("link", ["nowhere.md", "metrics.md#nothing"])
def test_a_link_that_leads_nowhere_stops_the_build_and_is_named(link: str) -> None:
    made = {path.relative_to(ROOT / "bundle").as_posix(): path.read_bytes() for path in (ROOT / "bundle").rglob("*.*")}
    made["docs/alerts.md"] += f"\n[lost]({link})\n".encode()
    with pytest.raises(DeclarationError, match=rf"alerts\.md.*{link}.*mend the page"):
        website.build(made, "en")


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear diary")
    command = [sys.executable, "generate.py", "site", "--out", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "is neither empty nor a bundle" in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]
