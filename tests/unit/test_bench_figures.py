"""The benchmark's statistics, tables, ratios and readings, on figures that were made up."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from mpfhandler._faces.bench import imports, syscalls
from mpfhandler._faces.bench.figures import Spread, percentile, ratios, spread
from mpfhandler._faces.bench.ratios import found_in
from mpfhandler._faces.bench.results import Calls, Cell, Cost, Imported, Machine, Named, Results, Round, Stage, Stall, Tail
from mpfhandler._faces.bench.session import _turns
from mpfhandler._faces.bench.stages import dearer_than_write
from mpfhandler._faces.bench.tables import markdown, table

MACHINE = Machine("CPython 3.12.0", "Linux 6", 4, 0.5, "ext4", "1.0")
SETTINGS = {"stall_mb": 200, "stall_procs": 2}


def cell(key: str, procs: int, threads: int, rates: Sequence[float], cpu: float = 10.0, lost: int = 0) -> Cell:
    rounds = [Round(rate, cpu, 1000, lost) for rate in rates]
    return Cell(key, procs, threads, rounds, [Tail(1.0, 20.0, 300.0, 4000.0, 1000)])


def results(**parts: object) -> Results:
    """A run of three handlers."""
    handlers = [Named("ours", "mpfhandler 1.0"), Named("file", "FileHandler"), Named("clh", "CLH 0.9")]
    return Results("mpfhandler bench", MACHINE, SETTINGS, handlers, **parts)  # type: ignore[arg-type]


FULL = results(
    skipped=[Named("loguru", "loguru", "not installed (pip install loguru)")],
    failed=[Named("clh", "CLH, stall", "a process ended before its time")],
    cells=[
        cell("ours", 1, 1, [10, 20], cpu=10),
        cell("ours", 8, 1, [1000, 3000, 2000], lost=0),
        cell("file", 8, 1, [1000, 2000, 1000]),
        cell("clh", 8, 1, [100, 100, 100], lost=5),
        cell("ours", 64, 1, [100, 300], cpu=15),
    ],
    calls=[Calls("ours", 3.0, 3.01, {"getpid": 1.0, "lseek": 1.0, "write": 1.0, "brk": 0.01})],
    stalls=[Stall("ours", [5.0, 7.0, 6.0], [80.0, 80.0, 80.0], 3, 2, 900, 0)],
    turns=[cell("ours", 8, 1, []), cell("file", 8, 1, [])],
    costs=[Cost("ours", [3.0, 4.0], [8.0, 9.0]), Cost("file", [4.0, 5.0], [10.0, 10.0])],
    stages=[Stage("ours", stage, [value]) for stage, value in (("LogRecord", 5.0), ("write", 1.0), ("guard", 0.5), ("all", 10.0))]
    + [Stage("file", stage, [value]) for stage, value in (("LogRecord", 5.0), ("write", 2.0), ("all", 12.0))],
    imported=Imported([4.0, 5.0, 4.5], [9.0, 9.0, 9.0], ["fcntl", "mpfhandler", "mpfhandler._pure"]),
)


def test_spread_is_median_and_range() -> None:
    """The middle one of an odd number, the mean of the two middle ones of an even number, and the ends."""
    assert spread([3, 1, 2]) == Spread(2, 1, 3)
    assert spread([4, 1]) == Spread(2.5, 1, 4)
    with pytest.raises(ValueError, match="no values"):
        spread([])


@pytest.mark.parametrize(("share", "value"), [(0.0, 0), (0.5, 500), (0.99, 990), (0.999, 999), (1.0, 999)])
def test_percentiles_are_values_that_occurred(share: float, value: int) -> None:
    """The nearest rank, of which the last is the longest call."""
    assert percentile(range(1000), share) == value
    assert percentile([7], share) == 7


def test_no_calls_have_no_percentile() -> None:
    """An empty list is an error, not a zero."""
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_ratios_are_formed_round_by_round() -> None:
    """A slow round of both sides does not change the ratio; rounds that do not match are refused."""
    assert ratios([10, 1], [5, 0.5]) == Spread(2, 2, 2)
    with pytest.raises(ValueError, match="zip"):
        ratios([1, 2], [1])


def test_every_ratio_of_the_project_is_found() -> None:
    """Processes against both, threads, CPU at 64 against one, and the handler's cost; none where a side is missing."""
    told = {one.claim: one.value.middle for one in found_in(FULL)}
    assert told == {
        "records per second of mpfhandler 1.0 over CLH 0.9, 8 processes": 20,
        "records per second of mpfhandler 1.0 over FileHandler, 8 processes": 1.5,
        "CPU per record of mpfhandler 1.0 with 64 processes over that with one": 1.5,
        "CPU in the handler of mpfhandler 1.0 over FileHandler, Python CPython 3.12.0": pytest.approx(0.775),
        "CPU of a whole logging call with mpfhandler 1.0 over that with FileHandler": pytest.approx(0.85),
    }
    assert found_in(results()) == []


def test_threads_are_compared_in_one_process() -> None:
    """The ratio of threads is that of one process with eight."""
    found = found_in(results(cells=[cell("ours", 1, 8, [30]), cell("file", 1, 8, [10])]))
    assert [(one.claim, one.value.middle) for one in found] == [
        ("records per second of mpfhandler 1.0 over FileHandler, 8 threads in one process", 3)
    ]


def test_the_table_is_markdown() -> None:
    """A head, a rule that puts all but the first column to the right, and a line for each row."""
    assert table(("a", "b"), [("x", "1")]) == "| a | b |\n|---|--:|\n| x | 1 |"


def test_the_report_has_every_part() -> None:
    """Medians with ranges, shares, losses, what was skipped and what failed, stages dearer than the write, the import."""
    text = markdown(FULL)
    for expected in (
        "- Skipped: loguru: not installed (pip install loguru)",
        "- Failed: CLH, stall: a process ended before its time",
        "### 8 processes of 1 thread, one file",
        "| mpfhandler 1.0 | 2,000 (1,000–3,000) | 2.00 | 10.0 | 1 | 20 | 300 | 4,000 | 0 |",
        "| CLH 0.9 | 100 | 0.10 | 10.0 | 1 | 20 | 300 | 4,000 | 15 (0.5%) |",
        "| mpfhandler 1.0 | 3 | 3.01 | getpid 1, lseek 1, write 1, … |",
        "### Stall while 200 MB are rotated and compressed, 2 processes log meanwhile",
        "| mpfhandler 1.0 | 6.0 (5.0–7.0) | 80.0 | 3 | 2 | 0 |",
        "| FileHandler | 4.5 (4.0–5.0) | 1.00 | 10.0 | 1.00 |",
        "| mpfhandler 1.0 | 3.5 (3.0–4.0) | 0.78 | 8.5 (8.0–9.0) | 0.85 |",
        "### A rotation every second, 8 busy processes",
        "| mpfhandler 1.0 | 1.0 | 20.0 | 300.0 | 4,000 | 1,000 |",
        "| guard | 0.50 | 5% | – | – |",
        "Stages of mpfhandler 1.0 that cost more than its write: LogRecord.",
        "| 4.5 (4.0–5.0) | 9.0 | 3 | fcntl |",
        "| records per second of mpfhandler 1.0 over CLH 0.9, 8 processes | 20.00 (10.00–30.00) | more |",
    ):
        assert expected in text


def test_what_was_not_measured_has_no_heading() -> None:
    """An empty run is its head alone."""
    assert "###" not in markdown(results())


def test_json_and_back() -> None:
    """What is printed as JSON is read again as the same results, and gives the same report."""
    again = Results.from_json(json.dumps(FULL.to_dict()))
    assert again == FULL
    assert markdown(again) == markdown(FULL)
    assert Results.from_json(json.dumps(results().to_dict())).imported is None


def test_dearer_stages_come_dearest_first() -> None:
    """The whole is no stage, and neither is the write itself."""
    assert dearer_than_write({"write": 1.0, "format": 2.0, "LogRecord": 3.0, "guard": 0.5, "all": 9.0}) == ["LogRecord", "format"]


def test_rounds_alternate_and_rotate() -> None:
    """Each round has every handler once and begins with the next one."""
    assert list(_turns(["a", "b", "c"], 4)) == [*"abc", *"bca", *"cab", *"abc"]
    assert list(_turns([], 2)) == []


TRACE = """\
7 access("/nowhere/benchmark-mark", F_OK) = -1
7 getpid() = 7
7 clock_gettime(CLOCK_REALTIME, {}) = 0
7 write(3, "x", 1) = 1
8 futex(0x1) = 0
7 access("/nowhere/benchmark-mark", F_OK) = -1
7 write(3, "x", 1) = 1
7 access("/nowhere/benchmark-mark", F_OK) = -1
7 close(3) = 0
"""


def test_a_trace_is_cut_at_the_marks() -> None:
    """Calls of all threads between two marks are a round; before, after, and the clock do not count."""
    lines = ['7 execve("python", ["/nowhere/benchmark-mark"]) = 0', *TRACE.splitlines()]
    assert [dict(found) for found in syscalls.parse(lines)] == [{"getpid": 1, "write": 1, "futex": 1}, {"write": 1}]
    with pytest.raises(OSError, match="no marks"):
        syscalls.parse(["7 write(3) = 1"])


def test_without_strace_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no strace, the reason names it."""
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert syscalls.unavailable() == "strace is not installed"


IMPORTS = """\
import time: self [us] | cumulative | imported package
import time:        50 |         90 |   logging
import time:        10 |        100 | logging.handlers
import time:        20 |         20 |   fcntl
import time:        30 |         50 | mpfhandler
"""


def test_the_import_report_is_read() -> None:
    """What comes after `logging.handlers` counts, each module with its own time alone."""
    assert imports.parse(IMPORTS) == ({"fcntl": 20, "mpfhandler": 30}, 100)
