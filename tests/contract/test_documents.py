"""What the documents say holds: links lead somewhere, the example configuration loads, commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter import __main__ as command_line
from exporter import config, registry
from exporter.cli import inspector

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "bundle" / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text("utf-8")


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{target} does not exist"
        assert not anchor or anchor in _anchors(found), f"{target} has no such heading"


def test_the_example_configuration_loads(tmp_path: Path) -> None:
    text = (ROOT / "bundle" / "docs" / "configuration.md").read_text("utf-8")
    example = tmp_path / "config.yml"
    example.write_text(text.split("```yaml\n")[1].split("```")[0])
    loaded = config.load(registry.load(), str(example))
    assert len(loaded.probes) == 2
    assert any(loaded.options[spec.name] for spec in loaded.probes)


def test_the_readme_names_every_command_and_no_other() -> None:
    named = set(re.findall(r"^\| `net-exporter (\w+)", README, re.MULTILINE))
    assert named == set(command_line.COMMANDS)
    assert "list" in inspector.COMMANDS
    assert "`inspector list" in README


def test_every_make_target_of_the_documents_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES[:3]:
        for target in re.findall(r"(?:^    |`)make (\w+)", page.read_text("utf-8"), re.MULTILINE):
            assert target in targets, f"{page.name}: make {target}"
