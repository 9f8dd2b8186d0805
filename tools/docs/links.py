"""Looks for what does not work in the built site: links that lead nowhere, and whatever a browser would fetch from another host.

    python tools/docs/links.py site

Prints each finding and their number; ends with 1 if there is one.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {
    ("script", "src"),
    ("link", "href"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("object", "data"),
    ("use", "href"),
}
NOT_FETCHED = {"canonical", "alternate", "prev", "next"}  # relations of <link>
IN_STYLES = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])(https?:|//)")


class Page(HTMLParser):
    """What one page links to, fetches, and can be linked to by."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag with all its attributes."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        for name, value in given.items():
            if (tag, name) in FETCHED and not (tag == "link" and given.get("rel") in NOT_FETCHED):
                self.fetched.append(value)
            elif (tag, name) == ("a", "href"):
                self.links.append(value)


def problems(site: Path) -> list[str]:
    """All findings."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        found += [f"{name}: fetches {url}" for url in page.fetched if urlsplit(url).netloc]
        found += [
            f"{name}: {url}: {why}" for url in (*page.links, *page.fetched) if (why := _problem(path, url, pages, site.resolve()))
        ]
    for path in (*site.rglob("*.css"), *site.rglob("*.svg")):
        text = path.read_text(encoding="utf-8")
        found += [f"{path.relative_to(site)}: fetches from another host" for _ in IN_STYLES.finditer(text)]
    return found


def _problem(page: Path, url: str, pages: dict[Path, Page], site: Path) -> str | None:
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return None
    if parts.path.startswith("/"):
        return "is absolute, so it works on one host only" if page.name != "404.html" else None
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return "there is no such file"
    if not target.is_relative_to(site):
        return "leads out of the site"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return "there is no such place on that page"
    return None


def main() -> int:
    """The command."""
    site = Path(sys.argv[1])
    count = len(list(site.rglob("*.html")))
    found = problems(site)
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{count} pages, {len(found)} problem{'' if len(found) == 1 else 's'}")
    return 1 if found or not count else 0


if __name__ == "__main__":
    sys.exit(main())
