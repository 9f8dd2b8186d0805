"""The self-test's verifier: it must find everything that is wrong, and nothing where nothing is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from mpfhandler._faces.check.filesystem import FileSystem, file_system, parse_mount_output, parse_mountinfo, warning
from mpfhandler._faces.check.ledger import DONE, RUNNING, Ledger, accounts
from mpfhandler._faces.check.line import Recipe
from mpfhandler._faces.check.verify import Findings, Period, Writer, verify
from mpfhandler._pure.schedule import Schedule

RECIPE = Recipe(seed=7, size=100)
SECOND = int(datetime(2026, 11, 23, 16, 30, 5).timestamp())
SUFFIX = "2026-11-23_16-30-05"
NEXT = "2026-11-23_16-30-06"


def line(number: int, writer: str = "w0", second: int = SECOND, thread: int = 0) -> bytes:
    return RECIPE.line(f"{writer}.{thread}", number, f"{second}.25")


def check(folder: Path, files: dict[str, Iterable[bytes]], *writers: Writer) -> Findings:
    for suffix, lines in files.items():
        name = f"app.log.{suffix}" if suffix else "app.log"
        (folder / name).write_bytes(b"".join(lines))
    return verify(str(folder / "app.log"), writers, RECIPE, Period("S", 1))


def wrong(found: Findings) -> dict[str, int]:
    kinds = ("lost", "doubled", "torn", "misfiled", "strange")
    return {kind: count for kind in kinds if (count := getattr(found, kind))}


def large(writer: str, start: int = 1) -> int:
    """The number of that writer's first record that is longer than a page."""
    return next(number for number in range(start, 10_000) if len(RECIPE.payload(f"{writer}.0", number)) > 4096)


@pytest.mark.parametrize("kind", ["lost", "doubled", "torn", "misfiled", "strange"])
def test_a_single_fault_of_any_kind_is_a_failure(kind: str) -> None:
    """One record lost, doubled, torn, misfiled or strange, and the log is not clean."""
    none = Findings(9, 9, 1, 0, 0, 0, 0, 0, 0, 0, (), ())
    assert none.clean
    assert not replace(none, **{kind: 1}).clean


def test_a_log_that_keeps_all_promises_passes(tmp_path: Path) -> None:
    """Every acknowledged record once, in two segments and the active file, gives no finding."""
    files = {SUFFIX: [line(1), line(2)], NEXT + ".1": [line(3, second=SECOND + 1)], "": [line(4, second=SECOND + 2)]}
    found = check(tmp_path, files, Writer("w0", (4,)))
    assert (found.clean, found.records, found.files, found.rotations) == (True, 4, 3, 2)


def test_a_missing_record_is_lost(tmp_path: Path) -> None:
    """An acknowledged record that is in no file is counted and named."""
    found = check(tmp_path, {"": [line(1), line(3)]}, Writer("w0", (4,)))
    assert wrong(found) == {"lost": 2}
    assert found.examples == ("lost: record 2 of w0.0, who was promised 4",)


def test_an_empty_folder_has_lost_everything(tmp_path: Path) -> None:
    """No file at all is no success."""
    assert wrong(check(tmp_path, {}, Writer("w0", (3, 2)))) == {"lost": 5}


@pytest.mark.parametrize("second_file", ["", SUFFIX + ".1"])
def test_a_repeated_record_is_doubled(tmp_path: Path, second_file: str) -> None:
    """The same record twice is found in one file and across files."""
    files = {SUFFIX: [line(1), line(2)], "": [], SUFFIX + ".1": []}
    files[second_file] = [*files[second_file], line(2)]
    assert wrong(check(tmp_path, files, Writer("w0", (2,)))) == {"doubled": 1}


def test_a_record_of_another_second_is_misfiled(tmp_path: Path) -> None:
    """A record in the segment of another period is found, in both directions."""
    files = {SUFFIX: [line(1), line(2, second=SECOND + 1)], NEXT: [line(3), line(4, second=SECOND + 1)]}
    assert wrong(check(tmp_path, files, Writer("w0", (4,)))) == {"misfiled": 2}


def test_an_old_record_in_the_active_file_is_misfiled(tmp_path: Path) -> None:
    """The active file belongs to the newest period that has a record anywhere."""
    assert wrong(check(tmp_path, {"": [line(1), line(2, second=SECOND + 1)]}, Writer("w0", (2,)))) == {"misfiled": 1}


def test_a_record_in_the_active_file_after_the_rotation_is_misfiled(tmp_path: Path) -> None:
    """Where a segment has a newer record than the active file, the records of the active file are in the wrong one."""
    files = {NEXT: [line(1, second=SECOND + 1)], "": [line(2), line(3)]}
    assert wrong(check(tmp_path, files, Writer("w0", (3,)))) == {"misfiled": 2}


@pytest.mark.parametrize("where", [5, 40, -12, -2])
def test_a_changed_byte_tears_a_line(tmp_path: Path, where: int) -> None:
    """One other byte anywhere in a line is torn, and the record is lost."""
    damaged = bytearray(line(2))
    damaged[where] ^= 1
    assert wrong(check(tmp_path, {"": [line(1), bytes(damaged), line(3)]}, Writer("w0", (3,)))) == {
        "lost": 1,
        "torn": 1,
    }


def test_a_record_behind_a_fragment_is_torn_but_not_lost(tmp_path: Path) -> None:
    """The next writer's acknowledged record glued to a killed writer's stump breaks promise P1."""
    files = {"": [line(1, "w1")[:50], line(1), line(2)]}
    found = check(tmp_path, files, Writer("w0", (2,)), Writer("w1", (0,), killed=True))
    assert wrong(found) == {"torn": 1}


def test_two_records_on_one_line_are_torn(tmp_path: Path) -> None:
    """A lost newline between two whole records is torn, and neither of them is lost."""
    assert wrong(check(tmp_path, {"": [line(1)[:-1], line(2)]}, Writer("w0", (2,)))) == {"torn": 1}


def test_an_acknowledged_record_without_its_newline_is_torn(tmp_path: Path) -> None:
    """The end of the file does not stand for the end of a line."""
    assert wrong(check(tmp_path, {"": [line(1), line(2)[:-1]]}, Writer("w0", (2,)))) == {"torn": 1}


def test_interleaved_records_are_torn(tmp_path: Path) -> None:
    """A record inside another one is torn; the inner one is whole, but nobody can read it as a line."""
    outer = line(large("w0"))
    files = {"": [outer[:3000], line(1, "w1")[:-1], outer[3000:]]}
    found = check(tmp_path, files, Writer("w1", (1,)))
    assert found.torn == 1
    assert not found.clean


@pytest.mark.parametrize("length", [0, 3, 8, 12, 30, 80, 4095])
def test_a_killed_writers_stump_is_no_fault(tmp_path: Path, length: int) -> None:
    """Any beginning of the one unacknowledged record of a killed writer is a fragment, ended by a newline or not."""
    number = large("w1")
    stump = line(number, "w1")[:length]
    files = {SUFFIX: [line(n, "w1") for n in range(1, number)], "": [stump, b"\n", line(1, second=SECOND + 1)]}
    found = check(tmp_path, files, Writer("w0", (1,)), Writer("w1", (number - 1,), killed=True))
    assert (found.clean, found.fragments) == (True, 1)


@pytest.mark.parametrize(("end", "torn"), [(b"17.", 0), (b"x", 1)])
def test_a_stump_that_ends_in_its_time_is_known_by_its_number(tmp_path: Path, end: bytes, torn: int) -> None:
    """A kill in the middle of the creation time leaves the name and number of the next record, and only digits after them."""
    cut = b" ".join(line(2).split(b" ")[:3]) + b" " + end
    found = check(tmp_path, {"": [line(1), cut + b"\n"]}, Writer("w0", (1,), killed=True))
    assert (found.torn, found.fragments) == (torn, 1 - torn)


def test_an_unfinished_last_line_of_a_killed_writer_is_no_fault(tmp_path: Path) -> None:
    """Nobody wrote after the kill, so nobody could end the line."""
    found = check(tmp_path, {"": [line(1), line(2)[:-1]]}, Writer("w0", (1,), killed=True))
    assert (found.clean, found.fragments) == (True, 1)


def test_stumps_of_two_killed_writers_may_share_a_line(tmp_path: Path) -> None:
    """Two writers killed one after the other: neither was promised anything."""
    killed = [Writer("w0", (0,), killed=True), Writer("w1", (0,), killed=True)]
    found = check(tmp_path, {"": [line(1)[:70], line(1, "w1")[:90], b"\n"]}, *killed)
    assert (found.clean, found.fragments) == (True, 2)


@pytest.mark.parametrize(
    ("stump", "writer"),
    [
        pytest.param(line(2)[:50], Writer("w0", (1,)), id="of a living writer"),
        pytest.param(line(1)[:50], Writer("w0", (1,), killed=True), id="of an acknowledged record"),
        pytest.param(line(3)[:50], Writer("w0", (1,), killed=True), id="of a record far ahead"),
        pytest.param(line(2)[:80] + b"?", Writer("w0", (1,), killed=True), id="with another payload"),
        pytest.param(b"", Writer("w0", (1,)), id="empty"),
        pytest.param(b"\x00" * 40, Writer("w0", (1,), killed=True), id="zeros"),
        pytest.param(b"Traceback", Writer("w0", (1,), killed=True), id="of somebody else"),
    ],
)
def test_other_fragments_are_torn(tmp_path: Path, stump: bytes, writer: Writer) -> None:
    """A fragment is only excused where a killed writer can have left it."""
    assert wrong(check(tmp_path, {"": [line(1), stump, b"\n"]}, writer)) == {"torn": 1}


def test_a_killed_writer_leaves_one_stump_a_thread(tmp_path: Path) -> None:
    """A second stump of the same thread, or a stump beside the whole record, is torn."""
    killed = Writer("w0", (1,), killed=True)
    assert wrong(check(tmp_path, {"": [line(1), line(2)[:60] + b"\n", line(2)[:50] + b"\n"]}, killed)) == {"torn": 1}
    assert wrong(check(tmp_path, {"": [line(1), line(2), line(2)[:50] + b"\n"]}, killed)) == {"torn": 1}


def test_a_kill_explains_one_empty_line(tmp_path: Path) -> None:
    """A writer with two threads can have been in the middle of one write only: of two empty lines one is torn."""
    killed = [Writer("w0", (1, 0), killed=True), Writer("w1", (0, 0), killed=True)]
    found = check(tmp_path, {"": [line(1), b"\n", b"\n"]}, *killed)
    assert (wrong(found), found.fragments) == ({}, 2)
    assert wrong(check(tmp_path, {"": [line(1), b"\n", b"\n", b"\n"]}, *killed)) == {"torn": 1}
    assert wrong(check(tmp_path, {"": [line(1), line(2)[:60], b"\n", b"\n"]}, killed[0])) == {"torn": 1}


def test_a_killed_writers_next_record_may_be_there(tmp_path: Path) -> None:
    """Killed between write(2) and the acknowledgement: the record may stand there, but once."""
    killed = Writer("w0", (1,), killed=True)
    assert check(tmp_path, {"": [line(1), line(2)]}, killed).clean
    assert wrong(check(tmp_path, {"": [line(1), line(2), line(2)]}, killed)) == {"doubled": 1}


def test_records_that_nobody_wrote_are_strange(tmp_path: Path) -> None:
    """A whole line of an unknown writer, or of a number beyond what its writer did, is reported."""
    assert wrong(check(tmp_path, {"": [line(1), line(1, "w9"), line(2)]}, Writer("w0", (1,)))) == {"strange": 2}
    assert wrong(check(tmp_path, {"": [line(1), line(3)]}, Writer("w0", (1,), killed=True))) == {"strange": 1}


def test_threads_are_told_apart(tmp_path: Path) -> None:
    """The same number of two threads is two records."""
    assert check(tmp_path, {"": [line(1), line(1, thread=1)]}, Writer("w0", (1, 1))).clean


def test_the_handlers_own_files_are_not_read_and_others_are_named(tmp_path: Path) -> None:
    """The lock file holds no records; a file that nobody expects is named in the findings."""
    for name in ("app.log.lock", "app.log.debug", "app.log.tmp", "core"):
        (tmp_path / name).write_bytes(b"not a record\n")
    found = check(tmp_path, {"": [line(1)]}, Writer("w0", (1,)))
    assert (found.clean, found.unexpected) == (True, ("app.log.tmp", "core"))


@pytest.mark.parametrize(
    ("when", "interval", "expected"),
    [
        ("S", 1, "2026-11-23_16-30-05"),
        ("S", 2, "2026-11-23_16-30-04"),
        ("S", 7, "2026-11-23_16-30-02"),
        ("M", 1, "2026-11-23_16-30"),
        ("M", 15, "2026-11-23_16-30"),
        ("M", 60, "2026-11-23_16-00"),
        ("H", 1, "2026-11-23_16"),
        ("H", 5, "2026-11-23_15"),
        ("D", 1, "2026-11-23"),
        ("MIDNIGHT", 3, "2026-11-21"),
        ("W0", 1, "2026-11-17"),
        ("W6", 1, "2026-11-23"),
        ("W5", 1, "2026-11-22"),
        ("MONTH", 1, "2026-11"),
        ("MONTH", 3, "2026-10"),
    ],
)
def test_expected_names(when: str, interval: int, expected: str) -> None:
    """Periods are counted from midnight, those of days from 1970-01-01, and named for their start."""
    assert Period(when, interval).suffix(SECOND) == expected


@pytest.mark.parametrize("when", ["D", *(f"W{day}" for day in range(7)), "MONTH"])
@pytest.mark.parametrize("interval", [1, 2, 5, 11])
def test_expected_names_are_the_schedules(when: str, interval: int) -> None:
    """The verifier counts by itself, and comes to the same names as the handler's schedule."""
    schedule, period = Schedule.create(when, interval), Period(when, interval)
    for instant in range(SECOND, SECOND + 500 * 86400, 5 * 86400 + 4321):
        assert period.suffix(instant) == schedule.wall(schedule.period(instant).start).strftime(schedule.suffix)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_both_passes_of_a_repeated_hour_have_one_name(tmp_path: Path) -> None:
    """When clocks are set back the second 02:59:59 is the later one, and the active file is the later period's."""
    before_change, after_change = 1792889999, 1792890000  # 2026-10-25 02:59:59 CEST, 02:00:00 CET
    period = Period("S", 1)
    assert [period.suffix(before_change), period.suffix(after_change)] == ["2026-10-25_02-59-59", "2026-10-25_02-00-00"]
    assert period.suffix(before_change + 3600) == "2026-10-25_02-59-59"
    files = {"2026-10-25_02-59-59": [line(1, second=before_change)], "": [line(2, second=after_change)]}
    assert check(tmp_path, files, Writer("w0", (2,))).clean


def test_reading_is_fast_enough_for_a_million_lines(tmp_path: Path) -> None:
    """100,000 lines take less than two seconds even on a slow, busy machine."""
    lines = [line(number) for number in range(1, 100_001)]
    begin = time.process_time()
    assert check(tmp_path, {"": lines}, Writer("w0", (100_000,))).clean
    assert time.process_time() - begin < 2


@pytest.mark.skipif(os.sep != "/", reason="of POSIX systems")
def test_a_ledger_can_be_read_by_others(tmp_path: Path) -> None:
    """What a writer acknowledges is at once in the file, with the longest call of its threads."""
    ledger = Ledger(str(tmp_path), "w5")
    ledger.state(RUNNING)
    ledger.acknowledge(0, 41, took_ns=900)
    ledger.acknowledge(1, 7, took_ns=1000)
    ledger.acknowledge(0, 42, took_ns=800)
    (found,) = accounts(str(tmp_path))
    assert (found.writer, found.state, found.acked, found.worst_ns) == ("w5", RUNNING, (42, 7, 0, 0), 1000)
    ledger.state(DONE)
    ledger.close()
    assert accounts(str(tmp_path))[0].state == DONE


def test_a_ledger_that_is_just_being_made_is_nobodys(tmp_path: Path) -> None:
    """A writer whose ledger has not its full length yet has promised nothing, and does not stop the reader."""
    (tmp_path / "ledger-w0").write_bytes(b"\0" * 8)
    assert accounts(str(tmp_path)) == []


def test_mountinfo_is_read() -> None:
    """The type stands behind the hyphen, after any number of optional fields; blanks are escaped."""
    text = (
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "30 22 0:40 / /mnt/two\\040words rw - nfs4 host:/x rw,vers=4.2\n"
        "31 22 0:41 / /srv rw shared:1 master:2 - fuse.sshfs u@h:/ rw\n"
        "garbage\n"
    )
    found = list(parse_mountinfo(text))
    assert found == [FileSystem("ext4", "/"), FileSystem("nfs4", "/mnt/two words"), FileSystem("fuse.sshfs", "/srv")]


@pytest.fixture
def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A system without /proc, whose mount(8) is this shell script."""

    def install(script: str) -> None:
        (tmp_path / "mount").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "mount").chmod(0o755)

    monkeypatch.setattr("mpfhandler._faces.check.filesystem._MOUNTINFO", str(tmp_path / "no such file"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return install


@pytest.mark.skipif(os.sep != "/", reason="of POSIX systems")
def test_mount_is_asked_where_there_is_no_mountinfo(tmp_path: Path, mount: Callable[[str], None]) -> None:
    """macOS and the BSDs: the innermost mount point counts, and lines that say something else are passed over."""
    mount(f"echo '/dev/a on / (apfs, local)'; echo 'map auto_home'; echo 'host:/x on {tmp_path.resolve()} (nfs)'")
    assert file_system(str(tmp_path / "deeper")) == FileSystem("nfs", str(tmp_path.resolve()))


def test_mount_that_fails_is_no_answer(tmp_path: Path, mount: Callable[[str], None]) -> None:
    """Without an answer of the system the type is unknown; nothing is raised."""
    assert file_system(str(tmp_path)).kind == "unknown"
    mount("echo '/dev/a on / (apfs, local)'; exit 1")
    assert file_system(str(tmp_path)).kind == "unknown"


def test_mount_output_is_read() -> None:
    """Both dialects of mount(8) are understood."""
    text = "/dev/disk3s1 on / (apfs, local, read-only)\nserver:/x on /Volumes/a b (nfs)\n/dev/sda on /home type xfs (rw)\n"
    found = list(parse_mount_output(text))
    assert found == [FileSystem("apfs", "/"), FileSystem("nfs", "/Volumes/a b"), FileSystem("xfs", "/home")]


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse", "fuse.sshfs", "fuseblk", "glusterfs", "exfat", "vboxsf"],
)
def test_weak_file_systems_are_warned_about(kind: str) -> None:
    """Where the promises cannot hold the reason is said."""
    assert warning(kind)


def test_unknown_file_system_is_warned_about() -> None:
    """Not to know is no promise."""
    assert "could not be found out" in str(warning("unknown"))


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "apfs"])
def test_local_file_systems_are_not_warned_about(kind: str) -> None:
    """A warning that is always there is read by nobody."""
    assert warning(kind) is None


@pytest.mark.skipif(os.sep != "/", reason="of POSIX systems")
def test_the_file_system_of_a_folder_is_found(tmp_path: Path) -> None:
    """The innermost mount point counts; here it is at least a folder above."""
    found = file_system(str(tmp_path))
    assert found.kind == "unknown" or str(tmp_path.resolve()).startswith(found.mount_point)
