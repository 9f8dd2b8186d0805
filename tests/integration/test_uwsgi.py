"""A real uWSGI: four workers log to one file that is rotated every second and compressed, reloaded, then stopped. (Full load, and
workers that are killed, are in test_web_servers.py.)

uWSGI before 2.0.27 runs no threads of a program unless it is told to (`pip install "uwsgi<2.0.27"` has that tested, and the
environment variable MPFHANDLER_UWSGI names another program than the one beside this interpreter); newer ones always do.
It forks without telling Python.
"""

from __future__ import annotations

import gzip
import http.client
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import pytest
from _servers import UWSGI as PROGRAM
from _servers import free_port

import mpfhandler

if TYPE_CHECKING:
    from typing_extensions import Self

pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="not installed: uwsgi")]

WORKERS, CLIENTS, REQUESTS = 4, 3, 50
PATIENCE = 20.0  # seconds; only a failing test, or a machine with too much to do, waits that long
VARIANTS = {
    "default": ([], signal.SIGINT),
    "enable-threads": (["--enable-threads"], signal.SIGQUIT),
    "lazy-apps": (["--enable-threads", "--lazy-apps"], signal.SIGINT),
}
SEAL = ["--when", "S", "--compress", "gz", "--compress-delay", "0", "--late-grace", "1"]
LINE = re.compile(rb"(\d+\.\d+) (\d+) (GET|LOAD) /(\d+)")
SEGMENT = re.compile(r"app\.log\.(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)(\.gz)?")

APPLICATION = """
import logging, os, sys, time
import uwsgi
from mpfhandler import MultProcTimedRotatingFileHandler

handler = MultProcTimedRotatingFileHandler(os.environ["LOG"], when="S", compress="gz", compress_delay=0, late_grace=1.0)
handler.setFormatter(logging.Formatter("%(created)r %(process)d %(message)s"))
log = logging.getLogger("application")
log.propagate = False
log.addHandler(handler)
log.setLevel(logging.INFO)
log.info("LOAD /0")
time.sleep(0.2)
tasks = "/proc/self/task"
print("threads", len(os.listdir(tasks)) if os.path.isdir(tasks) else 1, "in", uwsgi.worker_id(), file=sys.stderr, flush=True)

def application(environ, start_response):
    log.info("GET %s", environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


def wait_until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


class Server:
    """One uWSGI with its workers, serving the application above. Leaving it kills what is left of it."""

    def __init__(self, folder: Path, options: list[str]) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir()
        (folder / "application.py").write_text(APPLICATION)
        self.port = free_port()
        source = Path(mpfhandler.__file__).parents[1]
        assert PROGRAM is not None
        command = [PROGRAM, "--master", "--processes", str(WORKERS), "--http-socket", f"127.0.0.1:{self.port}"]
        command += ["--wsgi-file", "application.py", "--disable-logging", "--need-app", *options]
        self._output = folder / "server.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "LOG": str(self.logs / "app.log"), "PYTHONPATH": str(source)},
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    @property
    def output(self) -> str:
        """What it and the application have printed."""
        return self._output.read_text(errors="replace")

    @property
    def threads(self) -> bool:
        """Whether it runs threads of the application."""
        return "python threads support enabled" in self.output

    @property
    def loaded(self) -> int:
        """How often the application has been loaded. uWSGI itself forgets a signal to a worker that is still at it."""
        return self.output.count("WSGI app 0 ")

    def get(self, number: int) -> int | None:
        """One request; the worker that has answered, None if none has."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", f"/{number}")
            answer = connection.getresponse()
            return int(answer.read()) if answer.status == 200 else None
        except OSError:
            return None
        finally:
            connection.close()

    def names(self) -> set[str]:
        """The files beside the log, hidden ones, too."""
        return set(os.listdir(self.logs))

    def segments(self) -> set[str]:
        """The closed segments."""
        return {name for name in self.names() if SEGMENT.fullmatch(name)}

    def plain(self) -> set[str]:
        """Those that are not compressed."""
        return {name for name in self.segments() if not name.endswith(".gz")}

    def leases_of_master(self) -> list[str]:
        """The locks on files that the master has, where the system tells."""
        locks = Path("/proc/locks")
        return re.findall(rf"FLOCK +ADVISORY +\w+ +{self.process.pid} .*", locks.read_text()) if locks.exists() else []


@contextmanager
def clients(server: Server) -> Iterator[dict[int, int | None]]:
    """Requests from several clients at once, until the block ends and all are answered; who has answered which."""
    answers: dict[int, int | None] = {}
    ending = threading.Event()

    def ask(first: int) -> None:
        for number in itertools.count(first, CLIENTS):
            answers[number] = server.get(number)
            if ending.wait(0.01):
                return

    with ThreadPoolExecutor(CLIENTS) as pool:
        futures = [pool.submit(ask, first) for first in range(1, CLIENTS + 1)]
        try:
            yield answers
        finally:
            ending.set()
        for future in futures:
            future.result()


def count(server: Server) -> Counter[int]:
    """The requests' records in all files; each line is whole, and in the file of its own second."""
    found: Counter[int] = Counter()
    for name in sorted(server.names() - {"app.log.lock"}):
        segment = SEGMENT.fullmatch(name)
        assert segment or name == "app.log", name
        data = (server.logs / name).read_bytes()
        *lines, rest = (gzip.decompress(data) if name.endswith(".gz") else data).split(b"\n")
        assert rest == b"", name
        periods = set()
        for line in lines:
            parts = LINE.fullmatch(line)
            assert parts, (name, line)
            periods.add(time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(float(parts[1]))))
            found[int(parts[4])] += parts[3] == b"GET"
        assert periods == {segment[1]} if segment else len(periods) <= 1, (name, periods)
    return found


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_each_answered_request_is_logged_once(variant: str, tmp_path: Path) -> None:
    """P1, P2: over rotations, compression by the workers, a reload and the end; what no thread could do, the command does. The
    master keeps no segment and runs no thread: it would fork its workers in the middle of one."""
    options, stop = VARIANTS[variant]
    with Server(tmp_path, options) as server:
        loaders = WORKERS if variant == "lazy-apps" else 1
        wait_until(lambda: server.loaded == loaders and server.get(0), "no answer")
        with clients(server) as answers:
            wait_until(lambda: len(answers) > REQUESTS and server.segments(), "too few answers")
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "binary reloading" in server.output, "no reload")
            before = set(answers.values())
            wait_until(lambda: len(set(answers.values()) - before) > 1, "no worker of after the reload has answered")
            wait_until(lambda: len(server.segments()) > 2, "not rotated")
            wait_until(lambda: server.loaded == 2 * loaders, "not loaded again")
        assert sum(answer is None for answer in answers.values()) <= CLIENTS, answers

        if server.threads:
            wait_until(lambda: not server.plain(), "segments that no worker compresses")
        else:
            assert not any(name.endswith(".gz") for name in server.names())
        if variant != "lazy-apps":
            assert re.findall(r"threads (\d+) in 0", server.output) == ["1", "1"]
        assert server.leases_of_master() == []

        server.process.send_signal(stop)
        assert server.process.wait(PATIENCE) == 0, server.output
        assert not re.search(r"Traceback|Logging error|Fatal|Segmentation|DAMN", server.output), server.output

        command = [sys.executable, "-m", "mpfhandler", "seal", str(server.logs / "app.log"), *SEAL]
        time.sleep(max(0.0, 2.1 - (time.time() - (server.logs / "app.log").stat().st_mtime)))
        sealed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (sealed.returncode, sealed.stderr) == (0, "")
        assert server.plain() == set()
        found = count(server)
    assert {number for number in answers if answers[number]} <= set(found)
    assert {number: times for number, times in found.items() if times != 1 and number} == {}
    assert set(found) <= set(answers) | {0}
