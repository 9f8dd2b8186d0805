"""Bad input: an error at construction that names the parameter, the value and the remedy, and nothing on disk."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import time as TimeOfDay  # noqa: N812
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import mpfhandler
from mpfhandler._platform import OPERATIONS
from mpfhandler._pure.naming import longest_ending
from mpfhandler._pure.schedule import Period

Make = Callable[..., Any]


def handler(path: Any, **options: Any) -> Any:
    """The handler, which spells some parameters as the standard library does."""
    return mpfhandler.MultProcTimedRotatingFileHandler(path, **options)


ENGINE = {"backupCount": "backup_count", "maxBytes": "max_bytes", "atTime": "at_time", "filename": "path"}


def engine(path: Any, **options: Any) -> Any:
    """The engine, with its own spelling."""
    return mpfhandler.TimedLogFile(path, **{ENGINE.get(name, name): value for name, value in options.items()})


def spelled(make: Make, name: str) -> str:
    """The name that the message must tell."""
    return ENGINE.get(name, name) if make is engine else name


def tree(folder: Path) -> list[tuple[str, int, int]]:
    """Everything in a folder, with sizes and modes."""
    paths = sorted(folder.rglob("*"))
    return [(str(path.relative_to(folder)), path.lstat().st_size, path.lstat().st_mode) for path in paths]


def as_shown(text: str) -> str:
    """Backslashes of paths are written twice in messages, and as slashes in a `Path`."""
    return text.replace("\\\\", "/").replace("\\", "/")


makers = pytest.mark.parametrize("make", [handler, engine])
delays = pytest.mark.parametrize("delay", [False, True])
NOON = TimeOfDay(12)

VALUES: list[tuple[type[Exception], str, Any, dict[str, Any]]] = [
    (ValueError, "when", "X", {}),
    (ValueError, "when", "", {}),
    (ValueError, "when", "hour", {}),
    (ValueError, "when", "W7", {}),
    (ValueError, "when", "W", {}),
    (ValueError, "when", "W10", {}),
    (ValueError, "when", "W-1", {}),
    (TypeError, "when", 7, {}),
    (TypeError, "when", None, {}),
    (ValueError, "interval", 0, {}),
    (ValueError, "interval", -1, {}),
    (ValueError, "interval", "0", {}),
    (ValueError, "interval", "often", {}),
    (ValueError, "interval", "", {}),
    (ValueError, "interval", 1.5, {}),
    (ValueError, "interval", float("nan"), {}),
    (ValueError, "interval", 10**9, {}),
    (TypeError, "interval", None, {}),
    (TypeError, "interval", [], {}),
    (TypeError, "interval", True, {}),
    (ValueError, "backupCount", -1, {}),
    (ValueError, "backupCount", "-3", {}),
    (ValueError, "backupCount", "many", {}),
    (ValueError, "backupCount", 2.5, {}),
    (ValueError, "backupCount", float("inf"), {}),
    (TypeError, "backupCount", None, {}),
    (TypeError, "backupCount", True, {}),
    (ValueError, "maxBytes", -1, {}),
    (ValueError, "maxBytes", "1 MB", {}),
    (TypeError, "maxBytes", None, {}),
    (ValueError, "atTime", NOON, {"when": "S"}),
    (ValueError, "atTime", NOON, {"when": "M"}),
    (ValueError, "atTime", NOON, {"when": "H"}),
    (ValueError, "atTime", "noon", {"when": "D"}),
    (ValueError, "atTime", "25:00", {"when": "D"}),
    (TypeError, "atTime", 12, {"when": "D"}),
    (ValueError, "tz", "Nowhere/City", {}),
    (ValueError, "tz", "", {}),
    (ValueError, "tz", "../../etc/passwd", {}),
    (TypeError, "tz", 8, {}),
    (ValueError, "tz", "Asia/Shanghai", {"utc": True}),
    (ValueError, "encoding", "klingon", {}),
    (ValueError, "encoding", "", {}),
    (ValueError, "encoding", "rot13", {}),
    (ValueError, "encoding", "hex", {}),
    (TypeError, "encoding", 8, {}),
    (ValueError, "errors", "whatever", {}),
    (ValueError, "encoding", "idna", {}),
    (ValueError, "encoding", "punycode", {}),
    (ValueError, "encoding", "unicode_escape", {}),
    (ValueError, "encoding", "undefined", {}),
    (TypeError, "errors", 3, {}),
    (TypeError, "errors", 0, {}),
    (ValueError, "errors", "", {}),
    (TypeError, "utc", "perhaps", {}),
    (TypeError, "utc", 2, {}),
    (TypeError, "utc", None, {}),
    (TypeError, "debug", "perhaps", {}),
    (TypeError, "mkdir", "perhaps", {}),
    (ValueError, "chmod", 0o10000, {}),
    (ValueError, "chmod", -1, {}),
    (ValueError, "chmod", 640, {}),
    (ValueError, "chmod", 0, {}),
    (ValueError, "chmod", 0o440, {}),
    (ValueError, "chmod", 0o200, {}),
    (TypeError, "chmod", "rw-r--r--", {}),
    (TypeError, "chmod", "0999", {}),
    (TypeError, "chmod", 6.44, {}),
    (TypeError, "chmod", True, {}),
    (ValueError, "owner", "nobody-has-this-name", {}),
    (ValueError, "owner", "root:no-such-group-here", {}),
    (ValueError, "owner", ("root", "no-such-group-here"), {}),
    (ValueError, "owner", ("root",), {}),
    (ValueError, "owner", -1, {}),
    (ValueError, "owner", 2**32 - 1, {}),
    (ValueError, "owner", 2**40, {}),
    (ValueError, "owner", "4294967295", {}),
    (ValueError, "owner", "9" * 5000, {}),
    (ValueError, "owner", ("root", 2**64), {}),
    (ValueError, "owner", "a\0b", {}),
    (ValueError, "owner", "\ud800", {}),
    (ValueError, "owner", "root:a\0b", {}),
    (ValueError, "owner", "", {}),
    (ValueError, "owner", ":", {}),
    (TypeError, "owner", 1.5, {}),
    (TypeError, "owner", True, {}),
    (ValueError, "lock_timeout", -1, {}),
    (ValueError, "lock_timeout", float("inf"), {}),
    (ValueError, "lock_timeout", "soon", {}),
    (TypeError, "lock_timeout", None, {}),
    (ValueError, "late_grace", -0.5, {}),
    (ValueError, "late_grace", float("nan"), {}),
    (TypeError, "late_grace", [], {}),
    (ValueError, "spill_bytes", -1, {}),
    (TypeError, "spill_bytes", None, {}),
    (TypeError, "lock_dir", 7, {}),
    (ValueError, "delivery", "later", {}),
    (ValueError, "delivery", "", {}),
    (TypeError, "delivery", True, {}),
    (TypeError, "delivery", None, {}),
    (ValueError, "flush_interval", -0.1, {}),
    (ValueError, "flush_interval", "soon", {}),
    (ValueError, "flush_interval", float("inf"), {}),
    (TypeError, "flush_interval", None, {}),
    (ValueError, "buffer_bytes", 0, {}),
    (ValueError, "buffer_bytes", -1, {}),
    (ValueError, "buffer_bytes", 1.5, {}),
    (TypeError, "buffer_bytes", None, {"delivery": "buffered"}),
    (ValueError, "overflow", "wait", {}),
    (TypeError, "overflow", None, {"delivery": "buffered"}),
    (ValueError, "compress", "zip", {}),
    (ValueError, "compress", "", {}),
    (ValueError, "compress", ".gz", {}),
    (TypeError, "compress", True, {}),
    (TypeError, "compress", 9, {}),
    (ValueError, "compress_level", 10, {"compress": "gz"}),
    (ValueError, "compress_level", -1, {"compress": "gz"}),
    (ValueError, "compress_level", 0, {"compress": "bz2"}),
    (ValueError, "compress_level", 10, {"compress": "bz2"}),
    (ValueError, "compress_level", 10, {"compress": "xz"}),
    (ValueError, "compress_level", 23, {}),
    (ValueError, "compress_level", "best", {"compress": "gz"}),
    (ValueError, "compress_level", 6.5, {"compress": "gz"}),
    (TypeError, "compress_level", True, {"compress": "gz"}),
    (TypeError, "compress_level", [], {}),
    (ValueError, "compress_level", 6, {}),
    (ValueError, "compress_delay", -1, {}),
    (ValueError, "compress_delay", float("inf"), {"compress": "gz"}),
    (ValueError, "compress_delay", "soon", {"compress": "gz"}),
    (TypeError, "compress_delay", None, {}),
    (ValueError, "max_age", -1, {}),
    (ValueError, "max_age", "two weeks", {}),
    (ValueError, "max_age", "1 month", {}),
    (ValueError, "max_age", "", {}),
    (ValueError, "max_age", timedelta(days=-1), {}),
    (ValueError, "max_age", float("nan"), {}),
    (TypeError, "max_age", True, {}),
    (TypeError, "max_age", b"14d", {}),
    (ValueError, "max_total_bytes", "10 parsecs", {}),
    (ValueError, "max_total_bytes", -1, {}),
    (ValueError, "max_total_bytes", 1.5, {}),
    (ValueError, "max_total_bytes", "-10GB", {}),
    (TypeError, "max_total_bytes", True, {}),
    (TypeError, "max_total_bytes", timedelta(days=1), {}),
    (ValueError, "min_free_bytes", "10%", {}),
    (ValueError, "min_free_bytes", "", {}),
    (TypeError, "min_free_bytes", [], {}),
    (ValueError, "on_seal", "", {}),
    (ValueError, "on_seal", "print", {}),
    (ValueError, "on_seal", "no_such_package_here.ship", {}),
    (ValueError, "on_seal", "os.path.no_such_function", {}),
    (ValueError, "on_seal", "os.path.sep", {}),
    (ValueError, "on_seal", "os..path", {}),
    (ValueError, "on_seal", "os.path.join()", {}),
    (TypeError, "on_seal", 5, {}),
    (TypeError, "on_seal", b"os.path.join", {}),
    (ValueError, "fsync", "often", {}),
    (TypeError, "fsync", True, {}),
    (TypeError, "fsync", None, {}),
    (ValueError, "archive", "/mnt/archive", {}),
    (ValueError, "archive", "s3:/bucket", {}),
    (ValueError, "archive", "no-such-scheme://bucket", {}),
    (ValueError, "archive", "s3://", {}),
    (TypeError, "archive", 5, {}),
    (TypeError, "archive_delete", "perhaps", {}),
    (ValueError, "archive_delete", True, {}),
    (ValueError, "archive_delete", "yes", {"archive": ""}),
    (TypeError, "rotate_idle", "perhaps", {}),
    (TypeError, "rotate_idle", None, {}),
    (ValueError, "locking", "flock", {}),
    (TypeError, "locking", None, {}),
    (TypeError, "escape", "perhaps", {}),
    (TypeError, "escape", None, {}),
]


@makers
@delays
@pytest.mark.parametrize(
    ("kind", "parameter", "value", "others"), VALUES, ids=[f"{name}={value!r}" for _, name, value, _ in VALUES]
)
def test_value_that_cannot_be_used(
    tmp_path: Path, make: Make, delay: bool, kind: type[Exception], parameter: str, value: Any, others: dict[str, Any]
) -> None:
    """Each is refused with the right type of error, the parameter, the value and a remedy, also with `delay=True`; nothing is
    created."""
    with pytest.raises(kind) as caught:
        make(tmp_path / "app.log", delay=delay, **{parameter: value, **others})
    check_message(str(caught.value), spelled(make, parameter), value)
    assert isinstance(caught.value, mpfhandler.MpfHandlerError)
    assert tree(tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "parameter", "value"),
    [
        (TypeError, "delay", "perhaps"),
        (TypeError, "delay", 3),
        (ValueError, "terminator", ""),
        (ValueError, "terminator", b""),
        (ValueError, "terminator", b"\xff"),
        (TypeError, "terminator", 5),
        (TypeError, "terminator", None),
        (TypeError, "on_error", 5),
    ],
)
def test_value_that_the_engine_cannot_use(tmp_path: Path, kind: type[Exception], parameter: str, value: Any) -> None:
    """What only the engine has as parameters is checked like the rest."""
    with pytest.raises(kind) as caught:
        engine(tmp_path / "app.log", **{parameter: value})
    check_message(str(caught.value), parameter, value)
    assert isinstance(caught.value, mpfhandler.MpfHandlerError)
    assert tree(tmp_path) == []


@pytest.mark.parametrize("delivery", ["direct", "buffered"])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ValueError, "LOUD"),
        (ValueError, ""),
        (ValueError, -1),
        (ValueError, "-1"),
        (TypeError, None),
        (TypeError, True),
        (TypeError, 40.0),
        (TypeError, []),
    ],
)
def test_level_that_is_none(tmp_path: Path, kind: type[Exception], value: Any, delivery: str) -> None:
    """What only the handler has as a parameter is checked like the rest, with either delivery."""
    with pytest.raises(kind) as caught:
        handler(tmp_path / "app.log", flush_level=value, delivery=delivery)
    check_message(str(caught.value), "flush_level", value)
    assert isinstance(caught.value, mpfhandler.MpfHandlerError)
    assert tree(tmp_path) == []


@makers
@pytest.mark.parametrize(
    ("method", "missing", "remedy"),
    [
        ("zst", ["_zstd", "backports.zstd"], "pip install 'mpfhandler[zstd]'"),
        ("gz", ["zlib"], "another method"),
        ("xz", ["_lzma"], "another method"),
        ("bz2", ["_bz2"], "another method"),
    ],
)
def test_method_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make, method: str, missing: list[str], remedy: str
) -> None:
    """A method whose module is missing is refused at construction; for zst the remedy is the command that installs it."""
    for module in missing:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match="compress=") as caught:
        make(tmp_path / "app.log", compress=method)
    check_message(str(caught.value), "compress", method)
    assert remedy in str(caught.value)
    assert tree(tmp_path) == []


def test_terminator_may_be_bytes_and_delay_text(tmp_path: Path) -> None:
    """Bytes that are text in the encoding, and a configuration file's "False", are no bad input."""
    path = tmp_path / "app.log"
    with engine(path, terminator="\r\n".encode("utf-16-le"), encoding="utf-16-le", delay="False") as log:
        assert path.exists()
        log.write("one")
        log.write("two")
    assert path.read_bytes().decode("utf-16-le") == "one\r\ntwo\r\n"


def check_message(message: str, parameter: str, value: Any) -> None:
    """It names the parameter and the value, and after a semicolon a remedy."""
    assert message.startswith(f"{parameter}={value!r}:"), message
    problem, _, remedy = message.partition("; ")
    assert len(problem) > len(f"{parameter}={value!r}: ")
    assert len(remedy) > 5, message


@pytest.mark.parametrize("value", [0, -1, "zero"])
def test_value_error_of_the_standard_library_is_still_caught(tmp_path: Path, value: Any) -> None:
    """A program that catches ValueError around the constructor catches ours."""
    with pytest.raises(ValueError, match="interval"):
        handler(tmp_path / "app.log", interval=value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"interval": "15", "when": "m"}, ("interval", 900)),
        ({"backupCount": "3"}, ("backupCount", 3)),
        ({"when": "midnight"}, ("when", "MIDNIGHT")),
        ({"when": "w3"}, ("when", "W3")),
        ({"interval": 2.0}, ("interval", 7200)),
        ({"delivery": " Buffered ", "flush_level": "WARNING"}, ("flush_level", 30)),
        ({"flush_level": "critical"}, ("flush_level", 50)),
        ({"flush_level": "35"}, ("flush_level", 35)),
        ({"flush_level": 0}, ("flush_level", 0)),
    ],
)
def test_text_of_a_configuration_file_is_accepted(tmp_path: Path, options: dict[str, Any], expected: tuple[str, Any]) -> None:
    """Numbers as text and names in any case are no bad input."""
    made = handler(tmp_path / "app.log", delay=True, **options)
    assert getattr(made, expected[0]) == expected[1]


@makers
@delays
def test_folder_that_does_not_exist(tmp_path: Path, make: Make, delay: bool) -> None:
    """It is refused, with `mkdir=True` as a remedy, and not created."""
    path = tmp_path / "no" / "such" / "app.log"
    with pytest.raises(FileNotFoundError) as caught:
        make(path, delay=delay)
    message = str(caught.value)
    assert message.startswith(spelled(make, "filename") + "=")
    assert str(path) in message.replace("\\\\", "\\")
    assert "mkdir=True" in message
    assert tree(tmp_path) == []


@makers
@delays
def test_folder_as_filename(tmp_path: Path, make: Make, delay: bool) -> None:
    """A folder is no log; no lock file is created beside it."""
    (tmp_path / "folder").mkdir()
    before = tree(tmp_path)
    with pytest.raises(IsADirectoryError) as caught:
        make(tmp_path / "folder", delay=delay)
    assert spelled(make, "filename") in str(caught.value)
    assert as_shown(str(tmp_path / "folder")) in as_shown(str(caught.value))
    assert tree(tmp_path) == before


@makers
@delays
def test_file_where_a_folder_should_be(tmp_path: Path, make: Make, delay: bool) -> None:
    """`file/app.log` is refused, with `mkdir=True` too."""
    (tmp_path / "file").write_text("")
    before = tree(tmp_path)
    for mkdir in (False, True):
        with pytest.raises(OSError, match="file") as caught:
            make(tmp_path / "file" / "app.log", delay=delay, mkdir=mkdir)
        assert spelled(make, "filename") in str(caught.value)
    assert tree(tmp_path) == before


@makers
@delays
@pytest.mark.parametrize("path", ["", "a\0b", None, 7, ["app.log"], b""])
def test_path_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make, delay: bool, path: Any) -> None:
    """What is no path is refused by a TypeError or an OSError that names the parameter."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TypeError, OSError)) as caught:
        make(path, delay=delay)
    assert str(caught.value).startswith(spelled(make, "filename") + "=")
    assert tree(tmp_path) == []


@makers
@delays
def test_lock_dir_that_does_not_exist(tmp_path: Path, make: Make, delay: bool) -> None:
    """It is refused and not created."""
    with pytest.raises(FileNotFoundError) as caught:
        make(tmp_path / "app.log", delay=delay, lock_dir=tmp_path / "locks")
    assert "lock_dir" in str(caught.value)
    assert as_shown(str(tmp_path / "locks")) in as_shown(str(caught.value))
    assert tree(tmp_path) == []


@pytest.mark.skipif(os.sep != "/", reason="paths of POSIX systems")
@makers
@delays
@pytest.mark.parametrize("path", ["/dev/nosuch/app.log", "/dev/nosuch", "/dev", "/dev/shm", "/proc/app.log", "/proc/self/fd"])
def test_stream_that_does_not_exist(make: Make, delay: bool, path: str) -> None:
    """Below /dev and /proc nothing is created: what is not there, or is a folder, is refused by a message like any other."""
    if not os.path.isdir(os.path.dirname(path)) and path.count("/") == 2:
        pytest.skip("this system has no such folder")
    with pytest.raises(OSError, match="; ") as caught:
        make(path, delay=delay)
    assert str(caught.value).startswith(f"{spelled(make, 'filename')}={path!r}: ")


@makers
@delays
def test_unix_socket_as_filename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make, delay: bool) -> None:
    """A socket's name cannot be opened: refused at once, instead of records that wait for ever."""
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("app.sock")
        before = tree(tmp_path)
        with pytest.raises(OSError, match="Unix socket") as caught:
            make("app.sock", delay=delay)
    check_message(str(caught.value), spelled(make, "filename"), "app.sock")
    assert tree(tmp_path) == before


@makers
@delays
@pytest.mark.parametrize("where", ["loop", "loop/app.log", "there/app.log"])
def test_symbolic_links_in_a_circle(tmp_path: Path, make: Make, delay: bool, where: str) -> None:
    """Symbolic links that lead back to themselves are refused by name."""
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "there").symlink_to("back")
    (tmp_path / "back").symlink_to("there")
    before = tree(tmp_path)
    for mkdir in (False, True):
        with pytest.raises(OSError, match="leads back to itself") as caught:
            make(tmp_path / where, delay=delay, mkdir=mkdir, debug=True)
        check_message(str(caught.value), spelled(make, "filename"), str(tmp_path / where))
    assert tree(tmp_path) == before


@makers
@delays
@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_something_in_the_place_of_the_lock_file(tmp_path: Path, make: Make, delay: bool, kind: str) -> None:
    """What lies under the lock's name and cannot be a lock is refused at once, and left alone."""
    lock = tmp_path / "app.log.lock"
    {"folder": lock.mkdir, "link": lambda: lock.symlink_to("elsewhere"), "fifo": lambda: os.mkfifo(lock)}[kind]()
    before = tree(tmp_path)
    with pytest.raises(OSError, match=r"app\.log\.lock is ") as caught:
        make(tmp_path / "app.log", delay=delay)
    check_message(str(caught.value), spelled(make, "filename"), str(tmp_path / "app.log"))
    assert tree(tmp_path) == before


@makers
@delays
def test_names_that_are_too_long(tmp_path: Path, make: Make, delay: bool) -> None:
    """A name is refused that leaves no room for those of the lock file and the segments, in characters of any width."""
    (tmp_path / "locks").mkdir()
    before = tree(tmp_path)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("x" * 256, {}),
        ("x" * 251, {}),
        ("x" * 240, {"when": "MONTH"}),
        ("\u65e5" * 76, {}),
        ("x" * 239, {"lock_dir": tmp_path / "locks"}),
        ("x" * 300 + "/app.log", {"mkdir": True}),
        ("/".join(["x" * 200] * 21), {"mkdir": True}),
    ]
    for name, options in cases:
        with pytest.raises(OSError, match="too long") as caught:
            make(tmp_path / name, delay=delay, **options)
        check_message(str(caught.value), spelled(make, "filename"), str(tmp_path / name))
    assert tree(tmp_path) == before


@makers
def test_longest_name_works(tmp_path: Path, make: Make) -> None:
    """The longest name that is not refused can be rotated, by a rotator too."""
    path = tmp_path / ("x" * (255 - longest_ending("%Y-%m-%d_%H-%M-%S")))
    log = make(path, when="S")
    segments = log._writer._active.rotation.segments
    assert all(len(os.path.basename(text)) <= 255 for text in islice(segments.targets(Period(0, 1)), 10))
    log.close()
    with pytest.raises(OSError, match="too long"):
        make(f"{path}x", when="S")


def test_link_to_a_stream_is_a_stream(tmp_path: Path) -> None:
    """A log that is a link to /dev/stdout is not rotated where the shell has redirected that to a file."""
    (tmp_path / "folder").symlink_to("/dev")
    (tmp_path / "app.log").symlink_to("folder/stdout")
    code = """
import sys
from mpfhandler import TimedLogFile
log = TimedLogFile(sys.argv[1])
log.write("record")
print(log.rotate(), file=sys.stderr)
"""
    for path in ("app.log", "folder/stdout", "folder/fd/1"):
        with (tmp_path / "out").open("w") as out:
            command = [sys.executable, "-c", code, str(tmp_path / path)]
            done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "False\n")
        assert (tmp_path / "out").read_text() == "record\n"
    assert sorted(os.listdir(tmp_path)) == ["app.log", "folder", "out"]


def test_link_in_shared_memory_is_a_file(tmp_path: Path) -> None:
    """/dev/shm holds regular files, also through a link."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("this system has no /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="mpfhandler-test-") as folder:
        (tmp_path / "link").symlink_to(folder)
        with engine(tmp_path / "link" / "app.log") as log:
            log.write("record")
            assert log.rotate()


UNPRIVILEGED = """
import os, sys
sys.path.insert(0, sys.argv[3])
import _strptime, ctypes, grp, locale, pwd, hashlib
import mpfhandler, mpfhandler._engine.timedlogfile
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
make = {"handler": mpfhandler.MultProcTimedRotatingFileHandler, "engine": mpfhandler.TimedLogFile}[sys.argv[1]]
for options in eval(sys.argv[2]):
    path = options.pop("path")
    try:
        make(path, **options)
    except PermissionError as error:
        print(error)
    else:
        print("accepted", path, options)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may act as another user")
@makers
def test_folder_without_permission(make: Make) -> None:
    """A folder, a log or a `lock_dir` that may not be written to is refused with the remedy; nothing is created."""
    with tempfile.TemporaryDirectory(prefix="mpfhandler-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "locked").mkdir(mode=0o755)
        (folder / "open").mkdir()
        (folder / "open").chmod(0o777)
        (folder / "open" / "roots.log").write_text("")
        (folder / "open" / "roots.log").chmod(0o644)
        before = tree(folder)
        parameter = spelled(make, "filename")
        cases: list[tuple[str, dict[str, Any]]] = [
            (parameter, {"path": str(folder / "locked" / "app.log")}),
            (parameter, {"path": str(folder / "locked" / "deep" / "app.log"), "mkdir": True}),
            (parameter, {"path": str(folder / "open" / "roots.log")}),
            ("lock_dir", {"path": str(folder / "open" / "app.log"), "lock_dir": str(folder / "locked")}),
        ]
        cases += [(name, {**options, "delay": True}) for name, options in cases]
        package = os.path.dirname(os.path.dirname(os.path.abspath(mpfhandler.__file__)))
        kind = "engine" if make is engine else "handler"
        command = [sys.executable, "-c", UNPRIVILEGED, kind, repr([options for _, options in cases]), package]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        messages = done.stdout.splitlines()
        assert len(messages) == len(cases)
        for message, (name_of, options) in zip(messages, cases, strict=True):
            assert message.startswith(f"{name_of}="), message
            assert options.get(name_of, options["path"]) in message
            assert "; " in message
        assert tree(folder) == before


WARNED = """
import os, sys
sys.path.insert(0, sys.argv[3])
import _strptime, ctypes, grp, locale, pwd, hashlib
import mpfhandler, mpfhandler._engine.timedlogfile
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
told = []
if sys.argv[1] == "engine":
    log = mpfhandler.TimedLogFile(sys.argv[2], delay=True, on_error=told.append)
else:
    class Handler(mpfhandler.MultProcTimedRotatingFileHandler):
        def handleError(self, record):
            told.append(sys.exc_info()[1])
    log = Handler(sys.argv[2], delay=True)
print(*told, sep="\\n")
log._writer.write(b"record\\n", 0)
print(log.stats().last_error)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may act as another user")
@makers
def test_log_that_cannot_be_renamed_is_told_at_once(make: Make) -> None:
    """Where the log may be written, but nothing be created beside it, the constructor says that it is never rotated, and the
    first failure says that permission is denied, not that a file is missing."""
    with tempfile.TemporaryDirectory(prefix="mpfhandler-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "app.log").touch()
        (folder / "app.log").chmod(0o666)
        package = os.path.dirname(os.path.dirname(os.path.abspath(mpfhandler.__file__)))
        kind = "engine" if make is engine else "handler"
        command = [sys.executable, "-c", WARNED, kind, str(folder / "app.log"), package]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")
        warning, last = done.stdout.splitlines()
        check_message(warning, spelled(make, "filename"), str(folder / "app.log"))
        assert "never rotated" in warning
        assert "Permission denied" in last
        assert "app.log.lock" in last
        assert (folder / "app.log").read_text() == "record\n"


def full(*_arguments: object) -> int:
    """An operation on a full disk."""
    raise OSError(28, "No space left on device")


def created(path: str, mode: int) -> int:
    """Opening that creates the file and fails then."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, mode))
    return full()


@makers
@pytest.mark.parametrize(
    "entries",
    [
        {"open_append": full, "open_new": full},
        {"open_append": created, "open_new": created},
        {"open_append": created, "open_new": created, "try_lock": full},
        {"open_append": full, "open_new": full, "open_lock": full},
    ],
)
def test_failing_constructor_leaves_nothing(tmp_path: Path, system: Any, make: Make, entries: dict[str, Any]) -> None:
    """Where opening fails only after files and folders were made, they are all removed again: also an empty log and the debug
    file."""
    system(**entries)
    with pytest.raises(OSError, match=r"app\.log|No space left"):
        make(tmp_path / "a" / "b" / "app.log", mkdir=True, debug=True)
    assert tree(tmp_path) == []


def test_folders_that_were_made_for_nothing_go(tmp_path: Path, system: Any) -> None:
    """Where the second folder cannot be made, the first one goes again."""
    system(make_folder=lambda path: os.mkdir(path) if path.endswith("a") else full())
    with pytest.raises(OSError, match=r"app\.log"):
        engine(tmp_path / "a" / "b" / "app.log", mkdir=True)
    assert tree(tmp_path) == []


def test_failing_constructor_leaves_a_log_that_another_writes_to(tmp_path: Path, system: Any) -> None:
    """A log that came into being meanwhile, and to which another process has a lease, stays, empty as it is."""
    others: list[Any] = []

    def refuse(path: str, _mode: int) -> int:
        if not others:
            others.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            import fcntl

            fcntl.flock(others[0], fcntl.LOCK_SH)
        return full()

    system(open_append=refuse, open_new=refuse)
    with pytest.raises(OSError, match="No space left"):
        engine(tmp_path / "app.log")
    os.close(others[0])
    assert os.listdir(tmp_path) == ["app.log"]


def test_failing_constructor_leaves_a_log_that_it_cannot_look_into(tmp_path: Path, system: Any) -> None:
    """P1: where it cannot be told whether anything stands in the log that the constructor made, it is not removed."""
    log = tmp_path / "app.log"
    system(stat_fd=lambda fd: full() if log.exists() else OPERATIONS.stat_fd(fd))
    with pytest.raises(OSError, match="No space left"):
        engine(log, debug=True)
    assert os.listdir(tmp_path) == ["app.log"]


def test_folder_that_another_process_makes_first_is_not_ours(tmp_path: Path, system: Any) -> None:
    """Two processes start at once with `mkdir=True`: who comes second goes on, and removes nothing if it fails later."""

    def make_folder(path: str) -> None:
        os.mkdir(path)
        os.mkdir(path)

    system(make_folder=make_folder)
    engine(tmp_path / "a" / "b" / "app.log", mkdir=True).close()
    assert (tmp_path / "a" / "b" / "app.log").exists()
    system(make_folder=make_folder, open_append=full, open_new=full)
    with pytest.raises(OSError, match="No space left"):
        engine(tmp_path / "c" / "app.log", mkdir=True)
    assert (tmp_path / "c").is_dir()


def test_folder_in_which_something_stands_by_now_stays(tmp_path: Path, system: Any) -> None:
    """P4: of the folders that a failing constructor has made, the ones that somebody else uses by now stay."""

    def refuse(path: str, _mode: int) -> int:
        (tmp_path / "a" / "other").touch()
        return full()

    system(open_append=refuse, open_new=refuse)
    with pytest.raises(OSError, match="No space left"):
        engine(tmp_path / "a" / "b" / "app.log", mkdir=True)
    assert [name for name, *_ in tree(tmp_path)] == ["a", os.path.join("a", "other")]


def test_folder_that_cannot_be_given_away_is_used(tmp_path: Path, system: Any) -> None:
    """P5: an owner that may not be set on a new folder keeps no log from being written."""

    def refuse(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    system(give_folder=refuse, set_owner=lambda *_: None)
    log = engine(tmp_path / "a" / "app.log", mkdir=True, owner=(os.getuid(), os.getgid()))
    log.write("record")
    log.close()
    assert (tmp_path / "a" / "app.log").read_text() == "record\n"


def test_name_that_is_too_long_for_the_folder_of_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`lock_dir` may lie on a file system with shorter names than the log's: that is told before anything is made."""
    locks, real = tmp_path / "locks", os.pathconf
    locks.mkdir()
    monkeypatch.setattr(os, "pathconf", lambda path, name: 20 if str(path) == str(locks) else real(path, name))
    with pytest.raises(OSError, match=r"lock file 'app\.log.*' is longer than 20 bytes"):
        engine(tmp_path / "app.log", lock_dir=locks)
    assert os.listdir(tmp_path) == ["locks"]


@makers
def test_failing_constructor_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    """A lock file and a log that existed before a failing constructor are not touched."""
    (tmp_path / "app.log").write_text("line\n")
    (tmp_path / "app.log.lock").write_text("")
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="when"):
        make(tmp_path / "app.log", when="X")
    assert tree(tmp_path) == before


@makers
def test_constructor_that_cannot_open_the_log_leaves_the_lock_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    """The lock file of processes that log already is not removed by one that fails to open the log."""
    from dataclasses import replace
    from functools import partial

    from mpfhandler._engine import build, timedlogfile

    def refuse(_path: str, _mode: int = 0) -> int:
        raise OSError(28, "No space left on device")

    make(tmp_path / "app.log").close()
    before = tree(tmp_path)
    assert len(before) == 2
    with_table = partial(build.build, ops=replace(OPERATIONS, open_append=refuse, open_existing=refuse))
    monkeypatch.setattr(build, "build", with_table)
    monkeypatch.setattr(timedlogfile, "build", with_table)
    with pytest.raises(OSError, match="No space left"):
        make(tmp_path / "app.log")
    assert tree(tmp_path) == before


def test_errors_survive_a_pickle(tmp_path: Path) -> None:
    """An error of a constructor in another process comes back as the same error."""
    import pickle

    with pytest.raises(mpfhandler.InvalidOption) as caught:
        handler(tmp_path / "app.log", when="X")
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (type(twin), str(twin), twin.parameter, twin.value) == (
        type(caught.value), str(caught.value), "when", "X",
    )  # fmt: skip


def test_unknown_parameter_is_refused(tmp_path: Path) -> None:
    """A misspelt parameter is a TypeError, as of any function, and newer ones are keyword-only."""
    with pytest.raises(TypeError, match="backupcount"):
        handler(tmp_path / "app.log", backupcount=3)
    with pytest.raises(TypeError):
        mpfhandler.MultProcTimedRotatingFileHandler(tmp_path / "app.log", "H", 1, 0, None, True, False, False, NOON)  # type: ignore[misc]
    assert tree(tmp_path) == []


@makers
def test_constructor_that_cannot_look_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    """P1, P4: where the files of the log cannot be looked at, a failing constructor takes none of them for its own."""
    from dataclasses import replace
    from functools import partial

    from mpfhandler._engine import build, timedlogfile

    path = tmp_path / "app.log"
    for name in ("app.log", "app.log.lock", "app.log.debug"):
        (tmp_path / name).write_bytes(b"")
    path.write_bytes(b"records\n")

    def refuse(*_arguments: object) -> Any:
        raise OSError(5, "Input/output error")

    ops = replace(OPERATIONS, stat_link=refuse, stat_fd=refuse, stat_path=refuse)
    with_table = partial(build.build, ops=ops)
    monkeypatch.setattr(build, "build", with_table)
    monkeypatch.setattr(timedlogfile, "build", with_table)
    with pytest.raises(OSError, match="Input/output"):
        make(path, debug=True)
    assert path.read_bytes() == b"records\n"
    assert {"app.log", "app.log.lock", "app.log.debug"} <= set(os.listdir(tmp_path))
