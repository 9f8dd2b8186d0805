"""Forks, closed descriptors, dropped privileges: the handler in a process that changes under it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from _support import log_files, read_lines, record_names, run, segment_names, verify

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

NOBODY = 65534


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The path of the log."""
    return tmp_path / "app.log"


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach, owned by root."""
    if os.getuid() != 0:
        pytest.skip("needs root, to drop its privileges")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


# forks


FORKS_AND_THREADS = """
    import os, sys, threading
    from _support import *
    logger, handler = make_logger(sys.argv[1])
    forks, going = int(sys.argv[2]), True
    counts = {}

    def work(tag):
        count = 0
        while going:
            logger.info("%s-%d", tag, count)
            count += 1
            time.sleep(0.0005)
        counts[tag] = count

    threads = [threading.Thread(target=work, args=(tag,)) for tag in "wxyz"]
    for thread in threads:
        thread.start()
    for number in range(forks):
        pid = os.fork()
        if pid == 0:
            for record in range(3):
                logger.info("child%d-%d", number, record)
            os._exit(0)
        logger.info("parent-%d", number)
        deadline = time.monotonic() + 30
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            if time.monotonic() > deadline:
                os.kill(pid, 9)
                say(f"child {number} hangs")
                os._exit(1)
            time.sleep(0.001)
        time.sleep(0.012)  # the whole takes longer than a period
        if status:
            sys.exit(f"child {number} ended with {status}")
    going = False
    for thread in threads:
        thread.join()
    say(repr(counts))
"""


def test_a_process_that_forks_while_its_threads_log_loses_nothing_and_no_child_hangs(log: Path) -> None:
    """P1, P3: 100 children, forked while four threads log and the file rotates, log through the inherited handler."""
    counts = eval(run(FORKS_AND_THREADS, log, 100))
    expected = record_names("parent", 100)
    for tag, count in counts.items():
        expected |= record_names(tag, count)
    for number in range(100):
        expected |= record_names(f"child{number}", 3)
    verify(log.parent, expected, "S")
    assert segment_names(log.parent)


def test_logging_and_rotating_import_nothing(log: Path) -> None:
    """P3, P5: whatever is needed is imported by the constructor at the latest. A child that was forked while another thread
    imported a module for its first rotation would wait for that import for ever; a process that has dropped its
    privileges, or is in a chroot, may not be able to import anything."""
    code = """
        import sys
        from _support import *
        errors = []
        logger, handler = make_logger(sys.argv[1], errors, backupCount=1)
        before = set(sys.modules)
        logger.info("a-0")
        handler.doRollover()
        logger.info("a-1")
        handler.doRollover()
        next_second()
        logger.info("a-2")
        handler.stats(), repr(handler), handler.getFilesToDelete()
        handler.close()
        say(*sorted(set(sys.modules) - before))
    """
    assert run(code, log).split() == []


def test_a_fork_that_python_knows_nothing_of_is_noticed(log: Path) -> None:
    """P1: a fork by a C library runs no hook of Python's: the child notices it by itself, opens its own files, and both
    go on; nothing lost, nothing doubled."""
    pytest.importorskip("ctypes")
    code = """
        import ctypes, os, sys
        from _support import *
        logger, handler = make_logger(sys.argv[1])
        for number in range(5):
            logger.info("before-%d", number)
        pid = ctypes.PyDLL(None).fork()
        tag = "child" if pid == 0 else "parent"
        for number in range(300):
            logger.info("%s-%d", tag, number)
            if handler._writer.process != os.getpid():
                os._exit(3)
            time.sleep(0.005)
        if pid == 0:
            os._exit(0)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    run(code, log)
    verify(log.parent, record_names("before", 5) | record_names("child", 300) | record_names("parent", 300), "S")


def test_a_fork_inside_a_formatter_leaves_both_with_a_working_handler(log: Path) -> None:
    """P1, P3: the forking thread holds the handler's lock; parent and child both finish their call and go on."""
    code = """
        import logging, os, sys
        from _support import *
        logger, handler = make_logger(sys.argv[1])
        who = "parent"

        class Forking(logging.Formatter):
            def format(self, record):
                global who, pid
                if record.msg == "fork":
                    pid = os.fork()
                    who = who if pid else "child"
                    record.msg = f"{who}-0"
                return super().format(record)

        handler.setFormatter(Forking(FORMAT))
        logger.info("first-0")
        logger.info("fork")
        for number in range(1, 50):
            logger.info("%s-%d", who, number)
        if who == "child":
            os._exit(0)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    run(code, log)
    verify(log.parent, {"first-0"} | record_names("parent", 50) | record_names("child", 50), "S")


MULTIPROCESSING = """
import multiprocessing, sys
from _support import *

def work(handler, tag, count):
    logger = logging.Logger(tag)
    logger.addHandler(handler)
    for number in range(count):
        logger.info("%s-%d", tag, number)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[2])
    logger, handler = make_logger(sys.argv[1])
    logger.info("parent-0")
    children = [context.Process(target=work, args=(handler, tag, 500)) for tag in ("a", "b", "c")]
    for child in children:
        child.start()
    for number in range(1, 500):
        logger.info("parent-%d", number)
    for child in children:
        child.join(50)
    sys.exit(any(child.exitcode for child in children))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_handler_is_passed_to_processes_of_every_start_method(log: Path, tmp_path: Path, method: str) -> None:
    """P1: as an argument of multiprocessing's processes, inherited or pickled, it logs to the same file."""
    script = tmp_path / "program.py"
    script.write_text(MULTIPROCESSING)
    run(f"import runpy, sys; sys.argv[0] = {str(script)!r}; runpy.run_path({str(script)!r}, run_name='__main__')", log, method)
    expected = record_names("parent", 500)
    for tag in "abc":
        expected |= record_names(tag, 500)
    verify(log.parent, expected, "S")


def test_a_child_that_leaves_at_once_has_written_its_record(log: Path) -> None:
    """P1: `os._exit` right after the call, no flush, no atexit: the record is there."""
    code = """
        import os, sys
        from _support import *
        logger, handler = make_logger(sys.argv[1])
        for number in range(20):
            if os.fork() == 0:
                logger.info("child-%d", number)
                os._exit(0)
            os.wait()
    """
    run(code, log)
    verify(log.parent, record_names("child", 20), "S")


def test_what_waits_in_memory_is_written_by_the_parent_alone(log: Path) -> None:
    """P1: records that the disk did not take wait in the parent's memory; a child forked meanwhile does not write them
    a second time, and has its own records written."""
    code = """
        import os, resource, sys
        from _support import *
        errors = []
        logger, handler = make_logger(sys.argv[1], errors, when="D")
        logger.info("before-0")
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(sys.argv[1]).st_size, unlimited[1]))
        for number in range(10):
            logger.info("waits-%d", number)
        assert handler.stats().spilled == 10, handler.stats()
        pid = os.fork()
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        tag = "parent" if pid else "child"
        for number in range(10):
            logger.info("%s-%d", tag, number)
        handler.close()
        if pid == 0:
            os._exit(0)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    run(code, log)
    expected = {"before-0"} | record_names("waits", 10) | record_names("parent", 10) | record_names("child", 10)
    verify(log.parent, expected)


def test_a_child_does_not_let_go_of_what_the_parent_holds(log: Path) -> None:
    """P1, I6: a child closes the inherited lease and rotation lock without unlocking them: a sealer still finds the
    parent's lease after the child has gone."""
    code = """
        import fcntl, os, sys
        from _support import *
        logger, handler = make_logger(sys.argv[1], when="D")
        logger.info("parent-0")
        if os.fork() == 0:
            logger.info("child-0")
            handler.close()
            os._exit(0)
        os.wait()
        with open(sys.argv[1]) as sealer:
            try:
                fcntl.flock(sealer, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sys.exit(0)
        sys.exit("the lease is gone")
    """
    run(code, log)
    verify(log.parent, {"parent-0", "child-0"})


def test_a_child_between_fork_and_exec_does_not_keep_the_rotation_lock(log: Path) -> None:
    """P3: a fork in the middle of a rotation shares the lock's description; the parent's release is a release."""
    code = """
        import fcntl, os, signal, sys
        from _support import *
        child = 0

        def rename(source, target):
            global child
            child = os.fork()
            if child == 0:
                handler  # inherited, never used
                time.sleep(600)
            really_rename(source, target)

        really_rename = replace_operation("rename_new", rename)
        logger, handler = make_logger(sys.argv[1], when="D")
        logger.info("a-0")
        handler.doRollover()
        assert child
        try:
            with open(sys.argv[1] + ".lock") as other:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.kill(child, signal.SIGKILL)
            os.wait()
    """
    run(code, log)


# daemons


def test_a_daemon_that_closes_every_descriptor_gets_none_of_our_lines_in_its_files(log: Path, tmp_path: Path) -> None:
    """P1, P4: the files that it opens next get the low numbers, none of them gets a log line, and no record is lost."""
    code = """
        import os, sys
        from _support import *
        path, folder = sys.argv[1:3]
        logger, handler = make_logger(path)
        for number in range(3):
            logger.info("a-%d", number)
        os.closerange(3, 10000)
        files = [os.open(f"{folder}/data.{number}", os.O_RDWR | os.O_CREAT) for number in range(60)]
        assert 3 in files
        for number in range(3, 1503):
            logger.info("a-%d", number)
            time.sleep(0.001)
        for fd in files:
            os.fstat(fd)
    """
    (tmp_path / "data").mkdir()
    run(code, log, tmp_path / "data")
    assert {path.read_bytes() for path in (tmp_path / "data").iterdir()} == {b""}
    verify(log.parent, record_names("a", 1503), "S")


def test_a_daemon_whose_files_take_even_our_numbers_is_noticed(log: Path, tmp_path: Path) -> None:
    """P1, P4: where the numbers that were ours lead to other files by the time of the next look, nothing is written to
    them, and they are not closed."""
    code = """
        import os, sys
        from _support import *
        path, folder = sys.argv[1:3]
        logger, handler = make_logger(path, when="D")
        logger.info("a-0")
        ours = [int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2]
        ours = [fd for fd in ours if os.path.exists(f"/proc/self/fd/{fd}")]
        assert ours
        for fd in ours:
            other = os.open(f"{folder}/data.{fd}", os.O_RDWR | os.O_CREAT)
            os.dup2(other, fd)
            os.close(other)
        deadline = time.monotonic() + 1.2  # the next look is due
        while time.monotonic() < deadline:
            time.sleep(0.05)
        logger.info("a-1")
        logger.info("a-2")
        handler.close()
        for fd in ours:
            os.fstat(fd)
    """
    (tmp_path / "data").mkdir()
    run(code, log, tmp_path / "data")
    assert {path.read_bytes() for path in (tmp_path / "data").iterdir()} == {b""}
    verify(log.parent, record_names("a", 3))


# privileges


@pytest.mark.parametrize("way", ["fork", "same"])
def test_a_worker_that_dropped_its_privileges_goes_on_through_the_open_file(public: Path, way: str) -> None:
    """P1, P5: log and folder are root's and closed to others; the process (or its child) becomes nobody after the first
    record, and logs on over several boundaries: no exception, no record lost."""
    code = """
        import os, sys
        from _support import *
        path, way = sys.argv[1:3]
        errors = []
        os.umask(0o022)
        logger, handler = make_logger(path, errors)
        logger.info("root-0")
        pid = os.fork() if way == "fork" else 0
        if pid == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        tag = "root" if pid else "nobody"
        for number in range(1, 400):
            logger.info("%s-%d", tag, number)
            time.sleep(0.005)
        if pid:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        assert len(errors) <= 10, errors
        handler.close()
        if way == "fork":
            os._exit(0)
    """
    path = public / "app.log"
    run(code, path, way)
    expected = record_names("nobody", 400) - {"nobody-0"}
    verify(public, expected | (record_names("root", 400) if way == "fork" else {"root-0"}))
    assert not [found for found in public.iterdir() if found.stat().st_uid != 0]


def test_a_worker_that_dropped_its_privileges_rotates_where_chmod_and_owner_let_it(public: Path) -> None:
    """P2, P5: with `owner` and `chmod` log, segments and lock belong to the worker's user: nobody's child rotates by itself."""
    code = """
        import os, sys
        from _support import *
        errors = []
        os.umask(0o077)
        logger, handler = make_logger(sys.argv[1], errors, owner=65534, chmod=0o664)
        logger.info("root-0")
        pid = os.fork()
        if pid:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        for number in range(400):
            logger.info("nobody-%d", number)
            time.sleep(0.005)
        assert errors == [], errors
        assert handler.stats().rotations >= 1
        os._exit(0)
    """
    os.chown(public, NOBODY, -1)
    run(code, public / "app.log")
    verify(public, record_names("nobody", 400) | {"root-0"}, "S")
    assert {found.stat().st_uid for found in public.iterdir()} == {NOBODY}
    assert {found.stat().st_mode & 0o777 for found in public.iterdir()} == {0o664}


SHARED = """
    import os, sys
    from _support import *
    logger, handler = make_logger(sys.argv[1], when="D")
    logger.info("parent-0")
    inherited = handler.stream.fileno()
    ask, asked = os.pipe()
    answer, answered = os.pipe()
    pid = os.fork()
    if pid == 0:
        while os.read(ask, 1):
            os.write(answered, b"%020d" % os.lseek(inherited, 0, os.SEEK_CUR))
            if os.getppid() == 1:
                break
        os._exit(0)

    def position():
        os.write(asked, b"?")
        return int(os.read(answer, 20))
"""


@pytest.mark.parametrize("busy", [False, True])
def test_a_parent_does_not_write_through_a_position_that_its_child_shares(log: Path, busy: bool) -> None:
    """P1: after a fork the very next record of the parent goes through a description of its own, whether the rotation lock is
    to be had or not: the guard trusts a position only if no other process can move it."""
    code = (
        SHARED
        + """
    import fcntl
    other = open(sys.argv[1] + ".lock")
    if eval(sys.argv[2]):
        fcntl.flock(other, fcntl.LOCK_EX)
    before = position()
    logger.info("parent-1")
    logger.info("parent-2")
    after = position()
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert before == after, (before, after)
    """
    )
    run(code, log, busy)
    verify(log.parent, record_names("parent", 3), "D")


def test_a_child_that_does_not_log_keeps_no_lease(log: Path) -> None:
    """I6: a child that lives on without ever logging holds up no sealer, neither of the log nor of a segment of before."""
    code = """
        import fcntl, os, sys
        from _support import *
        logger, handler = make_logger(sys.argv[1], late_grace=60)
        logger.info("parent-0")
        next_second()
        logger.info("parent-1")
        going, go = os.pipe()
        begun, ready = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(go)
            os.write(ready, b"!")
            os.read(going, 1)
            os._exit(0)
        os.read(begun, 1)
        handler.close()
        for path in log_files(Path(sys.argv[1]).parent):
            with open(path) as sealer:
                fcntl.flock(sealer, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(go)
        os.waitpid(pid, 0)
    """
    run(code, log)
    assert len(segment_names(log.parent)) == 1


def test_a_child_has_a_lock_that_nobody_holds(log: Path) -> None:
    """P3: whoever held the parent's lock, all threads of the child can log; and the fork itself does not wait for ever."""
    code = """
        import os, sys, threading
        from _support import *
        logger, handler = make_logger(sys.argv[1], when="D")
        held, done = threading.Event(), threading.Event()

        def hold():
            with handler.lock:
                held.set()
                done.wait(60)

        for turn in range(2):
            if turn:
                threading.Thread(target=hold, daemon=True).start()
                held.wait(60)
            pid = os.fork()
            if pid == 0:
                thread = threading.Thread(target=logger.info, args=(f"child{turn}-0",), daemon=True)
                thread.start()
                thread.join(20)
                os._exit(thread.is_alive())
            assert os.waitpid(pid, 0)[1] == 0
        done.set()
        logger.info("parent-0")
    """
    run(code, log)
    verify(log.parent, {"child0-0", "child1-0", "parent-0"}, "D")


def test_a_child_of_a_program_without_logging_has_a_new_lock(log: Path) -> None:
    """P3: `logging` renews the locks of its handlers by itself; that of a `TimedLogFile` is renewed by nobody but us."""
    code = """
        import os, sys, threading
        from mpfhandler import TimedLogFile
        file = TimedLogFile(sys.argv[1], "D")
        held, done = threading.Event(), threading.Event()

        def hold():
            with file._writer.lock:
                held.set()
                done.wait(60)

        threading.Thread(target=hold, daemon=True).start()
        held.wait(60)
        pid = os.fork()
        if pid == 0:
            os._exit(not file._writer.lock.acquire(timeout=0))
        assert os.waitpid(pid, 0)[1] == 0
        done.set()
    """
    run(code, log)


def test_a_fork_inside_a_rotation_leaves_the_child_with_a_working_handler(log: Path) -> None:
    """P1, P3: a namer forks under the rotation lock: the child's record is written, although the child never comes out of the
    call in which it was made, and the parent still has its lock afterwards."""
    code = """
        import fcntl, os, sys
        from _support import *
        forks, errors = [], []
        logger, handler = make_logger(sys.argv[1], errors, lock_timeout=0.1)

        def namer(default):
            if not forks:
                forks.append(0)
                pid = os.fork()
                if pid == 0:
                    logger.info("child-0")
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
                with open(sys.argv[1] + ".lock") as other:
                    try:
                        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        say("held")
            return default

        handler.namer = namer
        logger.info("parent-0")
        next_second()
        logger.info("parent-1")
    """
    assert run(code, log) == "held\n"
    names = {line.name for line in read_lines(log_files(log.parent))}
    assert names == {"child-0", "parent-0", "parent-1"}


def test_housekeeping_stops_for_a_fork_and_goes_on_on_both_sides(log: Path) -> None:
    """P3, P5: the process forks without the housekeeper's thread; afterwards parent and child each can delete again."""
    code = """
        import os, sys, threading
        threads = []
        os.register_at_fork(before=lambda: threads.append(len(os.listdir("/proc/self/task"))))  # after our own hook
        from _support import *

        def unlink(path):
            time.sleep(0.01)
            os.unlink(path)

        def old():
            for number in range(10, 60):
                with open(f"{sys.argv[1]}.2020-01-01_00-00-{number}", "w"):
                    pass

        def cleaned():
            keeper = handler._writer._housekeeper
            keeper.ask()
            keeper.finish(30)
            return len(segment_names(Path(sys.argv[1]).parent)) == 1

        logger, handler = make_logger(sys.argv[1], backupCount=1)
        replace_operation("unlink", unlink)
        logger.info("parent-0")
        old()
        handler._writer._housekeeper.ask()
        while len(os.listdir("/proc/self/task")) < 2:
            time.sleep(0.001)
        pid = os.fork()
        if pid == 0:
            time.sleep(0.5)
            old()
            os._exit(not cleaned())
        status = os.waitpid(pid, 0)[1]
        old()
        assert threads == [1], threads
        assert status == 0
        assert cleaned()
    """
    run(code, log)


def test_a_fork_waits_for_the_import_of_the_engine(log: Path) -> None:
    """P3: a thread makes the first log of the process, and the main thread forks meanwhile: the child's first log does not wait
    for that thread, which it does not have."""
    code = """
        import os, signal, sys, threading, time
        import mpfhandler

        class Slow:
            def find_spec(self, name, path, target=None):
                if name == "mpfhandler._engine.writer":
                    importing.set()
                    time.sleep(0.3)

        importing = threading.Event()
        sys.meta_path.insert(0, Slow())
        thread = threading.Thread(target=lambda: mpfhandler.TimedLogFile(sys.argv[1]).write("parent"))
        thread.start()
        importing.wait()
        pid = os.fork()
        if not pid:
            signal.alarm(20)
            mpfhandler.TimedLogFile(sys.argv[1]).write("child")
            os._exit(0)
        print(os.waitpid(pid, 0)[1])
        thread.join()
    """
    assert run(code, log) == "0\n"
    assert sorted(log.read_text().split()) == ["child", "parent"]
