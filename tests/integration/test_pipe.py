"""`mpfhandler pipe` as a shell starts it: real pipes, processes, signals. What a test asserts is read from the files alone."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mpfhandler._faces import cli
from mpfhandler._faces.pipe import command
from mpfhandler._faces.pipe.source import Source

PATIENCE = 120.0  # seconds until a test gives up waiting; nothing else depends on it
COMMAND = [sys.executable, "-m", "mpfhandler", "pipe"]

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts pipes whose input is written by the test; ends what is left of them."""
    with ExitStack() as stack:

        def begin(log: Path, *options: str, **more: object) -> subprocess.Popen[bytes]:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                [*COMMAND, str(log), *options], stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, **more
            )  # type: ignore[call-overload]
            stack.callback(finish, process)
            return process

        yield begin


def finish(process: subprocess.Popen[bytes]) -> None:
    """Whatever became of it."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for stream in (process.stdin, process.stderr):
        if stream is not None:
            stream.close()


def put(process: subprocess.Popen[bytes], data: bytes) -> None:
    """Write all of it."""
    assert process.stdin is not None
    while data:
        data = data[process.stdin.write(data) :]


def end(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Close its input; exit code, and what it said."""
    _, said = process.communicate(timeout=PATIENCE)
    return process.returncode, said.decode()


def until(done: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def holds(log: Path, data: bytes) -> Callable[[], bool]:
    """Whether just this stands in the log."""
    return lambda: log.exists() and log.read_bytes() == data


def everything(log: Path) -> bytes:
    """What stands in the log and its segments."""
    files = [file for file in log.parent.glob(f"{log.name}*") if not file.name.endswith(".lock")]
    return b"".join(file.read_bytes() for file in files)


def pending(process: subprocess.Popen[bytes]) -> int:
    """Bytes that are in the pipe."""
    assert process.stdin is not None
    return int.from_bytes(fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)), sys.byteorder)


def most_memory(process: subprocess.Popen[bytes]) -> int | None:
    """Bytes of memory that it has had at most; None where the system does not tell. Not by its resource usage: that has what the
    test itself had when it started the process."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else None


@pytest.mark.parametrize("unfinished", [b"", b"no end"])
def test_end_of_input(tmp_path: Path, start: Start, unfinished: bytes) -> None:
    """Bytes arrive as they are, whatever they are; what has no end gets one at the end."""
    data = bytes(range(256)) * 3000 + b"\n\n\r\n\0\xff\n"
    process = start(tmp_path / "app.log")
    put(process, data + unfinished)
    assert end(process) == (0, "")
    assert (tmp_path / "app.log").read_bytes() == data + unfinished + (b"\n" if unfinished else b"")


def test_control_characters_are_spelled(tmp_path: Path, start: Start) -> None:
    """With `--escape` what comes cannot steer a terminal, and every other byte stays as it is; a line's end is one still."""
    process = start(tmp_path / "app.log", "--escape", "--timestamp")
    put(process, b"\x1b[2J one\r\n\xff two\tthree\\n\n" + "四\u2028\n".encode())
    assert end(process) == (0, "")
    lines = [line[24:] for line in (tmp_path / "app.log").read_bytes().splitlines()]
    assert lines == [b"\\x1b[2J one\\r", b"\xff two\tthree\\n", "四\\u2028".encode()]


def test_slow_input_is_written_at_once(tmp_path: Path, start: Start) -> None:
    """A line is in the file as soon as it is whole, and not before. The test waits for nothing but the file: where writing were
    put off, it would never come, for the next line comes only after it. In the middle of the tries it takes less than 100 ms."""
    log, process = tmp_path / "app.log", start(tmp_path / "app.log")
    there, times = b"", []
    for number in range(15):
        put(process, b"half ")
        if number == 1:
            time.sleep(0.3)
            assert log.read_bytes() == there, "an unfinished line is kept back"
        begun = time.monotonic()
        put(process, b"%d\n" % number)
        there += b"half %d\n" % number
        until(holds(log, there))
        times.append(time.monotonic() - begun)
    assert sorted(times)[len(times) // 2] < 0.1 or os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
    assert end(process) == (0, "")


def test_sigterm_takes_what_is_in_the_pipe(tmp_path: Path, start: Start) -> None:
    """What was written before the signal is in the log after it, the unfinished line, too, although the input goes on. Where a
    pipe can be made larger, it is more than one read takes."""
    log, process = tmp_path / "app.log", start(tmp_path / "app.log")
    larger = hasattr(fcntl, "F_SETPIPE_SZ")
    if larger:
        assert process.stdin is not None
        fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, 1 << 20)
    put(process, b"first\n")
    until(holds(log, b"first\n"))
    process.send_signal(signal.SIGSTOP)
    data = b"".join(b"line %d\n" % number for number in range(30_000 if larger else 3000)) + b"unfinished"
    put(process, data)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    assert process.wait(PATIENCE) == 0
    assert log.read_bytes() == b"first\n" + data + b"\n"


def test_sigterm_ends_it_under_load(tmp_path: Path, start: Start) -> None:
    """A program that never stops writing does not keep it; what it was told of as written and is gone stood in no line's middle:
    the lines that are there are the first ones, whole."""
    log = tmp_path / "app.log"
    code = "import itertools, sys\nfor n in itertools.count(): sys.stdout.write(f'{n}\\n')"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as endless:
        with subprocess.Popen([*COMMAND, str(log)], stdin=endless.stdout) as process:
            assert endless.stdout is not None
            endless.stdout.close()
            until(lambda: log.exists() and log.stat().st_size > 100_000)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        endless.kill()
    *lines, last = log.read_bytes().splitlines()
    assert lines == [b"%d" % number for number in range(len(lines))]
    assert (b"%d" % len(lines)).startswith(last)


def test_interrupt(tmp_path: Path, start: Start) -> None:
    """Ctrl-C loses nothing either; the exit code is the one of an interrupted program."""
    log = tmp_path / "app.log"
    process = start(log)
    put(process, b"first\nsecond")
    until(holds(log, b"first\n"))
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    assert log.read_bytes() == b"first\nsecond\n"


def test_interrupt_that_is_ignored(tmp_path: Path, start: Start) -> None:
    """What a script runs in the background does not hear of Ctrl-C."""
    log = tmp_path / "app.log"
    process = start(log, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    put(process, b"first\n")
    until(holds(log, b"first\n"))
    process.send_signal(signal.SIGINT)
    put(process, b"second\n")
    until(holds(log, b"first\nsecond\n"))
    assert end(process) == (0, "")


def test_hangup_rotates(tmp_path: Path, start: Start) -> None:
    """SIGHUP closes the file, also while nothing comes; the unfinished line goes to the next one, whole."""
    log, process = tmp_path / "app.log", start(tmp_path / "app.log", "--when", "D")
    put(process, b"before\nun")
    until(holds(log, b"before\n"))
    process.send_signal(signal.SIGHUP)
    until(lambda: len(list(tmp_path.glob("app.log.2*"))) == 1)
    put(process, b"finished\n")
    assert end(process) == (0, "")
    (closed,) = tmp_path.glob("app.log.2*")
    assert (closed.read_bytes(), log.read_bytes()) == (b"before\n", b"unfinished\n")


def test_timestamp(tmp_path: Path, start: Start) -> None:
    """Each line begins with the time at which it came, as `asctime` has it, by the clock of the log's zone."""
    process = start(tmp_path / "app.log", "--timestamp", "--tz", "Asia/Shanghai")
    begun = time.time()
    put(process, b"one\n\ntwo")
    assert end(process) == (0, "")
    ended = time.time()
    lines = (tmp_path / "app.log").read_text().splitlines()
    assert [line[24:] for line in lines] == ["one", "", "two"]
    for line in lines:
        stamp = time.mktime(time.strptime(line[:19], "%Y-%m-%d %H:%M:%S"))
        moment = stamp - time.timezone - 8 * 3600 + int(line[20:23]) / 1000
        assert line[19] == ","
        assert line[23] == " "
        assert begun - 0.001 <= moment <= ended


def test_endless_line_needs_little_memory(tmp_path: Path, start: Start) -> None:
    """100 MB without an end: less than 64 MiB of memory; cut at --max-line, and said so once; every byte is there."""
    log, process = tmp_path / "app.log", start(tmp_path / "app.log", "--max-line", "1MiB")
    piece = b"x" * (1 << 20)
    for _ in range(100):
        put(process, piece)
    until(lambda: not pending(process))
    peak = most_memory(process)
    code, said = end(process)
    assert code == 0
    assert (said.count("--max-line"), said.count("\n")) == (1, 1)
    assert peak is None or peak < 64 << 20
    lines = log.read_bytes().splitlines()
    assert [len(line) for line in lines] == [1 << 20] * 100


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the limit of a running process cannot be changed on this system")
@pytest.mark.parametrize("signals", [[], [signal.SIGTERM]])
def test_full_disk_holds_the_program_up(tmp_path: Path, start: Start, signals: list[int]) -> None:
    """While the file may not grow, nothing more is read and nothing lost, also if the end is asked for meanwhile; then everything
    is there once. (A limit of the size of files stands for the disk.)"""
    log = tmp_path / "app.log"
    process = start(log, "--spill-bytes", "0", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, -1)))
    lines = [b"line %04d\n" % number for number in range(4000)]
    put(process, b"".join(lines))
    until(lambda: log.exists() and log.stat().st_size == 5000)
    for number in signals:
        process.send_signal(number)
    time.sleep(0.5)
    assert process.poll() is None
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (-1, -1))
    code, said = end(process)
    assert code == 0
    assert "File too large" in said
    assert said.count("not read until") == 1
    there = log.read_bytes().splitlines(keepends=True)
    assert [line for line in there if line in lines] == lines
    assert len(there) <= len(lines) + 1, "a part of the line that was being written"


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the limit of a running process cannot be changed on this system")
def test_second_signal_gives_up(tmp_path: Path, start: Start) -> None:
    """Who asks twice for the end gets it, and hears what was lost."""
    log = tmp_path / "app.log"
    process = start(log, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, -1)))
    put(process, b"".join(b"line %04d\n" % number for number in range(4000)))
    until(lambda: log.exists() and log.stat().st_size == 5000)
    assert process.stderr is not None
    said = process.stderr.readline() + process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    code, rest = process.wait(PATIENCE), process.stderr.read()
    assert code == 1, said + rest
    assert b"lines lost" in rest


@pytest.mark.slow
def test_many_pipes_and_kills(tmp_path: Path, start: Start) -> None:
    """Several pipes write one log that is rotated every second, and some are killed in the middle: whatever the others passed on
    is there once, in their order, each line by itself; of a killed one there is a beginning, and at most one torn line."""
    log, count, rounds = tmp_path / "app.log", 4, 150
    padding = b"x" * 3000  # writes over several pages, so that a kill can tear one
    pipes = [start(log, "--when", "S", "--terminator", "\\n") for _ in range(count)]
    sent: list[list[bytes]] = [[] for _ in pipes]
    killed = {1: rounds // 3, 2: 2 * rounds // 3}
    for turn in range(rounds):
        for number, process in enumerate(pipes):
            if killed.get(number, rounds) < turn:
                continue
            block = [b"%d %d %d %s\n" % (number, turn, part, padding) for part in range(12)]
            sent[number] += block
            put(process, b"".join(block))
            if killed.get(number) == turn:
                process.kill()
        time.sleep(0.01)
    for number, process in enumerate(pipes):
        code, said = end(process)
        assert (code, said) == ((-signal.SIGKILL if number in killed else 0), "")
    files = sorted((file for file in tmp_path.glob("app.log.2*")), key=lambda file: file.name)
    lines = b"".join(file.read_bytes() for file in (*files, log)).splitlines(keepends=True)
    known = {line for block in sent for line in block}
    torn = [line for line in lines if line not in known]
    assert len(torn) <= len(killed), torn
    for number, wanted in enumerate(sent):
        found = [line for line in lines if line in known and line.startswith(b"%d " % number)]
        assert found == wanted[: len(found)], "in order, each once, none in the middle missing"
        assert number in killed or len(found) == len(wanted)
    assert len(files) >= 1


def test_input_that_is_the_log(tmp_path: Path) -> None:
    """It would never end."""
    log = tmp_path / "app.log"
    log.write_bytes(b"line\n")
    with open(log, "rb") as source:
        done = subprocess.run([*COMMAND, str(log)], stdin=source, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, f"mpfhandler pipe: {log} is standard input, too\n")
    assert log.read_bytes() == b"line\n"


def test_closed_input(tmp_path: Path) -> None:
    """Without standard input there are no lines, and the log is not taken for it."""
    command = f"{' '.join(COMMAND)} {tmp_path}/app.log <&-"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "app.log").read_bytes() == b""


def test_file_as_input(tmp_path: Path) -> None:
    """Also a file can be passed on, with compression and retention as the handler has them."""
    (tmp_path / "lines").write_bytes(b"".join(b"%d\n" % number for number in range(5000)))
    with open(tmp_path / "lines", "rb") as source:
        words = ["--when", "D", "--max-bytes", "10000", "--backup-count", "50"]
        subprocess.run([*COMMAND, str(tmp_path / "app.log"), *words], stdin=source, check=True)
    assert len(everything(tmp_path / "app.log")) == (tmp_path / "lines").stat().st_size


def test_stream_as_log(tmp_path: Path) -> None:
    """A log that is a pipe or a device is written to as it is."""
    done = subprocess.run([*COMMAND, "/dev/stdout"], input=b"one\n\ntwo", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"one\n\ntwo\n", b"")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Makes a descriptor the input of a pipe that runs in this process; closes it at the end."""
    with ExitStack() as stack:

        def give(fd: int) -> None:
            stack.callback(os.close, fd)
            monkeypatch.setattr(command, "_INPUT", fd)

        yield give


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the limit of a running process cannot be changed on this system")
def test_overflow_drop_goes_on_reading(tmp_path: Path, start: Start) -> None:
    """With `--overflow drop` a full disk holds nobody up: what memory cannot keep is lost, counted in the log, and told by the
    exit code."""
    log = tmp_path / "app.log"
    limit = resource.RLIMIT_FSIZE
    process = start(log, "--overflow", "drop", "--spill-bytes", "1000", preexec_fn=lambda: resource.setrlimit(limit, (5000, -1)))
    for _ in range(10):
        put(process, b"".join(b"line %04d\n" % number for number in range(4000)))
    assert process.stdin is not None
    until(lambda: not pending(process))
    resource.prlimit(process.pid, limit, (-1, -1))
    code, said = end(process)
    assert code == 1
    assert "lines lost" in said
    assert b"records lost between" in log.read_bytes()


@pytest.mark.parametrize("overflow", ["block", "drop"])
def test_reader_of_the_log_is_gone(overflow: str) -> None:
    """Where the log is standard output and nobody reads that any more, nothing could ever be written: it ends as any program
    does, without a word, instead of waiting for ever."""
    reader, writer = os.pipe()
    with subprocess.Popen(
        [*COMMAND, "/dev/stdout", "--overflow", overflow], stdin=subprocess.PIPE, stdout=writer, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        os.close(writer)
        put(process, b"one\n")
        assert os.read(reader, 100) == b"one\n"
        os.close(reader)
        put(process, b"two\n")
        assert process.wait(PATIENCE) == 141
        assert process.stderr is not None
        assert process.stderr.read() == b""


EARLY = """
import os, signal, sys
from mpfhandler._faces import cli
number = int(sys.argv.pop())
class Finder:
    def find_spec(self, name, *rest):
        if name == "mpfhandler._engine.writer":
            os.kill(os.getpid(), number)
sys.meta_path.insert(0, Finder())
sys.exit(cli.main())
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGHUP, 0)])
def test_signal_while_it_starts(tmp_path: Path, number: int, code: int) -> None:
    """Also one that comes before everything is imported loses nothing of what is in the pipe."""
    log = tmp_path / "app.log"
    command = [sys.executable, "-c", EARLY, "pipe", str(log), str(int(number))]
    reader, writer = os.pipe()
    os.write(writer, b"one\ntwo")  # before it starts
    os.close(writer)
    done = subprocess.run(command, stdin=reader, capture_output=True, check=False, timeout=PATIENCE)
    os.close(reader)
    assert (done.returncode, done.stderr) == (code, b"")
    assert everything(log) == b"one\ntwo\n"


def test_signal_at_wrong_usage(tmp_path: Path) -> None:
    """Where nothing is read, it ends the program as any other."""
    command = [sys.executable, "-c", EARLY, "pipe", str(tmp_path / "app.log"), "--no-such-option", str(int(signal.SIGTERM))]
    done = subprocess.run(command, input=b"", capture_output=True, check=False, timeout=PATIENCE)
    assert done.returncode == -signal.SIGTERM


@pytest.mark.parametrize("heard", [True, False])
def test_input_that_fails(
    tmp_path: Path,
    given: Callable[[int], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    heard: bool,
) -> None:
    """What cannot be read is said, where anybody can be told; the exit code is that of lost lines, and the log is a log."""
    given(os.open(tmp_path, os.O_RDONLY))  # a folder
    if not heard:
        closed = open(os.devnull, "w")  # noqa: SIM115
        closed.close()
        monkeypatch.setattr(sys, "stderr", closed)
    log = tmp_path / "app.log"
    assert cli.main(["pipe", str(log)]) == 1
    assert log.read_bytes() == b""
    said = capsys.readouterr().err
    assert ("standard input" in said and "directory" in said) is heard


def test_hook_of_the_current_folder(
    tmp_path: Path, given: Callable[[int], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the command is a script, its own folder is what modules are looked for in: the current one is as good."""
    (tmp_path / "hook_beside_the_log.py").write_text("def seal(segment):\n    pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one not in {"", str(tmp_path)}])
    reader, writer = os.pipe()
    os.write(writer, b"one\n")
    os.close(writer)
    given(reader)
    assert cli.main(["pipe", "app.log", "--on-seal", "hook_beside_the_log.seal"]) == 0
    assert (tmp_path / "app.log").read_bytes() == b"one\n"
    assert capsys.readouterr().err == ""


def test_how_much_is_there(tmp_path: Path) -> None:
    """Of a file the rest of it, of a pipe what is in it; of a device that never ends nothing that would be waited for."""
    (tmp_path / "lines").write_bytes(b"one\ntwo\n")
    reader, writer = os.pipe()
    os.write(writer, b"12345")
    file, device = os.open(tmp_path / "lines", os.O_RDONLY), os.open("/dev/zero", os.O_RDONLY)
    os.read(file, 4)
    try:
        assert [Source(fd).pending() for fd in (file, reader, device)] == [4, 5, 0]
        os.read(file, 100)
        os.truncate(tmp_path / "lines", 2)  # somebody does so while it is read
        assert Source(file).pending() == 0
    finally:
        for fd in (reader, writer, file, device):
            os.close(fd)
