"""`max_age`, `max_total_bytes`, `min_free_bytes`: what goes, what stays, and what happens when that cannot be done."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _disk_support import attribute, collect, handler_at, log_at, needs_root, record, segments, use_clock, wait_for

import mpfhandler
from mpfhandler._platform import OPERATIONS
from mpfhandler._protocols.retention import Rules, Shelf, survey, sweep
from mpfhandler._pure.naming import Names
from mpfhandler._pure.options import Retention
from mpfhandler._pure.schedule import Schedule

NOW = 1772618400.0  # 2026-03-04 10:00 UTC


def make(folder: Path, *suffixes: str, size: int = 100) -> None:
    """Segments of former times."""
    for suffix in suffixes:
        (folder / f"app.log.{suffix}").write_bytes(b"x" * (size - 1) + b"\n")


def closed(folder: Path) -> list[str]:
    """The suffixes of what is left beside the log."""
    return [name.removeprefix("app.log.") for name in segments(folder) if name != "app.log"]


class Told(list[str]):
    """Takes reports."""

    def __call__(self, what: str, error: Exception) -> None:
        self.append(f"{what}: {error}")

    def solved(self, what: str) -> None:
        """It works again."""


def swept(folder: Path, *, suffix: str = "%Y-%m-%d_%H", when: str = "H", **given: Any) -> tuple[Any, list[str]]:
    """One sweep with these rules, and what it reports."""
    entries = {"now": lambda: NOW, **given.pop("entries", {})}
    ops: Any = replace(OPERATIONS, **entries)
    shelf = Shelf(Names(str(folder / "app.log"), suffix), str(folder), Schedule.create(when, utc=True), 10.0)
    told: Any = Told()
    return sweep(ops, shelf, Rules(given.pop("count", 0), Retention(**given)), told, lambda: False), told


def hours(*which: int) -> list[str]:
    """Suffixes of hours of the day."""
    return [f"2026-03-04_{hour:02}" for hour in which]


def test_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log deletes what is older than `max_age`, by the name's period, whatever the file's own time is."""
    use_clock(monkeypatch)
    make(tmp_path, "2026-03-01_09", "2026-03-03_05", "2026-03-03_23", *hours(3))
    log = log_at(tmp_path / "app.log", "H", max_age="1d")
    log.write("now")
    assert log.rotate()
    kept = ["2026-03-03_23", "2026-03-04_03", "2026-03-04_10"]
    wait_for(lambda: closed(tmp_path) == kept, "the housekeeper, which is at it, too, has let go of what goes", 20)


def test_age_by_the_last_write_where_names_do_not_tell(tmp_path: Path) -> None:
    """With a suffix that is no date in full the last write counts."""
    make(tmp_path, "03-01", "03-02", "03-03")
    for days, suffix in ((30, "03-03"), (2, "03-01"), (400, "03-02")):
        os.utime(tmp_path / f"app.log.{suffix}", (NOW - days * 86400, NOW - days * 86400))
    swept(tmp_path, suffix="%m-%d", when="D", max_age=20 * 86400.0)
    assert closed(tmp_path) == ["03-01"]


def test_total_counts_compressed_ones_by_what_they_take(tmp_path: Path) -> None:
    """The bytes of the files count, of a plain one and its compressed one together, and both go as one segment."""
    make(tmp_path, *hours(1, 2), size=100)
    make(tmp_path, "2026-03-04_01.gz", "2026-03-04_03.zst", size=40)
    result, told = swept(tmp_path, max_total_bytes=279)
    assert closed(tmp_path) == ["2026-03-04_02", "2026-03-04_03.zst"]
    assert sorted(map(os.path.basename, result.gone)) == ["app.log.2026-03-04_01", "app.log.2026-03-04_01.gz"]
    assert told == []


def test_file_and_its_twin_count_once(tmp_path: Path) -> None:
    """`backupCount` counts segments, not files: while one is being compressed no other goes for that."""
    make(tmp_path, *hours(1, 2, 3), "2026-03-04_02.gz", "2026-03-04_03.gz")
    swept(tmp_path, count=2)
    assert closed(tmp_path) == ["2026-03-04_02", "2026-03-04_02.gz", "2026-03-04_03", "2026-03-04_03.gz"]


@pytest.mark.parametrize("which", ["2026-03-04_01", "2026-03-04_01.gz"])
def test_twin_that_somebody_has_keeps_both(tmp_path: Path, which: str) -> None:
    """P1: who compresses a segment has one of its files; neither goes then, and both go later."""
    make(tmp_path, *hours(1, 2), "2026-03-04_01.gz")
    with (tmp_path / f"app.log.{which}").open() as writer:
        fcntl.flock(writer, fcntl.LOCK_SH)
        result, _ = swept(tmp_path, count=1)
        assert len(result.held) == 1
        assert len(closed(tmp_path)) == 3
    swept(tmp_path, count=1)
    assert closed(tmp_path) == hours(2)


@pytest.mark.parametrize("free", [0, 150, 249, 250, 1000])
def test_free_space(tmp_path: Path, free: int) -> None:
    """As many of the oldest go as give back what is missing, none where nothing is."""
    make(tmp_path, *hours(1, 2, 3, 4))
    swept(tmp_path, min_free_bytes=250, entries={"free_bytes": lambda _folder: free})
    assert closed(tmp_path) == hours(1, 2, 3, 4)[{0: 3, 150: 1, 249: 1}.get(free, 0) :]


def test_free_space_of_the_real_file_system(tmp_path: Path) -> None:
    """More than there is deletes every closed segment, a byte deletes none."""
    make(tmp_path, *hours(1, 2))
    swept(tmp_path, min_free_bytes=1)
    assert closed(tmp_path) == hours(1, 2)
    swept(tmp_path, min_free_bytes=1 << 62)
    assert closed(tmp_path) == []


def test_free_space_that_is_not_told(tmp_path: Path) -> None:
    """That rule rests and is reported, the others hold."""

    def free_bytes(_folder: str) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    make(tmp_path, *hours(1, 2, 3))
    result, told = swept(tmp_path, count=2, min_free_bytes=10, entries={"free_bytes": free_bytes})
    assert closed(tmp_path) == hours(2, 3)
    assert [text.partition(":")[0] for text in told] == ["min_free_bytes"]
    assert result.failed


def refusing(*suffixes: str) -> Any:
    """A deletion that fails for some."""

    def unlink(path: str) -> None:
        for number, suffix in zip((errno.EPERM, errno.EIO, errno.EPERM), suffixes, strict=False):
            if path.endswith(suffix):
                raise OSError(number, os.strerror(number), path)
        os.unlink(path)

    return unlink


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ({"max_total_bytes": 300}, hours(1, 4, 5)),
        ({"min_free_bytes": 200}, hours(1, 4, 5)),
        ({"max_age": 6.5 * 3600}, hours(1, 3, 4, 5)),
        ({"count": 2}, hours(1, 4, 5)),
    ],
)
def test_one_that_cannot_be_deleted_holds_up_no_rule(tmp_path: Path, rule: dict[str, Any], wanted: list[str]) -> None:
    """P5: it is reported once, others go in its place where a rule is about bytes, and nothing else does."""
    make(tmp_path, *hours(1, 2, 3, 4, 5))
    entries = {"unlink": refusing("_01"), "free_bytes": lambda _folder: 0}
    result, told = swept(tmp_path, entries=entries, **rule)
    assert closed(tmp_path) == wanted
    assert len(told) == 1
    assert result.failed


def test_one_in_use_is_waited_for(tmp_path: Path) -> None:
    """P1: a segment that somebody may write to stays, and no younger one goes in its place: it will go itself."""
    make(tmp_path, *hours(1, 2, 3))
    with (tmp_path / "app.log.2026-03-04_01").open() as writer:
        fcntl.flock(writer, fcntl.LOCK_SH)
        result, told = swept(tmp_path, max_total_bytes=200)
    assert closed(tmp_path) == hours(1, 2, 3)
    assert (len(result.held), told, result.failed) == (1, [], False)


def test_one_that_is_being_read_goes(tmp_path: Path) -> None:
    """A reader keeps what it has open, and nothing waits for it."""
    make(tmp_path, *hours(1, 2), size=20_000)
    with (tmp_path / "app.log.2026-03-04_01").open("rb") as reader:
        start = reader.read(5000)
        swept(tmp_path, count=1)
        assert closed(tmp_path) == hours(2)
        assert len(start + reader.read()) == 20_000


def test_two_causes_are_told_once_each_run_after_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two segments that cannot be deleted for two causes do not take turns in being news."""
    clock = use_clock(monkeypatch, unlink=refusing("_01", "_02"))
    make(tmp_path, *hours(1, 2, 3))
    handler = handler_at(tmp_path / "app.log", "H", backupCount=1)
    reports = collect(handler)
    for _ in range(4):
        handler.emit(record("record", clock.now()))
        handler.doRollover()
    assert len(reports) == 1, reports


@needs_root
def test_immutable_segment_does_not_hold_up_the_total(tmp_path: Path) -> None:
    """On the real file system, too."""
    make(tmp_path, *hours(1, 2, 3, 4))
    with attribute(tmp_path / "app.log.2026-03-04_01", "i"):
        _, told = swept(tmp_path, max_total_bytes=200)
    assert closed(tmp_path) == hours(1, 4)
    assert len(told) == 1


@pytest.mark.parametrize(
    "rule",
    [{"max_age": 1.0}, {"max_total_bytes": 1}, {"min_free_bytes": 1 << 62}, {"count": 1}],
    ids=lambda rule: next(iter(rule)),
)
def test_what_is_not_ours_stays(tmp_path: Path, rule: dict[str, Any]) -> None:
    """P4: another log's segments with a common beginning, hidden files, folders and links stay, whatever the rule, and so does
    what a link leads to."""
    others = [
        *(f"{base}.2026-03-04_0{hour}" for base in ("app", "app.log.2", "app.log.error", "xapp.log") for hour in range(3)),
        "app.log", "app.log.lock", "app.log.debug", "app.log.bak", "app.log.2026-03-04_01.csv", "app.log.2026-03-04_01.gz.part",
        ".app.log.2026-03-04_01.rotating", ".app.log.2026-03-04_01.sealed", ".app.log.2026-03-04_01.gz.tmp",
        "app.log.2026-03-04", "app.log.2026-03-04_01-30",
    ]  # fmt: skip
    for name in others:
        (tmp_path / name).write_text("somebody else's")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("somebody else's")
    (tmp_path / "app.log.2026-03-04_04").symlink_to("elsewhere/precious")
    (tmp_path / "app.log.2026-03-04_05").symlink_to("nowhere")
    (tmp_path / "app.log.2026-03-04_06").mkdir()
    before = sorted(os.listdir(tmp_path))
    make(tmp_path, *hours(2, 3))
    result, told = swept(tmp_path, **rule)
    kept = {"app.log.2026-03-04_03"} if "count" in rule else set[str]()
    assert sorted(os.listdir(tmp_path)) == sorted({*before, *kept})
    assert (tmp_path / "elsewhere" / "precious").read_text() == "somebody else's"
    assert all((tmp_path / name).read_text() == "somebody else's" for name in others)
    assert (len(result.gone), told) == (2 - len(kept), [])


def test_name_that_another_file_has_by_now(tmp_path: Path) -> None:
    """P1: between the opening and the lock somebody deletes the segment, and a new one gets its name: that one stays."""
    make(tmp_path, *hours(1, 2))
    path = tmp_path / "app.log.2026-03-04_01"

    def try_lock(fd: int, exclusive: bool) -> bool:
        if os.fstat(fd).st_ino == path.stat().st_ino:
            (tmp_path / "new").write_text("new\n")
            os.replace(tmp_path / "new", path)
        return OPERATIONS.try_lock(fd, exclusive)

    result, told = swept(tmp_path, count=1, entries={"try_lock": try_lock})
    assert path.read_text() == "new\n"
    assert (result.gone, told) == ([], [])


def test_lock_is_given_up_explicitly(tmp_path: Path) -> None:
    """A child that is forked in the middle of a deletion shares the description: the lock does not live on in it."""
    make(tmp_path, *hours(1, 2))
    order: list[str] = []

    def unlock(fd: int) -> None:
        order.append("unlock")
        OPERATIONS.unlock(fd)

    swept(tmp_path, count=1, entries={"unlock": unlock, "close": lambda fd: (order.append("close"), os.close(fd))[1]})
    assert order == ["unlock", "close"]


def test_folder_that_cannot_be_read(tmp_path: Path) -> None:
    """It is reported, and that is all."""

    def names(_folder: str) -> list[str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    result, told = swept(tmp_path, max_age=1.0, entries={"names": names})
    assert [text.partition(":")[0] for text in told] == ["max_age"]
    assert result.failed


def test_when_the_next_one_is_due(tmp_path: Path) -> None:
    """The sweep tells when the next segment gets too old, and asks for a look at the free space once a minute."""
    make(tmp_path, *hours(7, 8))
    assert swept(tmp_path, max_age=2.5 * 3600)[0].next_at == NOW + 1800  # 07:00 to 08:00, and two and a half hours
    assert swept(tmp_path, max_age=2.5 * 3600, min_free_bytes=1)[0].next_at == NOW + 60
    assert swept(tmp_path, count=9)[0].next_at is None


def test_year_without_a_calendar(tmp_path: Path) -> None:
    """A name of a year in which there are no periods is judged by its last write, and disturbs nothing."""
    make(tmp_path, "9999-12-31_23", *hours(1))
    os.utime(tmp_path / "app.log.9999-12-31_23", (NOW - 100, NOW - 100))
    shelf = Shelf(Names(str(tmp_path / "app.log"), "%Y-%m-%d_%H"), str(tmp_path), Schedule.create("H", utc=True), 10.0)
    assert [one.ended for one in survey(OPERATIONS, shelf, dated=True)] == [NOW - 8 * 3600, NOW - 100]


def test_files_to_delete_are_told_by_every_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`getFilesToDelete` names what any rule would delete."""
    use_clock(monkeypatch)
    make(tmp_path, "2026-01-01_09", *hours(1))
    handler = handler_at(tmp_path / "app.log", "H", max_total_bytes=150)
    assert handler.getFilesToDelete() == [str(tmp_path / "app.log.2026-01-01_09")]


def test_count_may_be_changed_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`backupCount` is set at run time, as in the standard library, and leaves the other rules as they are."""
    use_clock(monkeypatch)
    make(tmp_path, *hours(1, 2, 3))
    handler = handler_at(tmp_path / "app.log", "H", max_total_bytes=10_000)
    assert handler.getFilesToDelete() == []
    handler.backupCount = 1
    assert len(handler.getFilesToDelete()) == 2
    assert handler._writer.options.retention.max_total_bytes == 10_000
    with pytest.raises(ValueError, match="backupCount"):
        handler.backupCount = -1


def test_many_processes_delete_at_once(tmp_path: Path) -> None:
    """Four of them, with the same rule: each segment is deleted by one, none of them fails, and exactly what is to stay stays."""
    names = [f"2026-03-{1 + number // 24:02}_{number % 24:02}" for number in range(400)]
    make(tmp_path, *names, size=10)
    source = str(Path(mpfhandler.__file__).parents[1])
    command = [sys.executable, "-m", "mpfhandler", "prune", str(tmp_path / "app.log"), "--backup-count", "100"]
    running = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": source}
        )
        for _ in range(4)
    ]
    answers = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 4, answers
    assert [err for _, err in answers if err and "in use" not in err] == []
    deleted = [line.split()[1] for out, _ in answers for line in out.splitlines() if ": backupCount: " in line]
    assert sorted(deleted) == sorted(f"{tmp_path}/app.log.{name}:" for name in names[:300])
    assert closed(tmp_path) == names[300:]


@pytest.mark.parametrize("failing", [False, True])
def test_what_is_written_down_about_a_segment_goes_with_it(tmp_path: Path, failing: bool) -> None:
    """No hidden file of a segment that is gone stays behind `mpfhandler prune`; that of one that stays does, and one that cannot
    be removed is no failure."""
    make(tmp_path, *hours(1, 2, 3))
    for hour in hours(1, 3):
        (tmp_path / f".app.log.{hour}.sealed").write_bytes(b" " * 4096)

    def refuse(path: str) -> None:
        if path.endswith(".sealed"):
            raise PermissionError(errno.EPERM, "immutable", path)
        OPERATIONS.unlink(path)

    done, told = swept(tmp_path, count=1, entries={"unlink": refuse} if failing else {})
    assert (done.failed, told) == (False, [])
    left = [f".app.log.{hour}.sealed" for hour in hours(*((1, 3) if failing else (3,)))]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*left, f"app.log.{hours(3)[0]}"]


def test_child_that_is_forked_meanwhile_has_nothing_of_it(tmp_path: Path) -> None:
    """Else the space of what is deleted is kept for as long as it lives."""
    make(tmp_path, *hours(3, 4), size=100)
    codes: list[int] = []

    def unlink(path: str) -> None:
        child = os.fork()
        if child == 0:
            links = [os.path.join("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]
            os._exit(len([link for link in links if os.path.islink(link) and os.readlink(link).startswith(str(tmp_path))]))
        codes.append(os.waitpid(child, 0)[1] >> 8)
        os.unlink(path)

    done, told = swept(tmp_path, count=1, entries={"unlink": unlink})
    assert (len(done.gone), told) == (1, [])
    assert codes == [0]


def test_nothing_is_asked_for(tmp_path: Path) -> None:
    """P1: without a rule nothing is looked at, and nothing goes."""
    make(tmp_path, *hours(1, 2))
    result, told = swept(tmp_path, entries={"names": lambda _folder: pytest.fail("looked")})
    assert (result.gone, result.failed, result.next_at, told) == ([], False, None, [])
    assert closed(tmp_path) == hours(1, 2)


def test_sweep_that_is_stopped_goes_on_later(tmp_path: Path) -> None:
    """A fork does not wait for thousands of segments: what is gone is gone, the oldest first, and the next run does the rest."""
    make(tmp_path, *hours(1, 2, 3, 4))
    shelf = Shelf(Names(str(tmp_path / "app.log"), "%Y-%m-%d_%H"), str(tmp_path), Schedule.create("H", utc=True), 10.0)
    told: Any = Told()
    result = sweep(OPERATIONS, shelf, Rules(1, Retention()), told, lambda: len(closed(tmp_path)) < 4)
    assert (closed(tmp_path), [os.path.basename(path) for path in result.gone]) == (hours(2, 3, 4), ["app.log.2026-03-04_01"])
    assert (result.failed, told) == (False, [])
    sweep(OPERATIONS, shelf, Rules(1, Retention()), told, lambda: False)
    assert closed(tmp_path) == hours(4)
