"""One process of the self-test: two threads that log as fast as they are allowed, and sometimes a forked child.

Started by the conductor as `python -m mpfhandler._faces.check.worker JOB`, where JOB is `Job` as JSON. It ends when
the switch says so, at SIGTERM, at its time limit, or when the conductor is gone.
"""

from __future__ import annotations

import dataclasses
import importlib
import logging
import os
import select
import signal
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from typing import Any

from .job import BYTES_PER_TOKEN, Job
from .ledger import DONE, RUNNING, SLOTS, STOP, THREADS, WAIT, Ledger, Switch
from .line import LineFormatter, Recipe, slot_name

__all__ = ["main"]

_PACE_EVERY = 32  # records between two looks at the clock


def main(arguments: list[str]) -> int:
    job = Job.from_json(arguments[0])
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12+: a fork beside threads, which is the point here
    wish = _Wish()
    signal.signal(signal.SIGTERM, wish.on_signal)  # before there is a ledger: who has one ends in good order
    return _Worker(job, wish).run()


class _Wish:
    """That the process should end. Set by any thread or a signal, only ever to True: no lock guards it."""

    def __init__(self) -> None:
        self.granted = False

    def on_signal(self, _number: int, _frame: object) -> None:
        self.granted = True


class _Worker:
    """The process: its logger, its ledger, its child. Each thread writes words of its own in the ledger."""

    def __init__(self, job: Job, wish: _Wish) -> None:
        self._job, self._wish = job, wish
        self._switch = Switch.join(job.ledgers)
        self._ledger = Ledger(job.ledgers, job.writer)
        self._logger = _logger(job)
        self._limit = time.monotonic() + job.limit
        self._child = 0
        self._failed = False

    def run(self) -> int:
        self._ledger.state(RUNNING)
        while self._switch.position() == WAIT and not self._over():
            time.sleep(0.005)
        others = [threading.Thread(target=self._log, args=(number,)) for number in range(1, THREADS)]
        for other in others:
            other.start()
        self._log(0)
        for other in others:
            other.join()
        self._reap()
        return self._end()

    def _end(self) -> int:
        logging.shutdown()
        _complain(self._logger)
        self._ledger.state(DONE)
        return 1 if self._failed else 0

    def _log(self, thread: int) -> None:
        try:
            self._records(thread)
        except BaseException:  # a logging call must not raise (P5): say so, and end the process with a failure
            self._failed = self._wish.granted = True
            raise

    def _records(self, thread: int) -> None:
        job, recipe, pace = self._job, Recipe(self._job.seed, self._job.size), _Pace(self._job.rate)
        counts, clock = [0] * SLOTS, time.perf_counter_ns
        while not self._wish.granted and self._switch.position() != STOP:
            doomed = self._switch.doomed(job.number)
            place = thread + THREADS * doomed
            number = counts[place] = counts[place] + 1
            slot = slot_name(self._job.writer, place)
            payload = recipe.payload(slot, number)
            before = clock()
            self._logger.info(f"{slot} {number}", payload)  # noqa: G004  the text is an identity, not a message
            self._ledger.acknowledge(place, number, clock() - before)
            pace.spend(1 + len(payload) / BYTES_PER_TOKEN)
            if number % _PACE_EVERY == 0:
                self._over()
                pace.wait(hurry=doomed)
            if number == job.fork_at and place == 0:
                self._fork()

    def _over(self) -> bool:
        if sys.platform == "win32":
            raise NotImplementedError
        lifeline = select.poll()  # a new one each time: two threads must not wait on the same
        lifeline.register(self._job.lifeline, select.POLLIN)
        if lifeline.poll(0) or time.monotonic() > self._limit:
            self._wish.granted = True
        return self._wish.granted

    def _fork(self) -> None:
        """A child that logs on through the inherited handler, with one thread and a name of its own."""
        if sys.platform == "win32":
            raise NotImplementedError
        self._child = os.fork()
        if self._child:
            return
        code = 1
        try:
            code = self._as_child()
        finally:
            os._exit(code)  # never back into the parent's frames

    def _as_child(self) -> int:
        self._job = dataclasses.replace(self._job, writer=self._job.writer + "c", fork_at=0)
        self._ledger = Ledger(self._job.ledgers, self._job.writer)
        self._child = 0
        self._ledger.state(RUNNING)
        try:
            self._log(0)
        except BaseException as error:  # the caller leaves by _exit, which prints nothing
            sys.excepthook(type(error), error, error.__traceback__)
            raise
        return self._end()

    def _reap(self) -> None:
        if self._child:
            os.waitpid(self._child, 0)


@dataclass
class _Pace:
    """Keeps one thread to `rate` tokens a second; one that fell behind does not make up for more than a moment."""

    rate: float
    _spent: float = 0.0
    _since: float = dataclasses.field(default_factory=time.monotonic)

    def spend(self, tokens: float) -> None:
        self._spent += tokens

    def wait(self, *, hurry: bool) -> None:
        ahead = self._since + self._spent / self.rate - time.monotonic()
        if hurry or ahead < -0.25:
            self._since, self._spent = time.monotonic(), 0.0
        elif ahead > 0:
            time.sleep(ahead)


def _logger(job: Job) -> logging.Logger:
    module, _, name = job.factory.partition(":")
    warnings.filterwarnings("ignore", ".* each record is written under the rotation lock", RuntimeWarning)  # the report names it
    handler: logging.Handler = getattr(importlib.import_module(module), name)(job.log, when=job.when, interval=job.interval)
    handler.setFormatter(LineFormatter())
    logger = logging.getLogger("mpfhandler.check")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    return logger


def _complain(logger: logging.Logger) -> None:
    """What the handler itself counted as lost or failed goes to stderr, where the conductor reads it."""
    handler: Any = logger.handlers[0]
    if not hasattr(handler, "stats"):  # another handler than ours, for comparison
        return
    stats = handler.stats()
    if stats.lost or stats.last_error:
        print(f"handler: lost={stats.lost} last_error={stats.last_error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
