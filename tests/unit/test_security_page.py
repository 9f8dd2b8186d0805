"""SECURITY.md: each threat names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [row for row in re.findall(r"^\|(.*)\|$", PAGE, re.MULTILINE) if "**" in row]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_each_threat_has_a_defence_and_a_test() -> None:
    """Three columns, and in the last one nothing but tests."""
    assert len(ROWS) > 10
    for row in ROWS:
        threat, defence, shown = (cell.strip() for cell in row.split(" | "))
        assert threat.startswith("**")
        assert defence
        assert TEST.sub("", shown).strip(", ") == "", shown


def test_the_tests_exist() -> None:
    """A test that is named is there, by its file and its name."""
    named = TEST.findall(PAGE)
    assert len(named) > 20
    missing = [f"{file}::{name}" for file, name in named if f"\ndef {name}(" not in _text(ROOT / file)]
    assert missing == []


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
