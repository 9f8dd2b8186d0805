"""A signal handler that raises, or forks itself, in the middle of the at-fork hooks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from _support import log_files, read_lines, run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

_COMMON = """
    import os, signal, sys, threading
    import mpfhandler
    from _support import *
    PACKAGE = os.path.dirname(mpfhandler.__file__) + os.sep
    sys.unraisablehook = lambda *_: None  # what is raised in a hook goes no further

    class Interrupt(BaseException):
        pass

    def logs(name):
        "Whether another thread can log."
        thread = threading.Thread(target=logger.info, args=(name,), daemon=True)
        thread.start()
        thread.join(30)
        return not thread.is_alive()

    def fork_and_return():
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
"""

_BETWEEN_HOOKS = """
    armed = False

    def own_hook():
        global armed
        if armed:
            armed = False
            signal.raise_signal(signal.SIGUSR1)

    os.register_at_fork(before=own_hook)  # runs after the package's, which is registered later
    logger, handler = make_logger(sys.argv[1], when="D")
    signal.signal(signal.SIGUSR1, lambda *_: fork_and_return())
    logger.info("main-0")
    armed = True
    fork_and_return()
    assert not armed
    assert logs("thread-0")
    logger.info("main-1")
"""

_AT_ANY_POINT = """
    what = sys.argv[2]
    logger, handler = make_logger(sys.argv[1], [], when="D")
    count, reached = 0, False

    def arm(point):
        def trace(frame, event, _argument):
            global count, reached
            if event in {"call", "c_return"} and frame.f_code.co_filename.startswith(PACKAGE):
                count += 1
                if count == point:
                    sys.setprofile(None)
                    reached = True
                    if what == "raises":
                        raise Interrupt
                    fork_and_return()

        global count, reached
        count, reached = 0, False
        sys.setprofile(trace)

    point, going = 1, True
    while going:
        logger.info("before-%d", point)
        arm(point)
        child = os.fork()
        sys.setprofile(None)
        name = "parent" if child else "child"
        if not logs(f"{name}-thread-{point}"):
            say(f"{name}: a thread hangs after point {point}")
            os._exit(2)
        logger.info("%s-%d", name, point)
        if child == 0:
            os._exit(0 if reached else 3)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if ended == 2:
            os._exit(2)
        assert ended in {0, 3}, ended
        going = reached or ended == 0
        point += 1
    say(point - 1)
    sys.stdout.flush()
    os._exit(0)
"""


def test_a_fork_between_the_hooks_of_another_leaves_no_lock_held(tmp_path: Path) -> None:
    """P3: while the program's own hook runs, after ours, a signal handler forks: other threads log on afterwards."""
    run(_COMMON + _BETWEEN_HOOKS, tmp_path / "app.log")
    names = [line.name for line in read_lines(log_files(tmp_path))]
    assert sorted(names) == ["main-0", "main-1", "thread-0"]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["raises", "forks"])
def test_a_signal_at_any_point_of_the_hooks_leaves_no_lock_held(tmp_path: Path, what: str) -> None:
    """P1, P3: wherever it comes in the hooks of a fork, all threads of both processes can log, and nothing is lost or doubled."""
    points = int(run(_COMMON + _AT_ANY_POINT, tmp_path / "app.log", what))
    names = [line.name for line in read_lines(log_files(tmp_path))]
    kinds = ("before", "parent", "child", "parent-thread", "child-thread")
    assert sorted(names) == sorted(f"{kind}-{point}" for kind in kinds for point in range(1, points + 1))
    assert points > 20
