"""What the site needs beyond mkdocs: pages of the project's root, folders in the navigation, tables made from the package.

- ARCHITECTURE.md, CHANGELOG.md, SECURITY.md and CONTRIBUTING.md are pages, too. Their links, and links to them, lead to where
  they are on the site; a link to a file of the repository that is no page becomes the file's name.
- `folder/*` in the navigation stands for the pages of a folder, in the order of their names. One without pages is left out.
- `reference/options.md` is made of the parameters of the handler, and says how each is written in every place.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.utils import get_relative_url

sys.path.insert(0, str(Path(__file__).parent))

from options import options_page

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
}
SHIM = "https://unpkg.com/iframe-worker/shim"  # the theme's
ELSEWHERE = {"README.md": "index.md"}
PLACES = {"README.md#options": "reference/options.md"}  # of files that are not pages as they are
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


@event_priority(100)
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Before any plugin looks at the files: the site is built from a folder of its own, which has everything in its place."""
    staged = Path(tempfile.mkdtemp(prefix="mpfhandler-docs-"))
    atexit.register(shutil.rmtree, staged, ignore_errors=True)
    _stage(ROOT / "docs", staged)
    config.docs_dir = str(staged)
    config.nav = _expanded(config.nav, lambda folder: _pages_of(staged, folder))
    return config


@event_priority(-100)
def on_post_page(output: str, page: Any, **_: Any) -> str:
    """What lets the search run in a page that is opened as a file comes with the site."""
    return output.replace(SHIM, get_relative_url("assets/worker.js", page.url))


@event_priority(-100)
def on_post_template(output: str, **_: Any) -> str:
    """The same for 404.html, which belongs into the root of a host."""
    return output.replace(SHIM, "/assets/worker.js")


def _stage(docs: Path, staged: Path) -> None:
    shutil.copytree(docs, staged, dirs_exist_ok=True)
    for path in staged.rglob("*.md"):
        page = path.relative_to(staged).as_posix()
        path.write_text(_moved(path.read_text(encoding="utf-8"), f"docs/{page}", page), encoding="utf-8")
    for name, page in PAGES.items():
        (staged / page).write_text(_moved((ROOT / name).read_text(encoding="utf-8"), name, page), encoding="utf-8")
    (staged / "reference" / "options.md").write_text(options_page(), encoding="utf-8")


def _expanded(nav: Any, pages_of: Callable[[str], list[str]]) -> Any:
    if isinstance(nav, list):
        found = []
        for entry in nav:
            if isinstance(entry, str) and entry.endswith("/*"):
                found += pages_of(entry.removesuffix("/*"))
            else:
                found.append(_expanded(entry, pages_of))
        return [entry for entry in found if entry]
    if isinstance(nav, Mapping):
        named = {
            name: pages_of(to[:-2]) if isinstance(to, str) and to.endswith("/*") else _expanded(to, pages_of)
            for name, to in nav.items()
        }
        return {name: to for name, to in named.items() if to}
    return nav


def _pages_of(docs: Path, folder: str) -> list[str]:
    """Its pages, but for translations, which stand beside them; one named index first."""
    found = [
        path.relative_to(docs).as_posix()
        for path in (docs / folder).rglob("*.md")
        if not re.search(r"\.[a-z]{2}\.md$", path.name)
    ]
    return sorted(found, key=lambda name: (not name.endswith("/index.md"), name))


def _moved(markdown: str, source: str, page: str) -> str:
    """The text of a file of the repository as that of a page of the site."""

    def new(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        path = os.path.normpath(os.path.join(os.path.dirname(source), target))
        place = PLACES.get(path + anchor)
        name, anchor = (place, "") if place else (PAGES.get(path) or ELSEWHERE.get(path), anchor)
        if name is None and path.startswith("docs/") and path.endswith((".md", ".svg", ".png")):
            name = path.removeprefix("docs/")
        if name is not None:
            return f"[{text}]({os.path.relpath(name, os.path.dirname(page) or '.')}{anchor})"
        if not (ROOT / path).exists():
            return found[0]  # mkdocs tells
        return f"`{path}`" if text.strip("`") in {path, target} else f"{text} (`{path}`)"

    return LINK.sub(new, markdown)
