"""Disks that are full or broken: records wait in memory, in order, and those that had to be dropped are counted exactly."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from _disk_support import (
    Switch,
    all_lines,
    collect,
    ended,
    failing,
    fill,
    handler_at,
    lines,
    log_at,
    python,
    record,
    start_python,
    tmpfs,
    use,
    use_clock,
    wait_for,
    whole_and_fragments,
)

from mpfhandler._platform import OPERATIONS


def told(moment: float) -> str:
    """A moment as the line about lost records tells it, here in UTC."""
    wall = datetime.fromtimestamp(int(moment), timezone.utc).replace(tzinfo=None)
    return f"{wall}.{int(moment % 1 * 1000):03}"


def names(kind: str, count: int, width: int = 60) -> list[str]:
    """So many records of one width."""
    return [f"{kind} {number} ".ljust(width - 1, "x") + "." for number in range(count)]


def test_records_wait_for_space_in_order(tmp_path: Path) -> None:
    """What cannot be written while a real disk is full is all there afterwards, once, in order, ahead of newer records (P1)."""
    before, during, after = names("before", 20), names("during", 300), names("after", 20)
    with tmpfs(tmp_path / "disk", "size=1m") as disk:
        handler = handler_at(disk / "app.log")
        reports = collect(handler)
        for text in before:
            handler.emit(record(text))
        filler = fill(disk)
        for text in during:
            handler.emit(record(text))
        assert handler.stats().spilled > 0
        filler.unlink()
        handler.flush()
        for text in after:
            handler.emit(record(text))
        whole, _ = whole_and_fragments(lines(disk / "app.log"), before + during + after)
        stats = handler.stats()
        handler.close()
    assert whole == before + during + after
    assert (stats.spilled, stats.lost, stats.records) == (0, 0, len(whole))
    assert 1 <= len(reports) <= 2, reports  # the record that was cut, then the disk that takes nothing


def test_retry_needs_no_flush(tmp_path: Path) -> None:
    """Records that wait are tried again with the records that come, after a pause of seconds at most (P5)."""
    with tmpfs(tmp_path / "disk", "size=1m") as disk:
        log = log_at(disk / "app.log")
        filler = fill(disk)
        written = names("full", 200)
        for text in written:
            log.write(text)
        assert log.stats().spilled
        filler.unlink()

        def another() -> bool:
            written.append(f"poll {len(written)}")
            log.write(written[-1])
            return log.stats().spilled == 0

        wait_for(another, "the records that waited are written")
        whole, _ = whole_and_fragments(lines(disk / "app.log"), written)
        log.close()
    assert whole == written


def test_dropped_records_are_counted_in_one_line(tmp_path: Path) -> None:
    """What does not fit into `spill_bytes` is dropped, and one line at its place says how many and between which times (P1)."""
    with tmpfs(tmp_path / "disk", "size=1m") as disk:
        handler = handler_at(disk / "app.log", spill_bytes=1200)
        collect(handler)
        handler.emit(record("before"))
        filler = fill(disk)
        start = time.time()
        base = int(start)
        during = names("during", 400)
        moments = [base + 0.001 * number for number in range(400)]
        for text, moment in zip(during, moments, strict=True):
            handler.emit(record(text, moment))
        lost = handler.stats().lost
        filler.unlink()
        handler.flush()
        handler.emit(record("after"))
        found = lines(disk / "app.log")
        assert handler.stats().lost == lost
        handler.close()
    notices = [line for line in found if line.startswith("mpfhandler:")]
    kept = [line for line in found if line in set(during)]
    assert lost == len(during) - len(kept) > 100
    assert kept == during[: len(kept)]
    first, last = told(moments[len(kept)]), told(moments[-1])
    assert len(notices) == 1
    assert notices[0].startswith(f"mpfhandler: {lost} records lost between {first} and {last}"), notices
    place = found.index(notices[0])
    assert found.index(kept[-1]) < place < found.index("after")


def test_two_outages_give_two_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each outage has its own line; together they are `stats().lost`."""
    write = Switch(os.write)
    use(monkeypatch, write=write)
    log = log_at(tmp_path / "app.log", spill_bytes=100)
    for outage, count in enumerate((10, 25)):
        write.on = True
        for number in range(count):
            log.write(f"outage {outage} record {number:04}")
        write.on = False
        log.flush()
    found = [
        int(match[1]) for line in lines(tmp_path / "app.log") if (match := re.match(r"mpfhandler: (\d+) records lost", line))
    ]
    assert len(found) == 2
    assert sum(found) == log.stats().lost
    assert log.stats().lost + log.stats().records - 2 == 35


def test_fragment_of_a_short_write_is_a_line_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that took only a part: the part is ended with a newline in place, and the whole record follows later (P1)."""
    state = {"short": False}

    def write(fd: int, data: bytes) -> int:
        if not state["short"]:
            return os.write(fd, data)
        return os.write(fd, data[:10])

    use(monkeypatch, write=write)
    path = tmp_path / "app.log"
    log = log_at(path)
    log.write("first")
    state["short"] = True
    log.write("a record of thirty characters.")
    assert path.read_bytes() == b"first\na record \n"
    state["short"] = False
    log.flush()
    log.write("last")
    assert lines(path) == ["first", "a record ", "a record of thirty characters.", "last"]
    assert (log.stats().records, log.stats().lost) == (3, 0)


def test_line_of_another_process_is_not_glued_to_a_fragment(tmp_path: Path) -> None:
    """Another process that writes right after a short write begins a line, and both get everything written (P1)."""
    code = """
import sys
from _disk_support import *
path, name = Path(sys.argv[1]), sys.argv[2]
log = log_at(path)
log.write(f"{name} is here")
print("ready", flush=True)
sys.stdin.readline()
for number in range(200):
    log.write(f"{name} {number} ".ljust(600, name))
print("full", flush=True)
sys.stdin.readline()
log.flush()
print(log.stats().spilled, log.stats().lost, flush=True)
"""
    with tmpfs(tmp_path / "disk", "size=1m") as disk:
        path = disk / "app.log"
        children = {name: start_python(code, path, name) for name in "ab"}

        def everyone(expected: str) -> None:
            for child in children.values():
                assert child.stdout is not None
                assert child.stdout.readline().strip() == expected

        def go() -> None:
            for child in children.values():
                assert child.stdin is not None
                child.stdin.write("go\n")
                child.stdin.flush()

        everyone("ready")
        (disk / "filler").write_bytes(b"\0" * (150 * 1024))
        go()
        everyone("full")
        (disk / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=2m", str(disk)], check=True)
        go()
        everyone("0 0")
        for child in children.values():
            ended(child)
        expected = {name: [f"{name} {number} ".ljust(600, name) for number in range(200)] for name in "ab"}
        found = lines(path)
    starts = [f"{name} is here" for name in "ab"]
    whole, fragments = whole_and_fragments(found, starts + expected["a"] + expected["b"])
    for name in "ab":
        assert [line for line in whole if line.startswith(name) and line not in starts] == expected[name]
    assert len(fragments) < 100


def test_close_on_a_full_disk_counts_the_loss(tmp_path: Path) -> None:
    """`close()` while the disk is full raises nothing, tells how many records were lost and counts them (P5)."""
    with tmpfs(tmp_path / "disk", "size=1m") as disk:
        handler = handler_at(disk / "app.log")
        reports = collect(handler)
        fill(disk)
        sent = names("record", 300)
        for text in sent:
            handler.emit(record(text))
        waiting = handler.stats().spilled
        assert waiting > 0
        handler.close()
        whole, _ = whole_and_fragments(lines(disk / "app.log"), sent)
        assert handler.stats().lost == waiting == len(sent) - len(whole)
        assert handler.stats().spilled == 0
        assert sum(f"{waiting} records could not be written" in report for report in reports) == 1


def test_log_goes_on_after_a_close_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was given up at `close()` is not written later, and new records are."""
    write = Switch(os.write)
    use(monkeypatch, write=write)
    log = log_at(tmp_path / "app.log")
    write.on = True
    log.write("given up")
    log.close()
    write.on = False
    log.write("new")
    assert lines(tmp_path / "app.log") == ["new"]
    assert (log.stats().lost, log.stats().records) == (1, 1)


def test_waiting_records_reach_the_segment_of_their_own_period(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that waited for space over a boundary stands in its own period's segment if the grace is not over (P2)."""
    write = Switch(os.write)
    clock = use_clock(monkeypatch, write=write)
    log = log_at(tmp_path / "app.log", "S")
    log.write("one")
    write.on = True
    log.write("two")
    clock.step(1)
    log.write("three")
    write.on = False
    clock.step(1)
    log.write("four")
    assert lines(tmp_path / "app.log.2026-03-04_10-20-00") == ["one", "two"]
    assert lines(tmp_path / "app.log") == ["four"]
    assert all_lines(tmp_path) == ["one", "two", "three", "four"]


def test_failing_disk_is_told_once_and_tried_less_and_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails for minutes is reported once, and tried every two seconds at most, not with every record (P5)."""
    write = Switch(os.write, errno.EIO)
    clock = use_clock(monkeypatch, write=write)
    handler = handler_at(tmp_path / "app.log")
    reports = collect(handler)
    write.on = True
    for number in range(6000):
        handler.emit(record(f"{number:05}", clock.now()))
        clock.step(0.01)
    assert len(reports) == 1
    assert 10 < write.calls < 60
    write.on = False
    handler.flush()
    assert lines(tmp_path / "app.log") == [f"{number:05}" for number in range(6000)]
    write.on = True
    handler.emit(record("again", clock.now()))
    assert len(reports) == 2  # it had worked in between: that is news


_LIMITED = """
import resource, signal
from _disk_support import *
path = Path(sys.argv[1])
handler = handler_at(path)
reports = collect(handler)
sent = [f"record {number} ".ljust(99, "x") for number in range(400)]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_050, resource.RLIM_INFINITY))
for text in sent[:300]:
    handler.emit(record(text))
assert handler.stats().spilled == 100, handler.stats()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
handler.flush()
for text in sent[300:]:
    handler.emit(record(text))
whole, fragments = whole_and_fragments(lines(path), sent)
assert whole == sent
assert len(fragments) == 1, fragments
assert 1 <= len(reports) <= 2, reports
"""


def test_limit_of_the_size_of_files(tmp_path: Path) -> None:
    """RLIMIT_FSIZE is a full disk: no signal ends the program, nothing is lost (P1, P5)."""
    python(_LIMITED, tmp_path / "app.log")


def test_rotation_makes_room_under_a_size_limit(tmp_path: Path) -> None:
    """Records that wait because the file is at its limit go to the next file as soon as there is one."""
    code = """
import resource
from _disk_support import *
path = Path(sys.argv[1])
log = log_at(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))
sent = [f"record {number} ".ljust(99, "x") for number in range(30)]
for text in sent:
    log.write(text)
assert log.stats().spilled == 10, log.stats()
assert log.rotate()
log.flush()
assert log.stats().spilled == 0, log.stats()
assert all_lines(path.parent) == sent
"""
    python(code, tmp_path / "app.log")


def _strace_works() -> str | None:
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "-e", "inject=write:error=EIO:when=9999", "true"], capture_output=True, text=True
    )
    return None if tried.returncode == 0 else f"system calls cannot be made to fail here: {tried.stderr.strip()[-200:]}"


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EDQUOT"])
def test_one_write_fails_in_the_kernel(tmp_path: Path, error: str) -> None:
    """A write(2) that fails once, injected from outside of the process: every record is there, in order, one report (P1, P5)."""
    why = _strace_works()
    if why:
        pytest.skip(why)
    code = """
from _disk_support import *
handler = handler_at(Path(sys.argv[1]))
reports = collect(handler)
for number in range(10):
    handler.emit(record(f"record {number}"))
handler.close()
assert handler.stats().lost == 0
print(reports)
"""
    path = tmp_path / "app.log"
    inject = ("strace", "-f", "-o", str(tmp_path / "trace"), "-P", str(path), "-e", f"inject=write:error={error}:when=5")
    out = python(code, path, prefix=inject).stdout
    assert "INJECTED" in (tmp_path / "trace").read_text(), "nothing was made to fail"
    assert lines(path) == [f"record {number}" for number in range(10)]
    assert len(eval(out)) == 1, out


def test_one_failure_needs_no_further_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: the program's last record met a full disk for a moment: it is written in the background, without another one."""
    write = Switch(os.write)
    use(monkeypatch, write=write)
    handler = handler_at(tmp_path / "app.log")
    reports = collect(handler)
    handler.emit(record("before"))
    write.on = True
    for number in range(3):
        handler.emit(record(f"waits {number}"))
    wait_for(lambda: write.calls > 5, "tries in the background")
    assert handler.stats().spilled == 3
    write.on = False
    wait_for(lambda: handler.stats().spilled == 0, "the background thread")
    assert lines(tmp_path / "app.log") == ["before", "waits 0", "waits 1", "waits 2"]
    assert handler.stats().records == 4
    assert len(reports) == 1, reports


@pytest.mark.timeout(30)
def test_rollover_on_a_full_disk_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3, P5: who asks for a rotation waits for rotator and retention, never for records that wait for the disk."""
    write = Switch(os.write, errno.ENOSPC)
    clock = use_clock(monkeypatch, write=write)
    handler = handler_at(tmp_path / "app.log", backupCount=3)
    collect(handler)
    handler.emit(record("first", clock.now()))
    write.on = True
    handler.emit(record("waits", clock.now()))
    handler.doRollover()
    assert handler.stats().spilled == 1
    write.on = False
    handler.close()
    assert sorted(all_lines(tmp_path)) == ["first", "waits"]


def test_empty_lines_wait_like_any_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: records of the same bytes are records all the same."""
    disk = Switch(os.write)
    use_clock(monkeypatch, write=disk)
    handler = handler_at(tmp_path / "app.log")
    collect(handler)
    handler.handle(record(""))
    disk.on = True
    for text in ("", "", "a", "", "a", ""):
        handler.handle(record(text))
    disk.on = False
    handler.flush()
    assert lines(tmp_path / "app.log") == ["", "", "", "a", "", "a", ""]
    assert handler.stats().lost == 0


def test_fragment_of_a_parent_is_ended_after_a_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a log that may not be read, a write that was cut off, and a fork, after which the parent opens its log anew: the record
    is not glued to its own fragment."""
    sizes = iter([3])

    def write(fd: int, data: bytes) -> int:
        return OPERATIONS.write(fd, data[: next(sizes, len(data))])

    denied = failing(errno.EACCES)
    use(monkeypatch, write=write, open_side=denied, open_side_of=denied)
    path = tmp_path / "app.log"
    with log_at(path, spill_bytes=1 << 20) as log:
        log.write("record")
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        log.flush()
    assert lines(path) == ["rec", "record"]
