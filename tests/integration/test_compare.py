"""The comparison: its questions tell a yes from a no, and docs/explanation/comparison.md says what they say."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "compare.py"
PAGE = ROOT / "docs" / "explanation" / "comparison.md"
OURS, STOCK = "mpfhandler", "TimedRotatingFileHandler"
LESS_USED = {"Logbook": "logbook", "aiologger": "aio", "multiprocessing-logging": "mplog"}
# What is in its `emit` is the module's; the last line is of Python 2.
FAKE = """
import logging, os, subprocess, sys, time
class MultProcTimedRotatingFileHandler(logging.FileHandler):
    def __init__(self, filename, when, encoding):
        super().__init__(filename, "a", encoding)
    def emit(self, record):
        {emit}
        try: super().emit(record)
        except Exception, e: raise
"""
HANGS = 'open({path!r}, "w").write(str(subprocess.Popen(["sleep", "600"]).pid)); time.sleep(600)'

pytestmark = pytest.mark.integration


def tables(text: str) -> list[dict[str, dict[str, str]]]:
    """By the row's key: what stands under each peer's name, without versions and notes."""
    return [_table(found) for found in re.findall(r"^\|[^\n]*\| asked by \|\n(?:\|.*\n?)+", text, re.MULTILINE)]


def _table(text: str) -> dict[str, dict[str, str]]:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    heads = [re.sub(r" [\d.]+.*", "", cell) for cell in rows[0]]
    return {row[-1].strip("`").split()[-1]: {"": row[0], **dict(zip(heads[1:-1], row[1:-1], strict=True))} for row in rows[2:]}


def asked(rows: list[str], peers: str) -> dict[str, dict[str, str]]:
    """The table that the script prints."""
    command = [sys.executable, str(SCRIPT), "--rows", ",".join(rows), "--peers", peers, "--rounds", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    print(done.stdout)
    found = tables(done.stdout)
    if not found and "Skipped" in done.stdout:
        pytest.skip(done.stdout.splitlines()[0])
    assert len(found) == 1, done.stdout + done.stderr
    return found[0]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`compare.py`."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return importlib.import_module("compare")


def fake(folder: Path, emit: str) -> None:
    """Somebody else's module of our name, in a folder of its own."""
    (folder / "original").mkdir(parents=True)
    (folder / "original" / "mpfhandler.py").write_text(FAKE.format(emit=emit), encoding="utf-8")


def test_yes_and_no_are_told_apart() -> None:
    """Two quick questions, of which the standard library's handler fails both."""
    found = asked(["moved", "odd"], "mpfhandler,timed")
    assert [found[row][OURS] for row in ("moved", "odd")] == ["yes", "yes"]
    assert [found[row][STOCK] for row in ("moved", "odd")] == ["no", "no"]


def test_each_cell_has_a_question(script: ModuleType) -> None:
    """The page has the script's peers and rows, in the script's words; its cells have nothing but yes, no, or nothing, and
    nothing only where the script does not ask."""
    page = tables(PAGE.read_text(encoding="utf-8"))
    for found in page:
        assert {key: row[""] for key, row in found.items()} == {key: row.text for key, row in script.ROWS.items()}
    cells = {(key, name): cell for found in page for key, row in found.items() for name, cell in row.items() if name}
    names = {name: peer for peer, name in script.PEERS.items()}
    assert {name for _, name in cells} == set(names)
    for (key, name), cell in cells.items():
        assert cell in ([""] if names[name] in script.ROWS[key].not_asked else ["yes", "no"]), (key, name)
    assert all(cells[key, OURS] == "yes" for key in script.ROWS)
    assert not {name for row in page[0].values() for name in row if name} & {*map(script.PEERS.get, script.OTHERS)}


def test_a_module_of_our_name_is_asked_from_its_own_folder(script: ModuleType, tmp_path: Path) -> None:
    """It is the one that answers, though ours is there; a line of Python 2 does not keep it from that."""
    fake(tmp_path, "pass")
    assert script.asked("durable", "original", 1, tmp_path) == (True, "1000 of 1000 records")
    fake(tmp_path / "mute", "return")
    assert script.asked("durable", "original", 1, tmp_path / "mute") == (False, "0 of 1000 records")


def test_who_crashes_says_no(script: ModuleType, tmp_path: Path) -> None:
    """With the last line that was told of it; who ends without a word, with that."""
    fake(tmp_path, "raise LookupError('gone')")
    assert script.asked("moved", "original", 1, tmp_path) == (False, "LookupError: gone")
    fake(tmp_path / "silent", "os._exit(3)")
    assert script.asked("moved", "original", 1, tmp_path / "silent") == (False, "ended with 3")


def test_who_hangs_says_no(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while; and nothing that it has started is left."""
    fake(tmp_path, HANGS.format(path=str(tmp_path / "pid")))
    monkeypatch.setattr(script, "LIMIT", 10.0)
    assert script.asked("moved", "original", 1, tmp_path) == (False, "not over after 10 s")
    started, deadline = int((tmp_path / "pid").read_text()), time.monotonic() + 10
    while _runs(started) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(started)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"  # nobody may be there to take it away


@pytest.mark.load
@pytest.mark.parametrize("row", ["kept", "period", "aligned", "durable", "held", "forked", "foreign", "packed"])
def test_the_page_says_what_is_so(row: str) -> None:
    """Asked anew, this handler and the standard library's answer what the page has."""
    page, found = tables(PAGE.read_text(encoding="utf-8"))[0][row], asked([row], "mpfhandler,timed")[row]
    assert (found[OURS], found[STOCK]) == (page[OURS], page[STOCK])


@pytest.mark.load
@pytest.mark.parametrize("name", LESS_USED)
def test_the_page_says_what_is_so_of_the_less_used(name: str) -> None:
    """Those that can be installed beside the others answer some of the questions anew, as the page has it."""
    rows = ["kept", "durable", "moved", "odd"]
    page, found = tables(PAGE.read_text(encoding="utf-8"))[1], asked(rows, LESS_USED[name])
    assert {row: found[row][name] for row in rows} == {row: page[row][name] for row in rows}
