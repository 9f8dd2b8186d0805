"""Contenders that are not handlers of `logging`: loguru, picologging, and the bare system call as the physical limit."""

from __future__ import annotations

import importlib
import os
from functools import partial
from typing import Any

from .contender import BRACES, DATED, FORMAT, PERCENT, Contender, Service, Setup, Target

__all__ = ["LIMIT", "PEERS"]

LIMIT = "write"
_UNITS = {"S": "seconds", "M": "minutes", "H": "hours", "D": "days", "MIDNIGHT": "days"}
_LINE = b"2026-01-01 00:00:00,000 INFO worker 12 record 123456 of the benchmark.\n"


def _loguru() -> Any:
    """Its one logger, without the sink that it has from the start."""
    logger: Any = importlib.import_module("loguru").logger
    logger.remove()
    return logger


def _sink(logger: Any, setup: Setup, **more: Any) -> Any:
    unit = _UNITS.get(setup.when.upper(), "weeks")
    compression = "gz" if setup.compress else None
    return logger.add(
        setup.path, format=DATED, rotation=f"{setup.interval} {unit}", compression=compression, encoding="utf-8", **more
    )


def _plain(setup: Setup, _shared: Any) -> Target:
    logger = _loguru()
    sink = _sink(logger, setup)
    return Target(logger.info, BRACES, lambda: logger.remove(sink))


def _enqueued(_setup: Setup, shared: Any) -> Target:
    return Target(shared.info, BRACES, shared.complete)


def _writer_thread(setup: Setup) -> Service:
    logger = _loguru()
    sink = _sink(logger, setup, enqueue=True, context="spawn")

    def stop() -> None:
        logger.complete()
        logger.remove(sink)

    return Service(logger, stop)


def _pico(setup: Setup, _shared: Any) -> Target:
    module: Any = importlib.import_module("picologging")
    handler = module.FileHandler(setup.path, encoding="utf-8")
    handler.setFormatter(module.Formatter(FORMAT))
    logger = module.Logger("benchmark", module.INFO)
    logger.addHandler(handler)
    return Target(logger.info, PERCENT, handler.close)


def _write(setup: Setup, _shared: Any) -> Target:
    fd = os.open(setup.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    put = partial(os.write, fd, _LINE)

    def call(*_told: object) -> None:
        put()

    return Target(call, PERCENT, lambda: os.close(fd), bare=put)


PEERS = (
    Contender("loguru", "loguru", "loguru", _plain, module="loguru", rotates=True, compresses=lambda: True),
    Contender(
        "loguru-enqueue",
        "loguru (enqueue)",
        "loguru",
        _enqueued,
        module="loguru",
        serve=_writer_thread,
        rotates=True,
        compresses=lambda: True,
    ),
    Contender("picologging", "picologging.FileHandler", "picologging", _pico, module="picologging"),
    Contender(LIMIT, "bare os.write", None, _write, distinct=False),
)
