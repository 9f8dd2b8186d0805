"""The questions of `compare.py`. Each is asked of real processes and files; the answer is yes or no, and what was seen."""

from __future__ import annotations

import fcntl
import gzip
import multiprocessing
import os
import re
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from compare_log import Log, Wanted
from compare_others import NO_INTERVAL, earlier
from compare_peers import FORKED, QUEUES, open_log, serving

__all__ = ["ROWS", "Answer"]

SPAWN, FORK = multiprocessing.get_context("spawn"), multiprocessing.get_context("fork")
PROCESSES, RECORDS = 4, 3000
HANGS = 10.0  # seconds after which a call, or a child, does not come back any more
PATIENCE = 300.0  # seconds for a run: a slow handler on a busy machine is slow, and loses nothing by that
HELD, TOO_LONG = 8.0, 4.0  # seconds that a lock is held, and in which a call must be over


class Answer(NamedTuple):
    """Yes or no, and why."""

    yes: bool
    seen: str


# --- processes that log -----------------------------------------------------------------------------------------------


def steadily(peer: str, path: str, wanted: Wanted, shared: Any, start: Any, number: int, count: int, pause: float) -> None:
    """So many records, with a pause between two."""
    log = open_log(peer, path, wanted, shared)
    start.wait()
    for record in range(count):
        log.log(f"{number} {record}")
        time.sleep(pause)
    log.close()
    if shared is not None:
        shared.close()
        shared.join_thread()


def until_killed(peer: str, path: str, wanted: Wanted, shared: Any, count: int) -> None:
    """So many records, and a SIGKILL after the last call has returned."""
    log = open_log(peer, path, wanted, shared)
    for record in range(count):
        log.log(f"0 {record}")
    os.kill(os.getpid(), signal.SIGKILL)


def timed(
    peer: str, path: str, wanted: Wanted, shared: Any, start: Any, longest: Any, number: int, seconds: float, pause: float
) -> None:
    """For so long, with the longest call in a place of its own."""
    log = open_log(peer, path, wanted, shared)
    start.wait()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        log.log(f"{number} record of a load that goes on")
        longest[number] = max(longest[number], time.monotonic() - begun)
        time.sleep(pause)
    os._exit(0)


def begun(target: Callable[..., None], peer: str, *arguments: Any) -> Any:
    """A process, spawned, where the peer does not want it forked."""
    context: Any = FORK if peer in FORKED else SPAWN
    process = context.Process(target=target, args=(peer, *arguments))
    process.start()
    return process


def ended(processes: list[Any]) -> None:
    """Wait for them.

    Raises:
        RuntimeError: one does not end: then there is no answer. It is killed.
    """
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.1, deadline - time.monotonic()))
    left = [process for process in processes if process.is_alive()]
    for process in left:
        process.kill()
        process.join()
    if left:
        raise RuntimeError(f"{len(left)} processes have not come to their end in {PATIENCE:.0f} s")


# --- what is in the files ---------------------------------------------------------------------------------------------


def files(folder: Path) -> dict[str, list[str]]:
    """The lines of every file of the log."""
    found = {}
    for path in sorted(folder.iterdir()):
        ours = path.name.startswith(("app.", "app-")) or path.name.endswith(".app.log")  # a few have the date before that
        if ours and path.is_file() and not path.name.endswith((".lock", ".debug")):
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            found[path.name] = data.decode("utf-8", "replace").splitlines()
    return found


def messages(folder: Path) -> Counter[str]:
    """How often each message stands there, without its time."""
    return Counter(line.partition(" ")[2] for lines in files(folder).values() for line in lines)


def seconds_of(lines: list[str], interval: int = 1) -> set[int]:
    """The periods of a file's records. What is no record has none: some write over each other's."""
    times = [line.partition(" ")[0] for line in lines]
    return {int(float(time)) // interval for time in times if re.fullmatch(r"\d+\.\d+", time)}


# --- the questions ----------------------------------------------------------------------------------------------------


def run_of_four(peer: str, folder: Path) -> set[str]:
    """Four processes, three rotations and more. Gives what they have logged."""
    path, wanted = str(folder / "app.log"), Wanted()
    with serving(peer, path, wanted) as shared:
        start = SPAWN.Barrier(PROCESSES + 1)
        crew = [begun(steadily, peer, path, wanted, shared, start, number, RECORDS, 0.001) for number in range(PROCESSES)]
        start.wait(HANGS * 6)
        ended(crew)
    return {f"{number} {record}" for number in range(PROCESSES) for record in range(RECORDS)}


def kept(peer: str, folder: Path) -> Answer:
    """Every record is there, once."""
    wanted = run_of_four(peer, folder)
    there = messages(folder)
    lost, doubled = len(wanted - set(there)), sum(count - 1 for count in there.values())
    odd = len(set(there) - wanted)
    return Answer(
        not lost and not doubled and not odd, f"{lost} of {len(wanted)} lost, {doubled} doubled, in {len(files(folder))} files"
    )


def period(peer: str, folder: Path) -> Answer:
    """Each file has the records of one second."""
    wanted = run_of_four(peer, folder)
    found = files(folder)
    mixed, lost = sum(len(seconds_of(lines)) > 1 for lines in found.values()), len(wanted - set(messages(folder)))
    return Answer(
        not mixed and not lost and len(found) > 2, f"{mixed} of {len(found)} files have records of several; {lost} lost"
    )


def durable(peer: str, folder: Path) -> Answer:
    """What a call has returned for survives a SIGKILL of the process."""
    path, wanted = str(folder / "app.log"), Wanted(3600)
    with serving(peer, path, wanted) as shared:
        ended([begun(until_killed, peer, path, wanted, shared, 1000)])
        time.sleep(0.5)
    count = len(messages(folder))
    return Answer(count == 1000, f"{count} of 1000 records")


def held(peer: str, folder: Path) -> Answer:
    """While somebody holds the lock file (a process that is stopped, another program) the others go on."""
    path, wanted, count = str(folder / "app.log"), Wanted(), 2
    longest: Any = SPAWN.RawArray("d", count)
    with serving(peer, path, wanted) as shared:
        start = SPAWN.Barrier(count + 1)
        crew = [begun(timed, peer, path, wanted, shared, start, longest, number, HELD + 3.0, 0.001) for number in range(count)]
        start.wait(HANGS * 6)
        time.sleep(1)
        locks = [os.open(found, os.O_RDWR) for found in folder.iterdir() if found.name.endswith(".lock")]
        for lock in locks:
            fcntl.flock(lock, fcntl.LOCK_EX)
        time.sleep(HELD)
        for lock in locks:
            os.close(lock)
        ended(crew)
    worst = max(longest)
    return Answer(bool(locks) and worst < TOO_LONG, f"the longest call: {worst:.2f} s; {len(locks)} lock file held for {HELD} s")


def forked(peer: str, folder: Path) -> Answer:
    """Children that are forked while threads log can log."""
    path, wanted, hung = str(folder / "app.log"), Wanted(), 0
    with serving(peer, path, wanted) as shared:
        log, over = open_log(peer, path, wanted, shared), threading.Event()

        def busy() -> None:
            while not over.is_set():
                log.log("x " * 50)
                if peer in QUEUES:  # one that is never empty makes its new processes wait, forked or not
                    time.sleep(0.001)

        threads = [threading.Thread(target=busy) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(60):
            hung += not came_back(peer, log, f"child {number}")
            if hung >= 2:
                break
        over.set()
        for thread in threads:
            thread.join(HANGS)
        log.close()
    return Answer(not hung, f"{hung} of {number + 1} children hung")


def came_back(peer: str, log: Log, text: str) -> bool:
    """Whether a child that logs this ended in time; else it is killed."""
    if peer in QUEUES:
        return ended_in_time(log, text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if not child:
        log.log(text)
        os._exit(0)
    deadline = time.monotonic() + HANGS
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def ended_in_time(log: Log, text: str) -> bool:
    """The same for a child that multiprocessing has forked: its queues are made fit for that, and for no other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = FORK.Process(target=log.log, args=(text,))
        child.start()
    child.join(HANGS)
    hung = child.is_alive()
    if hung:
        child.kill()
        child.join()
    return not hung


def moved(peer: str, folder: Path) -> Answer:
    """After an `mv` of the log the next records are in a new one."""
    path, wanted = str(folder / "app.log"), Wanted(3600)
    with serving(peer, path, wanted) as shared:
        log = open_log(peer, path, wanted, shared)
        log.log("before")
        time.sleep(0.5)
        (name,) = files(folder)
        os.rename(folder / name, folder / "aside")
        time.sleep(1.2)
        log.log("after")
        time.sleep(0.5)
        log.close()
    there = any(line.endswith("after") for line in files(folder).get(name, []))
    return Answer(there, "the record is in the new file" if there else "the record is in the file that was moved away")


NEIGHBOURS = [
    "app.error.log", "app.log.old", "app.2020.log", "app-error.log", "2020-01-01.0001.error.app.log",
    "app.error.log.2020-01-01_00-00-00", "app.log.error.2020-01-01_00-00-00", "app.log.audit.2020-01-01_00-00-00",
]  # fmt: skip


def foreign(peer: str, folder: Path) -> Answer:
    """Files that are not the log's stay, whatever is deleted by rule."""
    path, wanted = str(folder / "app.log"), Wanted(1, keep=1)
    for name in NEIGHBOURS:
        (folder / name).write_text("somebody else's\n")
        os.utime(folder / name, (1, 1))
    for name in earlier(peer):
        (folder / name).touch()
    with serving(peer, path, wanted) as shared:
        log = open_log(peer, path, wanted, shared)
        for number in range(45):
            log.log(str(number))
            time.sleep(0.1)
        time.sleep(0.5)
        log.close()
    ours = [name for name in files(folder) if name not in NEIGHBOURS]
    gone = [name for name in NEIGHBOURS if not (folder / name).exists()]
    deleted = len(ours) <= 3
    left = f"{len(ours)} files of its own are left{': ' + ', '.join(sorted(ours)) if deleted else ''}"
    return Answer(not gone and deleted, f"deleted of others: {', '.join(gone) or 'none'}; {left}")


def odd(peer: str, folder: Path) -> Answer:
    """A record with a character that cannot be encoded is there."""
    path, wanted, raised = str(folder / "app.log"), Wanted(3600), ""
    with serving(peer, path, wanted) as shared:
        log = open_log(peer, path, wanted, shared)
        for number in range(10):
            try:
                log.log(f"{number} \udcff")
            except UnicodeError as error:
                raised = f", and the program has a {type(error).__name__}"
        time.sleep(0.5)
        log.close()
    count = sum(len(lines) for lines in files(folder).values())
    return Answer(count == 10 and not raised, f"{count} of 10 records{raised}")


def aligned(peer: str, folder: Path) -> Answer:
    """Periods of five seconds (one, where no others are to be had) begin at :00, :05, …, whenever the process was started."""
    seconds = 1 if peer in NO_INTERVAL else 5
    path, wanted = str(folder / "app.log"), Wanted(seconds)
    time.sleep(seconds - (time.time() - seconds / 2) % seconds)  # in the middle of a period
    with serving(peer, path, wanted) as shared:
        log = open_log(peer, path, wanted, shared)
        end = time.monotonic() + 7
        while time.monotonic() < end:
            log.log("record")
            time.sleep(0.02)
        time.sleep(0.3)
        log.close()
    found = files(folder).values()
    mixed = [lines for lines in found if len(seconds_of(lines, seconds)) > 1]
    return Answer(not mixed and len(found) > 1, f"{len(mixed)} of {len(found)} files have records of several periods")


def packed(peer: str, folder: Path) -> Answer:
    """While a file of 100 MB is compressed no logging call takes a tenth of a second."""
    path, wanted, seconds = str(folder / "app.log"), Wanted(1, packed=True), 12.0
    line = f"{time.time() - 7200!r} " + "some text of a record, not too regular: " + os.urandom(30).hex() + "\n"
    Path(path).write_text(line * (100_000_000 // len(line)))
    os.utime(path, (time.time() - 7200,) * 2)
    longest: Any = SPAWN.RawArray("d", 1)
    with serving(peer, path, wanted) as shared:
        start = SPAWN.Barrier(2)
        process = begun(timed, peer, path, wanted, shared, start, longest, 0, seconds, 0.01)
        start.wait(HANGS * 6)
        ended([process])
    done = [one for one in folder.iterdir() if one.suffix == ".gz"]
    return Answer(longest[0] < 0.1 and bool(done), f"the longest call: {longest[0]:.3f} s; {len(done)} compressed")


class Row(NamedTuple):
    """A question, and who can be asked."""

    text: str
    ask: Callable[[str, Path], Answer]
    not_asked: tuple[str, ...] = ()
    rare: bool = False


# nb-log rotates once a day; the original mpfhandler deletes nothing; aiologger is for one thread.
NOT_HELD = ("timed", "watched", "loguru", "queue", "pico", "nb", "logbook", "aio", "mplog")
NOT_FORKED = ("pico", "aio")  # picologging's threads block each other
NOT_PACKED = ("original", "nb", "logbook")
ROWS = {
    "kept": Row("Four processes, a rotation each second: every record is there, once", kept, ("nb",), rare=True),
    "period": Row("… and in the file of its own second", period, ("watched", "nb"), rare=True),
    "aligned": Row("Periods are aligned to the clock, whenever a process was started", aligned, ("watched", "nb")),
    "durable": Row("What a call has returned for survives a SIGKILL of the process", durable),
    "held": Row("While somebody holds the lock file the others go on", held, NOT_HELD),
    "forked": Row("Children that are forked while threads log can log", forked, NOT_FORKED),
    "moved": Row("After an `mv` of the log the next records are in a new one", moved),
    "foreign": Row("Deletion by rule leaves other people's files alone", foreign, ("original",)),
    "odd": Row("A character that cannot be encoded costs no record", odd),
    "packed": Row("While 100 MB are compressed no call takes 0.1 s", packed, NOT_PACKED),
}
