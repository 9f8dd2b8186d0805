"""The parameters of concurrent-log-handler 0.9.31: what each becomes, and which are warned about."""

from __future__ import annotations

import copy
import inspect
import json
import logging
import logging.config
import os
import pickle
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mpfhandler
from mpfhandler import ConcurrentRotatingFileHandler, ConcurrentTimedRotatingFileHandler
from mpfhandler._pure.options import Access, Compression

Closing = Callable[[Any], Any]
KINDS = [ConcurrentRotatingFileHandler, ConcurrentTimedRotatingFileHandler]
both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)

# of concurrent-log-handler 0.9.31, in its order
SIZED = (
    "filename mode maxBytes backupCount encoding debug delay use_gzip owner chmod umask newline terminator "
    "unicode_error_policy lock_file_directory keep_file_open"
)
TIMED = (
    "filename when interval backupCount encoding delay utc atTime errors maxBytes use_gzip owner chmod umask newline "
    "terminator unicode_error_policy lock_file_directory keep_file_open"
)


def write(handler: logging.Handler, text: str) -> None:
    handler.emit(logging.makeLogRecord({"msg": text, "levelno": logging.INFO}))


def options_of(handler: Any) -> Any:
    return handler._writer.options


@pytest.mark.parametrize(("kind", "names"), [(KINDS[0], SIZED), (KINDS[1], TIMED)], ids=["sized", "timed"])
def test_the_positional_parameters_are_in_their_places(kind: type, names: str) -> None:
    """A configuration that gives them by place means the same parameters; everything else is by name."""
    parameters = list(inspect.signature(kind).parameters.values())
    by_place = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert by_place == names.split()
    defaults = {one.name: one.default for one in parameters}
    assert (defaults["terminator"], defaults["unicode_error_policy"], defaults["keep_file_open"]) == ("\n", "ignore", True)


@both
def test_defaults_give_no_warning(kind: Any, tmp_path: Path, closing: Closing) -> None:
    """A handler with nothing but a name is made without a word (a warning is an error here)."""
    handler = closing(kind(tmp_path / "app.log"))
    write(handler, "one")
    assert (tmp_path / "app.log").read_bytes() == b"one\n"
    assert options_of(handler).errors == "ignore"


@both
def test_everything_that_has_a_meaning(kind: Any, tmp_path: Path, closing: Closing) -> None:
    """Each parameter arrives as the option that does it; a list of two, as a YAML file has it, is an owner."""
    ids = os.getuid(), os.getgid()
    handler = closing(
        kind(
            tmp_path / "app.log", maxBytes=1000, backupCount=7, encoding="utf-8", debug=True, delay=True, use_gzip=True,
            owner=[*ids], chmod=0o640, terminator="\r\n", unicode_error_policy="replace",
            lock_file_directory=str(tmp_path / "some" / "locks"),
        )
    )  # fmt: skip
    write(handler, "one")
    options = options_of(handler)
    assert (options.max_bytes, options.backup_count, options.encoding, options.errors) == (1000, 7, "utf-8", "replace")
    assert (options.compression.method, options.debug) == ("gz", True)
    assert (options.access.mode, options.access.uid, options.access.gid) == (0o640, *ids)
    assert stat.S_IMODE((tmp_path / "app.log").stat().st_mode) == 0o640
    assert (tmp_path / "app.log").read_bytes() == b"one\r\n"
    assert [path.suffix for path in (tmp_path / "some" / "locks").iterdir()] == [".lock"]
    assert not (tmp_path / "app.log.lock").exists()


def test_rotated_by_the_clock(tmp_path: Path, closing: Closing) -> None:
    """The timed one rotates as its `when` says, the other one at midnight, or as `when` says."""
    timed = closing(ConcurrentTimedRotatingFileHandler(tmp_path / "a.log", "D", 2, 3, "utf-8", True, True))
    assert (timed.when, timed.interval, timed.backupCount, timed.utc) == ("D", 172_800, 3, True)
    assert not (tmp_path / "a.log").exists()
    sized = closing(ConcurrentRotatingFileHandler(tmp_path / "b.log", "a", 1000, 3))
    assert (sized.when, sized.maxBytes, sized.backupCount) == ("MIDNIGHT", 1000, 3)
    assert not (tmp_path / "b.log").exists()
    assert closing(ConcurrentRotatingFileHandler(tmp_path / "c.log", delay=True, when="h", interval=6)).interval == 6 * 3600


@pytest.mark.skipif(os.sep != "/", reason="files have no such modes on Windows")
@both
def test_a_umask_is_a_mode(kind: Any, tmp_path: Path, closing: Closing) -> None:
    """New files get what the mask leaves; `chmod` counts before it; also as text."""
    for number, (umask, chmod, mode) in enumerate([(0o027, None, 0o640), ("077", None, 0o600), (0o077, 0o644, 0o644)]):
        path = tmp_path / f"{number}.log"
        write(closing(kind(path, umask=umask, chmod=chmod)), "one")
        assert stat.S_IMODE(path.stat().st_mode) == mode


WITHOUT_MEANING: list[tuple[dict[str, Any], str]] = [
    ({"keep_file_open": False}, "keep_file_open=False has no meaning"),
    ({"keep_file_open": "no"}, "keep_file_open='no' has no meaning"),
    ({"mode": "w"}, "mode='w' has no meaning: the log is always appended to"),
    ({"unicode_error_policy": "lax"}, "unicode_error_policy='lax' is taken as 'ignore'"),
    ({"newline": "\r\n"}, "does not change line feeds within it"),
]


@both
@pytest.mark.parametrize(
    ("options", "text"), WITHOUT_MEANING, ids=lambda part: next(iter(part)) if isinstance(part, dict) else ""
)
def test_what_has_no_meaning_is_warned_about(kind: Any, options: dict[str, Any], text: str, tmp_path: Path) -> None:
    """The warning names the parameter and its value, at the line that made the handler; the handler works."""
    with pytest.warns(UserWarning, match=next(iter(options))) as caught:
        handler = kind(tmp_path / "app.log", **options)
    [warning] = caught
    assert text in str(warning.message)
    assert warning.filename == __file__
    write(handler, "one")
    handler.close()
    assert (tmp_path / "app.log").read_bytes().strip() == b"one"


def test_a_size_without_backups_is_warned_about(tmp_path: Path, closing: Closing) -> None:
    """concurrent-log-handler empties the log then; here everything is kept, which is told."""
    with pytest.warns(UserWarning, match=r"backupCount=0 all segments are kept") as caught:
        handler = closing(ConcurrentRotatingFileHandler(tmp_path / "app.log", maxBytes=10))
    assert caught[0].filename == __file__
    for number in range(9):
        write(handler, f"record {number}")
    assert len(list(tmp_path.glob("app.log.2*"))) == 4


@both
def test_ends_of_lines(kind: Any, tmp_path: Path, closing: Closing) -> None:
    """`newline` changes the end of a record as a text file would; an empty terminator is a line feed."""
    ends = [(None, "\n", b"\n"), ("", "\r\n", b"\r\n"), ("\n", "", b"\n"), ("\r\n", "\n", b"\r\n"), ("\r", "|\n", b"|\r")]
    for number, (newline, terminator, expected) in enumerate(ends):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            handler = closing(kind(tmp_path / f"{number}.log", newline=newline, terminator=terminator))
        write(handler, "one")
        assert (tmp_path / f"{number}.log").read_bytes() == b"one" + expected


@both
@pytest.mark.parametrize(
    ("options", "name"),
    [({"umask": 0o777}, "umask"), ({"umask": "x"}, "umask"), ({"umask": True}, "umask"), ({"newline": "\n\r"}, "newline"),
     ({"use_gzip": "perhaps"}, "use_gzip"), ({"keep_file_open": 3}, "keep_file_open"), ({"chmod": 640}, "chmod")],
    ids=lambda part: str(part),
)  # fmt: skip
def test_a_wrong_value_names_its_parameter(kind: Any, options: dict[str, Any], name: str, tmp_path: Path) -> None:
    """As everywhere: ValueError, the parameter's name and value; nothing stays on the disk."""
    with pytest.raises(mpfhandler.InvalidOption, match=rf"^{name}="):
        kind(tmp_path / "app.log", **options)
    assert list(tmp_path.iterdir()) == []


@both
def test_characters_that_the_encoding_does_not_have(kind: Any, tmp_path: Path, closing: Closing) -> None:
    """They are left out, replaced, or the record goes to `handleError`, as with concurrent-log-handler."""
    found = {}
    for policy in ("ignore", "replace", "strict"):
        handler = closing(kind(tmp_path / f"{policy}.log", encoding="ascii", unicode_error_policy=policy))
        failed: list[logging.LogRecord] = []
        handler.handleError = failed.append
        write(handler, "caf\u00e9")
        path = tmp_path / f"{policy}.log"
        found[policy] = path.read_bytes() if path.exists() else b"", len(failed)
    assert found == {"ignore": (b"caf\n", 0), "replace": (b"caf?\n", 0), "strict": (b"", 1)}
    errors = closing(ConcurrentTimedRotatingFileHandler(tmp_path / "e.log", encoding="ascii", errors="backslashreplace"))
    write(errors, "caf\u00e9")
    assert (tmp_path / "e.log").read_bytes() == b"caf\\xe9\n"


NOTHING: list[tuple[dict[str, Any], dict[str, object]]] = [
    ({"maxBytes": -1, "backupCount": -1}, {"max_bytes": 0, "backup_count": 0}),
    ({"owner": []}, {"access": Access()}),
    ({"owner": ()}, {"access": Access()}),
    ({"owner": ""}, {"access": Access()}),
    ({"use_gzip": None, "debug": None, "utc": None}, {"compression": Compression(), "debug": False}),
]


@both
@pytest.mark.parametrize(("given", "found"), NOTHING, ids=lambda part: ",".join(part))
def test_what_means_nothing_there_means_nothing_here(kind: Any, given: Any, found: Any, tmp_path: Path, closing: Closing) -> None:
    """concurrent-log-handler asks whether a value is true, or above zero: what has lived with that starts here."""
    handler = closing(kind(tmp_path / "app.log", **given))
    assert {name: getattr(options_of(handler), name) for name in found} == found
    write(handler, "one")
    assert (tmp_path / "app.log").read_bytes() == b"one\n"


@both
def test_no_word_on_delay(kind: Any, tmp_path: Path, closing: Closing) -> None:
    """None opens the file at the first record, as concurrent-log-handler always does."""
    handler = closing(kind(tmp_path / "app.log", delay=None))
    assert list(tmp_path.iterdir()) == []
    write(handler, "one")
    assert (tmp_path / "app.log").read_bytes() == b"one\n"


@both
def test_our_own_options_count_before_theirs(kind: Any, tmp_path: Path, closing: Closing) -> None:
    """By name everything that `MultProcTimedRotatingFileHandler` takes is taken; two words for one thing are ours."""
    options = {"use_gzip": True, "compress": "xz", "compress_delay": 5, "late_grace": 3, "delivery": "buffered"}
    handler = closing(kind(tmp_path / "app.log", **options))
    found = options_of(handler)
    assert (found.compression.method, found.compression.delay, found.late_grace) == ("xz", 5, 3)
    assert found.delivery.buffered
    with pytest.raises(TypeError, match="no_such_option"):
        kind(tmp_path / "app.log", no_such_option=1)


def test_every_option_of_ours_is_taken() -> None:
    """The list of options for the type checkers is the constructor's: nothing is missing, nothing is left over."""
    ours = set(inspect.signature(mpfhandler.MultProcTimedRotatingFileHandler).parameters)
    source = Path(inspect.getfile(ConcurrentRotatingFileHandler)).read_text()
    listed = {line.split(":")[0].strip() for line in source.split("class More")[1].split("__all__")[0].splitlines()[3:] if line}
    sized = set(inspect.signature(ConcurrentRotatingFileHandler).parameters)
    timed = set(inspect.signature(ConcurrentTimedRotatingFileHandler).parameters)
    assert listed == ours - (sized & timed) - {"when", "interval", "utc", "atTime", "errors"}


@both
def test_copies(kind: Any, tmp_path: Path, closing: Closing) -> None:
    """A pickled one and a copy write to the same log in the same way, without a second warning."""
    with pytest.warns(UserWarning, match="newline"):
        handler = closing(kind(tmp_path / "app.log", newline="\r\n", maxBytes=1 << 20, backupCount=3, umask=0o027))
    for twin in (closing(pickle.loads(pickle.dumps(handler))), closing(copy.copy(handler)), closing(copy.deepcopy(handler))):
        assert type(twin) is kind
        write(twin, "one")
        assert (twin.maxBytes, twin.backupCount, options_of(twin).access.mode) == (1 << 20, 3, 0o640)
    assert (tmp_path / "app.log").read_bytes() == b"one\r\n" * 3


def test_a_subclass_finishes_its_configuration(tmp_path: Path, closing: Closing) -> None:
    """`finalize_handler_configuration` is called once the handler is made, before anything is rotated."""

    class Named(ConcurrentTimedRotatingFileHandler):
        def finalize_handler_configuration(self) -> None:
            super().finalize_handler_configuration()
            self.namer = lambda name: f"{name}.old"

    handler = closing(Named(tmp_path / "app.log"))
    write(handler, "one")
    handler.doRollover()
    assert len(list(tmp_path.glob("app.log.*.old"))) == 1


PROGRAM = """
import json, logging, logging.config, sys
import mpfhandler
assert "mpfhandler._faces.concurrent" not in sys.modules
way, folder = sys.argv[1:]
if way == "dict":
    logging.config.dictConfig({
        "version": 1, "root": {"handlers": ["file"], "level": "INFO"},
        "handlers": {"file": {"class": "mpfhandler.ConcurrentRotatingFileHandler", "filename": folder + "/app.log",
                              "maxBytes": 512, "backupCount": 3, "use_gzip": True, "keep_file_open": True}},
    })
else:
    logging.config.fileConfig(folder + "/logging.ini")
[handler] = logging.getLogger().handlers
logging.warning("line")
print(json.dumps([type(handler).__name__, handler.maxBytes, handler.backupCount]))
"""
INI = """
[loggers]
keys=root
[handlers]
keys=file
[formatters]
keys=
[logger_root]
level=INFO
handlers=file
[handler_file]
class=mpfhandler.ConcurrentTimedRotatingFileHandler
args=('{folder}/app.log', 'D', 1, 3, 'utf-8')
kwargs={{'maxBytes': 512, 'use_gzip': True, 'lock_file_directory': '{folder}/locks'}}
"""


@pytest.mark.parametrize("way", ["dict", "file"])
def test_by_its_dotted_name(way: str, tmp_path: Path) -> None:
    """dictConfig and fileConfig find it, and only then it is imported."""
    (tmp_path / "logging.ini").write_text(INI.format(folder=tmp_path.as_posix()))
    command = [sys.executable, "-W", "error", "-c", PROGRAM, way, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    kind = "ConcurrentRotatingFileHandler" if way == "dict" else "ConcurrentTimedRotatingFileHandler"
    assert json.loads(done.stdout) == [kind, 512, 3]
    assert (tmp_path / "app.log").read_text() == "line\n"
