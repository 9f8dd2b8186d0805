"""Real log shippers with the very configurations of docs/how-to/ship: they follow a log that four processes write, through
rotations and compression, and what arrives at the other end is counted.

All shippers of a run follow the same log at the same time, in folders of their own. The quick runs have few records and short
periods; those of 100,000 records are marked `load`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from _shippers import PATIENCE, Collector, Rsyslog, Shipper, SyslogNg, Tail, wait_until
from _traffic import Traffic

from mpfhandler import MultProcTimedRotatingFileHandler
from mpfhandler._platform import OPERATIONS

pytestmark = pytest.mark.integration

SEGMENTS, ACTIVE = "Closed segments", "The active file"  # headings of the pages
HOURLY = {"????-??-??_??": "????-??-??_??-??-??"}  # syslog-ng's pattern tells the period's length: seconds here
EVERYTHING = {'File="/var/log/shop/app.log.[0-9]*[0-9]"': 'File="/var/log/shop/app.log*"'}
NO_EXCLUDE = {
    '    exclude: ["/var/log/shop/*.gz", "/var/log/shop/*.zst", "/var/log/shop/*.xz", "/var/log/shop/*.bz2",\n'
    '              "/var/log/shop/*.lock", "/var/log/shop/*.debug"]\n': ""
}
MAKE: dict[str, Callable[[Path, Path], Shipper]] = {
    "rsyslog segments": lambda own, logs: Rsyslog(own, logs, SEGMENTS),
    "rsyslog active": lambda own, logs: Rsyslog(own, logs, ACTIVE),
    "rsyslog everything": lambda own, logs: Rsyslog(own, logs, SEGMENTS, EVERYTHING),
    "syslog-ng segments": lambda own, logs: SyslogNg(own, logs, SEGMENTS, HOURLY),
    "syslog-ng active": lambda own, logs: SyslogNg(own, logs, ACTIVE),
    "syslog-ng everything": lambda own, logs: SyslogNg(own, logs, SEGMENTS, {"app.log.????-??-??_??": "app.log*"}),
    "collector": lambda own, logs: Collector(own, logs),
    "collector storage": lambda own, logs: Collector(own, logs, storage=True),
    "collector active": lambda own, logs: Collector(own, logs, {"app.log*": "app.log"}),
    "collector everything": lambda own, logs: Collector(own, logs, NO_EXCLUDE),
    "tail": lambda own, logs: Tail(own, logs),
}
QUICK, LOAD = "5000 records", "100000 records"
SIZES = [QUICK, pytest.param(LOAD, marks=pytest.mark.load)]


@dataclass
class Run:
    """The log, and who follows it."""

    traffic: Traffic
    shippers: dict[str, Shipper] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # the reasons

    def add(self, names: list[str], folder: Path) -> None:
        """Make these shippers, those that are there."""
        for name in names:
            try:
                self.shippers[name] = MAKE[name](folder / name.replace(" ", "-"), folder / "logs")
            except pytest.skip.Exception as reason:
                self.missing[name] = str(reason)

    def start(self) -> None:
        """All of them."""
        for shipper in self.shippers.values():
            shipper.start()

    def complete(self, *names: str, seconds: float = PATIENCE) -> None:
        """Wait until those of these that are there have sent all; bad ones never do, and have had as much time then."""
        there = [self.shippers[name] for name in names if name in self.shippers]
        wait_until(lambda: not any(one.received.lost(self.traffic.expected) for one in there), seconds)

    def finish(self) -> None:
        """Have all come to their ends."""
        time.sleep(0.5)  # for what arrives twice
        self.stop()

    def stop(self) -> None:
        """All at the same time."""
        for shipper in self.shippers.values():
            shipper.ask_to_stop()
        for shipper in self.shippers.values():
            shipper.wait()

    def close(self) -> None:
        """End what is left."""
        self.traffic.end()
        for shipper in self.shippers.values():
            shipper.close()

    def shipper(self, name: str) -> Shipper:
        """One of them; skips the test where it is missing."""
        if name in self.missing:
            pytest.skip(self.missing[name])
        return self.shippers[name]

    def counts(self, name: str) -> tuple[int, int, int]:
        """Records lost, records doubled, and what is no record."""
        received = self.shipper(name).received
        assert not self.shipper(name).died, self.shipper(name).output
        lost, doubled = len(received.lost(self.traffic.expected)), len(received.doubled())
        print(f"{name}: {len(self.traffic.expected)} records, {lost} lost, {doubled} doubled, {len(received.strange)} strange")
        return lost, doubled, len(received.strange)


@contextmanager
def running(
    folder: Path, size: str, names: list[str], *, late_grace: float, interval: int = 0, delay: float = 3.0
) -> Iterator[Run]:
    """The shippers, and the writers, which have begun; in the end all is ended."""
    (folder / "logs").mkdir()
    records, seconds, period = (5000, 3.0, 1) if size == QUICK else (100_000, 40.0, 2)
    if size == QUICK and (delay > 3 or interval > 1):
        seconds = 4.0  # a second to be down, or two periods
    traffic = Traffic(
        folder / "logs" / "app.log", records=records, seconds=seconds, interval=interval or period,
        late_grace=late_grace, compress_delay=delay,
    )  # fmt: skip
    run = Run(traffic)
    run.add(names, folder)
    if not run.shippers:
        pytest.skip("; ".join(run.missing.values()))
    try:
        run.start()
        run.traffic.begin()
        yield run
    finally:
        run.close()


GOOD = ["rsyslog segments", "syslog-ng segments", "collector"]
BAD = ["rsyslog active", "rsyslog everything", "syslog-ng active", "syslog-ng everything", "collector active",
       "collector everything", "tail"]  # fmt: skip
AT_ONCE = ["rsyslog active", "syslog-ng active", "tail", "collector"]
RESTARTED = ["rsyslog segments", "syslog-ng segments", "collector storage"]
STEADY = ["rsyslog active", "syslog-ng active"]
FORGETFUL = ["rsyslog active", "syslog-ng active", "collector", "tail"]


@pytest.fixture(scope="module", params=SIZES)
def followed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run with late records, which go to files that are closed already; good configurations, and few records for bad ones."""
    names = GOOD + BAD if request.param == QUICK else GOOD
    with running(
        tmp_path_factory.mktemp("followed"), request.param, names, late_grace=2.0 if request.param == LOAD else 1.0
    ) as run:
        run.traffic.finish()
        run.complete(*GOOD)
        assert wait_until(run.traffic.compressed)
        time.sleep(1)  # for who follows compressed files
        run.traffic.end()
        run.finish()
        yield run


@pytest.fixture(scope="module", params=SIZES)
def at_once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run in which nothing is written to a file once it has a segment's name. Periods are not too short for a program that gets
    no turn for a second: a file that has come and gone meanwhile it never sees."""
    with running(tmp_path_factory.mktemp("at-once"), request.param, AT_ONCE, late_grace=0.0, interval=2) as run:
        run.traffic.finish()
        run.complete(*AT_ONCE, seconds=20)
        run.traffic.end()
        run.finish()
        yield run


@pytest.fixture(scope="module", params=SIZES)
def restarted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run in whose middle all shippers are down, over a rotation."""
    names = RESTARTED + FORGETFUL if request.param == QUICK else RESTARTED
    with running(tmp_path_factory.mktemp("restarted"), request.param, names, late_grace=1.0, delay=8.0) as run:
        half = len(run.traffic.expected) // 2
        assert wait_until(lambda: any(len(one.received.records) > half // 2 for one in run.shippers.values()))
        run.stop()
        before = len(run.traffic.segments())
        assert wait_until(lambda: len(run.traffic.segments()) > before)
        run.start()
        run.traffic.finish()
        run.complete(*RESTARTED)
        run.traffic.end()
        run.finish()
        yield run


@pytest.fixture(scope="module")
def within_a_period(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run without a rotation, in whose middle the shippers are down."""
    with running(tmp_path_factory.mktemp("within"), QUICK, STEADY, late_grace=0.0, interval=86400) as run:
        assert wait_until(lambda: any(len(one.received.records) > 1000 for one in run.shippers.values()))
        run.stop()
        run.traffic.finish()
        run.start()
        run.complete(*STEADY)
        run.finish()
        yield run


@pytest.mark.parametrize("name", GOOD)
def test_all_arrive_once(name: str, followed: Run) -> None:
    """Each record arrives once, whole, and nothing else; also those that were written to a file after it was closed."""
    assert followed.counts(name) == (0, 0, 0), followed.shipper(name).output
    assert len(followed.traffic.segments()) >= 3
    assert followed.traffic.compressed()
    assert followed.traffic.written_late() > 0


@pytest.mark.parametrize("name", AT_ONCE)
def test_the_active_file_alone_is_enough_without_grace(name: str, at_once: Run) -> None:
    """With `late_grace=0` who follows the active file alone gets each record once, at once; but for one at most of each process
    and rotation, which was between the look at the name and its `write` when the log was renamed (a test below). The
    collector, which follows the segments, too, gets that as well."""
    lost, doubled, strange = at_once.counts(name)
    assert (doubled, strange) == (0, 0), at_once.shipper(name).output
    if lost:
        held_up = at_once.traffic.last_of_files() if name != "collector" else set()
        assert not at_once.shipper(name).received.lost(at_once.traffic.expected) - held_up, at_once.shipper(name).output
    assert len(at_once.traffic.segments()) >= 2
    assert at_once.traffic.written_late() == 0


@pytest.mark.parametrize("name", RESTARTED)
def test_a_restart_loses_and_doubles_nothing(name: str, restarted: Run) -> None:
    """A shipper that was down, while the log was rotated, goes on where it was."""
    assert restarted.counts(name) == (0, 0, 0), restarted.shipper(name).output


bad = pytest.mark.parametrize("followed", [QUICK], indirect=True)
bad_restart = pytest.mark.parametrize("restarted", [QUICK], indirect=True)


@bad
@pytest.mark.parametrize("name", ["rsyslog active", "syslog-ng active", "collector active", "tail"])
def test_the_active_file_alone_loses_late_records(name: str, followed: Run) -> None:
    """Who does not follow the segments never sees what is written to them after the rotation."""
    lost = followed.shipper(name).received.lost(followed.traffic.expected)
    assert lost - followed.traffic.on_time(), followed.counts(name)


def gave_up(shipper: Shipper) -> bool:
    """Whether a bad configuration has brought the program down: syslog-ng 3.38.1 may fail an assertion of its own if a file that
    it follows by a pattern is renamed to another name that matches."""
    assert not shipper.died or "log_pipe_queue: assertion failed" in shipper.output, shipper.output
    return shipper.died


@bad
@pytest.mark.parametrize("name", ["rsyslog everything", "syslog-ng everything", "collector everything"])
def test_a_wide_pattern_catches_the_lock_and_compressed_files(name: str, followed: Run) -> None:
    """`app.log*` matches the lock file and compressed segments, whose bytes arrive as if they were records."""
    if gave_up(followed.shipper(name)):
        return
    strange = followed.shipper(name).received.strange
    assert any(b"mpfhandler-state" in one or one.endswith(b".lock") for one in strange), followed.counts(name)
    assert any(b"\x1f\x8b" in one or b"#037" in one or one.endswith(b".gz") for one in strange), followed.counts(name)


@bad
def test_syslog_ng_doubles_renamed_files(followed: Run) -> None:
    """syslog-ng keeps its place in a file by the file's name: a pattern that matches log and segments sends both."""
    shipper = followed.shipper("syslog-ng everything")
    assert gave_up(shipper) or shipper.received.doubled(), shipper.output


@bad_restart
@pytest.mark.parametrize("name", ["rsyslog active", "syslog-ng active", "tail"])
def test_the_active_file_alone_loses_what_was_rotated_meanwhile(name: str, restarted: Run) -> None:
    """After a rotation while it was down, who follows the active file alone never reads the rest of the one before."""
    lost = restarted.shipper(name).received.lost(restarted.traffic.expected)
    assert lost & restarted.traffic.on_time(), restarted.counts(name)


@bad_restart
def test_without_a_place_kept_a_restart_doubles(restarted: Run) -> None:
    """The collector without `file_storage` begins again at the start of what is there."""
    assert restarted.shipper("collector").received.doubled(), restarted.counts("collector")


@pytest.mark.parametrize("name", STEADY)
def test_a_restart_within_a_period_loses_and_doubles_nothing(name: str, within_a_period: Run) -> None:
    """Who follows the active file alone goes on where it was, as long as that is the same file."""
    assert within_a_period.counts(name) == (0, 0, 0), within_a_period.shipper(name).output
    assert not within_a_period.traffic.segments()


def a_record(number: int) -> logging.LogRecord:
    """As the writers make them."""
    return logging.makeLogRecord({"msg": f"record 0-{number} written at {time.time():.6f} whole"})


def test_who_is_held_up_in_the_middle_is_missed_by_name(
    closing: Callable[..., Any], system: Callable[..., None], tmp_path: Path
) -> None:
    """Also with `late_grace=0`: a process that has looked where the log's name leads, and is held up before its `write` until the
    log is rotated and `tail` has turned to the new one, writes to the old one, which gets its segment's name after that."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "app.log"
    log.touch()
    held, free = threading.Event(), threading.Event()

    def write(descriptor: int, data: bytes) -> int:
        if b"record 0-1 " in data:
            held.set()
            assert free.wait(30)
        return OPERATIONS.write(descriptor, data)

    quick = closing(MultProcTimedRotatingFileHandler(str(log), when="midnight", late_grace=0))
    system(write=write)
    slow = closing(MultProcTimedRotatingFileHandler(str(log), when="midnight", late_grace=0))
    shipper = closing(Tail(tmp_path / "tail", tmp_path / "logs"))
    shipper.start()
    quick.handle(a_record(0))
    assert wait_until(lambda: shipper.received.records)
    with ThreadPoolExecutor(1) as pool:
        try:
            writing = pool.submit(slow.handle, a_record(1))
            assert held.wait(30)
            quick.doRollover()
            quick.handle(a_record(2))
            assert wait_until(lambda: not shipper.received.lost({(0, 2)}))
        finally:
            free.set()
        writing.result()
    quick.handle(a_record(3))
    assert wait_until(lambda: not shipper.received.lost({(0, 3)}))
    assert shipper.received.lost({(0, number) for number in range(4)}) == {(0, 1)}
    assert sum(b"record 0-1 " in path.read_bytes() for path in log.parent.iterdir()) == 1


def test_rsyslog_doubles_a_file_that_it_sees_under_two_names(tmp_path: Path) -> None:
    """A pattern that matches the log and its segments has rsyslog send a segment again, if it looks between the renaming and the
    new log: it keeps its place in the old file open under the old name, and takes the segment for a new file."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "app.log"
    shipper = Rsyslog(tmp_path / "rsyslog", tmp_path / "logs", SEGMENTS, {"app.log.[0-9]*[0-9]": "app.lo*[g0-9]"})
    handler = MultProcTimedRotatingFileHandler(str(log), when="midnight")

    def write(first: int, count: int) -> None:
        for number in range(first, first + count):
            handler.handle(a_record(number))

    try:
        shipper.start()
        write(0, 100)
        assert wait_until(lambda: len(shipper.received.records) == 100), shipper.output
        log.rename(f"{log}.2026-11-23")
        time.sleep(1)  # microseconds, mostly; longer on a machine that has other things to do
        write(100, 100)
        assert wait_until(lambda: len(shipper.received.records) == 200), shipper.output
        assert wait_until(lambda: len(shipper.received.doubled()) > 50), shipper.output
    finally:
        shipper.close()
        handler.close()
