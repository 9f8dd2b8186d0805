"""Configuration by the ways that programs have: dictConfig, fileConfig, Django's settings.

Each in a process of its own, because configuring `logging` closes the handlers of everybody else in the process.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

PROLOGUE = """
import json, logging, logging.config, logging.handlers, sys
import mpfhandler
from mpfhandler import MultProcTimedRotatingFileHandler
folder = sys.argv[1]
def the_handler(name=None):
    [handler] = logging.getLogger(name).handlers
    assert type(handler) is MultProcTimedRotatingFileHandler, handler
    return handler
"""

FACTS = """
handler = the_handler(__NAME__)
logging.getLogger(__NAME__).warning("first line")
options = handler._writer.options
public = ("when", "interval", "backupCount", "utc", "delay", "baseFilename", "encoding")
inside = ("max_bytes", "debug", "lock_timeout", "late_grace", "mkdir")
print(json.dumps({key: getattr(handler, key) for key in public} | {key: getattr(options, key) for key in inside}))
"""


def run_python(code: str, folder: Path, prologue: str = PROLOGUE) -> str:
    """Runs `code` in a new interpreter in `folder`; a word on stderr is a failure."""
    command = [sys.executable, "-W", "error", "-c", prologue + textwrap.dedent(code), str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def facts_of(code: str, folder: Path, name: str | None = None) -> dict[str, Any]:
    """Runs a configuration, logs one line through logger `name`, and reads the handler's attributes."""
    found: dict[str, Any] = json.loads(run_python(textwrap.dedent(code) + FACTS.replace("__NAME__", repr(name)), folder))
    return found


def configuration(folder: Path, **options: object) -> dict[str, Any]:
    """A dictConfig dictionary as it comes out of a YAML or JSON file."""
    handler = {"class": "mpfhandler.MultProcTimedRotatingFileHandler", "filename": str(folder / "app.log"), **options}
    return {
        "version": 1,
        "formatters": {"brief": {"format": "%(levelname)s|%(message)s"}},
        "handlers": {"file": {"formatter": "brief", "level": "INFO", **handler}},
        "root": {"level": "DEBUG", "handlers": ["file"]},
    }


def dict_config(folder: Path, **options: object) -> str:
    return f"logging.config.dictConfig({configuration(folder, **options)!r})\n"


def file_config(folder: Path, handler: str) -> str:
    """An ini file with `handler` as the lines of its one handler's section, and the call that reads it."""
    text = f"""
[loggers]
keys=root
[handlers]
keys=file
[formatters]
keys=brief
[logger_root]
level=DEBUG
handlers=file
[formatter_brief]
format=%(levelname)s|%(message)s
[handler_file]
level=INFO
formatter=brief
{textwrap.dedent(handler).strip()}
"""
    (folder / "logging.ini").write_text(text)
    return "logging.config.fileConfig('logging.ini', defaults={'folder': folder})\n"


def lines_of(folder: Path) -> list[str]:
    """All lines of app.log, the oldest segment first."""
    files = [*sorted(folder.glob("app.log.2*")), folder / "app.log"]
    return "".join(path.read_text() for path in files).splitlines()


# --- dictConfig


def test_dict_config(tmp_path: Path) -> None:
    """A dictionary with numbers configures the handler, its level and its formatter."""
    options = {"when": "midnight", "interval": 2, "backupCount": 7, "utc": True, "maxBytes": 1000, "delay": True}
    facts = facts_of(dict_config(tmp_path, **options), tmp_path)
    assert facts["when"] == "MIDNIGHT"
    assert (facts["backupCount"], facts["max_bytes"], facts["utc"], facts["delay"]) == (7, 1000, True, True)
    assert facts["baseFilename"] == str(tmp_path / "app.log")
    assert (tmp_path / "app.log").read_text() == "WARNING|first line\n"


def test_housekeeping_from_text(tmp_path: Path) -> None:
    """Every option of housekeeping can be written as text; a module that `on_seal` names is not imported while logging is
    configured, so a program may name one of its own."""
    (tmp_path / "shipping_of_a_program.py").write_text("raise RuntimeError('imported too early')\n")
    options = {
        "compress": "GZ", "compress_level": "9", "compress_delay": "60", "max_age": "14d", "max_total_bytes": "10 GB",
        "min_free_bytes": "1GiB", "on_seal": "shipping_of_a_program.ship", "fsync": "seal",
        "archive": f"file://{tmp_path}/archive", "archive_delete": "yes", "rotate_idle": "on", "backupCount": "7",
    }  # fmt: skip
    code = (
        dict_config(tmp_path, **options)
        + """
o = the_handler()._writer.options
print(json.dumps([
    o.compression.method, o.compression.level, o.compression.delay, o.retention.max_age, o.retention.max_total_bytes,
    o.retention.min_free_bytes, o.on_seal.name, o.fsync, o.archive.url, o.archive.delete, o.rotate_idle, o.backup_count,
]))
"""
    )
    assert json.loads(run_python(code, tmp_path)) == [
        "gz", 9, 60.0, 14 * 86400.0, 10 * 10**9, 1 << 30, "shipping_of_a_program.ship", "seal", f"file://{tmp_path}/archive",
        True, True, 7,
    ]  # fmt: skip


def test_dict_config_with_numbers_as_text(tmp_path: Path) -> None:
    """Numbers that arrive as text mean the same as numbers."""
    text = {"interval": "2", "backupCount": "7", "maxBytes": "1000", "lock_timeout": "1.5", "late_grace": "3"}
    numbers = {"interval": 2, "backupCount": 7, "maxBytes": 1000, "lock_timeout": 1.5, "late_grace": 3}
    as_text = facts_of(dict_config(tmp_path, when="S", **text), tmp_path)
    as_numbers = facts_of(dict_config(tmp_path, when="S", **numbers), tmp_path)
    assert as_text == as_numbers
    assert (as_text["backupCount"], as_text["max_bytes"]) == (7, 1000)


@pytest.mark.parametrize(("text", "meaning"), [("true", True), ("True", True), ("false", False), ("False", False)])
def test_dict_config_with_truth_values_as_text(text: str, meaning: bool, tmp_path: Path) -> None:
    """The text "false" is not taken for true."""
    facts = facts_of(dict_config(tmp_path, utc=text, debug=text, delay=text), tmp_path)
    assert (facts["utc"], facts["debug"], facts["delay"]) == (meaning, meaning, meaning)
    assert (tmp_path / "app.log.debug").exists() == meaning


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"interval": "two"}, ["interval", "'two'"]),
        ({"backupCount": "-1"}, ["backupCount", "-1"]),
        ({"when": "W7"}, ["when", "'W7'"]),
        ({"debug": "perhaps"}, ["debug", "'perhaps'"]),
        ({"tz": "Nowhere/City"}, ["tz", "'Nowhere/City'"]),
    ],
)
def test_a_wrong_value_is_named(options: dict[str, object], words: list[str], tmp_path: Path) -> None:
    """dictConfig's ValueError has a cause that names the parameter and the value; no file is made."""
    code = f"""
    try:
        logging.config.dictConfig({configuration(tmp_path, **options)!r})
    except ValueError as error:
        print(error.__cause__)
    """
    message = run_python(code, tmp_path)
    for word in words:
        assert word in message
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_of_json_with_every_option(tmp_path: Path) -> None:
    """A file format that knows only text, numbers, truth and null can say everything."""
    options = {
        "when": "H",
        "interval": 6,
        "backupCount": 3,
        "encoding": "utf-8",
        "delay": False,
        "utc": False,
        "debug": True,
        "atTime": None,
        "errors": "backslashreplace",
        "tz": "Asia/Shanghai",
        "maxBytes": 100_000,
        "chmod": "0640",
        "owner": None,
        "mkdir": True,
        "lock_dir": str(tmp_path / "locks"),
        "lock_timeout": 1.0,
        "late_grace": 5,
        "spill_bytes": 65536,
    }
    (tmp_path / "locks").mkdir()
    text = configuration(tmp_path / "made", **options)
    (tmp_path / "logging.json").write_text(json.dumps(text))
    code = """
    from pathlib import Path
    logging.config.dictConfig(json.loads(Path("logging.json").read_text()))
    """
    facts_of(code, tmp_path)
    log = tmp_path / "made" / "app.log"
    assert log.read_text() == "WARNING|first line\n"
    assert log.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in (tmp_path / "locks").iterdir()] != []
    assert not (tmp_path / "made" / "app.log.lock").exists()


def test_configuring_again_keeps_every_record(tmp_path: Path) -> None:
    """Records before and after a second dictConfig stand in one file, and so do those through a handler it closed."""
    code = f"""
    config = {configuration(tmp_path, when="H")!r}
    logging.config.dictConfig(config)
    old = the_handler()
    logging.warning("one")
    logging.config.dictConfig(config)
    logging.warning("two")
    old.handle(logging.makeLogRecord({{"msg": "three", "levelname": "INFO", "levelno": 20}}))
    """
    run_python(code, tmp_path)
    assert (tmp_path / "app.log").read_text() == "WARNING|one\nWARNING|two\nINFO|three\n"


# --- fileConfig


def test_file_config_by_the_short_name(tmp_path: Path) -> None:
    """After `import mpfhandler` the class is found as `handlers.MultProcTimedRotatingFileHandler`, with args."""
    section = """
    class=handlers.MultProcTimedRotatingFileHandler
    args=('%(folder)s/app.log', 'S', 2, 7, 'utf-8')
    """
    facts = facts_of(file_config(tmp_path, section), tmp_path)
    assert (facts["when"], facts["backupCount"], facts["encoding"]) == ("S", 7, "utf-8")
    assert (tmp_path / "app.log").read_text() == "WARNING|first line\n"


def test_file_config_by_its_own_name(tmp_path: Path) -> None:
    """By its dotted name the class is found without an import before, with kwargs of numbers and text."""
    section = """
    class=mpfhandler.MultProcTimedRotatingFileHandler
    kwargs={'filename': '%(folder)s/app.log', 'when': 'm', 'backupCount': '7', 'maxBytes': '1000', 'utc': 'true'}
    """
    without_import = "import logging, logging.config, sys\nfolder = sys.argv[1]\n"
    run_python(file_config(tmp_path, section) + "logging.warning('early')", tmp_path, prologue=without_import)
    assert lines_of(tmp_path) == ["WARNING|early"]
    facts = facts_of(file_config(tmp_path, section), tmp_path)
    assert (facts["when"], facts["backupCount"], facts["max_bytes"], facts["utc"]) == ("M", 7, 1000, True)


def test_file_config_with_the_original_arguments(tmp_path: Path) -> None:
    """All eight arguments of mpfhandler 0.0.2 are taken in their order."""
    section = """
    class=handlers.MultProcTimedRotatingFileHandler
    args=('%(folder)s/app.log', 'D', 1, 7, None, False, True, True)
    """
    facts = facts_of(file_config(tmp_path, section), tmp_path)
    assert (facts["when"], facts["backupCount"], facts["delay"]) == ("D", 7, False)
    assert (facts["utc"], facts["debug"]) == (True, True)
    assert (tmp_path / "app.log.debug").exists()


def test_the_short_name_needs_only_the_import(tmp_path: Path) -> None:
    """The name in `logging.handlers` is the class itself."""
    run_python("assert logging.handlers.MultProcTimedRotatingFileHandler is MultProcTimedRotatingFileHandler", tmp_path)


# --- life


def test_shutdown_and_after(tmp_path: Path) -> None:
    """`logging.shutdown` closes quietly, also twice, and a record after it is kept."""
    code = f"""
    logging.config.dictConfig({configuration(tmp_path, when="S")!r})
    logging.warning("before")
    logging.shutdown()
    logging.warning("after")
    logging.shutdown()
    """
    run_python(code, tmp_path)
    assert lines_of(tmp_path) == ["WARNING|before", "WARNING|after"]


def test_delay_makes_no_file_until_the_first_record(tmp_path: Path) -> None:
    """With `delay` nothing stands on the disk after the configuration, and everything after the first record."""
    code = f"""
    import os
    logging.config.dictConfig({configuration(tmp_path, delay=True)!r})
    assert os.listdir(folder) == [], os.listdir(folder)
    logging.warning("first")
    assert "app.log" in os.listdir(folder)
    """
    run_python(code, tmp_path)


def test_a_queue_listener_writes_through_it(tmp_path: Path) -> None:
    """`respect_handler_level` and a QueueListener's thread work as with any handler."""
    code = """
    import queue
    from logging.handlers import QueueHandler, QueueListener
    records = queue.SimpleQueue()
    handler = MultProcTimedRotatingFileHandler(folder + "/app.log", "S", encoding="utf-8")
    listener = QueueListener(records, handler, respect_handler_level=True)
    listener.start()
    logging.getLogger().addHandler(QueueHandler(records))
    for i in range(100):
        logging.warning("line %d", i)
    listener.stop()
    handler.close()
    """
    run_python(code, tmp_path)
    assert lines_of(tmp_path) == [f"line {i}" for i in range(100)]


# --- Django

DJANGO = """
import warnings
warnings.simplefilter("default")
import django
from django.conf import settings
settings.configure(LOGGING=__LOGGING__, TIME_ZONE=__ZONE__, USE_TZ=True, SECRET_KEY="none")
django.setup()
logging.getLogger("shop.orders").warning("Bestellung \\u20ac 5")
"""


@pytest.mark.skipif(importlib.util.find_spec("django") is None, reason="not installed: django")
@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/Chicago"])
def test_django_settings(zone: str, tmp_path: Path) -> None:
    """Django's LOGGING configures the handler, and the segment is named in the zone that Django sets."""
    config = configuration(tmp_path, when="S", encoding="utf-8")
    config["loggers"] = {"shop": {"handlers": ["file"], "level": "INFO", "propagate": False}}
    config["formatters"]["brief"]["format"] = "%(asctime)s|%(message)s"
    del config["root"]
    code = DJANGO.replace("__LOGGING__", repr(config)).replace("__ZONE__", repr(zone))
    run_python(code + "the_handler('shop').doRollover()\nlogging.getLogger('shop').info('next')\n", tmp_path)
    [segment] = tmp_path.glob("app.log.2*")
    stamp, text = segment.read_text(encoding="utf-8").rstrip("\n").split("|")
    assert text == "Bestellung € 5"
    suffix = re.sub(r"(\S+) (\d+):(\d+):(\d+),\d+", r"\1_\2-\3-\4", stamp)
    assert segment.name == f"app.log.{suffix}"
