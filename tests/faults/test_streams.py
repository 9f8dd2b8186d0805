"""Logs that are no regular files: devices, pipes, standard streams."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest
from _support import ended, finish, make_logger, run, start

LOGS_TO = """
    import sys
    from _support import *
    errors = []
    logger, handler = make_logger(sys.argv[1], errors)
    for number in range(int(sys.argv[2])):
        logger.info("a-%d", number)
    handler.close()
    assert errors == [], errors
"""


def names(text: str) -> list[str]:
    """The records of a text, in order."""
    assert not text or text.endswith("\n")
    return [line.split()[1] for line in text.splitlines()]


def in_order(count: int) -> list[str]:
    """What a writer of `a-0` … writes."""
    return [f"a-{number}" for number in range(count)]


def own_device(folder: Path, name: str, minor: int) -> Path:
    """A device like `/dev/null` in a folder of the test's: a root that tested with the real one would, with a defect in
    the package, rename it for the whole machine. Who is not root cannot, and takes the real one."""
    if os.getuid() != 0:
        return Path("/dev") / name
    path = folder / name
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        pytest.skip(f"no device can be made here: {error}")
    return path


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device numbers of Linux")
def test_a_null_device_takes_everything_and_gets_no_companions(tmp_path: Path) -> None:
    """P4: nothing is rotated, locked or created beside a device; a forced rollover does nothing."""
    device = own_device(tmp_path, "null", 3)
    before = set(os.listdir(device.parent))
    run(LOGS_TO, device, 1000)
    _logger, handler = make_logger(device, backupCount=1, debug=True)
    handler.doRollover()
    handler.close()
    assert stat.S_ISCHR(device.stat().st_mode)
    assert not [name for name in set(os.listdir(device.parent)) - before if name.startswith("null")]


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no /dev/stdout")
def test_dev_stdout_on_a_pipe_gets_every_record_in_order() -> None:
    """P1: more than a pipe holds, read slowly."""
    child = start(LOGS_TO, "/dev/stdout", 20000)
    assert names(finish(child)) == in_order(20000)


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no /dev/stdout")
def test_dev_stdout_redirected_to_a_file_is_appended_to_and_never_rotated(tmp_path: Path) -> None:
    """P4: the file is the shell's: what it held stays, nothing is made beside it, no boundary renames it."""
    target = tmp_path / "out.txt"
    target.write_text("1.0 before\n")
    code = LOGS_TO.replace("    handler.close()", "        time.sleep(0.0015)\n    handler.close()")
    with target.open("a") as out:
        child = start(code, "/dev/stdout", 1000, stdout=out)
        finish(child)
    assert names(target.read_text()) == ["before", *in_order(1000)]
    assert os.listdir(tmp_path) == ["out.txt"]


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no /dev/stdout")
def test_a_stdout_that_is_closed_costs_no_exception_while_logging() -> None:
    """P5: with stdout closed, before the first record or after it, no logging call raises; what failed is reported."""
    code = """
        import os, sys
        from _support import *
        errors = []
        os.close(1)
        logger, handler = make_logger("/dev/stdout", errors, delay=True, lock_timeout=0.1)
        for number in range(5):
            logger.info("a-%d", number)
        assert errors, "nothing was reported"
        assert handler.stats().spilled == 5
        handler.close()
        assert handler.stats().lost == 5
    """
    run(code)


def test_a_stdout_whose_reader_has_gone_costs_no_exception(tmp_path: Path) -> None:
    """P5: a broken pipe is counted and reported once; neither a signal nor an exception reaches the program."""
    code = """
        import os, sys
        from _support import *
        errors = []
        logger, handler = make_logger("/dev/stdout", errors, lock_timeout=0.1)
        logger.info("a-0")
        sys.stdin.readline()
        for number in range(1, 50):
            logger.info("a-%d", number)
        handler.close()
        assert len(errors) <= 4, errors
        assert handler.stats().lost == 49, handler.stats()
        sys.stdout = open(os.devnull, "w")
    """
    child = start(code)
    with ended(child):
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline().endswith("a-0\n")
        child.stdout.close()
        child.stdin.write("\n")
        child.stdin.close()
        assert child.wait(60) == 0, child.stderr.read() if child.stderr else ""


def test_a_fifo_without_a_reader_hangs_nobody_and_delivers_once_there_is_one(tmp_path: Path) -> None:
    """P1, P3: constructor and calls return; the records wait in memory and are read in order once somebody reads."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    code = """
        import sys
        from _support import *
        errors = []
        begin = time.monotonic()
        logger, handler = make_logger(sys.argv[1], errors, lock_timeout=0.5)
        for number in range(100):
            logger.info("a-%d", number)
        took = time.monotonic() - begin
        say(took, len(errors), handler.stats().lost)
        sys.stdin.readline()
        deadline = time.monotonic() + 30
        while handler.stats().spilled and time.monotonic() < deadline:
            time.sleep(0.02)
            handler.flush()
        logger.info("a-100")
        handler.close()
        say(handler.stats().lost)
    """
    child = start(code, fifo)
    with ended(child):
        assert child.stdout is not None
        assert child.stdin is not None
        line = child.stdout.readline().split()
        assert line, child.stderr.read() if child.stderr else ""
        assert float(line[0]) < 10
        assert int(line[1]) <= 4
        assert line[2] == "0"
        got: list[str] = []
        reader = threading.Thread(target=lambda: got.append(fifo.read_text()))
        reader.start()
        child.stdin.write("\n")
        assert finish(child) == "0\n"
        reader.join(30)
        assert names(got[0]) == in_order(101)
    assert os.listdir(tmp_path) == ["fifo"]


def test_a_fifo_whose_reader_comes_and_goes_gets_whole_records(tmp_path: Path) -> None:
    """P1: a slow reader that stops reading stalls the program once; every record, longer than a pipe takes in one
    piece, arrives whole, in order."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    code = """
        import sys
        from _support import *
        errors = []
        logger, handler = make_logger(sys.argv[1], errors, lock_timeout=0.3)
        stalls = 0
        for number in range(100):
            begin = time.monotonic()
            logger.info("a-%d %s", number, "x" * 6000)
            stalls += time.monotonic() - begin > 0.25
        say(stalls)
        sys.stdin.readline()
        deadline = time.monotonic() + 30
        while handler.stats().spilled and time.monotonic() < deadline:
            handler.flush()
            time.sleep(0.01)
        handler.close()
        say(handler.stats().lost)
    """
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reading, True)
    import fcntl

    fcntl.fcntl(reading, getattr(fcntl, "F_SETPIPE_SZ", 1031), 4096)
    child = start(code, fifo)
    with ended(child):
        assert child.stdout is not None
        assert child.stdin is not None
        stalls = child.stdout.readline()
        assert 1 <= int(stalls) <= 3
        child.stdin.write("\n")
        child.stdin.flush()
        parts: list[bytes] = []
        while part := os.read(reading, 65536):
            parts.append(part)
        os.close(reading)
        assert finish(child) == "0\n"
    text = b"".join(parts).decode()
    assert names(text) == in_order(100)
    assert {line.split()[2] for line in text.splitlines()} == {"x" * 6000}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device numbers of Linux")
def test_a_full_device_is_reported_once_and_counted(tmp_path: Path) -> None:
    """P5: no call raises, none takes long, one report, and every record is counted as lost when the handler is closed."""
    errors: list[str] = []
    logger, handler = make_logger(own_device(tmp_path, "full", 7), errors)
    for number in range(100):
        logger.info("a-%d", number)
    assert handler.stats().spilled == 100
    assert len(errors) == 1
    assert "space" in errors[0]
    handler.close()
    assert handler.stats().lost == 100
    assert len(errors) == 2
    assert "100 records" in errors[1]


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no /dev/stdout")
def test_a_daemon_that_closes_our_copy_of_stdout_goes_on() -> None:
    """P1: the descriptor of a stream, closed by somebody else, is opened anew; no record is lost."""
    code = """
        import os, sys
        from _support import *
        logger, handler = make_logger("/dev/stdout")
        logger.info("a-0")
        os.closerange(3, 10000)
        for number in range(1, 20):
            logger.info("a-%d", number)
        assert handler.stats().lost == handler.stats().spilled == 0, handler.stats()
    """
    assert names(run(code)) == in_order(20)


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="no /dev/stdout")
def test_a_stream_whose_number_is_taken_by_another_file_leaves_that_file_alone(tmp_path: Path) -> None:
    """P4: the number of a stream's descriptor leads to somebody else's file by now: `close()` does not close that, nor
    write to it."""
    code = """
        import os, sys
        from _support import *
        before = set(os.listdir("/proc/self/fd"))
        logger, handler = make_logger("/dev/stdout")
        logger.info("a-0")
        ours = [int(name) for name in set(os.listdir("/proc/self/fd")) - before]
        ours = [fd for fd in ours if os.path.exists(f"/proc/self/fd/{fd}")]
        assert len(ours) == 1, ours
        other = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
        os.dup2(other, ours[0])
        handler.close()
        os.write(ours[0], b"theirs")
    """
    run(code, tmp_path / "data")
    assert (tmp_path / "data").read_bytes() == b"theirs"
