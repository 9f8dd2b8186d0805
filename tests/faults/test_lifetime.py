"""Before the first and after the last moment of a handler: after `close()`, and at interpreter shutdown."""

from __future__ import annotations

from pathlib import Path

import pytest
from _support import log_files, make_logger, record_names, run, segment_names, verify


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The path of the log."""
    return tmp_path / "app.log"


def test_a_record_after_close_is_written(log: Path) -> None:
    """P1: `close()` closes the files, a later record opens the log again; closing twice is closing once."""
    logger, handler = make_logger(log)
    logger.info("a-0")
    handler.close()
    handler.close()
    assert handler.stream is None
    logger.info("a-1")
    handler.close()
    verify(log.parent, record_names("a", 2), "S")


def test_a_record_of_an_atexit_function_after_logging_shutdown_is_written(log: Path) -> None:
    """P1, P5: `logging.shutdown` has closed the handler already."""
    code = """
        import atexit
        atexit.register(lambda: logger.info("last-0"))  # before logging registers its own, so it runs after it
        import sys
        from _support import *
        logger, handler = make_logger(sys.argv[1], backupCount=2)
        logger.info("first-0")
        atexit.register(lambda: logger.info("middle-0"))
    """
    run(code, log)
    verify(log.parent, ["first-0", "middle-0", "last-0"])


@pytest.mark.parametrize("delay", [False, True])
def test_a_record_of_a_global_that_dies_with_the_interpreter_is_written(log: Path, delay: bool) -> None:
    """P1, P5: `__del__` of a module's global logs while modules are being taken apart: it is written, without a traceback."""
    code = """
        import sys
        from _support import *

        class Noisy:
            def __init__(self, name, logger):
                self.name, self.logger = name, logger
            def __del__(self):
                self.logger.info(self.name)

        logger, handler = make_logger(sys.argv[1], delay=sys.argv[2] == "True")
        a_global = Noisy("global-0", logger)
        _another = Noisy("global-1", logger)
        if sys.argv[2] == "False":
            logger.info("first-0")
    """
    run(code, log, delay)
    verify(log.parent, ["global-0", "global-1"] + ([] if delay else ["first-0"]))


def test_a_boundary_while_the_interpreter_ends_is_kept(log: Path) -> None:
    """P2, P5: where the period ends while modules are being taken apart, the log is rotated all the same, without a traceback."""
    code = """
        import sys
        from _support import *

        class Noisy:
            def __init__(self, logger):
                self.logger, self.sleep = logger, time.sleep
            def __del__(self):
                self.sleep(1.1)
                self.logger.info("global-0")

        logger, handler = make_logger(sys.argv[1])
        a_global = Noisy(logger)
        logger.info("first-0")
    """
    run(code, log)
    verify(log.parent, ["first-0", "global-0"], "S")
    oldest = (log.parent / f"{log.name}.{segment_names(log.parent)[0]}").read_text()
    assert "first-0" in oldest
    assert "global-0" not in oldest


def test_a_daemon_thread_that_logs_while_the_interpreter_ends_does_no_harm(log: Path) -> None:
    """P5: it is frozen at any instruction; the program ends well and what stands in the log is whole."""
    code = """
        import sys, threading
        from _support import *
        logger, handler = make_logger(sys.argv[1], backupCount=1)

        def work():
            count = 0
            while True:
                logger.info("a-%d", count)
                count += 1

        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.2)
    """
    run(code, log)
    lines = [line for path in log_files(log.parent) for line in path.read_text().splitlines()]
    assert lines
    assert all(len(line.split()) == 2 for line in lines)


def test_a_handler_that_is_dropped_without_close_leaves_no_descriptor(log: Path) -> None:
    """P5: a program that makes handlers and forgets them runs out of nothing."""
    code = """
        import gc, os, sys
        from _support import *
        for number in range(30):
            logger, handler = make_logger(sys.argv[1])
            logger.info("a-%d", number)
            del logger, handler
        gc.collect()
        say(len(os.listdir("/proc/self/fd")))
    """
    assert int(run(code, log)) < 12
    verify(log.parent, record_names("a", 30), "S")
