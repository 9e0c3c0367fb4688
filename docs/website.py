"""The documents as a static site, by MkDocs: every link and anchor checked, nothing loaded from elsewhere.

Pages keep the places that they have in the repository, so that the same links work there and here.
"""

from __future__ import annotations

import logging
import re
import tempfile
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import TYPE_CHECKING, Any

from mkdocs.commands.build import build as build_site
from mkdocs.config import load_config
from mkdocs.exceptions import MkDocsException
from pymdownx.slugs import slugify

from docs.guides import GUIDES
from docs.guides import path as guide_path
from exporter.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).resolve().parents[1]
HOME = "README.md"
MADE = "bundle/"  # where the generated files are in the repository

_START = ("docs/first-look.md", "docs/kubernetes.md")
_DEVELOP = ("docs/architecture.md", "docs/contributing.md", "CHANGELOG.md")
_GUIDES = ("guides/README.md", *map(guide_path, GUIDES))
_REFERENCE = (
    *("metrics", "probes", "events", "dashboards", "alerts", "thresholds", "configuration", "kernels"),
    *("costs", "migration"),
)
_FOLDERS = ("metrics", "runbooks")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_IN_CODE = re.compile(r"`[^`\n]+`")
_STYLE = {"assets/wide.css": b".md-grid { max-width: 96rem; }\n"}  # tables need room
# With addresses of the site, or of the top of its server, neither of which is known.
_LEFT_OUT = ("404.html", "sitemap.xml", "sitemap.xml.gz")


def build(made: Mapping[str, bytes], language: str) -> dict[str, bytes]:
    """Files of the site by path, from the files of the bundle. Raises DeclarationError when a link leads nowhere."""
    files = contents(made)
    with tempfile.TemporaryDirectory(prefix="net-exporter-site-") as folder:
        place = Path(folder)
        for path, content in (files | _STYLE).items():
            file = place / "pages" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        _run(place, settings(files, language))
        out = place / "site"
        found = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return {path: content for path, content in sorted(found.items()) if path not in _LEFT_OUT}


def contents(made: Mapping[str, bytes]) -> dict[str, bytes]:
    """Every page, and each file that one links to, by its path in the repository."""
    generated = {MADE + path: content for path, content in made.items()}
    written = [HOME, "CHANGELOG.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
    pages = {path: (ROOT / path).read_bytes() for path in written}
    pages |= {path: content for path, content in generated.items() if path.endswith(".md")}
    linked = {
        target
        for path, content in pages.items()
        for link in _LINK.findall(content.decode())
        if (target := normpath(str(PurePosixPath(path).parent / link))) not in pages
    }
    others = {path: (ROOT / path).read_bytes() for path in linked - set(generated) if (ROOT / path).is_file()}
    pages = {path: _IN_CODE.sub(_plain_bars, content.decode()).encode() for path, content in pages.items()}
    return {**pages, **{path: generated[path] for path in linked & set(generated)}, **others}


def settings(files: Mapping[str, bytes], language: str) -> dict[str, Any]:
    """What mkdocs.yml would say."""
    return {
        "site_name": "net-exporter",
        "docs_dir": "pages",
        "site_dir": "site",
        "use_directory_urls": False,  # readable without a server, too
        "theme": {
            "name": "material",
            "language": language,
            "font": False,  # those of the reader, not of a server elsewhere
            "features": ["navigation.tabs", "navigation.top", "content.code.copy", "search.highlight", "toc.follow"],
            "palette": [
                {"media": "(prefers-color-scheme: light)", "scheme": "default"},
                {"media": "(prefers-color-scheme: dark)", "scheme": "slate"},
            ],
        },
        "plugins": ["search"],
        "markdown_extensions": [
            "tables",
            "sane_lists",
            "pymdownx.superfences",
            "pymdownx.highlight",
            # Anchors as GitHub makes them, since the pages are read there, too.
            {"toc": {"permalink": True, "slugify": slugify(case="lower")}},
        ],
        "validation": {
            "nav": {"omitted_files": "warn", "not_found": "warn", "absolute_links": "warn"},
            "links": {"not_found": "warn", "absolute_links": "warn", "unrecognized_links": "warn", "anchors": "warn"},
        },
        "extra_css": list(_STYLE),
        "nav": navigation({path: _title(content) for path, content in sorted(files.items()) if path.endswith(".md")}),
    }


def navigation(titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Every page once, in the order in which somebody new asks for them; `titles` by path."""
    reference = [path for name in _REFERENCE if (path := f"{MADE}docs/{name}.md") in titles]
    guides = [f"{MADE}docs/{path}" for path in _GUIDES]
    metrics, runbooks = ([path for path in titles if path.startswith(f"{MADE}docs/{name}/")] for name in _FOLDERS)
    known = {HOME, *_START, *_DEVELOP, *guides, *reference, *metrics, *runbooks}

    def titled(paths: Iterable[str]) -> list[dict[str, Any]]:
        return [{titles[path]: path} for path in paths]

    return [
        {"Home": HOME},
        {"Start": titled(_START)},
        {"Troubleshooting": titled(guides)},
        {"Operate": titled(path for path in titles if path not in known)},
        {"Reference": [*titled(reference), {"Metrics by probe": titled(metrics)}, {"Runbooks": titled(runbooks)}]},
        {"Develop": titled(_DEVELOP)},
    ]


def _title(content: bytes) -> str:
    found = _TITLE.search(content.decode())
    return found[1] if found else ""


def _plain_bars(code: re.Match[str]) -> str:
    """GitHub wants a bar within a table escaped in code, too, and MkDocs shows the escape."""
    return code[0].replace("\\|", "|")


def _run(place: Path, said: Mapping[str, Any]) -> None:
    """Raises DeclarationError with the first of what MkDocs warns of."""
    file = place / "mkdocs.yml"
    file.write_text("")
    warnings = _Warnings()
    log = logging.getLogger("mkdocs")
    before = log.propagate
    log.addHandler(warnings)
    log.propagate = False
    try:
        build_site(load_config(str(file), strict=True, **said))
    except MkDocsException as error:
        texts = warnings.texts or [str(error)]
        more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
        raise DeclarationError(f"the site is not built: {texts[0]}{more}; mend the page") from error
    finally:
        log.removeHandler(warnings)
        log.propagate = before


class _Warnings(logging.Handler):
    """Keeps what is said at level warning or above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
