"""`locking="auto"`: by the type of the mount, and by a probe. The mounts themselves: `tests/integration/test_network.py`."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mpfhandler import ConcurrentTimedRotatingFileHandler, InvalidOption, MultProcTimedRotatingFileHandler, TimedLogFile
from mpfhandler._engine import machine
from mpfhandler._engine.locking import Locking, check_machine, decide_locking, needs_lock, one_machine
from mpfhandler._engine.machine import claim
from mpfhandler._faces.check import verify, worker
from mpfhandler._faces.check.job import HANDLER, Job
from mpfhandler._faces.cli import main
from mpfhandler._faces.pipe import command
from mpfhandler._platform import OPERATIONS, Operations, host, mounts
from mpfhandler._platform.host import boot_id, host_name
from mpfhandler._platform.mounts import FileSystem, is_local, mount_of, parse_mountinfo
from mpfhandler._pure.machine import machine_of

NFS = FileSystem("nfs4", "/mnt", frozenset({"rw", "vers=4.2", "hard", "local_lock=none"}))
NOLOCK = FileSystem("nfs", "/mnt", frozenset({"rw", "vers=3", "nolock", "local_lock=all"}))
SSHFS = FileSystem("fuse.sshfs", "/mnt")
LOCAL = FileSystem("ext4", "/")
not_windows = pytest.mark.skipif(sys.platform == "win32", reason="mounts of POSIX systems; drives: test_windows.py")


def decided(folder: Path, given: str, mount: FileSystem, ops: Operations = OPERATIONS) -> Locking:
    log = str(folder / "app.log")
    return decide_locking(ops, given, log, log + ".lock", mounted=lambda _folder: mount)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs", "unknown"])
def test_local_file_systems_append(tmp_path: Path, kind: str) -> None:
    """There appends are one after the other; nothing is said, and nothing made."""
    assert decided(tmp_path, "auto", FileSystem(kind, "/")) == ("append", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "9p", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuseblk", "fuse", "exfat", "virtiofs"],
)
def test_others_lock_each_record(tmp_path: Path, kind: str) -> None:
    """And say so, with what to write to be told no more."""
    found = decided(tmp_path, "auto", FileSystem(kind, "/mnt"))
    assert found.mode == "record"
    assert kind in found.told
    assert "locking='record'" in found.told


@pytest.mark.parametrize("mount", [LOCAL, NFS, SSHFS])
@pytest.mark.parametrize("given", ["append", "record"])
def test_what_is_asked_for_is_done(tmp_path: Path, mount: FileSystem, given: str) -> None:
    """Without a word."""
    assert decided(tmp_path, given, mount) == (given, "")


@pytest.mark.parametrize(
    "mount",
    [
        NOLOCK,
        SSHFS,
        FileSystem("cifs", "/mnt", frozenset({"nobrl"})),
        FileSystem("vboxsf", "/mnt"),
        FileSystem("virtiofs", "/mnt"),
    ],
)
@pytest.mark.parametrize("given", ["auto", "record"])
def test_second_machine_is_refused_where_locks_are_local(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mount: FileSystem, given: str
) -> None:
    """The log is the first one's, whose processes exclude each other; the message says what to do instead."""
    monkeypatch.setattr(machine, "boot_id", lambda: "this")
    assert decided(tmp_path, given, mount).mode == "record"
    assert decided(tmp_path, given, mount).mode == "record"
    monkeypatch.setattr(machine, "host_name", lambda: "another container of this machine")
    assert decided(tmp_path, given, mount).mode == "record"
    monkeypatch.setattr(machine, "host_name", lambda: "another")
    monkeypatch.setattr(machine, "boot_id", lambda: "another")
    with pytest.raises(InvalidOption, match="locks exclude the processes of one machine only") as caught:
        decided(tmp_path, given, mount)
    for remedy in ("{host}", "shipper", host_name(), ".app.log.host"):
        assert remedy in str(caught.value)
    assert ("lock_dir" in str(caught.value)) == (mount.kind in {"nfs", "cifs"})  # else a lock elsewhere does not help
    its_own = str(tmp_path / "another.log")
    assert decide_locking(OPERATIONS, given, its_own, f"{its_own}.lock", mounted=lambda _folder: mount).mode == "record"
    assert decided(tmp_path, "append", mount).mode == "append"
    (tmp_path / ".app.log.host").unlink()
    assert decided(tmp_path, given, mount).mode == "record"


def test_second_machine_may_come_where_locks_exclude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFSv4: nothing says whose the log is."""
    decided(tmp_path, "auto", NFS)
    monkeypatch.setattr(machine, "host_name", lambda: "another")
    assert decided(tmp_path, "auto", NFS).mode == "record"
    assert not list(tmp_path.iterdir())


Run = Callable[[str, str], str]


@pytest.fixture
def on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Makes a log on sshfs, in a container of this name and under the kernel of this run; the way, or "refused"."""

    def run(name: str, kernel: str) -> str:
        monkeypatch.setattr(machine, "host_name", lambda: name)
        monkeypatch.setattr(machine, "boot_id", lambda: kernel)
        try:
            return decided(tmp_path, "record", SSHFS).mode
        except InvalidOption as error:
            return "refused" if ".app.log.host" in str(error) else str(error)

    return run


def test_machine_is_started_anew(on: Run) -> None:
    """It goes on with its own log, and so do its containers, whichever comes first and also if their names are new."""
    assert [on("alpha", "run-1"), on("web-1", "run-1"), on("web-2", "run-1")] == ["record"] * 3
    assert on("beta", "run-of-another") == "refused"
    assert [on("web-2", "run-2"), on("alpha", "run-2"), on("named otherwise", "run-2")] == ["record"] * 3
    assert [on("named otherwise", "run-3"), on("web-1", "run-3"), on("another new name", "run-3")] == ["record"] * 3
    assert on("beta", "run-of-another") == "refused"


def test_another_machine_of_the_same_name(on: Run) -> None:
    """It is taken for the first one, started anew, until that one comes again: a run of a kernel that is over does not come
    back."""
    assert on("localhost", "run-1") == "record"
    assert on("localhost", "run-of-another") == "record"
    assert on("localhost", "run-1") == "refused"
    assert on("localhost", "run-of-another") == "record"


def test_machine_without_a_number_of_its_run(on: Run) -> None:
    """No Linux: its name tells."""
    assert [on("alpha", ""), on("alpha", ""), on("beta", "")] == ["record", "record", "refused"]
    assert [on("alpha", "run-1"), on("beta", "run-1"), on("beta", "")] == ["record"] * 3


def test_host_file_that_was_not_written(tmp_path: Path, on: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its maker was killed in between: it is waited for a while, and then made one's own."""
    (tmp_path / ".app.log.host").touch()
    monkeypatch.setattr(machine, "_PAUSE", 0.001)
    assert on("alpha", "run-1") == "record"
    assert on("beta", "run-of-another") == "refused"


def test_host_file_that_is_just_being_written(tmp_path: Path, on: Run) -> None:
    """Who comes in between waits for what will stand there."""
    path = tmp_path / ".app.log.host"
    path.touch()
    timer = threading.Timer(0.1, path.write_text, ("alpha\nrun-1\n",))
    timer.start()
    assert on("beta", "run-of-another") == "refused"
    timer.join()


def test_containers_that_come_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each adds its name: who reads the file while another one changes it would have that one forgotten."""
    monkeypatch.setattr(machine, "host_name", lambda: threading.current_thread().name)
    monkeypatch.setattr(machine, "boot_id", lambda: "run")
    path = str(tmp_path / ".app.log.host")
    claim(OPERATIONS, path)
    second = threading.Thread(target=claim, args=(OPERATIONS, path), name="web-2")

    def read_at(fd: int, length: int, offset: int) -> bytes:
        data = OPERATIONS.read_at(fd, length, offset)
        second.start()
        second.join(0.2)
        return data

    first = threading.Thread(target=claim, args=(replace(OPERATIONS, read_at=read_at), path), name="web-1")
    first.start()
    first.join()
    second.join()
    found = machine_of(Path(path).read_text())
    assert found is not None
    assert {"web-1", "web-2"} < set(found.names)


def test_host_file_of_another_user(tmp_path: Path, on: Run) -> None:
    """Where it cannot be changed or read, nobody is refused for that."""
    assert on("alpha", "run-1") == "record"
    path = tmp_path / ".app.log.host"

    def open_lock(name: str, mode: int) -> tuple[int, bool]:
        fd, _ = OPERATIONS.open_lock(name, mode)
        return fd, name != str(path)

    log = str(tmp_path / "app.log")
    before = path.read_bytes()
    ops = replace(OPERATIONS, open_lock=open_lock)
    assert decide_locking(ops, "record", log, log + ".lock", mounted=lambda _folder: SSHFS).mode == "record"
    assert path.read_bytes() == before


def test_folder_that_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mkdir=True`: the first machine has the log also where its folder is new."""
    monkeypatch.setitem(decide_locking.__kwdefaults__, "mounted", lambda _folder: SSHFS)
    TimedLogFile(tmp_path / "new" / "app.log", mkdir=True, delay=True, locking="record").close()
    monkeypatch.setattr(machine, "host_name", lambda: "another")
    monkeypatch.setattr(machine, "boot_id", lambda: "another")
    with pytest.raises(InvalidOption, match="writes to it"):
        TimedLogFile(tmp_path / "new" / "app.log", mkdir=True, locking="record")


def test_locks_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lock_dir` on a file system whose locks exclude all machines makes up for a log's that do not; a local one does not, and
    for a log on sshfs nothing does."""
    (tmp_path / "locks").mkdir()
    log, lock = str(tmp_path / "app.log"), str(tmp_path / "locks" / "app.lock")

    def decide(of_lock: FileSystem, of_log: FileSystem = NOLOCK) -> Locking:
        mounts = {str(tmp_path): of_log, str(tmp_path / "locks"): of_lock}
        return decide_locking(OPERATIONS, "auto", log, lock, mounted=mounts.__getitem__)

    assert decide(LOCAL).mode == "record"
    monkeypatch.setattr(machine, "host_name", lambda: "another")
    monkeypatch.setattr(machine, "boot_id", lambda: "another")
    assert decide(NFS).mode == "record"
    with pytest.raises(InvalidOption, match="lock_dir"):
        decide(LOCAL)
    with pytest.raises(InvalidOption, match="writes to it"):
        decide(NFS, SSHFS)


COMMANDS = {
    "rotate": ["--when", "H", "--json"],
    "seal": ["--compress", "gz", "--json"],
    "prune": ["--backup-count", "1", "--json"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_look_whose_log_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """By hand, too, a log is changed on the machine that has it: no lock would keep the others from it. What only looks may."""
    for file in ("app.log", "app.log.2026-03-04_10", "app.log.2026-03-04_11"):
        (tmp_path / file).write_text("record\n")
    arguments = [name, str(tmp_path / "app.log"), *COMMANDS[name]]
    monkeypatch.setitem(check_machine.__kwdefaults__, "mounted", lambda _folder: SSHFS)
    decided(tmp_path, "record", SSHFS)
    owner = (tmp_path / ".app.log.host").read_bytes()
    before = sorted(os.listdir(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(machine, "host_name", lambda: "another")
        patch.setattr(machine, "boot_id", lambda: "another")
        assert main(arguments) in {1, 2}
        assert re.search("fuse.sshfs .*writes to it .*remove .*host.*; run this there", capsys.readouterr().err)
        assert sorted(os.listdir(tmp_path)) == before
        if name == "prune":
            assert main([*arguments, "--dry-run"]) == 0
        (tmp_path / ".app.log.host").unlink()
        check_machine(OPERATIONS, str(tmp_path / "app.log"), str(tmp_path / "app.log.lock"))
    (tmp_path / ".app.log.host").write_bytes(owner)
    assert main(arguments) == 0
    assert sorted(os.listdir(tmp_path)) != before
    assert (tmp_path / ".app.log.host").read_bytes() == owner


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_file_system_without_locks_is_refused(tmp_path: Path, number: int) -> None:
    """Nothing would exclude anybody; what was tried out with is gone."""

    def try_lock(_fd: int, _exclusive: bool) -> bool:
        raise OSError(number, os.strerror(number))

    for ops in (replace(OPERATIONS, try_lock=try_lock), replace(OPERATIONS, try_lock=lambda _fd, _exclusive: True)):
        with pytest.raises(InvalidOption, match="no locks that exclude anybody"):
            decided(tmp_path, "auto", NFS, ops)
    assert not list(tmp_path.iterdir())


def test_it_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a warning, which Python shows once; it points to who made the log, and is no failure of the log's."""
    monkeypatch.setitem(decide_locking.__kwdefaults__, "mounted", lambda _folder: NFS)
    told: list[Exception] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            with TimedLogFile(tmp_path / "app.log", on_error=told.append) as log:
                log.write("here")
                assert log.stats().last_error is None
    assert [one.filename for one in caught] == [__file__]
    assert not told


def test_it_is_said_to_who_made_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever class that is."""
    monkeypatch.setitem(decide_locking.__kwdefaults__, "mounted", lambda _folder: NFS)
    for number, kind in enumerate((TimedLogFile, MultProcTimedRotatingFileHandler, ConcurrentTimedRotatingFileHandler)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            kind(tmp_path / f"{number}.log").close()
        assert [one.filename for one in caught] == [__file__]


def test_pipe_says_it_as_a_command_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a line of our source, and with the option as it is written there."""
    monkeypatch.setitem(decide_locking.__kwdefaults__, "mounted", lambda _folder: NFS)
    path = str(tmp_path / "app.log")
    command._opened(path, {"lock_dir": None}, command._Errors(path)).close()
    told = capsys.readouterr().err
    assert told.startswith(f"mpfhandler pipe: {path} is on nfs4")
    assert told.endswith("--locking record says that this is known\n")


def test_self_test_knows_what_it_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's file is nothing unexpected, and its processes say nothing of how they write."""
    monkeypatch.setitem(decide_locking.__kwdefaults__, "mounted", lambda _folder: SSHFS)
    path = tmp_path / "app.log"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        logger = worker._logger(Job(str(path), "", 0, 0, "w0", "S", 1, 100, 1, 1.0, 1.0, 0, HANDLER))
    logger.handlers.pop().close()
    assert not caught
    assert (tmp_path / ".app.log.host").exists()
    assert verify._segments(str(path)) == ([], [])


def test_local_log_has_the_fast_path(tmp_path: Path) -> None:
    """On this machine's disk nothing is asked of a record."""
    with TimedLogFile(tmp_path / "app.log") as log:
        log.write("here")
        assert log._writer.options.locking == ("record" if needs_lock(mount_of(str(tmp_path))) else "append")


def test_asking_costs_little(tmp_path: Path) -> None:
    """A look at the table of mounts, once for each log: far less than a log costs to open."""
    log = str(tmp_path / "app.log")
    best, opened = float("inf"), float("inf")
    for _ in range(20):
        start = time.perf_counter()
        decide_locking(OPERATIONS, "auto", log, log + ".lock")
        best = min(best, time.perf_counter() - start)
        start = time.perf_counter()
        with TimedLogFile(log, locking="append"):
            opened = min(opened, time.perf_counter() - start)
    assert best < opened / 2


def test_mount_table_is_read() -> None:
    """Type and options of the server follow the hyphen; names have octal numbers for blanks."""
    lines = [
        "27 21 0:23 / /mnt/a\\040b rw,relatime shared:1 - nfs4 10.0.1.1:/ rw,vers=4.2,hard,local_lock=none",
        "29 21 0:26 / /mnt/d rw - cifs //10.0.2.1/s rw,vers=3.1.1,soft,nobrl",
        "nonsense",
    ]
    nfs, cifs = parse_mountinfo("\n".join(lines))
    assert (nfs.kind, nfs.mount_point, cifs.kind, cifs.mount_point) == ("nfs4", "/mnt/a b", "cifs", "/mnt/d")
    assert not one_machine(nfs)
    assert one_machine(cifs)


@pytest.mark.parametrize("kind", ["9p", "virtiofs", "vboxsf"])
def test_servers_that_leave_locks_to_the_machine(tmp_path: Path, kind: str) -> None:
    """QEMU's 9p server grants each lock, since it has one client; another machine may have the same folder all the same."""
    (tmp_path / ".app.log.host").write_text("other\n11111111-2222-3333-4444-555555555555\n")
    with pytest.raises(InvalidOption, match="'other' writes to it"):
        decided(tmp_path, "auto", FileSystem(kind, "/mnt"))


@not_windows
def test_quick_look_and_the_table_agree(tmp_path: Path) -> None:
    """What the quick look takes for local is nothing that needs the lock."""
    for folder in (str(tmp_path), "/proc", "/dev/shm", "/"):
        assert not (is_local(folder) and needs_lock(mount_of(os.path.realpath(folder))))
    if mount_of(str(tmp_path)).kind in {"ext4", "xfs", "btrfs", "tmpfs", "overlay"} and mounts._find_statfs() is not None:
        assert is_local(str(tmp_path))
    assert not is_local("/proc")
    assert not is_local("/no such folder")


@not_windows
def test_every_folder_has_a_mount() -> None:
    """That of the root, at least; what is not there is on none."""
    if os.path.exists("/proc/self/mountinfo"):
        assert mount_of("/proc").kind == "proc"
        assert mount_of("/").kind != "unknown"
    assert mount_of("/no such folder").kind == "unknown"


WITHOUT = Path(__file__).resolve().parents[1] / "without"


@not_windows
@pytest.mark.parametrize("switch", ["", "ctypes", "statfs", "O_CLOEXEC"])
def test_without_the_quick_look(tmp_path: Path, switch: str) -> None:
    """Where statfs(2) cannot be called, or descriptors cannot close themselves, the table of mounts tells the same."""
    program = (
        "import sys, mpfhandler._platform.mounts as mounts; from mpfhandler import TimedLogFile\n"
        "with TimedLogFile(sys.argv[1]) as log: log.write('here'); mode = log._writer.options.locking\n"
        "print(mounts._find_statfs() is None, mounts.mount_of(sys.argv[2]).kind, mode)"
    )
    path = os.pathsep.join([str(WITHOUT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "app.log"), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": path, "WITHOUT": switch}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    none, kind, mode = done.stdout.split()
    assert none == str(switch in {"ctypes", "statfs"} or not sys.platform.startswith("linux"))
    assert kind == mount_of(str(tmp_path)).kind
    assert mode == ("record" if needs_lock(mount_of(str(tmp_path))) else "append")


@not_windows
def test_without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that does not tell its mounts: `auto` chooses `append`, and says nothing; its kernel's run has no number."""
    monkeypatch.setattr(mounts, "_MOUNTINFO", str(tmp_path / "none"))
    monkeypatch.setattr(mounts, "_find_statfs", lambda: None)
    monkeypatch.setattr(host, "_BOOT_ID", str(tmp_path / "none"))
    log = str(tmp_path / "app.log")
    assert mount_of(str(tmp_path)) == FileSystem("unknown", "")
    assert decide_locking(OPERATIONS, "auto", log, log + ".lock") == ("append", "")
    assert boot_id() == ""
