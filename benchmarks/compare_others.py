"""The less used ones of those that `compare.py` asks, each in the way that its documentation shows.

Two of them cannot be installed beside this package and its tests: the original mpfhandler has the name of our module, and nb-log
asks for another concurrent-log-handler. Each is imported from a folder of its own, which is the first of its processes' path:

    pip install --no-deps --target apart/original mpfhandler==0.0.1
    pip install --target apart/nb nb-log==14.4
"""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import importlib.machinery
import importlib.util
import logging
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compare_log import FORMAT, Log, Wanted, gz, pack, timed_handler

__all__ = ["APART", "NO_INTERVAL", "OTHERS", "earlier", "open_other", "serving_other"]

OTHERS = {
    "original": "the original mpfhandler",
    "nb": "nb-log",
    "logbook": "Logbook",
    "aio": "aiologger",
    "mplog": "multiprocessing-logging",
}
INSTALLED: list[logging.Logger] = []  # multiprocessing-logging's, before the processes are forked, which have it from there
APART = ("original", "nb")
NO_INTERVAL = ("original", "logbook")  # their periods are one second, minute, hour or day
UNITS = {1: "S", 60: "M", 3600: "H"}
STAMPS = {1: "%Y-%m-%d_%H-%M-%S", 60: "%Y-%m-%d_%H-%M", 3600: "%Y-%m-%d_%H"}
# A project's nb_log_config.py. What is said to be absent would write files of its own.
NB_CONFIG = """
LOG_PATH, LOG_FILE_HANDLER_TYPE, LOG_FILE_BACKUP_COUNT = {path!r}, 6, {keep}
PRINT_WRTIE_FILE_NAME = SYS_STD_FILE_NAME = ROOT_LOGGER_FILENAME = ROOT_LOGGER_FILENAME_ERROR = None
AUTO_PATCH_PRINT = SHOW_PYCHARM_COLOR_SETINGS = SHOW_NB_LOG_LOGO = SHOW_IMPORT_NB_LOG_CONFIG_PATH = False
"""


def open_other(peer: str, path: str, wanted: Wanted) -> Log:
    """A process's own."""
    return Log(*_OPENED[peer](path, wanted))


def earlier(peer: str) -> list[str]:
    """Names of closed files, for whom nothing but another day would make any."""
    return [f"2020-01-0{day}.0001.app.log" for day in range(1, 7)] if peer == "nb" else []


@contextmanager
def serving_other(peer: str, path: str, wanted: Wanted) -> Iterator[None]:
    """What has to be there before the processes that log."""
    if peer == "nb":
        folder = Path(path).parent / "project"
        folder.mkdir()
        (folder / "nb_log_config.py").write_text(NB_CONFIG.format(path=str(Path(path).parent), keep=wanted.keep or 1000))
        sys.path.insert(0, str(folder))
    if peer != "mplog":
        yield
        return
    multiprocessing.set_start_method("fork", force=True)  # it wants no other
    logger, handler = logging.Logger("compared"), timed_handler(path, wanted)
    logger.addHandler(handler)
    importlib.import_module("multiprocessing_logging").install_mp_handler(logger)
    INSTALLED.append(logger)
    yield
    logger.handlers[0].close()


class _Respelled(importlib.machinery.SourceFileLoader):
    """A module of Python 2, which Python 3 takes with one line spelled anew."""

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        return super().source_to_code(bytes(data).replace(b"except Exception, e:", b"except Exception as e:"), path)


def _original(path: str, wanted: Wanted) -> tuple[Any, Any]:
    """It has no interval, and deletes nothing: its documentation says so."""
    found = next(Path(folder, "mpfhandler.py") for folder in sys.path if Path(folder, "mpfhandler.py").exists())
    spec = importlib.util.spec_from_file_location("mpfhandler", found, loader=_Respelled("mpfhandler", str(found)))
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler = module.MultProcTimedRotatingFileHandler(path, UNITS[wanted.interval], encoding="utf-8")
    handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.Logger("compared")
    logger.addHandler(handler)
    return logger.info, handler.close


def _nb(path: str, wanted: Wanted) -> tuple[Any, Any]:
    """Its default handler, number 6, for many processes, by day and by size."""
    logger = importlib.import_module("nb_log").get_logger(
        "compared", log_path=str(Path(path).parent), log_filename=Path(path).name, is_add_stream_handler=False,
        formatter_template=logging.Formatter(FORMAT),
    )  # fmt: skip
    return logger.info, _nothing


def _logbook(path: str, wanted: Wanted) -> tuple[Any, Any]:
    """Its names have the time of the file's first record; the times are UTC."""
    module: Any = importlib.import_module("logbook")

    def line(record: Any, handler: Any) -> str:
        return f"{record.time.replace(tzinfo=record.time.tzinfo or dt.timezone.utc).timestamp()!r} {record.message}"

    handler = module.TimedRotatingFileHandler(path, date_format=STAMPS[wanted.interval], backup_count=wanted.keep)
    handler.formatter = line
    handler.push_application()
    return module.Logger("compared").info, handler.close


def _aio(path: str, wanted: Wanted) -> tuple[Any, Any]:
    """A call is over when its task is, as in `await logger.info(…)`."""
    files: Any = importlib.import_module("aiologger.handlers.files")
    handler = files.AsyncTimedRotatingFileHandler(path, files.RolloverInterval.SECONDS, wanted.interval, wanted.keep, "utf-8")
    if wanted.packed:
        handler.namer, handler.rotator = gz, pack
    handler.formatter = importlib.import_module("aiologger.formatters.base").Formatter(FORMAT)
    logger = importlib.import_module("aiologger").Logger(name="compared")
    logger.add_handler(handler)
    loop = asyncio.new_event_loop()

    async def log(text: str) -> None:
        await logger.info(text)

    return lambda text: loop.run_until_complete(log(text)), lambda: loop.run_until_complete(logger.shutdown())


def _mplog(path: str, wanted: Wanted) -> tuple[Any, Any]:
    """What the first process has installed."""
    return INSTALLED[0].info, _nothing


def _nothing() -> None:
    """There is nothing for a process to close."""


_OPENED: dict[str, Callable[[str, Wanted], tuple[Any, Any]]] = {
    "original": _original, "nb": _nb, "logbook": _logbook, "aio": _aio, "mplog": _mplog,
}  # fmt: skip
