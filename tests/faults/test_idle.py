"""The life of a log without records: it is rotated if that is asked for, lets go what nobody writes to any more, and has segments
sealed; in one thread, which is there only while something comes."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest
from _disk_support import tmpfs
from _support import Worker, leased, log_files, run, segment_names, wait_for

from mpfhandler import MultProcTimedRotatingFileHandler, TimedLogFile
from mpfhandler._platform import OPERATIONS, SYSTEM_THREADS, Patience

System = Callable[..., None]
Keep = Callable[[Any], Any]

HOUR = 3600
FIVE = 1_700_000_000 // 86400 * 86400 + 17 * HOUR  # a day's 17:00, UTC
UTC = {"when": "H", "utc": True}
GRACE = 10.0
LOOK = 60.0  # seconds between two looks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the log."""
    return tmp_path / "app.log"


class Idle:
    """A log whose clock stands still, with a housekeeper that a test runs by hand."""

    def __init__(self, path: Path, clock: list[float], closing: Keep, **options: Any) -> None:
        self.clock = clock
        self.log: TimedLogFile = closing(TimedLogFile(path, **{**UTC, "rotate_idle": True, **options}))
        self.writer = self.log._writer
        self.writer._housekeeper.at_exit(Patience(1.0))  # only the test lives on

    def at(self, moment: float) -> float | None:
        """Live at this time; whole seconds until the next look."""
        self.clock[0] = moment
        pause = self.writer._background.live(lambda: False)
        return None if pause is None else round(pause)


@pytest.fixture
def idle(path: Path, clock: list[float], closing: Keep) -> Callable[..., Idle]:
    clock[0] = FIVE + 60.0

    def make(**options: Any) -> Idle:
        return Idle(path, clock, closing, **options)

    return make


def segments(path: Path) -> dict[str, str]:
    """What stands in the log ("") and its segments, by their suffixes."""
    return {one.name[len(path.name) + 1 :]: one.read_text() for one in log_files(path.parent, path.name)}


# --- rotate_idle ------------------------------------------------------------------------------------------------------


def test_idle_log_is_rotated_at_the_boundary(idle: Callable[..., Idle], path: Path) -> None:
    """Not before it, and without a record; then it waits for the end of the grace, to let the segment go."""
    one = idle()
    one.log.write("a")
    assert one.at(FIVE + HOUR - 5.0) == 5.0
    assert segments(path) == {"": "a\n"}
    assert one.at(float(FIVE + HOUR)) == GRACE
    assert segments(path) == {"2023-11-14_17": "a\n", "": ""}
    assert leased(path.parent / "app.log.2023-11-14_17")
    assert one.at(FIVE + HOUR + GRACE) == LOOK
    assert not leased(path.parent / "app.log.2023-11-14_17")


def test_record_within_the_grace_after_an_idle_rotation_goes_to_its_own_file(idle: Callable[..., Idle], path: Path) -> None:
    """P2: the housekeeper's rotation is one like another."""
    one = idle()
    one.log.write("a")
    one.at(float(FIVE + HOUR))
    one.log.write("late", FIVE + HOUR - 0.5)
    one.log.write("next")
    assert segments(path) == {"2023-11-14_17": "a\nlate\n", "": "next\n"}


def test_an_idle_night_makes_no_empty_segments(idle: Callable[..., Idle], path: Path) -> None:
    """Nothing is rotated that has no record; the morning's first one goes to its own period's file."""
    one = idle()
    one.log.write("a")
    for hour in range(1, 15):
        one.at(float(FIVE + hour * HOUR))
        one.at(FIVE + hour * HOUR + GRACE)
    assert segments(path) == {"2023-11-14_17": "a\n", "": ""}
    one.clock[0] = FIVE + 14 * HOUR + 60.0
    one.log.write("b")
    assert segments(path) == {"2023-11-14_17": "a\n", "": "b\n"}
    one.at(float(FIVE + 15 * HOUR))
    assert segments(path) == {"2023-11-14_17": "a\n", "2023-11-15_07": "b\n", "": ""}


def test_late_record_for_an_empty_log_is_in_its_period(idle: Callable[..., Idle], path: Path) -> None:
    """P2: as long as the grace lasts, the empty log is still that of the period that is over."""
    one = idle()
    one.at(float(FIVE + HOUR))
    assert segments(path) == {"": ""}
    one.clock[0] = FIVE + HOUR + 5.0
    one.log.write("late", FIVE + HOUR - 1.0)
    assert segments(path) == {"2023-11-14_17": "late\n", "": ""}


def test_program_that_was_down_names_the_old_content_for_its_own_period(path: Path, idle: Callable[..., Idle]) -> None:
    """Over several boundaries, without a state record, without a record of its own."""
    path.write_text("old\n")
    os.utime(path, (FIVE - 5 * HOUR + 60, FIVE - 5 * HOUR + 60))
    one = idle()
    assert segments(path) == {"": "old\n"}  # a constructor never rotates: its namer is not set yet
    one.at(FIVE + 61.0)
    assert segments(path) == {"2023-11-14_12": "old\n", "": ""}


def test_second_process_follows(idle: Callable[..., Idle], path: Path) -> None:
    """Whoever is first rotates; the others find it done, and nothing is rotated twice."""
    one, other = idle(), idle()
    one.log.write("a")
    other.log.write("b")
    one.at(float(FIVE + HOUR))
    other.at(float(FIVE + HOUR))
    assert segments(path) == {"2023-11-14_17": "a\nb\n", "": ""}
    assert (one.log.stats().rotations, other.log.stats().rotations) == (1, 0)
    assert {one.writer.segment.file, other.writer.segment.file} == {one.writer._ops.stat_path(str(path)).id}


def test_rotation_that_fails_is_tried_again_and_costs_nothing(
    idle: Callable[..., Idle], path: Path, system: System, clock: list[float]
) -> None:
    """P5: the log goes on; the next try comes after a pause, not after a minute and not at once."""
    fails = [True]

    def rename(source: str, target: str) -> None:
        if fails[0]:
            raise PermissionError("not now")
        OPERATIONS.rename_new(source, target)

    steady = [1000.0]
    system(now=lambda: clock[0], rename_new=rename, monotonic=lambda: steady[0])
    one = idle()
    one.log.write("a")
    pause = one.at(float(FIVE + HOUR))
    assert pause == 1.0
    assert segments(path) == {"": "a\n"}
    fails[0] = False
    steady[0] += 1.0
    one.at(FIVE + HOUR + 1.0)
    assert segments(path) == {"2023-11-14_17": "a\n", "": ""}


@pytest.mark.parametrize("grace", [0, 10])
def test_what_is_in_the_buffer_comes_before_an_idle_rotation(idle: Callable[..., Idle], path: Path, grace: float) -> None:
    """P2: no rotation makes a record late, also where there is no file for late ones."""
    one = idle(delivery="buffered", flush_interval=3600, late_grace=grace)
    one.log.write("a")
    assert segments(path) == {"": ""}
    one.at(float(FIVE + HOUR))
    one.log.flush()
    assert segments(path) == {"2023-11-14_17": "a\n", "": ""}


def test_stream_is_never_rotated(tmp_path: Path, closing: Keep) -> None:
    """A pipe has no periods, and no thread."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = closing(TimedLogFile(fifo, rotate_idle=True))
    log.write("a")
    assert log._writer._housekeeper._live is None
    os.close(reader)


@pytest.mark.slow
def test_real_boundaries_without_a_record(path: Path, closing: Keep) -> None:
    """A program that has logged once: within its second it is rotated, by a thread, and once."""
    handler = closing(MultProcTimedRotatingFileHandler(path, "S", rotate_idle=True, late_grace=0.2))
    handler.emit(logging.makeLogRecord({"msg": "a", "created": time.time()}))
    created = time.time()
    wait_for(lambda: "" in segments(path) and len(segments(path)) == 2, "the rotation", 5.0)
    assert time.time() - created < 2.0
    time.sleep(2.0)
    assert sorted(segments(path).values()) == ["", "a\n"]
    assert abs(time.mktime(time.strptime(segment_names(path.parent)[0], "%Y-%m-%d_%H-%M-%S")) - created) <= 1.1


def test_real_start_after_several_boundaries(path: Path) -> None:
    """A program that starts and says nothing: the suffix that is set after construction is the one that is used."""
    old = time.time() - 90_000
    path.write_text("old\n")
    os.utime(path, (old, old))
    code = """
        import sys
        from _support import *
        logger, handler = make_logger(sys.argv[1], when="D", rotate_idle=True)
        time.sleep(0.3)
        handler.suffix = "%Y.%m.%d"
        wait_for(lambda: len(log_files(__import__("pathlib").Path(sys.argv[1]).parent)) == 2, "rotation", 10)
        handler.close()
    """
    run(code, path)
    assert segments(path) == {"": "", time.strftime("%Y.%m.%d", time.localtime(old)): "old\n"}


# --- giving the lease up ----------------------------------------------------------------------------------------------


def test_idle_process_lets_the_segment_of_a_past_period_go(idle: Callable[..., Idle], path: Path) -> None:
    """At the end of its grace: its lease would keep everybody from sealing it. Then there is nothing to wait for."""
    one = idle(rotate_idle=False, fsync="seal")
    one.log.write("a")
    assert one.at(FIVE + HOUR + GRACE - 1.0) == 1.0
    assert leased(path)
    assert one.at(FIVE + HOUR + GRACE) is None
    assert not leased(path)
    assert one.log._writer.segment is None
    assert not [fd for fd in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{fd}").startswith(str(path))]


def test_record_after_that_opens_the_log_again(idle: Callable[..., Idle], path: Path) -> None:
    """P1, P2: it rotates first, as every first record of a period does."""
    one = idle(rotate_idle=False, fsync="seal")
    one.log.write("a")
    one.at(FIVE + HOUR + GRACE)
    one.log.write("b")
    assert segments(path) == {"2023-11-14_17": "a\n", "": "b\n"}
    assert leased(path)


def test_segment_that_somebody_has_split_off_is_let_go(idle: Callable[..., Idle], path: Path) -> None:
    """Within its period, at the next look: no record of this process comes there any more."""
    one, other = idle(rotate_idle=False, fsync="seal"), idle()
    one.log.write("a")
    assert other.log.rotate()
    segment = path.parent / "app.log.2023-11-14_17"
    other.at(FIVE + 61.0)  # its own one is a late one's, perhaps
    assert leased(segment)
    one.at(FIVE + 61.0)
    other.log.close()
    assert not leased(segment)
    one.log.write("b")
    assert segments(path) == {"2023-11-14_17": "a\n", "": "b\n"}


def test_renamed_segment_is_kept_for_its_grace(idle: Callable[..., Idle], path: Path) -> None:
    """P2: another process has rotated at the boundary; a late record of this one still finds its file."""
    one, other = idle(rotate_idle=False, fsync="seal"), idle()
    one.log.write("a")
    other.at(float(FIVE + HOUR))
    assert one.at(FIVE + HOUR + 1.0) == GRACE - 1.0
    one.log.write("late", FIVE + HOUR - 1.0)
    assert segments(path) == {"2023-11-14_17": "a\nlate\n", "": ""}


def test_records_that_wait_for_the_disk_keep_the_file(
    idle: Callable[..., Idle], path: Path, system: System, clock: list[float]
) -> None:
    """P1: a log with a backlog is not idle."""

    def write(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    system(now=lambda: clock[0], write=write)
    one = idle(rotate_idle=False, fsync="seal")
    one.log.write("a")
    one.at(FIVE + HOUR + GRACE)
    assert one.log.stats().spilled == 1
    assert one.log._writer.segment is not None


def test_log_that_could_not_be_opened_again_is_kept(
    idle: Callable[..., Idle], path: Path, system: System, clock: list[float]
) -> None:
    """P1: a worker that has dropped its rights keeps the descriptor that it has; the next look comes in a minute."""

    def refuse(_path: str) -> int:
        raise PermissionError(13, "Permission denied")

    one = idle(rotate_idle=False, fsync="seal")
    one.log.write("a")
    system(now=lambda: clock[0], open_existing=refuse)
    object.__setattr__(one.writer, "_ops", replace(one.writer._ops, open_existing=refuse))
    assert one.at(FIVE + HOUR + GRACE) == LOOK
    assert one.writer.segment is not None
    one.log.write("b", FIVE + HOUR + GRACE)
    assert "b\n" in segments(path)[""]


@pytest.mark.parametrize(("may", "kept"), [(True, False), (False, True)])
def test_log_that_is_gone_is_let_go_where_it_can_be_made_anew(
    idle: Callable[..., Idle], path: Path, monkeypatch: pytest.MonkeyPatch, may: bool, kept: bool
) -> None:
    """An external `mv` within the period: the file is somebody else's to seal or to archive."""
    one = idle(rotate_idle=False, fsync="seal")
    one.log.write("a")
    path.rename(path.parent / "moved")
    object.__setattr__(one.writer, "_ops", replace(one.writer._ops, may_create_in=lambda _folder: may))
    one.at(FIVE + 61.0)
    assert leased(path.parent / "moved") is kept


def test_another_thread_at_the_log_is_not_waited_for(idle: Callable[..., Idle]) -> None:
    """P3: who logs is not idle; the look comes a little later."""
    one = idle()
    one.log.write("a")
    has, done = threading.Event(), threading.Event()

    def hold() -> None:
        with one.writer.lock:
            has.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    assert has.wait(10)
    since = time.monotonic()
    assert one.at(float(FIVE + HOUR)) == 1.0
    assert time.monotonic() - since < 1.0
    done.set()
    holder.join()


def test_fast_path_is_closed_with_the_segment(idle: Callable[..., Idle], path: Path) -> None:
    """A record whose `created` lies in the window of what was let go does not find it."""
    one = idle(rotate_idle=False, fsync="seal")
    one.log.write("a")
    path.rename(path.parent / "moved")
    one.at(FIVE + 60.5)
    one.log.write("b", FIVE + 60.2)
    assert segments(path) == {"": "b\n"}


@pytest.mark.slow
def test_idle_worker_does_not_keep_others_from_the_exclusive_lock(path: Path) -> None:
    """A real process that has logged once and lives on: a moment after the grace nobody has the segment, and it has no thread."""
    with Worker("idle", path, when="S", fsync="seal", late_grace=0.3) as worker:
        worker.log()
        wait_for(lambda: not leased(path), "the lease's end", 30.0)
        wait_for(lambda: worker.ask("len(os.listdir('/proc/self/task'))") == 1, "the thread's end", 30.0)
        worker.log()
        assert len(segments(path)) == 2


# --- sealing ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def seal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands in for the sealing: what it was asked, and what it answers."""
    from mpfhandler._engine import sealer
    from mpfhandler._protocols import sealing

    asked: list[dict[str, Any]] = []
    answers: list[Any] = []

    def seal_all(
        _ops: object, names: object, folder: str, _schedule: object, rules: Any, report: Any, stop: Any, **more: Any
    ) -> Any:
        asked.append({"folder": folder, "rules": rules, "stop": stop, "report": report, **more})
        answer = answers.pop(0) if answers else {}
        if isinstance(answer, BaseException):
            raise answer
        return sealing.Sealed(**answer)

    monkeypatch.setattr(sealer, "seal_all", seal_all)
    return SimpleNamespace(asked=asked, answers=answers)


def test_sealing_is_asked_for_when_a_segment_is_closed_and_when_the_next_is_due(seal: Any, idle: Callable[..., Idle]) -> None:
    """At the start, after a rotation, and at the time that it has told; not at every look."""
    one = idle(fsync="seal")
    one.log.write("a")
    one.at(FIVE + 61.0)
    assert len(seal.asked) == 1
    one.at(FIVE + 62.0)
    assert len(seal.asked) == 1
    seal.answers += [{"next_at": FIVE + HOUR + GRACE}]
    assert one.at(float(FIVE + HOUR)) == GRACE
    assert len(seal.asked) == 2
    assert seal.asked[1]["now"] == FIVE + HOUR
    assert seal.asked[1]["rules"].grace == GRACE
    assert seal.asked[1]["rules"].fsync == "seal"


def test_step_that_another_process_is_at_is_asked_for_later_and_later(
    seal: Any, idle: Callable[..., Idle], system: System, clock: list[float]
) -> None:
    """From a second to a minute; not twice in one run, and no file is let go for it."""
    steady = [1000.0]
    system(now=lambda: clock[0], monotonic=lambda: steady[0])
    one = idle(fsync="seal")
    seal.answers += [{"busy": {"archive"}}] * 2 + [{"busy": {"archive"}, "held": {1}}, {}, {}]
    sealer = one.writer._active.closed._sealer
    asked: list[Any] = []
    assert [sealer.run(lambda: False, asked.append) for _ in range(2)] == [1.0, 2.0]
    assert (len(seal.asked), asked) == (2, [])
    sealer.run(lambda: False, asked.append)
    assert [set(one["skip"]) for one in seal.asked] == [set(), set(), set(), {"archive"}]


def test_nothing_is_sealed_without_such_an_option(seal: Any, idle: Callable[..., Idle]) -> None:
    """Rotating an idle log asks nobody to look at its segments."""
    one = idle()
    one.at(float(FIVE + HOUR))
    assert seal.asked == []


def test_what_is_due_keeps_the_thread_when_nothing_is_open(seal: Any, idle: Callable[..., Idle]) -> None:
    """The segment has been let go, and waits for `compress_delay`."""
    one = idle(rotate_idle=False, fsync="seal")
    one.log.write("a")
    seal.answers += [{"next_at": FIVE + HOUR + GRACE + 30.0}]
    assert one.at(FIVE + HOUR + GRACE) == pytest.approx(30.0, abs=1.0)


def test_failures_are_tried_again_later_and_later(
    seal: Any, idle: Callable[..., Idle], system: System, clock: list[float]
) -> None:
    """P5: from a second to ten minutes; a success begins anew. Whatever is raised counts as one."""
    steady = [1000.0]
    system(now=lambda: clock[0], monotonic=lambda: steady[0])
    one = idle(fsync="seal")
    seal.answers += [{"failed": True}, ValueError("of a namer"), *[{"failed": True}] * 10]
    pauses: list[float] = []
    for _ in range(12):
        one.writer._background._seal(lambda: False)
        pauses.append(one.writer._active.closed._sealer._retry.until - steady[0])
        steady[0] += pauses[-1]
    assert pauses[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert pauses[-1] == 600.0
    assert len(seal.asked) >= 12
    steady[0] += 600
    one.writer._background.changed()
    one.writer._background._seal(lambda: False)
    seal.answers += [{"failed": True}]
    one.writer._background.changed()
    assert one.writer._background._seal(lambda: False) == 1.0


def test_segment_that_this_process_keeps_is_let_go_for_sealing(seal: Any, idle: Callable[..., Idle], path: Path) -> None:
    """Split off by itself: it is kept for late records, and nobody else has it."""
    one = idle(fsync="seal")
    one.log.write("a")
    one.at(float(FIVE + HOUR))
    kept = {late.file for late in one.writer._active._late._open}
    assert kept
    seal.answers += [{"held": kept}, {}]
    one.writer._background.changed()
    one.at(FIVE + HOUR + 1.0)
    assert not leased(path.parent / "app.log.2023-11-14_17")
    assert len(seal.asked) == 3  # at the rotation, and twice now


def test_segment_that_somebody_has_is_tried_again_soon(seal: Any, idle: Callable[..., Idle]) -> None:
    """In a second at first, in a minute at most."""
    one = idle(fsync="seal")
    pauses = []
    for _ in range(8):
        seal.answers += [{"held": {1}}, {"held": {1}}]
        one.writer._background.changed()
        pauses.append(one.writer._background._seal(lambda: False))
    assert pauses == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0], abs=0.1)


@pytest.mark.parametrize("answer", [{"failed": True}, {"stopped": True}])
def test_what_has_failed_is_not_tried_again_at_once(seal: Any, idle: Callable[..., Idle], answer: dict[str, Any]) -> None:
    """Not because somebody has another segment: a hook that fails would be called twice each time."""
    one = idle(fsync="seal")
    seal.answers.append({"held": {1}, **answer})
    one.writer._background._seal(lambda: False)
    assert len(seal.asked) == 1


def test_sealing_that_was_stopped_goes_on(idle: Callable[..., Idle], path: Path) -> None:
    """A fork stops a compression. After it nothing has changed, and still there is something to be done."""
    segment = path.with_name("app.log.2023-11-14_10")
    segment.write_bytes(b"x" * 1_000_000)
    os.utime(segment, (FIVE - 6 * HOUR, FIVE - 6 * HOUR))
    one = idle(compress="gz", compress_delay=0)
    answers = iter([False] * 3)
    assert one.writer._background.live(lambda: next(answers, True)) is not None
    assert segment.exists()
    one.at(FIVE + 61.0)
    assert not segment.exists()


def test_boundary_in_the_middle_of_a_compression_is_kept(
    seal: Any, idle: Callable[..., Idle], path: Path, monkeypatch: Any
) -> None:
    """Between two steps of the sealing, however long it takes."""
    from mpfhandler._engine import sealer

    one = idle(fsync="seal")
    one.log.write("a")
    seen: list[dict[str, str]] = []
    inner = sealer.seal_all

    def seal_all(*given: Any, **more: Any) -> Any:
        stop = given[6]
        if not seen:
            one.clock[0] = float(FIVE + HOUR)
            monkeypatch.setattr(one.writer._background, "_attend_at", 0.0)
            assert not stop()
            seen.append(segments(path))
        return inner(*given, **more)

    monkeypatch.setattr(sealer, "seal_all", seal_all)
    one.at(FIVE + HOUR - 1.0)
    assert seen == [{"2023-11-14_17": "a\n", "": ""}]


def test_last_segment_of_a_folder_is_sealed(idle: Callable[..., Idle], path: Path) -> None:
    """A namer gives each day a folder of its own. The last segment of one comes due in the next one's time; then the folder is
    forgotten. What fails there is told once, and a folder that is not there is no failure."""

    def namer(default: str) -> str:
        folder, name = os.path.split(default)
        return os.path.join(folder, name[8:18], name)

    got: list[str] = []
    told: list[Exception] = []

    def hook(segment: Any) -> None:
        got.append(segment.path)
        if len(got) <= 3:
            raise ValueError("not yet")

    one = idle(on_seal=hook, on_error=told.append, rotate_idle=False)
    writer, midnight = one.writer, FIVE + 7 * HOUR
    name_by(writer, namer)
    one.at(FIVE + 61.0)
    last = path.parent / "2023-11-14" / "app.log.2023-11-14_23"
    last.parent.mkdir()
    last.write_text("x\n")
    os.utime(last, (midnight - 1, midnight - 1))
    sealer = writer._active.closed._sealer
    for hours in range(4):
        writer._background.changed()
        sealer._retry.clear()
        one.at(midnight + hours * HOUR + GRACE)
    assert got == [str(last)] * 4
    assert [str(error) for error in told] == ["not yet"]
    assert set(sealer._memories) <= {str(path.parent / "2023-11-15")}


def by_day(default: str) -> str:
    """A namer that gives each day a folder, and makes it, for nobody else does."""
    folder, name = os.path.split(default)
    os.makedirs(os.path.join(folder, name[8:18]), exist_ok=True)
    return os.path.join(folder, name[8:18], name)


def name_by(writer: Any, namer: Callable[[str], str]) -> None:
    """Set as a handler's attribute would be."""
    segments_of = writer._active.closed._segments
    segments_of._hooks = replace(segments_of._hooks, namer=lambda: namer)


def test_segment_of_a_program_that_was_down_over_two_days_is_sealed(idle: Callable[..., Idle], path: Path) -> None:
    """A folder a day: the old content goes to its own day's, which is neither the present one nor the one before."""
    got: list[str] = []
    path.write_text("old\n")
    os.utime(path, (FIVE - 50 * HOUR, FIVE - 50 * HOUR))
    one = idle(on_seal=lambda segment: got.append(segment.path), rotate_idle=False)
    name_by(one.writer, by_day)
    one.at(FIVE + 61.0)
    assert got == []
    one.log.write("new")
    one.at(FIVE + 62.0)
    assert got == [str(path.parent / "2023-11-12" / "app.log.2023-11-12_15")]


def test_segment_that_another_process_has_left_in_an_older_folder_is_sealed(idle: Callable[..., Idle], path: Path) -> None:
    """At the first look, and at one an hour after it; no folder is made for that, and other files and logs are left alone."""
    got: list[str] = []
    left = [path.parent / day / f"app.log.{day}_03" for day in ("2022-01-31", "2023-11-02")]
    for one in left[:1]:
        one.parent.mkdir()
        one.write_text("x\n")
    (path.parent / "2022-01-31" / "other.log.2022-01-31_03").write_text("y\n")
    (path.parent / "2022-02-30x").mkdir()
    (path.parent / "2022-02-28").write_text("no folder\n")
    idler = idle(on_seal=lambda segment: got.append(segment.path), rotate_idle=False)
    name_by(idler.writer, by_day)
    idler.at(FIVE + 61.0)
    assert got == [str(left[0])]
    left[1].parent.mkdir()
    left[1].write_text("x\n")
    monotonic = idler.writer._ops.monotonic()
    idler.writer._background.changed()
    idler.at(FIVE + 62.0)
    assert got == [str(left[0])]
    idler.writer._active.closed._sealer._ops = replace(idler.writer._ops, monotonic=lambda: monotonic + HOUR)
    idler.writer._background.changed()
    idler.at(FIVE + 63.0)
    assert got == [str(one) for one in left]
    folders = {one.name for one in path.parent.iterdir() if one.is_dir()}
    assert folders == {"2022-01-31", "2022-02-30x", "2023-11-02", "2023-11-14"}


def test_segment_for_which_the_namer_has_failed_is_seen_to(idle: Callable[..., Idle], path: Path) -> None:
    """It lies in the log's own folder, which is looked into though the namer names others; sealed once, and deleted by age."""
    got: list[str] = []
    left = [path.parent / f"app.log.{hour}" for hour in ("2023-11-01_03", "2023-11-13_03")]
    for one in left:
        one.write_text("x\n")
    (path.parent / "app.log.2023-11-01_03.txt").write_text("y\n")
    idler = idle(on_seal=lambda segment: got.append(segment.path), max_age="5d", rotate_idle=False)
    name_by(idler.writer, by_day)
    for second in (61.0, 62.0):
        idler.writer._background.changed()
        idler.at(FIVE + second)
    assert got == [str(one) for one in left]
    assert sorted(one.name for one in path.parent.iterdir() if one.name.startswith("app.log.2")) == [
        "app.log.2023-11-01_03.txt", "app.log.2023-11-13_03"
    ]  # fmt: skip


def test_max_age_counts_in_every_folder(idle: Callable[..., Idle], path: Path) -> None:
    """A folder a day: what is too old is in others than today's. They stay, empty."""
    for day in ("2022-01-31", "2023-10-31", "2023-11-12", "2023-11-13"):
        by_day(str(path.parent / f"app.log.{day}_03"))
        (path.parent / day / f"app.log.{day}_03").write_text("x\n")
    one = idle(max_age="2d", rotate_idle=False)
    name_by(one.writer, by_day)
    assert [os.path.basename(name) for name in one.writer.excess()] == [
        "app.log.2022-01-31_03", "app.log.2023-10-31_03", "app.log.2023-11-12_03"
    ]  # fmt: skip
    one.at(FIVE + 61.0)
    assert [one.name for one in path.parent.rglob("app.log.2*")] == ["app.log.2023-11-13_03"]
    assert (path.parent / "2022-01-31").is_dir()


def test_rules_go_by_time_over_all_folders(idle: Callable[..., Idle], path: Path) -> None:
    """A folder a month, beside the log's: the oldest segment goes, in whatever folder, also while the present one is missing."""
    root = path.parent / "old"

    def by_month(default: str) -> str:
        name = os.path.basename(default)
        return str(root / name[8:12] / name[13:15] / name)

    for month, day in (("2023/09", "2023-09-30"), ("2023/10", "2023-10-01"), ("2022/12", "2022-12-31"), ("2023/1", "2023-10-02")):
        (root / month).mkdir(parents=True)
        (root / month / f"app.log.{day}_03").write_text("x" * 100)
    one = idle(max_total_bytes=100, min_free_bytes=1, rotate_idle=False)
    name_by(one.writer, by_month)
    told: list[Exception] = []
    one.writer._report._on_error = told.append
    one.at(FIVE + 61.0)
    left = sorted(str(one.relative_to(root)) for one in root.rglob("app.log.2*"))
    assert left == ["2023/1/app.log.2023-10-02_03", "2023/10/app.log.2023-10-01_03"]  # the namer gives no such name as the first
    assert told == []
    assert not (root / "2023" / "11").exists()


def test_folder_that_may_not_be_read_holds_up_no_other(path: Path, clock: list[float], closing: Keep) -> None:
    """One that differs in digits alone may be somebody else's (`web1`, `web2`). It is told of once, and what is in the others is
    deleted and sealed without a pause."""
    root, got, told = path.parent / "old", list[str](), list[Exception]()

    def names(folder: str) -> list[str]:
        if folder == str(root / "web2"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
        return OPERATIONS.names(folder)

    for host in ("web1", "web2"):
        (root / host).mkdir(parents=True)
        for hour in (10, 11, 12):
            (root / host / f"app.log.2023-11-13_{hour}").write_text("x\n")
    clock[0] = FIVE + 60.0
    one = Idle(path, clock, closing, backup_count=2, on_seal=lambda segment: got.append(segment.path), on_error=told.append)
    name_by(one.writer, lambda default: str(root / "web1" / os.path.basename(default)))
    for part in (one.writer._active.closed, one.writer._active.closed._sealer, one.writer._active.closed._segments):
        part._ops = replace(part._ops, names=names)
    sealer = one.writer._active.closed._sealer
    for _ in range(2):
        one.at(FIVE + 61.0)
        one.writer._background.work(lambda: False)
        assert sealer._retry.until <= one.writer._ops.monotonic()
    assert [os.path.basename(name) for name in got] == [f"app.log.2023-11-13_{hour}" for hour in (10, 11, 12)]
    assert sorted(one.name for one in (root / "web1").iterdir()) == ["app.log.2023-11-13_11", "app.log.2023-11-13_12"]
    assert len(list((root / "web2").iterdir())) == 3
    assert [str(error) for error in told] == [f"[Errno 13] Permission denied: '{root}/web2'"] * 2  # sealing, and a rule


@pytest.mark.parametrize("place", ["of another period", "of the period before"])
def test_folder_that_is_a_loop_of_links_holds_up_no_other(path: Path, clock: list[float], closing: Keep, place: str) -> None:
    """Nobody can list it, whatever is tried: it is told of once. What is in the others is sealed and deleted without a pause, and
    so where a file is in the place of a folder, which is somebody's and is not told of."""
    root, got, told = path.parent / "old", list[str](), list[Exception]()
    day = {"of another period": "2023-11-01", "of the period before": "2023-11-14_16"}[place]
    loop, other = root / day, root / day.replace("-11-", "-10-")
    root.mkdir()
    loop.symlink_to(other)
    other.symlink_to(loop)
    (root / day.replace("-11-", "-09-")).write_text("a file\n")
    here = root / ("2023-11-14" if place == "of another period" else "2023-11-14_17")
    here.mkdir()
    for hour in (10, 11, 12):
        (here / f"app.log.2023-11-13_{hour}").write_text("x\n")
    clock[0] = FIVE + 60.0
    one = Idle(path, clock, closing, backup_count=2, on_seal=lambda segment: got.append(segment.path), on_error=told.append)

    def namer(default: str) -> str:
        name = os.path.basename(default)
        asked = name[8:21] if place == "of the period before" else name[8:18]
        return str((here if name[8:18] == "2023-11-13" else root / asked) / name)

    name_by(one.writer, namer)
    sealer = one.writer._active.closed._sealer
    for _ in range(2):
        one.writer._background.changed()
        one.at(FIVE + 61.0)
        one.writer._background.work(lambda: False)
        assert sealer._retry.until <= one.writer._ops.monotonic()
    assert [os.path.basename(name) for name in got] == [f"app.log.2023-11-13_{hour}" for hour in (10, 11, 12)]
    assert sorted(one.name for one in here.iterdir()) == ["app.log.2023-11-13_11", "app.log.2023-11-13_12"]
    assert [getattr(error, "errno", None) for error in told] == [errno.ELOOP] * 2, told  # sealing, and a rule


def test_marker_folder_is_looked_through_once_for_all_folders(idle: Callable[..., Idle], path: Path) -> None:
    """All markers are beside the log. With a folder a day for years, each is looked at once in a run."""
    days = [f"2023-{month:02}-{day:02}" for month in (8, 9) for day in range(1, 31)]
    for day in days:
        by_day(str(path.parent / f"app.log.{day}_03"))
        (path.parent / day / f"app.log.{day}_03").write_text("x\n")
    one = idle(on_seal=lambda segment: None, rotate_idle=False)
    asked: list[str] = []

    def namer(default: str) -> str:
        asked.append(default)
        return by_day(default)

    name_by(one.writer, namer)
    one.at(FIVE + 61.0)
    (path.parent / ".app.log.2023-07-31_03.sealed").write_text("{}")
    one.writer._active.closed._sealer._round_at = 0.0
    one.writer._background.changed()
    asked.clear()
    one.at(FIVE + 62.0)
    assert len(asked) < 20 * len(days)
    assert len([name for name in os.listdir(path.parent) if name.endswith(".named")]) == len(days)


def test_hook_gets_what_is_sealed(seal: Any, idle: Callable[..., Idle]) -> None:
    """`on_seal` is a step of the sealing, and what it returns is not written down."""
    got: list[object] = []
    one = idle(on_seal=got.append)
    one.at(FIVE + 61.0)
    (step,) = seal.asked[0]["rules"].steps
    assert step.run("segment", None, None) == {}
    assert (step.name, got) == ("on_seal", ["segment"])


def test_file_without_its_name_gets_it_without_a_record(idle: Callable[..., Idle], path: Path) -> None:
    """With `late_grace=0` somebody may be just writing to the file that is to get a name, for longer than the rotation waits."""
    one = idle(late_grace=0)
    one.log.write("a")
    with path.open() as writer:
        fcntl.flock(writer, fcntl.LOCK_SH)
        assert one.at(float(FIVE + HOUR)) == 1.0
        assert segments(path) == {"": ""}
    assert one.at(FIVE + HOUR + 1.0) == LOOK
    assert segments(path) == {"2023-11-14_17": "a\n", "": ""}


def test_file_without_its_name_gets_it_when_nothing_is_open(idle: Callable[..., Idle], path: Path) -> None:
    """The same without `rotate_idle`: the log is not opened for it."""
    one = idle(late_grace=0, rotate_idle=False, max_age="1d")
    one.log.write("a")
    with path.open() as writer:
        fcntl.flock(writer, fcntl.LOCK_SH)
        one.clock[0] = float(FIVE + HOUR)
        one.log.write("b")
        assert one.at(FIVE + 2 * HOUR) == 1.0
        assert one.writer.segment is None
    one.at(FIVE + 2 * HOUR + 1.0)
    assert segments(path) == {"2023-11-14_17": "a\n", "": "b\n"}


def test_nothing_is_written_without_a_lease_meanwhile(idle: Callable[..., Idle], path: Path) -> None:
    """P1: a lease was given up, or is the parent's, so the file may be sealed. What a namer logs waits for the outer call, which
    opens the file anew."""
    one = idle(late_grace=10.0)
    one.log.write("a")
    seen: list[str] = []

    def namer(default: str) -> str:
        if not seen:
            one.log.write("meanwhile", FIVE + 61.0)
            seen.append(path.read_text())
        return default

    name_by(one.writer, namer)
    one.writer._active.give_leases_up()
    one.clock[0] = FIVE + HOUR + 1.0
    one.log.write("b")
    assert seen == ["a\n"]
    assert segments(path) == {"2023-11-14_17": "a\nmeanwhile\n", "": "b\n"}


# --- the thread -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"backup_count": 3}, {"max_bytes": 100}])
def test_no_thread_without_work(path: Path, closing: Keep, options: dict[str, Any]) -> None:
    """A log that asks for nothing of all this has no thread, and no life."""
    log = closing(TimedLogFile(path, **options))
    log.write("a")
    assert log._writer._housekeeper._live is None
    wait_for(lambda: log._writer._housekeeper._thread is None, "no thread", 30.0)


def test_closed_log_is_not_opened_by_what_was_under_way(idle: Callable[..., Idle], path: Path) -> None:
    """`close()` meets a boundary: the housekeeper has waited for the lock, or was at a compression. The next record opens it,
    and what comes due is done again."""
    one = idle()
    one.log.write("a")
    one.log.close()
    path.unlink()
    assert one.at(FIVE + HOUR) is None
    assert one.writer.segment is None
    assert not path.exists()
    one.log.write("b")
    assert one.at(FIVE + HOUR + 1.0) is not None


def test_close_ends_the_thread(path: Path) -> None:
    """And a record after it begins another one."""
    log = TimedLogFile(path, rotate_idle=True)
    keeper = log._writer._housekeeper
    for _ in range(2):
        log.write("a")
        wait_for(lambda: keeper._thread is not None, "a thread", 30.0)
        since = time.monotonic()
        log.close()
        assert time.monotonic() - since < 0.9
        assert keeper._thread is None


def test_log_that_is_dropped_takes_its_thread_and_its_files_along(path: Path) -> None:
    """Without `close()`."""
    code = """
        import gc, os, sys
        from _support import *
        for number in range(20):
            logger, handler = make_logger(sys.argv[1], rotate_idle=True, when="H")
            logger.info("a-%d", number)
        del logger, handler
        wait_for(lambda: gc.collect() >= 0 and len(os.listdir("/proc/self/task")) == 1, "the threads' end", 10)
        say(len(os.listdir("/proc/self/fd")))
    """
    assert int(run(code, path)) < 12


def test_interpreter_waits_a_second_for_all_logs_together(path: Path) -> None:
    """Whatever hooks are at: not for each log, and not again when `logging.shutdown` closes them."""
    code = """
        import os, sys, time
        from _support import *
        begun = []
        def hook(segment):
            begun.append(segment)
            time.sleep(100)
        logs = [make_logger(f"{sys.argv[1]}.{number}", when="H", on_seal=hook) for number in range(5)]
        for logger, handler in logs:
            with open(handler.baseFilename + ".2020-01-01_00", "w"):
                pass
            logger.info("a-0")
        wait_for(lambda: len(begun) == len(logs), "the hooks", 20)
        say(time.time())
    """
    said = float(run(code, path))
    assert time.time() - said < 3.0


EXITS = {
    "waiting": "",
    "closed": "handler.close()",
    "dropped": "del logger, handler",
    "logs at exit": "import atexit; atexit.register(logger.info, 'b-0'); atexit.register(logger.info, 'b-1')",
    "starting": "make_logger(sys.argv[1].replace('app', 'other'), rotate_idle=True, when='S')",
    "thread goes on": """
        import threading
        def work():
            while True:
                logger.info("c-0")
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.1)
    """,
    "raises": "raise SystemExit(0)",
    "hook prints": "wait_for(lambda: printed, 'a hook', 10)",
}


@pytest.mark.parametrize("how", EXITS)
def test_interpreter_ends_well(path: Path, how: str) -> None:
    """No hang, no traceback, whatever the thread is at."""
    code = f"""
        import sys
        from _support import *
        printed = []
        def hook(segment):
            printed.append(1)
            for _ in range(100000):
                print("x" * 100)
        logger, handler = make_logger(sys.argv[1], rotate_idle=True, when="S", late_grace=0.1)
        if {how == "hook prints"}:
            handler._writer._background._prune = lambda stop: hook(None)
            handler._writer._housekeeper.begin(0.0)
        logger.info("a-0")
    """
    since = time.monotonic()
    run(dedent(code) + dedent(EXITS[how]), path)
    assert time.monotonic() - since < 20.0
    assert any("a-0" in text for text in segments(path).values())


def test_interpreter_ends_well_with_a_log_that_nobody_closes(path: Path) -> None:
    """The thread is told to end, and comes to its end: frozen while it prints it would end the interpreter by a crash."""
    code = """
        import sys
        from _support import *
        from mpfhandler import TimedLogFile
        printed = []
        def hook(stop):
            while not stop():
                print("x" * 1000)
                printed.append(1)
            with open(sys.argv[1] + ".told", "w"):
                pass
        log = TimedLogFile(sys.argv[1], rotate_idle=True)
        log._writer._background._prune = hook
        log.write("a")
        wait_for(lambda: printed, "a hook", 10)
    """
    assert run(code, path)
    assert segments(path) == {"": "a\n", "told": ""}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_child_ends_well(path: Path, method: str) -> None:
    """A child that has a life of its own, too."""
    code = f"""
        import multiprocessing, sys
        from _support import *
        def child(path):
            logger, handler = make_logger(path, rotate_idle=True, when="H")
            logger.info("child-0")
        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            logger, handler = make_logger(sys.argv[1], rotate_idle=True, when="H")
            logger.info("parent-0")
            one = context.Process(target=child, args=(sys.argv[1],))
            one.start()
            one.join(30)
            assert one.exitcode == 0, one.exitcode
    """
    script = path.parent / "program.py"
    script.write_text(dedent(code))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), str(path)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {line.split()[1] for line in path.read_text().splitlines()} == {"parent-0", "child-0"}


def test_forks_have_one_thread_and_go_on(path: Path) -> None:
    """The parent's thread is not there when it forks, and is there again afterwards; the child's begins with its first record."""
    code = """
        import os, sys, threading
        from _support import *
        def tasks():
            return len(os.listdir("/proc/self/task"))
        logger, handler = make_logger(sys.argv[1], rotate_idle=True, when="H")
        logger.info("parent-0")
        wait_for(lambda: tasks() == 2, "a thread", 10)
        seen = []
        os.register_at_fork(before=lambda: None)
        for number in range(5):
            since = time.monotonic()
            child = os.fork()
            if child == 0:
                first = tasks()
                logger.info("child-%d", number)
                wait_for(lambda: tasks() == 2, "a thread of its own", 10)
                os._exit(first)
            took = time.monotonic() - since
            assert os.waitpid(child, 0)[1] >> 8 == 1
            assert took < 1.0, took
            wait_for(lambda: tasks() == 2, "the thread after a fork", 10)
    """
    run(code, path, env={"PYTHONWARNINGS": "error"})
    assert {line.split()[1] for line in path.read_text().splitlines()} == {"parent-0", *(f"child-{n}" for n in range(5))}


@pytest.mark.parametrize(
    ("server", "free"),
    [
        ({"opt": {}}, False),
        ({"opt": {"enable-threads": True}}, True),
        ({"opt": {b"threads": b"4"}}, True),
        ({"opt": {}, "has_threads": 1}, True),  # uWSGI 2.0.27 and newer
        ({"opt": {"threads": b"1"}, "has_threads": 0}, False),
    ],
)
def test_uwsgi_without_threads_has_no_life(
    path: Path, closing: Keep, monkeypatch: pytest.MonkeyPatch, server: dict[str, Any], free: bool
) -> None:
    """There a thread stands still between two requests, with whatever lock it has; commands and other processes do the work."""
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(**server))
    log = closing(TimedLogFile(path, rotate_idle=True))
    log.write("a")
    assert (log._writer._housekeeper._live is not None) is free


def test_full_disk_is_emptied_while_records_wait_for_it(tmp_path: Path, closing: Keep) -> None:
    """The archive was away until the disk was full. What waits in memory does not keep the segments from going there."""
    with tmpfs(tmp_path, "size=1m") as disk:
        store = tmp_path.parent / f"{tmp_path.name}-store"
        options = {"when": "S", "late_grace": 0.1, "archive": store.as_uri(), "archive_delete": True}
        log = closing(TimedLogFile(disk / "app.log", **options))
        owner = disk / ".app.log.owner"  # without it nothing can be archived; it has room while there is some

        def filled() -> bool:
            log.write("x" * 9999)
            return log.stats().spilled > 9 and len(log_files(disk)) > 3

        wait_for(lambda: owner.exists() and owner.stat().st_size > 0, "the number of the log")
        wait_for(filled, "a full disk")
        segments = len(log_files(disk)) - 1
        log.write("the last")
        store.mkdir()

        def roomy() -> bool:
            log._writer._active.closed._sealer._retry.clear()  # it may have decided to wait for minutes, or just be about to
            log._writer._live_on()
            return not log.stats().spilled

        wait_for(roomy, "room")
        wait_for(lambda: len([path for path in store.rglob("app.log.*") if path.is_file()]) >= segments, "the archive")
        assert segments > 0


@pytest.mark.parametrize("delay", [False, True])
def test_number_for_the_archive_is_there_with_the_log(path: Path, closing: Keep, tmp_path: Path, delay: bool) -> None:
    """Long before there is a segment, with the log's mode: whoever archives the first one reads it."""
    owner = path.parent / ".app.log.owner"
    log = closing(TimedLogFile(path, "H", archive=(tmp_path / "away").as_uri(), chmod="0660", delay=delay))
    if delay:
        assert not owner.exists()
        log.write("first")
    wait_for(lambda: owner.exists() and len(owner.read_bytes()) == 33, "the number")
    wait_for(lambda: stat.S_IMODE(owner.stat().st_mode) == 0o660, "its mode")
    assert log_files(path.parent) == [path]


@pytest.mark.parametrize("option", [{"rotate_idle": True}, {"compress": "gz"}, {"max_age": 60}, {"delivery": "buffered"}])
def test_what_happens_by_itself_has_a_real_thread(path: Path, closing: Keep, option: dict[str, Any]) -> None:
    """A greenlet, as which gevent begins threads, would have the whole program wait while it waits."""
    assert closing(TimedLogFile(path, delay=True, **option))._writer._ops.threads is SYSTEM_THREADS


@pytest.mark.parametrize("options", [{"compress": "gz"}, {"backup_count": 3}, {}])
def test_master_of_uwsgi_keeps_no_lease_and_no_thread(
    path: Path, closing: Keep, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """It logs while it loads the application, then perhaps never again, and forks without telling: a thread could be in the
    middle of anything then, and a lease would never be given up. A worker has both."""
    pid = [os.getpid(), 0]
    server = SimpleNamespace(opt={}, has_threads=1, masterpid=lambda: pid[0], worker_id=lambda: pid[1])
    monkeypatch.setitem(sys.modules, "uwsgi", server)
    log = closing(TimedLogFile(path, "H", **options))
    housekeeper = log._writer._housekeeper
    assert not leased(path)
    for number in range(3):
        log.write(f"{number}")
        assert not leased(path)
        assert housekeeper._thread is None
    pid[:] = [1, 1]
    log.write("3")
    assert leased(path)
    assert (housekeeper._thread is not None) is ("compress" in options)
    assert path.read_text() == "0\n1\n2\n3\n"


def test_master_of_uwsgi_keeps_no_lease_on_a_log_that_it_may_not_read(
    path: Path, closing: Keep, monkeypatch: pytest.MonkeyPatch, system: System
) -> None:
    """There is one descriptor then, and the lease is on it."""
    server = SimpleNamespace(opt={}, has_threads=1, masterpid=os.getpid, worker_id=lambda: 0)
    monkeypatch.setitem(sys.modules, "uwsgi", server)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    system(open_side=refuse, open_side_of=refuse)
    log = closing(TimedLogFile(path, "H"))
    for number in range(2):
        log.write(f"{number}")
        assert not leased(path)
    monkeypatch.setattr(server, "worker_id", lambda: 1)
    log.write("2")
    assert leased(path)
    assert path.read_text() == "0\n1\n2\n"


def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a worker of uWSGI before 2.0.27 without `enable-threads`: one that begins a thread fails the test."""

    def begin(*_: object) -> None:
        raise AssertionError("a thread is begun")

    server = SimpleNamespace(opt={}, has_threads=0, masterpid=lambda: 1, worker_id=lambda: 1)
    monkeypatch.setitem(sys.modules, "uwsgi", server)
    monkeypatch.setattr("_thread.start_new_thread", begin)


@pytest.mark.parametrize("ends", [False, True], ids=["record", "close"])
def test_uwsgi_without_threads_deletes_and_hands_over_in_the_call(
    tmp_path: Path, closing: Keep, monkeypatch: pytest.MonkeyPatch, clock: list[float], ends: bool
) -> None:
    """Nobody else would: a thread stands still between two requests, and a file would wait under its hidden name for ever."""
    path, given = tmp_path / "app.log", list[tuple[str, str]]()
    for hour in (14, 15):
        (tmp_path / f"app.log.2023-11-14_{hour}").write_text("old\n")

    def rotator(source: str, target: str) -> None:
        handler.emit(logging.makeLogRecord({"msg": "from the rotator", "created": clock[0]}))
        given.append((source, target))
        os.rename(source, target)

    clock[0] = FIVE + 60.0
    without_threads(monkeypatch)
    handler = closing(MultProcTimedRotatingFileHandler(path, backupCount=2, **UTC))
    handler.rotator = rotator
    handler.emit(logging.makeLogRecord({"msg": "a", "created": clock[0]}))
    clock[0] = FIVE + HOUR + 60.0
    with path.open() as other:
        if ends:
            fcntl.flock(other, fcntl.LOCK_SH)
        handler.emit(logging.makeLogRecord({"msg": "b", "created": clock[0]}))
        assert bool(given) is not ends
    handler.close()
    assert [os.path.basename(target) for _, target in given] == ["app.log.2023-11-14_17"]
    left = {**segments(path), "": sorted(path.read_text().split("\n"))}
    assert left == {"2023-11-14_15": "old\n", "2023-11-14_17": "a\n", "": ["", "b", "from the rotator"]}


@pytest.mark.parametrize("how", ["record", "flush", "close"])
def test_uwsgi_without_threads_writes_what_waits_for_the_disk_in_a_call(
    path: Path, closing: Keep, monkeypatch: pytest.MonkeyPatch, system: System, how: str
) -> None:
    """At the next record that comes when it is due, at `flush()` and at `close()`; no thread waits for it."""
    full, steady = [True], [1000.0]

    def write(fd: int, data: bytes) -> int:
        if full[0]:
            raise OSError(28, "No space left on device")
        return os.write(fd, data)

    without_threads(monkeypatch)
    system(write=write, monotonic=lambda: steady[0])
    log = closing(TimedLogFile(path, "H"))
    log.write("a")
    assert log.stats().spilled == 1
    full[0] = False
    steady[0] += 600.0
    if how == "record":
        log.write("b")
    else:
        getattr(log, how)()
    assert path.read_text() == "a\n" + ("b\n" if how == "record" else "")


@pytest.mark.parametrize(
    ("threads", "master", "worker"), [(1, os.getpid(), 0), (1, 0, 0), (0, 1, 1)], ids=["master", "loading", "no-threads"]
)
def test_uwsgi_writes_a_buffer_at_once_where_no_thread_would(
    path: Path, closing: Keep, monkeypatch: pytest.MonkeyPatch, threads: int, master: int, worker: int
) -> None:
    """Also without a master, where the process that loads the application becomes the first worker; and in a worker whose threads
    stand still between two requests: a record would be in memory until the next one."""
    server = SimpleNamespace(opt={}, has_threads=threads, masterpid=lambda: master, worker_id=lambda: worker)
    monkeypatch.setitem(sys.modules, "uwsgi", server)
    log = closing(TimedLogFile(path, "H", delivery="buffered", flush_interval=60.0))
    log.write("a")
    assert path.read_text() == "a\n"


def test_master_of_uwsgi_keeps_the_file_for_records_that_wait(
    path: Path, closing: Keep, monkeypatch: pytest.MonkeyPatch, system: System
) -> None:
    """The disk is full: what has been begun in that file is ended in it."""
    server = SimpleNamespace(opt={}, has_threads=1, masterpid=os.getpid, worker_id=lambda: 0)
    monkeypatch.setitem(sys.modules, "uwsgi", server)

    def refuse(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    system(write=refuse)
    log = closing(TimedLogFile(path, "H"))
    log.write("a")
    assert log.stats().spilled == 1
    assert leased(path)


@pytest.mark.slow
def test_gevent_program_that_computes_is_rotated_all_the_same(path: Path) -> None:
    """A real thread, with the program's threads patched to greenlets before or after the import."""
    pytest.importorskip("gevent")
    code = """
        import sys
        from gevent import monkey
        monkey.patch_all()
        from _support import *
        logger, handler = make_logger(sys.argv[1], rotate_idle=True, when="S", late_grace=0.2)
        logger.info("a-0")
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            pass
        say(len([one for one in os.listdir(os.path.dirname(sys.argv[1])) if "log." in one and not one.endswith("lock")]))
    """
    assert int(run(code, path)) == 1


# --- what hardly ever happens -----------------------------------------------------------------------------------------


def test_stop_that_is_said_at_once_keeps_the_boundary(seal: Any, idle: Callable[..., Idle], path: Path) -> None:
    """A fork is under way: the rotation that is due is done, sealing and deleting are left for the next time."""
    one = idle(fsync="seal", max_total_bytes=1)
    one.log.write("a")
    for day in (1, 2, 3):
        path.with_name(f"app.log.2023-11-0{day}_10").write_text("x")
    asked = len(seal.asked)
    one.clock[0] = float(FIVE + HOUR)
    one.writer._housekeeper.prepare_fork()  # else a thread does at once what the rotation asks for
    assert one.writer._background.live(lambda: True) is not None
    assert len(seal.asked) == asked
    assert segments(path).items() >= {"2023-11-14_17": "a\n", "": "", "2023-11-01_10": "x"}.items()
    one.writer._housekeeper.after_fork_in_parent()
    one.at(FIVE + HOUR + LOOK + 1.0)
    assert len(seal.asked) > asked
    assert "2023-11-01_10" not in segments(path)


def test_engine_that_is_at_a_record_is_looked_at_again_soon(idle: Callable[..., Idle], path: Path) -> None:
    """A call of before a fork goes on under the lock of before it: nothing is done beside it, and a second later it is."""
    one = idle()
    one.log.write("a")
    one.writer._busy = True
    assert one.at(float(FIVE + HOUR)) == 1.0
    assert segments(path) == {"": "a\n"}
    one.writer._busy = False
    one.at(FIVE + HOUR + 1.0)
    assert segments(path) == {"2023-11-14_17": "a\n", "": ""}


def test_log_that_could_not_be_opened_is_opened_without_a_record(
    idle: Callable[..., Idle], path: Path, system: System, clock: list[float]
) -> None:
    """With `rotate_idle` the log is there: it is tried again by itself, not in a busy loop, and what waits is written then."""
    refused = [True]

    def open_append(name: str, mode: int) -> int:
        if refused[0] and name == str(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return OPERATIONS.open_append(name, mode)

    def open_new(name: str, mode: int) -> int:
        if refused[0] and name == str(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return OPERATIONS.open_new(name, mode)

    steady = [1000.0]
    system(now=lambda: clock[0], monotonic=lambda: steady[0], open_append=open_append, open_new=open_new)
    one = idle(delay=True, on_error=lambda _error: None)
    one.log.write("a")
    assert not path.exists()
    pause = one.at(FIVE + 120.0)
    assert pause is not None
    assert 1.0 <= pause <= LOOK
    refused[0] = False
    steady[0] += 3600.0
    one.at(FIVE + 180.0)
    assert path.exists()
    one.writer._background.write_waiting()
    assert segments(path) == {"": "a\n"}


def test_log_of_which_it_is_not_told_whether_it_is_empty(idle: Callable[..., Idle], monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as one with records: those are to be in the file of their period, without a grace."""
    one = idle()
    one.clock[0] = float(FIVE + HOUR)
    background = one.writer._background
    assert not background._rotation_is_due()

    def broken(_fd: int) -> Any:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(one.writer, "_ops", replace(one.writer._ops, stat_fd=broken))
    assert background._rotation_is_due()


def test_segment_that_is_not_kept_is_not_dropped(idle: Callable[..., Idle], path: Path) -> None:
    """Dropping a late segment closes that one alone: the open one goes on, and one that was dropped already stays so."""
    one = idle()
    one.log.write("a")
    one.at(float(FIVE + HOUR))
    late, active = one.writer._active._late, one.writer._active.segment
    (kept,) = late._open
    assert active is not None
    for _ in range(2):
        late.drop(active)
        late.drop(kept)
    assert late._open == []
    assert not leased(path.with_name("app.log.2023-11-14_17"))
    one.log.write("b")
    assert segments(path) == {"2023-11-14_17": "a\n", "": "b\n"}


def test_log_that_is_not_open_has_no_lease_to_give_up(idle: Callable[..., Idle], path: Path) -> None:
    """uWSGI's master gives up what its workers would inherit; a log without a record yet has nothing, and begins as ever."""
    one = idle(delay=True, rotate_idle=False)
    one.writer._active.give_leases_up()
    assert not path.exists()
    one.log.write("a")
    assert segments(path) == {"": "a\n"}
