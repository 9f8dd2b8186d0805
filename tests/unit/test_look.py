"""What commands print with: aligned text for a pipe, rich's for a terminal, and nothing in a file name that is obeyed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest

import mpfhandler
from mpfhandler._faces import look
from mpfhandler._faces.look import Column, Painted, Progress, complain, document, plain_bar, print_json, say, shown, table

COLUMNS = (Column("file"), Column("bytes", right=True, style="cyan"), Column("state"))
ROWS = (("app.log", "7", Painted("active", "green")), ("日誌.log", "1234", "closed"))


class Terminal(io.StringIO):
    """A screen that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal has them, whatever this test's own has."""
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@contextmanager
def on_screen() -> Iterator[Terminal]:
    """Standard output is a terminal."""
    with redirect_stdout(Terminal()) as screen:
        yield screen


def test_a_table_is_aligned_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Two blanks between columns, numbers to the right, wide characters counted as the two cells that they take."""
    table(COLUMNS, ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "file      bytes  state",
        "app.log       7  active",
        "日誌.log   1234  closed",
    ]


def test_a_table_without_rows_has_its_titles(capsys: pytest.CaptureFixture[str]) -> None:
    """Also then it says what would stand there."""
    table(COLUMNS, [])
    assert capsys.readouterr().out == "file  bytes  state\n"


def test_a_row_of_another_length_is_a_mistake() -> None:
    """A cell is never left out silently."""
    with pytest.raises(ValueError, match="argument 2"):
        table(COLUMNS, [("one", "2")])


def test_a_table_is_drawn_on_a_terminal() -> None:
    """With a rule below the titles, and the styles of columns and of cells."""
    pytest.importorskip("rich")
    with on_screen() as screen:
        table(COLUMNS, ROWS)
    text = screen.getvalue()
    assert "─" in text
    assert "\x1b[36m" in text
    assert "\x1b[32mactive" in text


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colours_gets_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Then a terminal gets what a pipe gets."""
    monkeypatch.setenv(name, value)
    with on_screen() as screen:
        table(COLUMNS, ROWS)
        say("done", "bold green")
    assert screen.getvalue().splitlines()[1:] == ["app.log       7  active", "日誌.log   1234  closed", "done"]
    assert "\x1b" not in screen.getvalue()


def test_a_broken_rich_is_as_none(tmp_path: Path) -> None:
    """What cannot be imported is not used, and nobody hears of it."""
    (tmp_path / "rich.py").write_text("raise ImportError('broken')\n")
    code = (
        "import sys; from mpfhandler._faces import look; sys.stdout.isatty = lambda: True\n"
        "look.say('done', 'bold'); look.table([look.Column('a')], [['b']])"
    )
    path = f"{tmp_path}{os.pathsep}{Path(mpfhandler.__file__).parents[1]}"
    environment = {**os.environ, "PYTHONPATH": path, "TERM": "xterm"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("done\na\nb\n", "")


@pytest.fixture
def without_rich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It cannot be imported."""
    for name in ("console", "markdown"):
        monkeypatch.setitem(sys.modules, f"rich.{name}", None)
    look._rich.cache_clear()
    yield
    look._rich.cache_clear()


def test_a_document_is_drawn_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Markdown's marks become lines and styles; a pipe gets them as they are."""
    pytest.importorskip("rich")
    with on_screen() as screen:
        document("# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n**bold**")
    text = screen.getvalue()
    assert "Title" in text
    assert "\x1b[1mbold" in text
    assert "─" in text
    assert "|---|" not in text
    assert "**" not in text
    document("# Title\n\n**bold**")
    assert capsys.readouterr().out == "# Title\n\n**bold**\n"


@pytest.mark.usefixtures("without_rich")
def test_without_rich_a_terminal_gets_plain_text() -> None:
    """A document and a table as a pipe would get them."""
    with on_screen() as screen:
        document("# Title\n\n**bold**")
        table(COLUMNS[:1], [("app.log",)])
    assert screen.getvalue() == "# Title\n\n**bold**\nfile\napp.log\n"


def test_a_name_is_shown_and_not_obeyed() -> None:
    """Neither a terminal's commands nor rich's markup in a name do anything, and its line's end does not break the table."""
    evil = "a\x1b[2J\nb[red]\x9b"
    with on_screen() as screen:
        table([Column("file")], [(evil,)])
        say(evil, "bold")
        say(evil)
    text = screen.getvalue()
    assert len(text.splitlines()) == 5, "the two lines of the head, and one for each name"
    assert r"a\x1b[2J\nb[red]\x9b" in text
    assert "\x1b[2J" not in text
    assert "\x9b" not in text


def test_what_an_encoding_lacks_is_an_escape() -> None:
    """A terminal of ASCII gets escapes, any stream gets the bytes of a name that are no text."""
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    assert shown("Grüße 日\udcff", latin) == "Grüße \\u65e5\\udcff"
    assert shown("日\udcff", io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) == "日\\udcff"


def test_a_long_line_is_left_to_the_terminal() -> None:
    """It is not broken: who copies it gets one line."""
    with on_screen() as screen:
        say("x" * 300, "red")
    assert "x" * 300 in screen.getvalue()


def test_a_complaint_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, as every program does."""
    complain("seal", "no")
    complain("", "not at all")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "mpfhandler seal: no\nmpfhandler: not at all\n")


def test_json_is_one_document_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    """Also with a name that is no text."""
    value = {"file": "日\udcff", "bytes": 3, "held": None}
    print_json(value)
    text = capsys.readouterr().out
    assert text.isascii()
    assert json.loads(text) == value


def test_the_plain_bar() -> None:
    """How far, how long still, and what is being done."""
    assert plain_bar(0, 4, 0.0, "first") == f"[{'.' * 24}] 0/4, …: first"
    assert plain_bar(2, 4, 10.0, "third") == f"[{'#' * 12}{'.' * 12}] 2/4, 10 s left: third"


def test_the_bar_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal without colours gets the plain bar, wiped at the end; a pipe gets nothing but what stays."""
    monkeypatch.setenv("NO_COLOR", "1")
    screen, pipe = Terminal(), io.StringIO()
    for out in (screen, pipe):
        with Progress(2, out) as progress:
            progress.begin("one")
            progress.say("Skipped: it")
    assert "0/2" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")
    assert pipe.getvalue() == "Skipped: it\n"


def test_a_dumb_terminal_gets_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not wipe it."""
    monkeypatch.setenv("TERM", "dumb")
    out = Terminal()
    with Progress(2, out) as progress:
        progress.begin("one")
        progress.say("Skipped: it")
    assert out.getvalue() == "Skipped: it\n"


@pytest.mark.skipif(sys.platform == "win32", reason="its bar is another one in a console of Windows")
def test_the_bar_of_rich_is_used_where_it_is_installed() -> None:
    """The same calls end in its bar, which lets standard output alone."""
    pytest.importorskip("rich")
    out = Terminal()
    with redirect_stdout(io.StringIO()) as results, Progress(2, out) as progress:
        progress.begin("the first [step]")
        progress.say("Skipped: [it]")
        print("a result")
        progress.begin("the second step")
    assert "Skipped: [it]" in out.getvalue()
    assert "the second step" in out.getvalue()
    assert "━" in out.getvalue()
    assert "a result" not in out.getvalue()
    assert results.getvalue() == "a result\n"
