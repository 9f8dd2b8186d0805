"""The standard library's hooks: whatever a `namer`, a `rotator`, a suffix or a subclass does, no record is lost."""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _disk_support import (
    all_lines,
    collect,
    ended,
    failing,
    handler_at,
    lines,
    log_at,
    record,
    segments,
    start_python,
    use_clock,
    wait_for,
)

import mpfhandler
from mpfhandler._platform import OPERATIONS
from mpfhandler._protocols.handover import Begun, Handover, hand_over
from mpfhandler._pure.naming import Names
from mpfhandler._resources.report import Reporter

Handler = mpfhandler.MultProcTimedRotatingFileHandler
BOUNDARY = "2026-03-04_10-20-0"


def log_three_periods(handler: Handler, clock: Any) -> list[str]:
    """Two records in each of three periods."""
    sent: list[str] = []
    for period in range(3):
        for number in range(2):
            sent.append(f"period {period} record {number}")
            handler.handle(record(sent[-1], clock.now()))
            handed_over(handler)
        clock.step(1)
    return sent


def handed_over(handler: Handler) -> None:
    """Wait until the background thread has done what there is to do."""
    wait_for(lambda: handler._writer._housekeeper._thread is None, "the housekeeper's end")


def with_namer(path: Path, namer: Callable[[str], Any], **options: Any) -> Handler:
    """A handler with this namer."""
    handler = handler_at(path, "S", **options)
    handler.namer = namer
    return handler


def test_namer_that_moves_the_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`app.log.<suffix>` may become `app.<suffix>.log`: records are there, and `backupCount` knows the names (P4)."""
    clock = use_clock(monkeypatch)
    handler = with_namer(tmp_path / "app.log", lambda name: name.replace("app.log.", "app.") + ".log", backupCount=2)
    (tmp_path / "app.2026-03-04_10-19-59.log").write_text("older\n")
    (tmp_path / "app.2026-03-04.log").write_text("somebody else's\n")
    sent = log_three_periods(handler, clock)
    handler.handle(record("last", clock.now()))
    handler.close()
    assert segments(tmp_path) == ["app.2026-03-04.log", f"app.{BOUNDARY}1.log", f"app.{BOUNDARY}2.log", "app.log"]
    assert lines(tmp_path / f"app.{BOUNDARY}1.log") == sent[2:4]
    assert lines(tmp_path / f"app.{BOUNDARY}2.log") == sent[4:]


def test_namer_that_chooses_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments may go to another folder; they are numbered and counted there."""
    clock = use_clock(monkeypatch)
    (tmp_path / "old").mkdir()
    path = tmp_path / "logs" / "app.log"
    path.parent.mkdir()
    handler = with_namer(path, lambda name: str(tmp_path / "old" / os.path.basename(name)), backupCount=2)
    sent = log_three_periods(handler, clock)
    handler.doRollover()
    handler.handle(record("forced", clock.now()))
    handler.doRollover()
    handler.close()
    assert segments(path.parent) == ["app.log"]
    assert len(os.listdir(tmp_path / "old")) == 2
    left = [line for name in sorted(os.listdir(tmp_path / "old")) for line in lines(tmp_path / "old" / name)]
    assert left[-1] == "forced"
    assert set(left) <= {*sent, "forced"}


def test_late_record_under_a_namer_goes_to_its_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A late record finds the segment that another process has given a namer's name (P2)."""
    clock = use_clock(monkeypatch)
    namer = lambda name: name.replace("app.log.", "app.") + ".log"  # noqa: E731
    handler = with_namer(tmp_path / "app.log", namer)
    made = clock.now()
    handler.handle(record("early", made))
    clock.step(1)
    handler.handle(record("next", clock.now()))
    other = with_namer(tmp_path / "app.log", namer)
    other.handle(record("late", made))
    assert lines(tmp_path / f"app.{BOUNDARY}0.log") == ["early", "late"]


def test_namer_that_drops_the_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A namer that always gives one name overwrites nothing: further segments keep their default names (P4)."""
    clock = use_clock(monkeypatch)
    handler = with_namer(tmp_path / "app.log", lambda _name: str(tmp_path / "app.log.previous"))
    sent = log_three_periods(handler, clock)
    handler.handle(record("last", clock.now()))
    assert sorted(all_lines(tmp_path)) == sorted([*sent, "last"])
    assert lines(tmp_path / "app.log.previous") == sent[:2]


@pytest.mark.parametrize("nonsense", [None, 7, "", ".", "app.log", "a\0b", "/nowhere/at/all/name"])
def test_namer_that_returns_nonsense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nonsense: object) -> None:
    """What is no name for a segment is reported once, and no record is lost for it (P5)."""
    clock = use_clock(monkeypatch)
    monkeypatch.chdir(tmp_path)
    handler = with_namer(tmp_path / "app.log", lambda _name: nonsense)
    reports = collect(handler)
    sent = log_three_periods(handler, clock)
    assert sorted(all_lines(tmp_path)) == sorted(sent)
    assert len(reports) == 1, reports
    assert (tmp_path / "app.log").exists()
    assert not (tmp_path / "a").exists()


def test_namer_that_names_an_existing_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A namer that gives a folder is given up for the default names (P4, P5)."""
    clock = use_clock(monkeypatch)
    handler = with_namer(tmp_path / "app.log", lambda _name: "/")
    reports = collect(handler)
    sent = log_three_periods(handler, clock)
    assert all_lines(tmp_path) == sent
    assert len(reports) <= 1, reports


def test_namer_that_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A namer that raises is reported once, and the default names are used (P5)."""

    def namer(name: str) -> str:
        raise RuntimeError("no name today")

    clock = use_clock(monkeypatch)
    handler = with_namer(tmp_path / "app.log", namer, backupCount=5)
    reports = collect(handler)
    sent = log_three_periods(handler, clock)
    assert all_lines(tmp_path) == sent
    assert len(segments(tmp_path)) == 3
    assert reports == ["RuntimeError('no name today')"]


def compress(source: str, target: str) -> None:
    """The rotator of the standard library's cookbook."""
    with open(source, "rb") as plain, gzip.open(target, "wb") as packed:
        shutil.copyfileobj(plain, packed)
    os.remove(source)


def every_line(folder: Path) -> list[str]:
    """Also those in compressed segments."""
    packed = [text for path in sorted(folder.glob("*.gz")) for text in gzip.decompress(path.read_bytes()).decode().splitlines()]
    plain = [path for path in folder.iterdir() if path.is_file() and path.suffix not in {".gz", ".lock", ".debug"}]
    return packed + [line for path in sorted(plain) for line in lines(path)]


def test_rotator_that_compresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cookbook's namer and rotator: each period's file is compressed, and counted (P1)."""
    clock = use_clock(monkeypatch)
    handler = with_namer(tmp_path / "app.log", lambda name: name + ".gz", backupCount=2)
    handler.rotator = compress
    sent = log_three_periods(handler, clock)
    handler.handle(record("last", clock.now()))
    handler.close()
    wait_for(lambda: segments(tmp_path) == ["app.log", f"app.log.{BOUNDARY}1.gz", f"app.log.{BOUNDARY}2.gz"], "the deletion")
    assert every_line(tmp_path) == [*sent[2:], "last"]


_COMPRESSING = """
from test_hooks import *
tag, path = sys_argv()
handler = handler_at(path, "S")
handler.namer = lambda name: name + ".gz"
handler.rotator = compress
sys.stdin.readline()
count, end = 0, time.monotonic() + 4.5
while time.monotonic() < end:
    handler.handle(record(f"{tag} {count}"))
    count += 1
    if tag == "rare":
        time.sleep(0.7)
print(count)
"""


def test_rotator_that_deletes_its_source_while_others_write(tmp_path: Path) -> None:
    """A rotator that copies and deletes is called when no process writes to the file any more, also where one logs rarely: no
    record is lost (P1)."""
    code = _COMPRESSING.replace("sys_argv()", "sys.argv[2], Path(sys.argv[1])").replace(
        "from test_hooks", "import sys, time\nfrom test_hooks"
    )
    children = {tag: start_python(code, tmp_path / "app.log", tag) for tag in ("busy", "too", "rare")}
    for child in children.values():
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    expected = [f"{tag} {number}" for tag, child in children.items() for number in range(int(ended(child)))]
    found = every_line(tmp_path)
    assert len(list(tmp_path.glob("*.gz"))) >= 2
    assert sorted(found) == sorted(expected)


def test_rotator_that_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotator that raises is reported once; the file that it was given waits, whole, until it works (P5)."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S")
    reports = collect(handler)
    state = {"works": False}

    def rotator(source: str, target: str) -> None:
        if not state["works"]:
            raise RuntimeError("no rotation today")
        os.rename(source, target)

    handler.rotator = rotator
    sent = log_three_periods(handler, clock)
    assert sorted(all_lines(tmp_path)) == sorted(sent)
    assert len(reports) == 1, reports
    state["works"] = True
    clock.step(1)
    handler.handle(record("last", clock.now()))
    handed_over(handler)
    assert lines(tmp_path / f"app.log.{BOUNDARY}0") == sent[:2]
    assert lines(tmp_path / f"app.log.{BOUNDARY}1") == sent[2:4]
    assert all_lines(tmp_path) == [*sent, "last"]


def test_rotator_that_leaves_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotator that only looks, or copies, keeps nothing from being kept: the file gets the default name (P1)."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S")
    collect(handler)
    seen: list[str] = []
    handler.rotator = lambda source, _target: seen.append(Path(source).read_text())
    sent = log_three_periods(handler, clock)
    assert all_lines(tmp_path) == sent
    assert f"app.log.{BOUNDARY}0" in segments(tmp_path)
    assert seen == [f"{sent[0]}\n{sent[1]}\n", f"{sent[2]}\n{sent[3]}\n"]


def test_rotator_finds_its_target_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotator that overwrites what is there is given a name that is free (P4)."""
    clock = use_clock(monkeypatch)
    foreign = tmp_path / f"app.log.{BOUNDARY}0"
    foreign.write_text("somebody else's\n")
    handler = handler_at(tmp_path / "app.log", "S")
    handler.rotator = os.replace
    sent = log_three_periods(handler, clock)
    assert foreign.read_text() == "somebody else's\n"
    assert sorted(all_lines(tmp_path)) == sorted([*sent, "somebody else's"])


def test_rotator_never_gets_a_taken_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a namer that gives one name to all segments of a period, a compressing rotator overwrites none of them (P4)."""
    clock = use_clock(monkeypatch)
    handler = with_namer(tmp_path / "app.log", lambda name: str(tmp_path / "app.log.2026-03-04.gz"), maxBytes=10)
    collect(handler)
    handler.rotator = compress
    sent = [f"record {number}" for number in range(6)]
    for text in sent:
        handler.handle(record(text, clock.now()))
    handler.close()
    files = [path.read_bytes() for path in tmp_path.glob("app.log*") if path.suffix != ".lock"]
    text = b"".join(gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data for data in files).decode()
    assert sorted(text.splitlines()) == sent


WAITING = f".app.log.{BOUNDARY}0.rotating"


def half_way(failures: list[int]) -> Callable[[str, str], None]:
    """A compressing rotator that fails after it has written its target, as often as there are failures."""

    def rotator(source: str, target: str) -> None:
        Path(target).write_bytes(gzip.compress(Path(source).read_bytes()))
        if failures:
            raise OSError(failures.pop(), "half way")
        os.remove(source)

    return rotator


def hand_over_to(folder: Path, rotator: Callable[[str, str], None], begun: Begun) -> Handover:
    """One try for every file that waits in the folder."""
    names = Names(str(folder / "app.log"), "%Y-%m-%d_%H-%M-%S")
    return hand_over(OPERATIONS, names, rotator, Reporter(lambda *_a, **_f: None, None), begun)  # type: ignore[arg-type]


def test_child_that_is_forked_in_a_rotator_has_nothing_of_the_file(tmp_path: Path) -> None:
    """Else it keeps the space of a file that the rotator removes, and the lock of a parent that is killed."""
    (tmp_path / WAITING).write_text("record\n")
    beside = tmp_path / f".app.log.{BOUNDARY}0.1.rotating"
    beside.write_text("record\n")
    codes: list[int] = []

    def rotator(source: str, target: str) -> None:
        codes.append(open_in_a_child(tmp_path))
        os.rename(source, target)

    assert hand_over_to(tmp_path, rotator, {}) is Handover.DONE
    assert codes == [0, 0]


def open_in_a_child(folder: Path) -> int:
    """How many files of this folder a child has that is forked now."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] >> 8
    links = [os.path.join("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]
    os._exit(len([link for link in links if os.path.islink(link) and os.readlink(link).startswith(str(folder))]))


def test_files_of_one_period_are_not_handed_over_at_the_same_time(tmp_path: Path) -> None:
    """P4: two processes would find the same name free, and the second rotator would write over what the first has made."""
    first, second = tmp_path / WAITING, tmp_path / f".app.log.{BOUNDARY}0.1.rotating"
    first.write_text("first\n")
    second.write_text("second\n")
    with first.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert hand_over_to(tmp_path, os.replace, {}) is Handover.WAITING
        assert second.exists()
        fcntl.flock(other, fcntl.LOCK_SH)  # a writer's lease: nobody is at it
        assert hand_over_to(tmp_path, os.replace, {}) is Handover.WAITING
        assert not second.exists()
    assert hand_over_to(tmp_path, os.replace, {}) is Handover.DONE
    assert sorted(all_lines(tmp_path)) == ["first", "second"]


def test_late_record_of_a_process_without_the_rotator_does_not_take_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1, P4: between a rotator's look for a free name and its rename nobody makes a file of that name, also a process that has
    no rotator and a late record of that period."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S")
    others: list[mpfhandler.TimedLogFile] = []

    def rotator(source: str, target: str) -> None:
        if not others:
            others.append(log_at(tmp_path / "app.log", "S"))
            others[0].write("late", clock.now() - 1)
        os.rename(source, target)

    handler.rotator = rotator
    handler.handle(record("first", clock.now()))
    clock.step(1)
    handler.handle(record("second", clock.now()))
    handler.close()
    others[0].close()
    assert sorted(all_lines(tmp_path)) == ["first", "late", "second"]


def test_rotator_that_fails_half_way_gets_the_same_target_again(tmp_path: Path) -> None:
    """What a failing rotator has begun to write is what it is given at the next try, so that no record is doubled (P1)."""
    (tmp_path / WAITING).write_text("record\n")
    begun: Begun = {}
    rotator = half_way([errno.ENOSPC, errno.EIO])
    results = [hand_over_to(tmp_path, rotator, begun) for _ in range(3)]
    assert results == [Handover.FAILED, Handover.FAILED, Handover.DONE]
    assert os.listdir(tmp_path) == [f"app.log.{BOUNDARY}0"]
    assert begun == {}


def test_rotator_that_fails_half_way_doubles_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler whose rotator fails after it has written its target gives it the same target again (P1)."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S")
    collect(handler)
    handler.rotator = half_way([errno.ENOSPC])
    sent = log_three_periods(handler, clock)
    clock.step(10)
    handler.handle(record("last", clock.now()))
    handler.close()
    wait_for(lambda: not list(tmp_path.glob(".*")), "the rotator")
    packed = b"".join(gzip.decompress(path.read_bytes()) for path in sorted(tmp_path.glob("app.log.2*")))
    assert packed.decode().splitlines() == sent


def test_target_that_somebody_else_has_taken_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """A target that is not the file any more that the rotator had begun is not given to it again (P4)."""
    (tmp_path / WAITING).write_text("record\n")
    begun: Begun = {}
    rotator = half_way([errno.ENOSPC])
    hand_over_to(tmp_path, rotator, begun)
    target = tmp_path / f"app.log.{BOUNDARY}0"
    (tmp_path / "new").write_text("somebody else's\n")
    os.replace(tmp_path / "new", target)
    assert hand_over_to(tmp_path, rotator, begun) is Handover.DONE
    assert target.read_text() == "somebody else's\n"
    assert gzip.decompress((tmp_path / f"app.log.{BOUNDARY}0.1").read_bytes()) == b"record\n"


def test_file_that_somebody_else_has_handed_over_is_forgotten(tmp_path: Path) -> None:
    """A file that waits under the same name later is another one, and gets a target of its own."""
    (tmp_path / WAITING).write_text("record\n")
    begun: Begun = {}
    hand_over_to(tmp_path, half_way([errno.ENOSPC]), begun)
    assert len(begun) == 1
    (tmp_path / WAITING).unlink()
    assert hand_over_to(tmp_path, half_way([]), begun) is Handover.DONE
    assert begun == {}


def test_target_that_was_begun_for_a_file_is_not_given_to_another_one(tmp_path: Path) -> None:
    """P1, P4: another file waits under the same name by now: what was begun may be all that is left of the first one, and its
    target is not the second one's."""
    waiting, target = tmp_path / WAITING, tmp_path / f"app.log.{BOUNDARY}0"
    waiting.write_text("first\n")
    begun: Begun = {}
    hand_over_to(tmp_path, half_way([errno.EIO]), begun)
    (tmp_path / "new").write_text("second\n")
    os.replace(tmp_path / "new", waiting)
    assert hand_over_to(tmp_path, half_way([]), begun) is Handover.DONE
    assert gzip.decompress(target.read_bytes()) == b"first\n"
    assert gzip.decompress((tmp_path / f"{target.name}.1").read_bytes()) == b"second\n"


def test_files_of_one_period_are_handed_over_in_order_of_time(tmp_path: Path) -> None:
    """The first name of the period is somebody's by now: the older of two files that wait still gets the lower number."""
    (tmp_path / f"app.log.{BOUNDARY}0").write_text("somebody's\n")
    (tmp_path / WAITING).write_text("older\n")
    (tmp_path / f".app.log.{BOUNDARY}0.1.rotating").write_text("newer\n")
    assert hand_over_to(tmp_path, os.rename, {}) is Handover.DONE
    assert [(tmp_path / f"app.log.{BOUNDARY}0.{number}").read_text() for number in (1, 2)] == ["older\n", "newer\n"]


def test_file_that_comes_to_wait_while_a_rotator_is_at_work_is_handed_over_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1: a period ends while the background thread is busy with the one before: both files are handed over, without a further
    record or boundary."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S")
    given: list[str] = []

    def rotator(source: str, target: str) -> None:
        given.append(os.path.basename(target))
        if len(given) == 1:
            clock.step(1)
            handler.handle(record("third", clock.now()))
        os.rename(source, target)

    handler.rotator = rotator
    handler.handle(record("first", clock.now()))
    handed_over(handler)
    clock.step(1)
    handler.handle(record("second", clock.now()))
    handed_over(handler)
    assert given == [f"app.log.{BOUNDARY}{second}" for second in (0, 1)]
    assert segments(tmp_path) == ["app.log", *given]


def test_file_that_took_the_place_of_the_one_that_was_locked_waits(tmp_path: Path) -> None:
    """Another process hands the file over and the next one of the period waits under its name, all between our opening and our
    lock: that one may still be written to, and is not handed over on the strength of the lock on the other (P1)."""
    waiting = tmp_path / WAITING
    waiting.write_text("handed over\n")

    def somebody_else(fd: int, exclusive: bool) -> bool:
        waiting.unlink()
        waiting.write_text("still written to\n")
        return OPERATIONS.try_lock(fd, exclusive)

    names = Names(str(tmp_path / "app.log"), "%Y-%m-%d_%H-%M-%S")
    ops = replace(OPERATIONS, try_lock=somebody_else)
    hand_over(ops, names, os.rename, Reporter(lambda *_a, **_f: None, None))  # type: ignore[arg-type]
    assert waiting.read_text() == "still written to\n"


def test_file_that_waits_for_a_rotator_survives_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process leaves waiting is handed over by the next one that has a rotator (I4)."""
    clock = use_clock(monkeypatch)
    first = handler_at(tmp_path / "app.log", "S")
    collect(first)

    def fail(_source: str, _target: str) -> None:
        raise RuntimeError("killed in the middle")

    first.rotator = fail
    sent = log_three_periods(first, clock)
    first.close()
    second = handler_at(tmp_path / "app.log", "S")
    second.rotator = os.rename
    clock.step(1)
    second.handle(record("last", clock.now()))
    handed_over(second)
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []
    assert sorted(all_lines(tmp_path)) == sorted([*sent, "last"])


class Renaming(Handler):
    """A subclass as the standard library's documentation suggests it."""

    def rotation_filename(self, default_name: str) -> str:
        return default_name + ".old"


class Moving(Handler):
    """A subclass that rotates itself."""

    moved: list[tuple[str, str]]

    def rotate(self, source: str, dest: str) -> None:
        self.moved.append((source, dest))
        os.rename(source, dest)


def test_subclass_that_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rotation_filename` may be overridden; retention knows the names."""
    clock = use_clock(monkeypatch)
    handler = Renaming(str(tmp_path / "app.log"), "S", backupCount=1, tz="UTC")
    sent = log_three_periods(handler, clock)
    handler.close()
    assert segments(tmp_path) == ["app.log", f"app.log.{BOUNDARY}1.old"]
    assert lines(tmp_path / f"app.log.{BOUNDARY}1.old") == sent[2:4]


def test_subclass_that_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rotate` may be overridden; it is called once for each period."""
    clock = use_clock(monkeypatch)
    handler = Moving(str(tmp_path / "app.log"), "S", tz="UTC")
    handler.moved = []
    sent = log_three_periods(handler, clock)
    assert [os.path.basename(target) for _, target in handler.moved] == [f"app.log.{BOUNDARY}0", f"app.log.{BOUNDARY}1"]
    assert all_lines(tmp_path) == sent


def test_suffix_that_is_changed_after_construction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`handler.suffix` is asked at each rotation; retention counts the names that it makes, and only those (P4)."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S", backupCount=1)
    handler.suffix = "%Y%m%d-%H%M%S.txt"
    (tmp_path / f"app.log.{BOUNDARY}0").write_text("of a former suffix\n")
    sent = log_three_periods(handler, clock)
    handler.close()
    wait_for(lambda: len(segments(tmp_path)) == 3, "the deletion")
    assert segments(tmp_path) == ["app.log", f"app.log.{BOUNDARY}0", "app.log.20260304-102001.txt"]
    assert lines(tmp_path / "app.log.20260304-102001.txt") == sent[2:4]


def test_suffix_that_does_not_tell_the_periods_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suffix that is too coarse for the schedule gives numbers, and overwrites nothing (P4)."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S")
    handler.suffix = "%Y-%m-%d"
    sent = log_three_periods(handler, clock)
    assert lines(tmp_path / "app.log.2026-03-04") == sent[:2]
    assert lines(tmp_path / "app.log.2026-03-04.1") == sent[2:4]
    assert lines(tmp_path / "app.log") == sent[4:]


@pytest.mark.parametrize("suffix", ["", None, "%", "%Q", "fixed"])
def test_suffix_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: Any) -> None:
    """Whatever the suffix is, the log is rotated and no record is lost or overwritten (P4, P5)."""
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S", backupCount=9)
    collect(handler)
    handler.suffix = suffix
    sent = log_three_periods(handler, clock)
    assert sorted(all_lines(tmp_path)) == sorted(sent)
    assert len(segments(tmp_path)) == 3


def test_hooks_may_be_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A namer and a rotator that are set back to None are gone at the next rotation."""
    clock = use_clock(monkeypatch)
    handler = with_namer(tmp_path / "app.log", lambda name: name + ".named")
    handler.rotator = os.rename
    handler.handle(record("one", clock.now()))
    clock.step(1)
    handler.handle(record("two", clock.now()))
    handed_over(handler)
    handler.namer = handler.rotator = None
    clock.step(1)
    handler.handle(record("three", clock.now()))
    assert segments(tmp_path) == ["app.log", f"app.log.{BOUNDARY}0.named", f"app.log.{BOUNDARY}1"]


def test_slow_rotator_of_another_process_holds_up_nobody(tmp_path: Path) -> None:
    """A process whose rotator takes long does not keep the others from logging and rotating (P3)."""
    code = """
import sys, time
from test_hooks import *
handler = handler_at(Path(sys.argv[1]), "S")

def slow(source, target):
    print("rotating", flush=True)
    sys.stdin.readline()
    os.rename(source, target)

handler.rotator = slow
while True:
    handler.handle(record("slow"))
    time.sleep(0.01)
"""
    child = start_python(code, tmp_path / "app.log")
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "rotating\n"
        handler = handler_at(tmp_path / "app.log", "S")
        worst, end = 0.0, time.monotonic() + 2.5
        while time.monotonic() < end:
            start = time.monotonic()
            handler.handle(record("quick"))
            worst = max(worst, time.monotonic() - start)
            time.sleep(0.002)
        rotated = [name for name in os.listdir(tmp_path) if "app.log.2" in name]  # by one or the other, as the clock will have it
        assert len(rotated) >= 3
        assert handler.stats().lock_timeouts == 0
        assert worst < 1.9, worst  # not even once the time that a lock is waited for
    finally:
        child.kill()
        child.communicate()


class Held:
    """A rotator that renames, as soon as it may."""

    def __init__(self) -> None:
        self.at_work, self.go = threading.Event(), threading.Event()

    def __call__(self, source: str, target: str) -> None:
        self.at_work.set()
        assert self.go.wait(60)
        os.rename(source, target)


def in_a_thread(call: Callable[..., object], *arguments: object, patience: float = 60.0) -> threading.Thread:
    """A thread that makes this call, after a wait for its end."""
    thread = threading.Thread(target=call, args=arguments, daemon=True)
    thread.start()
    thread.join(patience)
    return thread


def test_no_logging_call_waits_for_a_rotator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: while a rotator is at work calls of all threads return, over further boundaries, too."""
    rotator = Held()
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S")
    handler.rotator = rotator
    for number in range(30):
        clock.step(0.5)
        if number % 2:
            handler.handle(record(str(number), clock.now()))
        else:
            assert not in_a_thread(handler.handle, record(str(number), clock.now())).is_alive()
    assert handler.stats().rotations > 10
    assert rotator.at_work.wait(60)
    rotator.go.set()
    handler.close()
    assert sorted(all_lines(tmp_path)) == sorted(map(str, range(30)))
    assert len(segments(tmp_path)) == handler.stats().rotations + 1


@pytest.mark.parametrize("what", ["doRollover", "close"])
def test_who_asks_waits_for_the_rotator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """`doRollover()` and `close()` return after the rotator, and other threads log meanwhile (P3)."""
    rotator = Held()
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S")
    handler.rotator = rotator
    handler.handle(record("0", clock.now()))
    if what == "close":
        clock.step(1)
        handler.handle(record("1", clock.now()))
    asking = in_a_thread(getattr(handler, what), patience=0.3)
    assert rotator.at_work.wait(60)
    assert asking.is_alive()
    assert not in_a_thread(handler.handle, record("meanwhile", clock.now())).is_alive()
    rotator.go.set()
    asking.join(60)
    assert not asking.is_alive()
    assert len(segments(tmp_path)) == 2
    handler.close()
    assert "meanwhile" in lines(tmp_path / "app.log")


def test_who_asks_waits_for_a_rotator_that_the_background_thread_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The background thread may be faster with the file: `doRollover()` returns after the rotator all the same."""
    rotator = Held()
    clock = use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S")
    handler.rotator = rotator
    handler.handle(record("0", clock.now()))
    writer, tidy = handler._writer, handler._writer._active.closed.tidy
    writer._housekeeper.finish(60)

    def late(*arguments: Any) -> None:
        if threading.current_thread() is asking:
            writer._housekeeper.ask()
            assert rotator.at_work.wait(60)
        tidy(*arguments)

    monkeypatch.setattr(writer._active.closed, "tidy", late)
    asking = threading.Thread(target=handler.doRollover, daemon=True)
    asking.start()
    assert rotator.at_work.wait(60)
    asking.join(0.3)
    assert asking.is_alive()
    rotator.go.set()
    asking.join(60)
    assert len(segments(tmp_path)) == 2
    handler.close()


def test_file_that_another_process_hands_over_first_is_no_failure(tmp_path: Path) -> None:
    """P5: its rotator has removed the file between our opening and our look: nothing is reported, and ours is not called."""
    waiting = tmp_path / WAITING
    told: list[Exception] = []

    def lock_late(fd: int, exclusive: bool) -> bool:
        waiting.unlink(missing_ok=True)
        return OPERATIONS.try_lock(fd, exclusive)

    def rotator(_source: str, _target: str) -> None:
        raise AssertionError("called")

    waiting.write_text("record\n")
    names = Names(str(tmp_path / "app.log"), "%Y-%m-%d_%H-%M-%S")
    reporter = Reporter(lambda *_, **__: None, told.append)
    ops = replace(OPERATIONS, try_lock=lock_late)
    assert hand_over(ops, names, rotator, reporter) is Handover.DONE
    assert told == []


def waiting_in(folder: Path, rotator: Callable[[str, str], None], **entries: Any) -> tuple[Handover, list[str]]:
    """One try for every file that waits in the folder; what came of it, and what was reported."""
    names = Names(str(folder / "app.log"), "%Y-%m-%d_%H-%M-%S")
    told: list[str] = []
    reporter = Reporter(lambda *_, **__: None, lambda error: told.append(str(error)))
    return hand_over(replace(OPERATIONS, **entries), names, rotator, reporter), told


def test_folder_that_cannot_be_listed_is_tried_again(tmp_path: Path) -> None:
    """P5: it is reported, the rotator is not called, and the file goes on waiting."""
    (tmp_path / WAITING).write_text("record\n")
    result, told = waiting_in(tmp_path, os.rename, names=failing(errno.EACCES))
    assert (result, len(told)) == (Handover.FAILED, 1)
    assert os.listdir(tmp_path) == [WAITING]


def test_emptied_source_goes(tmp_path: Path) -> None:
    """A rotator that copies and truncates has done its work: the empty file it leaves is removed, and nothing is reported."""

    def copy_and_truncate(source: str, target: str) -> None:
        shutil.copyfile(source, target)
        os.truncate(source, 0)

    (tmp_path / WAITING).write_text("record\n")
    assert waiting_in(tmp_path, copy_and_truncate) == (Handover.DONE, [])
    assert os.listdir(tmp_path) == [f"app.log.{BOUNDARY}0"]


def test_source_that_a_rotator_left_overwrites_nothing(tmp_path: Path) -> None:
    """P4: what a rotator left behind is kept under the next name that is free, its target's name is taken by its copy."""
    (tmp_path / WAITING).write_text("record\n")
    result, told = waiting_in(tmp_path, lambda source, target: Path(target).write_text("copy\n") and None)
    assert (result, len(told)) == (Handover.DONE, 1)
    assert (tmp_path / f"app.log.{BOUNDARY}0").read_text() == "copy\n"
    assert (tmp_path / f"app.log.{BOUNDARY}0.1").read_text() == "record\n"


def test_source_for_which_there_is_no_name_goes_on_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1, P4: with every name taken the rotator gets none, nothing is overwritten, and the records stay where they are."""
    monkeypatch.setattr("mpfhandler._protocols.handover._NAMES", 2)
    taken = [f"app.log.{BOUNDARY}0", f"app.log.{BOUNDARY}0.1"]
    for name in taken:
        (tmp_path / name).write_text("somebody's\n")
    (tmp_path / WAITING).write_text("record\n")
    result, told = waiting_in(tmp_path, os.rename)
    assert result is Handover.FAILED
    assert "no free name" in told[0]
    assert [(tmp_path / name).read_text() for name in taken] == ["somebody's\n"] * 2
    assert (tmp_path / WAITING).read_text() == "record\n"


def test_source_that_stays_without_a_name_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: a rotator leaves its source behind and takes every other name: the source still waits, it is not deleted."""
    monkeypatch.setattr("mpfhandler._protocols.handover._NAMES", 2)

    def take_everything(_source: str, target: str) -> None:
        for name in (target, target + ".1"):
            Path(name).write_text("copy\n")

    (tmp_path / WAITING).write_text("record\n")
    waiting_in(tmp_path, take_everything)
    assert (tmp_path / WAITING).read_text() == "record\n"


@pytest.mark.parametrize("work", ["run_rotator", "delete"])
def test_names_that_cannot_be_made_do_not_end_the_background_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    """P5: a suffix that raises when it is asked is reported, and the work is tried again another time."""
    use_clock(monkeypatch)
    handler = handler_at(tmp_path / "app.log", "S", backupCount=1)
    reports = collect(handler)
    handler.rotator = os.rename
    closed = handler._writer._active.closed

    def names() -> Names:
        raise ValueError("no names today")

    monkeypatch.setattr(closed._segments, "names", names)
    if work == "delete":
        closed.delete(lambda: False, lambda _files: None)
    else:
        closed.run_rotator()
    assert len(reports) == 1
    assert "no names today" in reports[0]
    assert closed.waiting


@pytest.mark.parametrize(("number", "result"), [(errno.ENOENT, Handover.DONE), (errno.EACCES, Handover.FAILED)])
def test_waiting_file_that_cannot_be_opened(tmp_path: Path, number: int, result: Handover) -> None:
    """P5: one that is gone was handed over by another process; another user's is for a process that may open it. Ours does not
    call the rotator, and reports nothing."""
    (tmp_path / WAITING).write_text("record\n")
    called: list[str] = []
    got = waiting_in(tmp_path, lambda source, _target: called.append(source), open_side=failing(number))
    assert (got, called) == ((result, []), [])
    assert (tmp_path / WAITING).read_text() == "record\n"
