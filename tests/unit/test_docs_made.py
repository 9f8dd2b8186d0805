"""What is made for the documentation: the page of options, the drawings, the pictures of commands; and the look at links."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import mpfhandler

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "docs" / "assets"


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts can be imported."""
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "docs"))


def tool(name: str) -> ModuleType:
    """A module of tools/docs."""
    return importlib.import_module(name)


def test_the_page_of_options_has_them_all() -> None:
    """Each parameter is a heading, and has words."""
    page = tool("options").options_page()
    for name in ("filename", "escape", "rotate_idle"):
        assert re.search(rf"^## {name}\n\n[A-Z\"`].{{10,}}", page, re.MULTILINE), name


def test_the_page_of_the_api_has_all_that_is_public() -> None:
    """Each name that the package offers, but for its version."""
    named = re.findall(
        r"^::: mpfhandler\.(\w+)$", (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted([*named, "__version__"]) == sorted(mpfhandler.__all__)


def test_a_link_to_a_place_of_the_readme_has_a_page() -> None:
    """README.md is none of the site's pages, so mkdocs stops at a link to a heading of it, unless the page is known that has the
    same."""
    pages = [path for path in (ROOT / "docs").rglob("*.md") if "benchmarks" not in path.parts]
    linked = {anchor for path in pages for anchor in re.findall(r"README\.md(#[^)]+)\)", path.read_text(encoding="utf-8"))}
    hooks = (ROOT / "tools" / "docs" / "hooks.py").read_text(encoding="utf-8")
    assert linked
    assert [anchor for anchor in linked if f'"README.md{anchor}": ' not in hooks] == []


def test_the_drawings_are_made() -> None:
    """Each SVG is what the script draws now."""
    drawings = tool("drawings")
    for name, drawing in drawings.DRAWINGS.items():
        assert (ASSETS / f"{name}.svg").read_text(encoding="utf-8") == drawings.drawn(drawing), name


def test_the_drawings_are_true_to_the_architecture() -> None:
    """Their steps have the numbers and the names that ARCHITECTURE.md has, and none of the rotation's is missing."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    boxes = [box.text for drawing in tool("drawings").DRAWINGS.values() for box in drawing.boxes.values()]
    steps = [found for box in boxes for found in re.findall(r"\b([RS]\d \w+)", box)]
    assert {step[:2] for step in steps if step[0] == "R"} >= {f"R{number}" for number in range(8)}
    of_rotation = [step for step in steps if step.startswith("R")]
    assert [step for step in of_rotation if step not in text] == []


@pytest.mark.skipif(sys.platform == "win32", reason="the pictures are made with a pseudo-terminal")
def test_the_pictures_are_of_this_command_line() -> None:
    """Each shows the command that the script runs; nothing in it comes from another host."""
    pytest.importorskip("rich")
    for name, (command, _, _) in tool("screens").SCREENS.items():
        svg = (ASSETS / f"{name}.svg").read_text(encoding="utf-8")
        first = re.sub(r"<[^>]+>", "", svg.partition("screen-matrix")[2]).replace("&#160;", " ")
        assert " ".join(f"$ {command}".split()) in " ".join(first.split()), name
        assert "url(http" not in svg
        assert "@font-face" not in svg


def test_links_are_looked_at(tmp_path: Path) -> None:
    """The look at the site's links finds a missing file, a missing place, and what is fetched from elsewhere."""
    links = tool("links")
    (tmp_path / "there.html").write_text('<p id="place">x</p>')
    good = '<a href="there.html#place">a</a><a href="#">b</a><a href="https://example.org/">c</a><a href="there.html">d</a>'
    (tmp_path / "index.html").write_text(good)
    assert links.problems(tmp_path) == []
    bad = {
        '<a href="gone.html">a</a>': "no such file",
        '<a href="there.html#gone">a</a>': "no such place",
        '<a href="/there.html">a</a>': "absolute",
        '<script src="https://example.org/x.js"></script>': "fetches",
        '<link rel="stylesheet" href="//example.org/x.css">': "fetches",
        '<img src="gone.png">': "no such file",
    }
    for text, why in bad.items():
        (tmp_path / "index.html").write_text(good + text)
        [found] = [one for one in links.problems(tmp_path) if not one.endswith("x")] or [""]
        assert why in found, text
