"""Buffered delivery in real processes: what is in the files when they end, fork, start others, or are killed."""

from __future__ import annotations

import importlib.util
import signal
import time
from pathlib import Path

import pytest
from _support import PATIENCE, Worker, ended, finish, log_files, read_lines, record_names, run, start, verify

from mpfhandler._resources import exits

NO_HOOK = "there is no audit hook in this version"
SLOW_FLUSH = "delivery='buffered', flush_interval=60"
INTERVAL, SLACK = 0.2, 2.0  # seconds; a machine that is busy may wake a thread late


def names(folder: Path) -> list[str]:
    return [line.name for line in read_lines(log_files(folder))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


# ends


@pytest.mark.parametrize(
    "end",
    [
        "pass",
        "sys.exit()",
        "logging.shutdown()",
        "handler.close()",
        "raise KeyboardInterrupt",
        "del handler, logger; gc.collect()",
    ],
)
def test_end_of_a_program(path: Path, end: str) -> None:
    """P1: however the interpreter ends, what is in the buffer is written; so is what exit handlers log after `logging` has shut
    down."""
    code = f"""
    import atexit, gc, logging, sys
    from _support import *
    logger, handler = make_logger(sys.argv[1], when="D", {SLOW_FLUSH})
    atexit.register(logger.info, "exit-1")  # runs after the package's own
    import mpfhandler
    log = mpfhandler.TimedLogFile(sys.argv[2], when="D", {SLOW_FLUSH})
    for number in range(20):
        logger.info("r-%d", number)
        log.write(f"1.0 engine-{{number}}")
    atexit.register(logger.info, "exit-0")
    sys.stderr = open("/dev/null", "w")
    {end}
    """
    child = start(code, path, path.parent / "engine.log")
    child.communicate(timeout=PATIENCE)
    assert names(path.parent) == [f"r-{number}" for number in range(20)] + ["exit-0", "exit-1"]
    engine = [line.name for line in read_lines([path.parent / "engine.log"])]
    assert engine == [f"engine-{number}" for number in range(20)]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_child_of_multiprocessing(path: Path, method: str) -> None:
    """P1: a child that returns from its function has written its buffer, though exit handlers do not run there."""
    script = path.parent / "program.py"
    script.write_text(f"""
import multiprocessing, sys
from _support import *

def work(name):
    logger, _handler = make_logger(sys.argv[1], when="D", {SLOW_FLUSH})
    logger.info(name)

def inherited(name):
    logger.info(name)

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    logger, handler = make_logger(sys.argv[1], when="D", {SLOW_FLUSH})
    logger.info("parent-0")
    children = [context.Process(target=work, args=(f"child-{{number}}",)) for number in range(3)]
    if {method!r} == "fork":
        children.append(context.Process(target=inherited, args=("inherited",)))
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * len(children)
""")
    run("import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')", script, path)
    expected = ["child-0", "child-1", "child-2", *(["inherited"] if method == "fork" else []), "parent-0"]
    assert sorted(names(path.parent)) == expected


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["Pool", "ProcessPoolExecutor"])
def test_workers_of_a_pool(path: Path, method: str, kind: str) -> None:
    """P1: workers of a pool that is closed and joined have written their buffers."""
    script = path.parent / "program.py"
    script.write_text(f"""
import concurrent.futures, multiprocessing, sys
from _support import *

def work(number):
    global logger
    if "logger" not in globals():
        logger, _handler = make_logger(sys.argv[1], when="D", {SLOW_FLUSH})
    logger.info("r-%d", number)

if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    if {kind!r} == "Pool":
        pool = context.Pool(3)
        pool.map(work, range(50), chunksize=1)
        pool.close()
        pool.join()
    else:
        with concurrent.futures.ProcessPoolExecutor(3, context) as pool:
            list(pool.map(work, range(50)))
""")
    run("import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')", script, path)
    verify(path.parent, {f"r-{number}" for number in range(50)})


def test_os_exit_and_sigkill_lose_the_buffer_alone(path: Path) -> None:
    """What was flushed before is there, whole; what was in the buffer is not, as documented."""
    for number, end in enumerate(("os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)")):
        code = f"""
        import os, signal, sys
        from _support import *
        logger, handler = make_logger(sys.argv[1], when="D", {SLOW_FLUSH})
        logger.info("flushed-{number}")
        logger.error("error-{number}")
        logger.info("lost-{number}")
        {end}
        """
        start(code, path).communicate(timeout=PATIENCE)
    assert names(path.parent) == ["flushed-0", "error-0", "flushed-1", "error-1"]


def test_log_that_is_made_at_the_end_of_the_interpreter(path: Path) -> None:
    """P1: an exit handler makes the first buffered log, after `logging` has shut down: nobody would flush it later."""
    code = """
    import atexit, sys

    def at_exit():
        import logging
        from mpfhandler import MultProcTimedRotatingFileHandler
        handler = MultProcTimedRotatingFileHandler(sys.argv[1], delivery="buffered", flush_interval=60)
        handler.handle(logging.makeLogRecord({"msg": "at exit"}))
        kept.append(handler)

    kept = []
    atexit.register(at_exit)
    import logging
    """
    run(code, path)
    assert path.read_text() == "at exit\n"


# other programs


@pytest.mark.parametrize(
    "how",
    [
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/sleep', ['sleep', '0'], {}); os._exit(0)",
        "subprocess.run(['/bin/true']); os._exit(0)",
        "os.system('true'); os._exit(0)",
        "pid = os.fork() or os._exit(0); os._exit(0)",
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_another_program_is_started(path: Path, how: str) -> None:
    """What is in the buffer is written before this process becomes another program, starts one, or forks."""
    if exits._CRASHES and "fork" not in how:
        pytest.skip(NO_HOOK)
    code = f"""
    import os, subprocess, sys
    from _support import *
    logger, handler = make_logger(sys.argv[1], when="D", {SLOW_FLUSH})
    for number in range(10):
        logger.info("r-%d", number)
    {how}
    """
    start(code, path).communicate(timeout=PATIENCE)
    assert names(path.parent) == [f"r-{number}" for number in range(10)]


@pytest.mark.skipif(exits._CRASHES, reason=NO_HOOK)
def test_no_audit_hook_without_a_buffer(path: Path) -> None:
    """The hook, which stays for the rest of the process, is there from the first buffered log on, and once."""
    code = """
    import sys
    from _support import *
    seen = []
    add = sys.addaudithook
    sys.addaudithook = lambda hook: (seen.append(hook), add(hook))
    make_logger(sys.argv[1] + ".direct")
    say(len(seen))
    for name in "ab":
        make_logger(sys.argv[1] + name, delivery="buffered")
    say(len(seen))
    """
    assert run(code, path).split() == ["0", "1"]


def test_no_thread_without_a_record(path: Path) -> None:
    """A buffered log that nobody writes to has no thread; one that is idle again has none either."""
    code = """
    import os, sys
    from _support import *
    logger, handler = make_logger(sys.argv[1], when="D", delivery="buffered", flush_interval=0.01)
    threads = lambda: len(os.listdir("/proc/self/task"))
    assert threads() == 1
    logger.info("r-0")
    assert threads() == 2
    wait_for(lambda: threads() == 1, "the end of the flusher")
    say(*(line.name for line in read_lines(log_files(Path(sys.argv[1]).parent))))
    """
    assert run(code, path) == "r-0\n"


# kills


@pytest.mark.slow
@pytest.mark.parametrize("load", ["", "busy"])
def test_sigkill_loses_at_most_the_last_interval(path: Path, load: str) -> None:
    """Whatever was logged `flush_interval` before the kill is in the file, but for what the machine was late to give the flusher
    a turn: four of five kills, which come at another moment of the interval each, show the bound itself. Nothing is torn for
    those who go on."""
    code = """
    import sys, threading, time
    from _support import *
    logger, handler = make_logger(sys.argv[1], when="D", delivery="buffered", flush_interval=float(sys.argv[2]))

    def compute():
        while True:
            sum(range(1000))

    if sys.argv[3]:
        threading.Thread(target=compute, daemon=True).start()
    number = 0
    while True:
        logger.info("k-%d", number)
        say(number, time.monotonic())
        number += 1
        time.sleep(0.002)
    """
    lost_after = []
    for attempt in range(5):
        child = start(code, path, INTERVAL, load)
        with ended(child):
            assert child.stdout is not None
            acknowledged: list[tuple[str, float]] = []
            deadline = 0.0
            while not acknowledged or time.monotonic() < deadline:
                number, moment = child.stdout.readline().split()
                acknowledged.append((f"k-{number}", float(moment)))
                deadline = deadline or time.monotonic() + INTERVAL * 4 + attempt * INTERVAL / 5
            killed = time.monotonic()
            child.send_signal(signal.SIGKILL)
            rest = child.communicate(timeout=PATIENCE)[0].splitlines()
        acknowledged += [(f"k-{line.split()[0]}", float(line.split()[1])) for line in rest if len(line.split()) == 2]
        with Worker("after", path, when="D") as after:
            after.log()
        there = set(names(path.parent))
        missing = [killed - moment for name, moment in acknowledged if name not in there]
        lost_after.append(max(missing, default=0.0))
        assert len(acknowledged) - len(missing) > 20
        for file in log_files(path.parent):
            file.unlink()
    print(f"oldest lost records: {', '.join(f'{age:.3f}' for age in lost_after)} s before the kill")
    assert sorted(lost_after)[-2] <= INTERVAL + 0.1
    assert max(lost_after) <= INTERVAL + SLACK


@pytest.mark.slow
def test_kills_tear_nothing_of_others(path: Path) -> None:
    """P1: processes with buffers are killed in the middle of long writes; those that go on lose nothing, and each of
    their lines is whole."""
    code = """
    import sys
    from _support import *
    logger, handler = make_logger(sys.argv[1], when="D", delivery="buffered", flush_interval=0.001)
    say("ready")
    number = 0
    while True:
        logger.info("killed-%d-%s", number, "x" * 3000)
        number += 1
    """
    with Worker("lives", path, when="D", delivery="buffered", flush_interval=0.001) as lives:
        for _ in range(12):
            child = start(code, path)
            with ended(child):
                assert child.stdout is not None
                assert child.stdout.readline() == "ready\n"
                for _ in range(20):
                    lives.log(20)
                child.send_signal(signal.SIGKILL)
                child.wait()
            lives.log(20)
        expected = lives.names()
    text = path.read_text()
    found = [line.split()[1] for line in text.splitlines() if len(line.split()) == 2 and line.split()[1].startswith("lives-")]
    assert sorted(found) == sorted(expected)


# many


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"maxBytes": 20_000}, {"buffer_bytes": 500}], ids=["rotations", "splits", "small"])
def test_processes_and_threads_through_rotations(path: Path, options: dict[str, int]) -> None:
    """P1, P2: four processes with three threads each, with a rotation each second: every record is there once, in the file of its
    period."""
    code = """
    import sys, threading
    from _support import *
    tag, path, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    logger, handler = make_logger(path, when="S", delivery="buffered", flush_interval=0.05, **eval(sys.argv[4]))
    counts = {}

    def work(name):
        end, count = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            logger.log(40 if count % 100 == 99 else 20, "%s-%d", name, count)
            count += 1
            if count % 20 == 0:
                time.sleep(0.005)
        counts[name] = count

    threads = [threading.Thread(target=work, args=(f"{tag}{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, count in counts.items():
        say(name, count)
    """
    children = [start(code, tag, path, 4, repr(options)) for tag in "abcd"]
    expected: set[str] = set()
    with ended(*children):
        for child in children:
            for line in finish(child).splitlines():
                name, count = line.split()
                expected |= record_names(name, int(count))
    assert len(expected) > 1000
    verify(path.parent, expected, when="S")


# greenlets


GREENLETS = """
    import sys, time
    PATCH = sys.argv[2]
    if PATCH == "first":
        from gevent import monkey
        monkey.patch_all()
    from _support import *
    if PATCH == "later":
        from gevent import monkey
        monkey.patch_all()
    logger, handler = make_logger(sys.argv[1], when="D", delivery="buffered", flush_interval=0.05)
    if PATCH == "last":
        from gevent import monkey
        monkey.patch_all()
    import gevent
"""
pytest_gevent = pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent is not installed")


@pytest_gevent
@pytest.mark.parametrize("patch", ["first", "later", "last"])
def test_greenlets(path: Path, patch: str) -> None:
    """P1: in a program that gevent patches, before or after the handler is made, records are written in time and once, also if
    the program computes and never yields, if a thread of gevent's own pool logs, and in a forked child."""
    code = (
        GREENLETS
        + """
    def work(name):
        for number in range(200):
            logger.info("%s-%d", name, number)
            gevent.sleep(0.0001)

    def settled(what):
        began = time.monotonic()
        while handler.stats().buffered:
            assert time.monotonic() < began + 30, what

    gevent.joinall([gevent.spawn(work, name) for name in "abcd"])
    settled("greenlets")
    logger.info("computes-0")
    settled("a program that never yields")
    gevent.get_hub().threadpool.apply(logger.info, ("pool-0",))
    settled("a thread of the pool")
    child = os.fork()
    if child == 0:
        logger.info("child-0")
        settled("a child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    say(handler.stats().records)
    logger.info("last-0")
    """
    )
    assert run(code, path, patch) == "802\n"
    expected = {f"{name}-{number}" for name in "abcd" for number in range(200)}
    verify(path.parent, expected | {"computes-0", "pool-0", "child-0", "last-0"})


@pytest_gevent
@pytest.mark.parametrize("patch", ["first", "later", "last"])
def test_flusher_does_not_hold_up_greenlets(path: Path, patch: str) -> None:
    """P3: while the flusher waits for its time, and while the disk takes nothing, other greenlets go on."""
    code = (
        GREENLETS
        + """
    import threading
    handler.flush()
    engine = handler._writer._active.segment
    write, slow = engine._write, monkey.get_original("time", "sleep")
    engine._write = lambda fd, data: (slow(1), write(fd, data))[1]
    logger.info("slow-0")
    longest, last = 0.0, time.monotonic()
    for number in range(300):
        logger.info("tick-%d", number)
        gevent.sleep(0.005)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    say(longest < 0.7)
    """
    )
    assert run(code, path, patch) == "True\n"
    verify(path.parent, {"slow-0", *(f"tick-{number}" for number in range(300))})
