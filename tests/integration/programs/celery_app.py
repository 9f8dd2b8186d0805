"""A Celery application whose tasks log, by each of the ways in which users give Celery's workers a handler (`WORK_SETUP`):

    named           loggers of one's own, configured when the module is imported: before the fork
    process-init    the same in the signal `worker_process_init`: in each worker
    hijack-off      the root logger, at import, with `worker_hijack_root_logger` off
    setup-logging   the root logger in the signal `setup_logging`, which takes all of this from Celery
    after-setup     added to what Celery has set up, in `after_setup_logger` and `after_setup_task_logger`, for task loggers

`celery_app.py send` puts tasks into the queue, and says how many.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Any

import _work
from celery import Celery, signals
from celery.utils.log import get_task_logger

SETUP = os.environ["WORK_SETUP"]
DONE = os.path.join(_work.FOLDER, "done")
WAITING = 12 if _work.PAUSE else 40  # tasks in the queue, at most
LEAST = 40 if _work.PAUSE else 200  # tasks that are sent: workers are recycled
RECORDS = 20 if _work.PAUSE else 300  # of a task, to each log

app = Celery("work", broker=os.environ["WORK_BROKER"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_ignore_result=True,
    task_reject_on_worker_lost=True,
    worker_hijack_root_logger=SETUP != "hijack-off",
    worker_prefetch_multiplier=2,
)
_writers: list[_work.Writer] = []


def handlers() -> list[logging.Handler]:
    """One for each log. It takes Celery's own records, too, but none of the other log's."""
    made = [(log, _work.handler(log)) for log in _work.LOGS]
    for log, handler in made:
        handler.addFilter(lambda record, log=log: record.name == log or record.name.startswith("celery"))  # type: ignore[misc]
    return [handler for _, handler in made]


def add_handlers(logger: logging.Logger, **_signal: Any) -> None:
    """To one that Celery has set up."""
    for handler in handlers():
        logger.addHandler(handler)


def set_up_root(**_signal: Any) -> None:
    """What is logged anywhere gets to these handlers."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    add_handlers(root)


def set_up_named(**_signal: Any) -> None:
    """The signal's receiver."""
    _work.configure()


if SETUP == "named":
    set_up_named()
elif SETUP == "process-init":
    signals.worker_process_init.connect(set_up_named)
elif SETUP == "hijack-off":
    set_up_root()
elif SETUP == "setup-logging":
    signals.setup_logging.connect(set_up_root)
else:
    signals.after_setup_logger.connect(add_handlers)
    signals.after_setup_task_logger.connect(add_handlers)


@signals.worker_process_shutdown.connect
def before_exit(**_signal: Any) -> None:
    """Celery's processes leave by `os._exit` after this. Who does not flush here takes the loss that buffers have then."""
    if SETUP == "process-init":
        _work.dies(os.getpid())
        return
    for writer in _writers:
        writer.flush()


@app.task(name="work.log", bind=True)
def log(self: Any) -> None:
    """Logs, and is done."""
    if not _writers:
        loggers = {name: get_task_logger(name) if SETUP == "after-setup" else logging.getLogger(name) for name in _work.LOGS}
        _writers.extend(_work.Writer(name, logger, "task") for name, logger in loggers.items())
    for _ in range(RECORDS):
        for writer in _writers:
            writer.log()
        time.sleep(_work.PAUSE)
    with open(os.path.join(DONE, self.request.id), "wb"):
        pass


def send() -> int:
    """Tasks, never more than some at a time, until the time is over; how many."""
    until, sent = _work.until(), 0
    while time.time() < until or sent < LEAST:
        if sent - len(os.listdir(DONE)) < WAITING:
            app.send_task("work.log")
            sent += 1
        else:
            time.sleep(0.01)
    return sent


if __name__ == "__main__" and sys.argv[1:] == ["send"]:
    _work.say(send())
