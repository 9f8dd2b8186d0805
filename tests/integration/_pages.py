"""Code blocks of the documentation, for tests that run the very text that a reader copies."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def block(page: str, heading: str) -> str:
    """The first code block below a heading.

    Args:
        page: its path within the documentation.
        heading: the text of the heading.
    """
    text = (DOCS / page).read_text()
    found = re.search(rf"^#+ {re.escape(heading)}$.*?^```[-\w]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page}: no code block below {heading!r}"
    headings = re.findall(r"^#+ ", text[found.start() : found.start(1)], re.MULTILINE)
    assert len(headings) == 1, f"{page}: no code block of its own below {heading!r}"
    return found[1]


def changed(text: str, changes: dict[str, str]) -> str:
    """The text with what a test has elsewhere: each of these is in it, and is exchanged wherever it stands."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in\n{text}"
        text = text.replace(old, new)
    return text
