"""A real Celery with a real Redis: four prefork workers whose tasks log, recycled, killed and shut down."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from _programs import LOAD, PATIENCE, PROGRAMS, QUICK, Run, Scale, count, dies, started, wait_until

REDIS = shutil.which("redis-server")
MISSING = [name for name in ("celery", "redis") if importlib.util.find_spec(name) is None]
MISSING += [] if REDIS else ["redis-server"]

pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")]

NAMED = ("named", "process-init")  # Celery's own records go elsewhere
SETUPS = [
    pytest.param("setup-logging", QUICK, id="setup-logging-quick"),
    *(
        pytest.param(setup, LOAD, id=f"{setup}-load", marks=pytest.mark.load)
        for setup in (*NAMED, "hijack-off", "setup-logging", "after-setup")
    ),
]
OTHERS = "[A-Za-z].*"  # how Celery's own records begin; ours do with a number


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of our own; its URL."""
    assert REDIS is not None
    folder = tmp_path_factory.mktemp("redis")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [REDIS, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--appendonly", "yes"]
    with (folder / "output.txt").open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            wait_until(lambda: b"Ready to accept" in (folder / "output.txt").read_bytes(), "redis-server does not start")
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.kill()


@dataclass(frozen=True)
class Celery:
    """A worker and who sends tasks, both running."""

    worker: Run
    client: Run

    @property
    def done(self) -> int:
        """How many tasks are."""
        return len(os.listdir(self.worker.folder / "done"))

    def children(self) -> list[int]:
        """Its processes that are alive and have logged."""
        names = (self.worker.folder / "acknowledged").glob("buffered.*-task-*")
        return [pid for pid in {int(path.name.split(".")[1].split("-")[0]) for path in names} if is_alive(pid)]

    def finish(self) -> int:
        """Wait until all tasks are sent and done; how many."""
        sent = int(self.client.wait().splitlines()[-1])
        wait_until(lambda: self.done >= sent, f"of {sent} tasks not all are done: {self.worker.output}")
        return sent

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """The worker, and wait for it. SIGTERM lets tasks that are begun go on to their end."""
        self.worker.process.send_signal(how)
        assert self.worker.process.wait(PATIENCE) == 0, self.worker.output
        assert not re.search(r"Logging error|Exception ignored|Fatal Python", self.worker.output), self.worker.output


def is_alive(pid: int) -> bool:
    """Whether it is; one that nobody has waited for yet is not asked about here."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def celery(folder: Path, broker: str, setup: str, scale: Scale, *options: str) -> Iterator[Celery]:
    """Four workers, with these options of Celery's."""
    (folder / "done").mkdir()
    (folder / "client").mkdir()
    variables = {"WORK_SETUP": setup, "WORK_BROKER": f"{broker}/{abs(hash(folder)) % 16}"}
    command = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--pool", "prefork", "--concurrency", "4"]
    command += ["--loglevel", "INFO", *options]
    send = [sys.executable, str(PROGRAMS / "celery_app.py"), "send"]
    with started(folder, command, scale, **variables) as worker:
        wait_until(
            lambda: "ready." in worker.output or worker.process.poll() is not None or logs_of(folder), "Celery does not start"
        )
        with started(folder / "client", send, scale, **variables, WORK_FOLDER=str(folder)) as client:
            yield Celery(worker, client)


def logs_of(folder: Path) -> bool:
    """Whether Celery says in the log itself that it is ready."""
    log = folder / "direct.log"
    return log.exists() and any(b" ready." in path.read_bytes() for path in folder.glob("direct.log*") if path.suffix != ".lock")


@pytest.mark.parametrize(("setup", "scale"), SETUPS)
def test_recycled_workers(setup: str, scale: Scale, broker: str, tmp_path: Path) -> None:
    """P1, P2: workers that are replaced after some tasks, and a warm shutdown: by whatever way Celery got the handler. They leave
    by `os._exit`, which costs no buffered record where the signal before that has the handlers flushed. Where Celery logs through
    the same handler, each task's end is in both logs once."""
    with celery(tmp_path, broker, setup, scale, "--max-tasks-per-child", "6" if scale is QUICK else "40") as running:
        sent = running.finish()
        running.stop()
    accounts = count(tmp_path, scale, kinds=["task"], others=None if setup in NAMED else OTHERS)
    for log, account in accounts.items():
        assert len(account.acknowledged) > 4, f"{log}: no worker was replaced"
        succeeded = re.findall(r"Task work\.log\[(\S+)\] succeeded", "\n".join(account.others))
        assert len(succeeded) == len(set(succeeded)) == (0 if setup in NAMED else sent), log


@pytest.mark.load
def test_workers_that_are_killed(broker: str, tmp_path: Path) -> None:
    """P1, P2: children get a SIGKILL in the middle of their tasks, which others do again; then a warm shutdown."""
    with celery(tmp_path, broker, "named", LOAD) as running:
        for _ in range(4):
            wait_until(lambda: len(running.children()) >= 4, "fewer than four children log")
            time.sleep(1)
            victim = max(running.children())
            dies(tmp_path, victim)
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda victim=victim: not is_alive(victim), "Celery does not notice that its child is dead")
        running.finish()
        running.stop()
    count(tmp_path, LOAD, kinds=["task"], deaths=4)


@pytest.mark.load
def test_cold_shutdown(broker: str, tmp_path: Path) -> None:
    """P1, P2: a SIGQUIT in the middle: the workers get a SIGTERM while they log."""
    with celery(tmp_path, broker, "named", LOAD) as running:
        wait_until(lambda: running.client.process.poll() is not None or running.done > 100, "no task is done")
        time.sleep(LOAD.seconds / 2)
        wait_until(lambda: len(running.children()) >= 4, "fewer than four children log")
        for pid in running.children():
            dies(tmp_path, pid)
        running.stop(signal.SIGQUIT)
    count(tmp_path, Scale(LOAD.seconds / 2, LOAD.interval, LOAD.pause), kinds=["task"], deaths=4)
