"""Starts the programs of `programs/`, and counts what they have logged, without any help from the handler.

Each record has a writer, a number and a checksum. A writer's acknowledged records are known from a file of its own, to which the
program appends after each logging call. The period in which a record belongs is told by its own time.
"""

from __future__ import annotations

import gzip
import importlib.util
import os
import re
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import mpfhandler

PROGRAMS = Path(__file__).resolve().parent / "programs"
LOGS = ("direct", "buffered")
PATIENCE = 120.0  # seconds; only a failing test, or a machine with too much to do, waits that long
FLUSH_INTERVAL = 0.2  # the default
SLACK = 1.5  # seconds that a flusher's thread may wait for its turn on a machine with too much to do

_WHOLE = re.compile(rb"(\d+\.\d+) ((\d+)-[a-z]+-[0-9a-f]{12}) (\d+) (x*) ([0-9a-f]{8})")
_SEGMENT = re.compile(r"(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)(?:\.[1-9]\d*)?(?:\.gz)?")
_TIME = re.compile(rb"(\d+\.\d+) ")


@dataclass(frozen=True)
class Scale:
    """How long a program logs, how long a period is (seconds), and how long it pauses after eight records."""

    seconds: float
    interval: int
    pause: float


QUICK = Scale(2.2, 1, 0.004)
LOAD = Scale(9.0, 2, 0.0)


# running


@dataclass
class Run:
    """A program that was started in a folder of its own, with what it has printed."""

    folder: Path
    scale: Scale
    process: subprocess.Popen[bytes]

    @property
    def output(self) -> str:
        """All of it, errors included."""
        return (self.folder / "output.txt").read_text(errors="replace")

    def wait(self) -> str:
        """For its good end, without a word of an error; its output."""
        try:
            code = self.process.wait(self.scale.seconds + PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the program hangs:\n{self.output}") from None
        assert code == 0, f"exit code {code}:\n{self.output}"
        self.assert_quiet()
        return self.output

    def assert_quiet(self) -> None:
        """Nothing has failed aloud."""
        assert not re.search(r"Traceback|Logging error|Exception ignored|Fatal Python", self.output), self.output


@contextmanager
def started(folder: Path, command: Sequence[str], scale: Scale, **variables: str) -> Iterator[Run]:
    """A command that has what programs need in its environment; its whole process group is killed at the end."""
    for name in ("acknowledged", "deaths"):
        (folder / name).mkdir(exist_ok=True)
    path = os.pathsep.join([str(PROGRAMS), str(Path(mpfhandler.__file__).parents[1])])
    environment = {**os.environ, "PYTHONPATH": path, "WORK_FOLDER": str(folder), "WORK_SECONDS": str(scale.seconds)}
    environment |= {"WORK_INTERVAL": str(scale.interval), "WORK_PAUSE": str(scale.pause), **variables}
    with (folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield Run(folder, scale, process)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def dies(folder: Path, pid: int) -> None:
    """This process of a program is about to be ended from now on."""
    (folder / "deaths" / str(pid)).write_text(repr(time.time()))


def wait_until(true: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Until this holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@dataclass(frozen=True)
class Program:
    """One of the folder `programs/`, or a module of its own, and what is expected of a run."""

    claim: str
    command: tuple[str, ...]
    kinds: tuple[str, ...] = ()  # of writers; each has to log, in both logs unless it names one of them (`log/kind`)
    deaths: int = 0  # processes that end without their exit handlers, at least
    workers: int = 4  # processes that log into one period, at least, under load
    needs: str = ""  # a module that it imports
    quick: bool = True  # whether it has a place in the quick half

    @property
    def name(self) -> str:
        """Its file and its arguments."""
        return "-".join(self.command).replace(".py", "")

    def started(self, folder: Path, scale: Scale) -> AbstractContextManager[Run]:
        """It runs until the block ends."""
        return started(folder, [sys.executable, str(PROGRAMS / self.command[0]), *self.command[1:]], scale)

    def assert_counted(self, run: Run) -> str:
        """It ends well, and all of its records are where they belong; its output."""
        said = run.wait()
        count(run.folder, run.scale, workers=self.workers, deaths=self.deaths, kinds=self.kinds)
        return said


def on_each_scale(*programs: Program) -> pytest.MarkDecorator:
    """Parameters `program` and `scale` of a test: quick, and under load."""
    parameters = []
    for one in programs:
        missing = bool(one.needs) and importlib.util.find_spec(one.needs) is None
        skip = pytest.mark.skipif(missing, reason=f"not installed: {one.needs}")
        if one.quick:
            parameters.append(pytest.param(one, QUICK, id=f"{one.name}-quick", marks=skip))
        parameters.append(pytest.param(one, LOAD, id=f"{one.name}-load", marks=[skip, pytest.mark.load]))
    return pytest.mark.parametrize(("program", "scale"), parameters)


@pytest.fixture(scope="module")
def side_by_side(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """The programs of a module's quick tests, all at the same time: each of them waits for the clock most of its time."""
    running: dict[str, Run] = {}
    with ExitStack() as stack:
        for item in request.session.items:
            given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
            skipped = any(mark.args[0] for mark in item.iter_markers("skipif"))
            if item.path == request.path and given.get("scale") is QUICK and not skipped:
                program: Program = given["program"]
                running[program.name] = stack.enter_context(program.started(tmp_path_factory.mktemp(program.name), QUICK))
        yield running


@pytest.fixture
def run(program: Program, scale: Scale, side_by_side: dict[str, Run], tmp_path: Path) -> Iterator[Run]:
    """The test's program, which is running."""
    if scale is QUICK:
        yield side_by_side[program.name]
    else:
        with program.started(tmp_path, scale) as running:
            yield running


# counting


@dataclass
class Account:
    """What the files of one log say, and what its writers were promised."""

    acknowledged: dict[str, list[float]] = field(default_factory=dict)  # by writer: when each of its records was
    deaths: dict[int, float] = field(default_factory=dict)  # by process
    found: Counter[tuple[str, int]] = field(default_factory=Counter)
    periods: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # by period: who has written in it
    fragments: list[str] = field(default_factory=list)
    misfiled: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def death(self, writer: str) -> float | None:
        """When its process was about to end, None: it has ended well."""
        return self.deaths.get(int(writer.split("-", maxsplit=1)[0]))

    def wrong(self, *, buffered: bool) -> list[str]:
        """What is not as it was promised."""
        problems = [f"a file of another name: {name}" for name in self.strangers]
        problems += [f"in the file of another period: {what}" for what in self.misfiled]
        problems += [f"twice: {key}" for key, times in self.found.items() if times > 1]
        if len(self.fragments) > len(self.deaths):
            problems += [f"torn: {what}" for what in self.fragments]
        for writer, times in self.acknowledged.items():
            problems += self._wrong_with(writer, times, buffered=buffered)
        problems += [f"of a writer that nobody knows: {key}" for key in self.found if key[0] not in self.acknowledged]
        return problems

    def _wrong_with(self, writer: str, times: list[float], *, buffered: bool) -> Iterator[str]:
        death = self.death(writer)
        there = {number for name, number in self.found if name == writer} if death is None else self._numbers(writer, len(times))
        for number in sorted(there - set(range(len(times)))):
            if death is None or number > len(times):
                yield f"never acknowledged: {writer} {number}"
        lost = sorted(set(range(len(times))) - there)
        if not lost:
            return
        if not buffered or death is None:
            yield f"lost: {len(lost)} of {len(times)} of {writer}, {lost[:5]}"
            return
        if lost != list(range(lost[0], len(times))):
            yield f"lost from the middle: {writer} {lost[:5]} of {len(times)}"
        if times[lost[0]] < death - FLUSH_INTERVAL - SLACK:
            yield f"lost {death - times[lost[0]]:.2f} s before the end: {writer} {lost[0]} of {len(times)}"

    def _numbers(self, writer: str, count: int) -> set[int]:
        return {number for number in range(count + 2) if (writer, number) in self.found}


def read(folder: Path, log: str, interval: int, others: str | None = None) -> Account:
    """All files of a log. Lines that match `others` behind their time are another logger's: they are collected, not counted."""
    account = Account()
    for path in (folder / "acknowledged").glob(f"{log}.*"):
        data = path.read_bytes()
        account.acknowledged[path.name[len(log) + 1 :]] = [one for (one,) in struct.iter_unpack("<d", data[: len(data) // 8 * 8])]
    for path in (folder / "deaths").iterdir():
        account.deaths[int(path.name)] = float(path.read_text() or "0")
    foreign = None if others is None else re.compile(rb"(\d+\.\d+) (?:" + others.encode() + rb")")
    base = f"{log}.log"
    for path in sorted(folder.iterdir()):
        name = path.name.removeprefix(".")
        segment = _SEGMENT.fullmatch(name[len(base) + 1 :])
        if path.name == base or (path.name.startswith(base + ".") and segment):
            _read_file(account, path, segment[1] if segment else None, interval, foreign)
        elif name.startswith(base) and name != base + ".lock":
            account.strangers.append(path.name)
    return account


def _read_file(account: Account, path: Path, period: str | None, interval: int, foreign: re.Pattern[bytes] | None) -> None:
    data = path.read_bytes()
    *lines, rest = (gzip.decompress(data) if path.suffix == ".gz" else data).split(b"\n")
    if rest:
        account.fragments.append(f"{path.name}: {rest[:80]!r}, without its end")
    for line in lines:
        whole = _whole(line)
        if whole is not None:
            account.found[whole] += 1
        elif foreign is not None and foreign.fullmatch(line):
            account.others.append(line.decode())
        else:
            account.fragments.append(f"{path.name}: {line[:80]!r} … {line[-20:]!r}")
            continue
        own = suffix(float(line.split(b" ", 1)[0]), interval)
        period = period or own  # the active file has that of its first record
        account.periods[own].add("" if whole is None else whole[0])
        if own != period:
            account.misfiled.append(f"{path.name}: {line[:60]!r}")


def _whole(line: bytes) -> tuple[str, int] | None:
    found = _WHOLE.fullmatch(line)
    if found is None or f"{zlib.crc32(line[found.start(2) : found.end(5)]):08x}".encode() != found[6]:
        return None
    return found[2].decode(), int(found[4])


def suffix(created: float, interval: int) -> str:
    """The name of the file in which a record of this time belongs."""
    moment = time.localtime(created)
    return time.strftime("%Y-%m-%d_%H-%M-", moment) + f"{moment.tm_sec // interval * interval:02d}"


def count(
    folder: Path,
    scale: Scale,
    *,
    logs: Sequence[str] = LOGS,
    workers: int = 4,
    deaths: int = 0,
    kinds: Sequence[str] = (),
    others: str | None = None,
) -> dict[str, Account]:
    """Every acknowledged record is in its log once, whole, in the file of its period, but for the documented loss. Says how many
    there are, and fails also where the run was too small to tell anything.

    Args:
        workers: so many processes have logged into one period, at least; two on the quick scale.
        deaths: so many processes were ended without their exit handlers, at least.
        kinds: of writers; each has logged, to both logs unless it names one of them (`log/kind`).
    """
    accounts = {log: read(folder, log, scale.interval, others) for log in logs}
    for log, account in accounts.items():
        wrong = account.wrong(buffered=log == "buffered")
        assert not wrong, f"{log}: {len(wrong)} problems\n" + "\n".join(wrong[:20])
        promised = sum(map(len, account.acknowledged.values()))
        least = int(scale.seconds / scale.interval)
        together = [len({name.split("-")[0] for name in names - {""}}) for names in account.periods.values()]
        print(
            f"{log}: {promised} acknowledged by {len(account.acknowledged)} writers, {account.found.total()} there, "
            f"in {len(account.periods)} periods, {max(together, default=0)} processes in one, {len(account.deaths)} killed or "
            f"left, {len(account.fragments)} stumps"
        )
        assert len(account.periods) >= least, f"{log}: {len(account.periods)} periods, not {least}"
        workers = 2 if scale.pause else workers  # where a process lives for moments, a busy machine has few of them at a time
        assert max(together) >= workers, f"{log}: no more than {max(together)} processes in one period"
        assert promised >= (20 if scale.pause else 500) * scale.seconds, f"{log}: {promised} records are too few to tell anything"
        assert len(account.deaths) >= deaths, f"{log}: {len(account.deaths)} deaths"
        wanted = {kind.rpartition("/")[2] for kind in kinds if kind.rpartition("/")[0] in {"", log}}
        missing = wanted - {name.split("-")[1] for name, times in account.acknowledged.items() if times}
        assert not missing, f"{log}: none has logged of {missing}"
    return accounts
