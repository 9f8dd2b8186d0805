"""The comparison: its questions tell a yes from a no, and docs/explanation/comparison.md says what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "compare.py"
PAGE = ROOT / "docs" / "explanation" / "comparison.md"
OURS, STOCK = "mpfhandler", "TimedRotatingFileHandler"

pytestmark = pytest.mark.integration


def table(text: str) -> dict[str, dict[str, str]]:
    """By the row's key: what stands under each peer's name, without versions and notes."""
    [found] = re.findall(r"^\|[^\n]*\| asked by \|\n(?:\|.*\n?)+", text, re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()]
    heads = [re.sub(r" [\d.]+.*", "", cell) for cell in rows[0]]
    return {row[-1].strip("`").split()[-1]: {"": row[0], **dict(zip(heads[1:-1], row[1:-1], strict=True))} for row in rows[2:]}


def asked(rows: list[str], peers: str) -> dict[str, dict[str, str]]:
    """The table that the script prints."""
    command = [sys.executable, str(SCRIPT), "--rows", ",".join(rows), "--peers", peers, "--rounds", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert "| asked by |" in done.stdout, done.stdout + done.stderr
    print(done.stdout)
    return table(done.stdout)


def test_yes_and_no_are_told_apart() -> None:
    """Two quick questions, of which the standard library's handler fails both."""
    found = asked(["moved", "odd"], "mpfhandler,timed")
    assert [found[row][OURS] for row in ("moved", "odd")] == ["yes", "yes"]
    assert [found[row][STOCK] for row in ("moved", "odd")] == ["no", "no"]


def test_each_cell_has_a_question() -> None:
    """The page has the script's rows, in the script's words, and in its cells nothing but yes, no, or nothing."""
    script = (SCRIPT.with_name("compare_rows.py")).read_text(encoding="utf-8")
    rows = dict(re.findall(r'"(\w+)": Row\("([^"]+)"', script))
    page = table(PAGE.read_text(encoding="utf-8"))
    assert {key: row[""] for key, row in page.items()} == rows
    cells = {cell for row in page.values() for name, cell in row.items() if name}
    assert cells <= {"yes", "no", ""}
    assert all(row[OURS] == "yes" for row in page.values())


@pytest.mark.load
@pytest.mark.parametrize("row", ["kept", "period", "aligned", "durable", "held", "forked", "foreign", "packed"])
def test_the_page_says_what_is_so(row: str) -> None:
    """Asked anew, this handler and the standard library's answer what the page has."""
    page, found = table(PAGE.read_text(encoding="utf-8"))[row], asked([row], "mpfhandler,timed")[row]
    assert (found[OURS], found[STOCK]) == (page[OURS], page[STOCK])
