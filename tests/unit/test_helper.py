"""The helper process: it does its work elsewhere, and leaves nothing of itself in the program that asked for it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

pytest.importorskip("fcntl", reason="of POSIX systems")

import fcntl

from mpfhandler._platform import helper_posix as module
from mpfhandler._platform.helper import Helper, command, search_path
from mpfhandler._platform.host import host_name
from mpfhandler._platform.threads import SYSTEM_THREADS
from mpfhandler._protocols import archive as archiving
from mpfhandler._protocols.archive import Archive
from mpfhandler._pure.naming import SegmentName

PERIOD = SegmentName(datetime(2026, 11, 23, 16))
NAME = "app.log.2026-11-23_16"
PATIENCE = 60.0  # seconds; only a failing test, or a machine with too much to do, waits that long


@dataclass
class Segment:
    """What `store` looks at."""

    path: str


def never() -> bool:
    """Nobody asks to stop."""
    return False


def until(found: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait for something that happens soon."""
    deadline = time.monotonic() + patience
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def children(pid: int | str = "self") -> list[int]:
    """Of a process, dead ones that nobody has waited for included."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found += map(int, (task / "children").read_text().split())
    return found


others: set[int] = set()  # children of other tests: a resource tracker of multiprocessing stays


def ours() -> list[int]:
    """Children of this process that the present test has made."""
    return [pid for pid in children() if pid not in others]


def alive(pid: int) -> bool:
    """Whether a process runs: not a dead one that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test leaves a process, a descriptor or a thread behind."""
    before = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
    others.clear()
    others.update(children())
    yield
    until(lambda: not ours(), "a process is left", 5.0)  # one that nobody has to wait for is told of a moment longer
    until(lambda: (len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))) == before, "all is closed")


@pytest.fixture
def helped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Archive:
    """An archive in a folder, for once by way of the helper, which then needs no library of anybody's."""
    monkeypatch.setattr(archiving, "needs_helper", lambda _target: True)
    (tmp_path / "mnt").mkdir()
    (tmp_path / NAME).write_bytes(b"a record\n" * 1000)
    return Archive(f"file://{tmp_path}/mnt", "web", str(tmp_path / "app.log"))


def test_it_stores(helped: Archive, tmp_path: Path) -> None:
    """The same as without it, evidence included."""
    evidence = helped.store(Segment(str(tmp_path / NAME)), PERIOD)
    assert set(evidence) == {"url", "size", "sha256"}
    assert evidence["size"] == 9000
    assert (tmp_path / "mnt" / "web" / "app.log" / NAME).read_bytes() == b"a record\n" * 1000
    assert helped.store(Segment(str(tmp_path / NAME)), PERIOD) == evidence


def test_an_odd_path(helped: Archive, tmp_path: Path) -> None:
    """Also one that is no text."""
    odd = tmp_path / os.fsdecode(b"caf\xe9 \xc3\xa4\n")
    odd.mkdir()
    (odd / NAME).write_bytes(b"odd")
    archive = Archive(f"file://{tmp_path}/mnt", "web", str(odd / "app.log"))
    assert archive.store(Segment(str(odd / NAME)), PERIOD)["size"] == 3


def test_a_failure_comes_back(helped: Archive, tmp_path: Path) -> None:
    """As the same kind of error, with the archive's name before it."""
    (tmp_path / "mnt").rmdir()
    with pytest.raises(FileNotFoundError, match=r"^file://.*/mnt: .*mount"):
        helped.store(Segment(str(tmp_path / NAME)), PERIOD)
    with pytest.raises(FileNotFoundError):
        helped.store(Segment(str(tmp_path / "gone")), PERIOD)


def test_no_secret_comes_back(helped: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of variables that hold credentials are masked in whatever a library says."""
    monkeypatch.setenv("SOME_SECRET_ACCESS_KEY", "no such folder")
    (tmp_path / "mnt").rmdir()
    with pytest.raises(OSError, match=r"there is \*\*\*; create it"):
        helped.store(Segment(str(tmp_path / NAME)), PERIOD)


def held_up(tmp_path: Path) -> int:
    """Have the next helper wait for a lock; the descriptor that holds it."""
    fd = os.open(tmp_path / ".app.log.owner", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def test_stopped(helped: Archive, tmp_path: Path) -> None:
    """Soon, however long the other side takes."""
    fd = held_up(tmp_path)
    asked: list[float] = []

    def stop() -> bool:
        asked.append(time.monotonic())
        return len(asked) > 10

    with pytest.raises(InterruptedError):
        helped.store(Segment(str(tmp_path / NAME)), PERIOD, stop)
    assert time.monotonic() - asked[-1] < 10
    os.close(fd)
    assert helped.store(Segment(str(tmp_path / NAME)), PERIOD)["size"] == 9000


def test_without_an_end(helped: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that hangs for ever is given up, and told."""
    fd = held_up(tmp_path)
    monkeypatch.setattr(archiving, "_PATIENCE", 0.5)
    with pytest.raises(TimeoutError, match=r"^file://.*in time"):
        helped.store(Segment(str(tmp_path / NAME)), PERIOD)
    os.close(fd)


def test_killed(helped: Archive, tmp_path: Path) -> None:
    """It is said that there was no answer; the next try is as if there had been none before."""
    fd = held_up(tmp_path)

    def stop() -> bool:
        for pid in ours():
            os.kill(pid, signal.SIGKILL)
        return False

    with pytest.raises(OSError, match="without an answer: it said nothing"):
        helped.store(Segment(str(tmp_path / NAME)), PERIOD, stop)
    os.close(fd)
    assert helped.store(Segment(str(tmp_path / NAME)), PERIOD)["size"] == 9000


def test_what_it_says_when_it_fails_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of what stands on its error output is told."""
    (tmp_path / NAME).write_bytes(b"a record\n")
    archive = Archive("s3://bucket", "web", str(tmp_path / "app.log"))
    monkeypatch.setattr(archiving, "command", lambda _program: [sys.executable, "-c", "raise SystemError('of its own')"])
    with pytest.raises(OSError, match="SystemError: of its own"):
        archive.store(Segment(str(tmp_path / NAME)), PERIOD)
    for answer in ("[1]", '{"url": 1}', '{"failed": "so"}', "x" * 100):
        code = f"print({answer!r})"
        monkeypatch.setattr(archiving, "command", lambda _program, code=code: [sys.executable, "-c", code])
        with pytest.raises(OSError, match="without an answer"):
            archive.store(Segment(str(tmp_path / NAME)), PERIOD)


def test_one_that_does_not_even_listen() -> None:
    """What it has said before it died is what is told, not that nobody read the job."""
    closes = "import os; os.close(0); print('of no use', flush=True); os._exit(0)"
    with pytest.MonkeyPatch.context() as patch:
        start = module._start

        def started(arguments: list[str], stdin: int, stdout: int) -> int:
            pid = start(arguments, stdin, stdout)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            return pid

        patch.setattr(module, "_start", started)
        helper = Helper([sys.executable, "-c", closes], "{}")
    assert helper.answer(never) == b"of no use\n"
    helper.end()


def test_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without an end fills no memory."""
    helper = Helper([sys.executable, "-c", "while True: print('x' * 1000)"], "{}")
    with pytest.raises(OSError, match="without an end"):
        helper.answer(never)
    helper.end()
    helper.end()


def test_it_cannot_be_started() -> None:
    """An error, and no descriptor is left."""
    with pytest.raises(FileNotFoundError):
        Helper(["/nowhere/python"], "{}")


def test_one_that_does_not_end_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """By force, after a while."""
    monkeypatch.setattr(module, "_GRACE", 0.2)
    code = "import time; print('ready', flush=True); time.sleep(1000)"
    helper = Helper([sys.executable, "-c", code], "{}")
    with pytest.raises(InterruptedError):
        helper.answer(lambda: True)
    (pid,) = ours()
    helper.end()
    assert not alive(pid)


def test_what_it_inherits() -> None:
    """No signal is blocked, though our thread blocks them all; Ctrl-C of the terminal is for another group; of our descriptors
    it has the pipes alone."""
    code = (
        "import os, signal, json\n"
        "numbers = [n for n in os.listdir('/proc/self/fd') if os.path.islink(f'/proc/self/fd/{n}') and int(n) > 2]\n"
        "here = [os.readlink(f'/proc/self/fd/{n}') for n in numbers]\n"
        "print(json.dumps([sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), os.getpgid(0) == os.getpid(), here]))"
    )
    answers: list[bytes] = []

    def work() -> None:
        helper = Helper([sys.executable, "-c", code], "{}")
        answers.append(helper.answer(never))
        helper.end()

    SYSTEM_THREADS.start(work, "blocks signals").join(PATIENCE)
    blocked, own_group, links = json.loads(answers[0])
    assert (blocked, own_group) == ([], True)
    numbers = [int(number) for number in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{number}")]
    handed_on = {os.readlink(f"/proc/self/fd/{number}") for number in numbers if os.get_inheritable(number)}
    assert set(links) <= handed_on, "what the program itself hands on to every child"


def test_blocked_signals_are_let_through() -> None:
    """Where it was begun by `subprocess`, what our thread blocks is blocked in it until it begins its work."""
    code = (
        "import os, signal; from mpfhandler._platform import helper_posix as helper; helper._watch = lambda _parent: None; "
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); helper.end_with_parent(os.getppid()); "
        "print(signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    )
    environment = {"PYTHONPATH": os.pathsep.join(search_path())}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("way", ["ignored", "reaped"])
def test_what_the_host_does_with_its_children(way: str, helped: Archive, tmp_path: Path) -> None:
    """A program may ignore SIGCHLD, or wait for any child in a loop of its own."""
    before = signal.getsignal(signal.SIGCHLD)
    done = threading.Event()

    def reap() -> None:
        while not done.is_set():
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pass
            time.sleep(0.001)

    thread = threading.Thread(target=reap)
    try:
        if way == "ignored":
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        else:
            thread.start()
        assert helped.store(Segment(str(tmp_path / NAME)), PERIOD)["size"] == 9000
    finally:
        signal.signal(signal.SIGCHLD, before)
        done.set()
        if thread.ident:
            thread.join()


def test_its_exit_code_is_0_whatever_happens(helped: Archive, tmp_path: Path) -> None:
    """gunicorn ends when a child, of whomever, exits with 3 or 4."""
    codes: list[int] = []

    def wait(pid: int, seconds: float) -> bool:
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_gone", wait)
        helped.store(Segment(str(tmp_path / NAME)), PERIOD)
        (tmp_path / "mnt" / "web" / "app.log" / ".owner").unlink()
        (tmp_path / "mnt" / "web" / "app.log" / ".owner").mkdir()
        with pytest.raises(OSError):
            helped.store(Segment(str(tmp_path / NAME)), PERIOD)
    assert codes == [0, 0]


HOST = """
import os, sys, time
from datetime import datetime
from mpfhandler._protocols import archive
from mpfhandler._pure.naming import SegmentName
archive.needs_helper = lambda target: True
folder, way = sys.argv[1:]
forked = []
def stop():
    if way == "forked" and not forked:
        forked.append(os.fork())
        if not forked[0]:
            links = [path for n in os.listdir("/proc/self/fd") if os.path.islink(path := f"/proc/self/fd/{n}") and int(n) > 2]
            print(os.getpid(), sum(os.readlink(path).startswith("pipe:") for path in links), flush=True)
            time.sleep(60)
            os._exit(0)
    return False
class Segment: path = folder + "/app.log.2026-11-23_16"
archive.Archive("file://" + folder + "/mnt", "web", folder + "/app.log").store(Segment, SegmentName(datetime(2026, 11, 23, 16)),
stop) """


@pytest.mark.parametrize("way", ["alone", "forked"])
def test_the_host_is_killed(way: str, helped: Archive, tmp_path: Path) -> None:
    """It ends with the program, also where a forked child lives on; that child has no descriptor of it."""
    fd = held_up(tmp_path)
    host = subprocess.Popen([sys.executable, "-c", HOST, str(tmp_path), way], stdout=subprocess.PIPE, text=True)
    try:
        assert host.stdout is not None
        child, pipes = host.stdout.readline().split() if way == "forked" else ("0", "0")
        until(lambda: [pid for pid in children(host.pid) if pid != int(child)], "it has begun")
        (pid,) = (pid for pid in children(host.pid) if pid != int(child))
        assert int(pipes) == 0
        host.kill()
        host.wait()
        until(lambda: not alive(pid), "it has ended", 20.0)  # seconds; what holds it up would let it go after 30
        if way == "forked":
            os.kill(int(child), signal.SIGKILL)
    finally:
        host.kill()
        host.wait()
        host.stdout.close()
        os.close(fd)
    assert not list((tmp_path / "mnt").rglob(NAME))


@pytest.mark.parametrize(
    ("executable", "frozen"), [("/usr/sbin/uwsgi", False), ("", False), (None, False), ("/app/mypython", True)]
)
def test_which_interpreter(executable: str | None, frozen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the program is a server with Python built in, that of its environment; a frozen program has none, which is an error
    with a way out."""
    monkeypatch.setattr(sys, "executable", executable)
    if frozen:
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        monkeypatch.setattr(sys, "prefix", "/nowhere")
        monkeypatch.setattr(sys, "base_prefix", "/nowhere")
        with pytest.raises(OSError, match="mpfhandler seal"):
            command("mpfhandler._faces.upload")
    else:
        found = command("mpfhandler._faces.upload")[0]
        assert os.path.basename(found).startswith("python3")
        assert os.access(found, os.X_OK)


def test_where_it_finds_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the program does, but never in the folder that happens to be the current one."""
    monkeypatch.setattr(sys, "path", ["", "here", ".", "/somewhere", *sys.path])
    assert search_path()[0] == "/somewhere"
    assert all(os.path.isabs(path) for path in search_path())
    assert str(Path(archiving.__file__).parents[2]) in search_path()


def test_the_machine_has_a_name() -> None:
    """What is the first part of every key is never empty."""
    assert host_name() == os.uname().nodename


@pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="not installed: gevent")
def test_under_gevent(helped: Archive, tmp_path: Path) -> None:
    """In a real thread of a patched program, where gevent's own calls would want their event loop."""
    code = HOST.replace("archive.needs_helper =", "from mpfhandler._platform import SYSTEM_THREADS\narchive.needs_helper =")
    code = "from gevent import monkey; monkey.patch_all()\n" + code
    last = code.rindex("archive.Archive(")
    code = f"{code[:last]}work = lambda: print({code[last:].strip()})\nSYSTEM_THREADS.start(work, '').join(60)"
    command = [sys.executable, "-c", code, str(tmp_path), "alone"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "'size': 9000" in done.stdout, done.stderr
    assert done.stderr == ""


def test_without_any_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with Python built in: that of its environment, else that of the installation below; where there is none, an error
    with a way out."""
    monkeypatch.setattr(sys, "executable", "/usr/sbin/uwsgi")
    monkeypatch.setattr(sys, "prefix", "/nowhere")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    assert command("mpfhandler._faces.upload")[0] == os.path.join(sys.base_prefix, "bin", version)
    monkeypatch.setattr(sys, "base_prefix", "/nowhere")
    with pytest.raises(OSError, match="mpfhandler seal"):
        command("mpfhandler._faces.upload")


def test_child_leaves_its_parents_helper_alone(helped: Archive) -> None:
    """In a child that is forked during an upload: its copies of the pipes are closed, so that the helper sees the parent's end,
    and the process is neither waited for nor killed."""
    helper = Helper([sys.executable, "-c", "import sys; sys.stdin.read(); print('read to the end', flush=True)"], "{}")
    (pid,) = ours()
    answers, job = os.dup(helper._from), os.dup(helper._to)  # the parent's
    helped._helper = helper
    helped.after_fork_in_child()
    helped.after_fork_in_child()
    assert helped._helper is None
    helper.end()
    assert alive(pid)
    os.close(job)
    with os.fdopen(answers) as said:
        assert said.read() == "read to the end\n"
    os.waitpid(pid, 0)


def test_one_that_may_not_be_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has become another user's, or is gone in this moment; its descriptors may be somebody's by now: no failure."""
    helper = Helper([sys.executable, "-c", "input()"], "{}")
    (pid,) = ours()
    asked: list[tuple[int, int]] = []

    def refused(number: int, sent: int) -> None:
        asked.append((number, sent))
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_GRACE", -1.0)
        patch.setattr(module, "_DYING", -1.0)
        patch.setattr(module, "_gone", lambda _pid, _seconds: False)
        patch.setattr(os, "kill", refused)
        os.close(helper._from)
        helper.end()
    assert asked == [(pid, signal.SIGKILL)]
    os.waitpid(pid, 0)


def test_priority_that_the_helper_cannot_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox refuses it: the job is done all the same, and its end with the parent is still watched for."""
    watched: list[int] = []
    over = threading.Event()

    def watch(parent: int) -> None:
        watched.append(parent)
        over.set()

    def refused(_by: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module, "_watch", watch)
    monkeypatch.setattr(os, "nice", refused)
    module.end_with_parent(4711)
    assert over.wait(PATIENCE)
    assert watched == [4711]
