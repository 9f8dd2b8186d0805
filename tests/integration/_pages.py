"""Code blocks of the documentation, for tests that run the very text that a reader copies."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def block(page: str, heading: str, language: str) -> str:
    """The first code block in that language below a heading, before the next one.

    Args:
        page: its path within the documentation.
        heading: its text.
        language: the word behind the fence.
    """
    lines: list[str] = []
    fence, here = None, False
    for line in (DOCS / page).read_text().splitlines(keepends=True):
        if line.startswith("```"):
            if here and fence == language:
                return "".join(lines)
            fence, lines = (line[3:].strip(), []) if fence is None else (None, [])
        elif fence is not None:
            lines.append(line)
        elif line.startswith("#"):
            here = line.lstrip("#").strip() == heading
    raise AssertionError(f"{page}: no {language} below {heading!r}")


def changed(text: str, changes: dict[str, str]) -> str:
    """The text with what a test has elsewhere: each of these is in it, and is exchanged wherever it stands."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in\n{text}"
        text = text.replace(old, new)
    return text
