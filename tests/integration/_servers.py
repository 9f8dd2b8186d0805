"""Web servers on loopback, a client that knows which requests were answered, and the count of what stands in the logs.

The applications are the examples; client and count are those of `examples/django_gunicorn`. All have four workers and rotate
every two seconds. Each request logs one or two records that carry the request's own number.
"""

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import mpfhandler

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES / "django_gunicorn"))

from load import Account, Load  # noqa: E402
from verify import Verdict, inspect  # noqa: E402

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "AB", "CONNECTIONS", "OURS", "PROGRAMS", "UWSGI", "WORKERS", "Account", "Load", "Outcome", "Program", "Server", "Trouble",
    "bombard", "free_port", "inspect", "kept", "serve", "warm_up",
]  # fmt: skip

OURS = "mpfhandler.MultProcTimedRotatingFileHandler"
WORKERS = 4
CONNECTIONS = 8
PATIENCE = 120.0  # seconds; only a failing test, or a machine with too much to do, waits that long
MOVED = ".moved"

AB = shutil.which("ab")
_BESIDE = Path(sys.executable).with_name("uwsgi")
UWSGI = os.environ.get("MPFHANDLER_UWSGI") or (str(_BESIDE) if _BESIDE.exists() else shutil.which("uwsgi"))


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass(frozen=True)
class Program:
    """A server with an application.

    Args:
        name: both, for a person.
        example: the folder of the application.
        command: the server's command line; `{port}` is the port.
        needs: the modules without which it cannot run.
        access: whether the server's own records of requests go to `access.log` through the handler.
        respawns: whether it replaces a worker that was killed.
    """

    name: str
    example: str
    command: tuple[str, ...]
    needs: tuple[str, ...]
    access: bool = True
    respawns: bool = True

    @property
    def missing(self) -> list[str]:
        """What is not installed of it."""
        modules = [name for name in self.needs if name != "uwsgi" and importlib.util.find_spec(name) is None]
        return [*modules, *(["uwsgi"] if "uwsgi" in self.needs and UWSGI is None else [])]

    @property
    def kinds(self) -> list[str]:
        """The records of the application for each request."""
        return ["served"] if self.example == "django_gunicorn" else ["begun", "served"]


def _gunicorn(worker: str, example: str, *options: str) -> Program:
    framework = example.split("_", maxsplit=1)[0]
    command = (sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--worker-class", worker, *options)
    needs = ("gunicorn", framework, *(["gevent", "packaging"] if worker == "gevent" else []))
    name = " ".join([f"gunicorn {worker}", *(option for option in options if option == "--preload")])
    return Program(f"{name}, {_LABELS[framework]}", example, command, needs)


def _uwsgi(example: str, application: str, *options: str) -> Program:
    """It closes the connection after each answer, and says so only if told to; and does not know its virtual environment."""
    framework = example.split("_", maxsplit=1)[0]
    command = [
        UWSGI or "uwsgi",
        "--http-socket",
        "127.0.0.1:{port}",
        "--master",
        "--processes",
        str(WORKERS),
        "--module",
        application,
    ]
    command += ["--disable-logging", "--need-app", "--die-on-term", "--add-header", "Connection: close", *options]
    command += ["--home", sys.prefix] if sys.prefix != sys.base_prefix else []
    name = " ".join(["uWSGI", *(option for option in options if option.startswith("--"))])
    return Program(f"{name}, {_LABELS[framework]}", example, tuple(command), ("uwsgi", framework), access=False)


def _module(name: str, example: str, *options: str, respawns: bool = True, access: bool = True) -> Program:
    framework = example.split("_", maxsplit=1)[0]
    command = (sys.executable, "-m", name, *options)
    return Program(f"{name}, {_LABELS[framework]}", example, command, (name, framework), access=access, respawns=respawns)


_LABELS = {"django": "Django", "flask": "Flask", "fastapi": "FastAPI"}
_DJANGO, _FLASK, _FASTAPI = "django_gunicorn", "flask_gunicorn", "fastapi_uvicorn"
# So many seconds a worker may take for its start at a reload, and a killed one may pass for one that is busy.
_UVICORN = ("--workers", str(WORKERS), "--port", "{port}", "--timeout-worker-healthcheck")
_GRANIAN = ("--workers", str(WORKERS), "--port", "{port}", "--respawn-failed-workers", "--respawn-interval", "0.5")
_GRANIAN_ACCESS = ("--access-log", "--access-log-fmt", "%(method)s %(path)s %(protocol)s %(status)d")
_ASGI_ACCESS = ("--workers", str(WORKERS), "--access-logfile", "-", "--access-logformat", "%(m)s %(U)s %(H)s %(s)s", "app:app")

PROGRAMS: dict[str, Program] = {
    "gunicorn-sync-django": _gunicorn("sync", _DJANGO),
    **{
        f"gunicorn-{worker}{'-preload' * bool(preload)}-flask": _gunicorn(worker, _FLASK, *preload)
        for worker in ("sync", "gthread", "gevent")
        for preload in ((), ("--preload",))
    },
    "gunicorn-asgi-fastapi": _gunicorn("asgi", _FASTAPI, *_ASGI_ACCESS),
    "uwsgi-flask": _uwsgi(_FLASK, "app:app"),
    "uwsgi-threads-flask": _uwsgi(_FLASK, "app:app", "--enable-threads", "--threads", "2"),
    "uwsgi-django": _uwsgi(_DJANGO, "project.wsgi", "--enable-threads"),
    "uvicorn-fastapi": _module("uvicorn", _FASTAPI, *_UVICORN, "15", "app:app"),
    "uvicorn-django": _module("uvicorn", _DJANGO, *_UVICORN, "60", "project.asgi:application", access=False),
    "hypercorn-fastapi": _module(
        "hypercorn", _FASTAPI, "-c", "file:hypercorn.conf.py", "--bind", "127.0.0.1:{port}", "app:app", respawns=False
    ),
    "granian-fastapi": _module("granian", _FASTAPI, "--interface", "asgi", *_GRANIAN, *_GRANIAN_ACCESS, "app:app"),
    "granian-flask": _module("granian", _FLASK, "--interface", "wsgi", *_GRANIAN, "app:app", access=False),
}


class Server:
    """A program that runs; leaving it ends what is left of it.

    Args:
        program: which.
        logs: an empty folder.
        handler: the handlers' class.
    """

    def __init__(self, program: Program, logs: Path, handler: str = OURS) -> None:
        self.program = program
        self.port = free_port()
        self._output = Path(f"{logs}.out")
        source = str(Path(mpfhandler.__file__).parents[1])
        environment = {**os.environ, "TZ": os.environ.get("TZ", "UTC"), "DEMO_LOGS": str(logs), "DEMO_HANDLER": handler}
        environment["PYTHONPATH"] = os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [part.format(port=self.port) if "{port}" in part else part for part in program.command]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=EXAMPLES / program.example, env=environment, stdout=output, stderr=output,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> Self:
        try:
            self._wait_for(self._listens, "it does not listen")
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._kill()

    @property
    def output(self) -> str:
        """What it and the application have printed."""
        return self._output.read_text(errors="replace")

    def stop(self) -> None:
        """Ask it to end, as an init system does, and wait until it has."""
        self.process.terminate()
        self.process.wait(PATIENCE)

    def owns(self, pid: int) -> bool:
        """Whether a process is one of this server's that lives."""
        try:
            return os.getpgid(pid) == self.process.pid
        except ProcessLookupError:
            return False

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def _wait_for(self, true: Callable[[], object], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < end, f"{what}\n{self.output}"
            time.sleep(0.02)

    def _kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


@dataclass
class Trouble:
    """What is done to a server under load. Each method returns when its effect is seen by the client."""

    server: Server
    load: Load
    logs: Path
    killed: list[int] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)

    def run(self, events: Sequence[str]) -> None:
        """These methods, one after the other."""
        for event in events:
            getattr(self, event)()

    def kill(self) -> None:
        """SIGKILL for the worker that has answered last."""
        before = self.load.workers
        while not self.load.broken:
            victim = self.load.latest
            if self.server.owns(victim):
                os.kill(victim, signal.SIGKILL)
                self.killed.append(victim)
                break
            time.sleep(0.001)
        if self.server.program.respawns:
            self._wait(lambda: self.load.workers - before, "no worker has taken the place of the killed one")

    def kill_at_rotation(self) -> None:
        """The same within a few milliseconds of the moment at which the log is rotated, another one each time."""
        time.sleep(max(0.0, 2 - time.time() % 2 - 0.002 + 0.0015 * (len(self.killed) % 4)))
        self.kill()

    def rotations(self) -> None:
        """Wait until the log has been rotated twice."""
        self._wait(lambda: len(list(self.logs.glob("app.log.2*"))) >= 2, "not rotated")

    def settle(self) -> None:
        """Wait: granian takes a worker that dies within 5.5 s of its start for one that cannot run, and ends."""
        time.sleep(6)

    def reload(self) -> None:
        """HUP: all workers are replaced. uvicorn gives up at the first one that starts too slowly, so it is asked again."""
        before, end = self.load.workers, time.monotonic()

        def replaced() -> bool:
            nonlocal end
            if time.monotonic() >= end:
                self.server.process.send_signal(signal.SIGHUP)
                end = time.monotonic() + PATIENCE / 2
            return len(self.load.workers - before) >= 2

        self._wait(replaced, "no workers of after the reload have answered")

    def reopen(self) -> None:
        """The logs are moved away, then USR1, as logrotate does it."""
        for name in ("app.log", "access.log"):
            self._move(name, f"{name}{MOVED}{len(self.moved)}")
        self.server.process.send_signal(signal.SIGUSR1)
        for name in ("app.log", "access.log"):
            self._wait((self.logs / name).exists, f"{name} has not come back")

    def _move(self, name: str, target: str) -> None:
        """Between a rename and the next record there is no such file for a moment."""

        def renamed() -> bool:
            try:
                (self.logs / name).rename(self.logs / target)
            except FileNotFoundError:
                return False
            return True

        self._wait(renamed, f"there is no {name}")
        self.moved.append(target)

    def _wait(self, true: Callable[[], object], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not true() and not self.load.broken:
            assert time.monotonic() < end, f"{what}\n{self.server.output}"
            time.sleep(0.01)


@dataclass(frozen=True)
class Outcome:
    """A run that is over."""

    program: Program
    account: Account
    app: Verdict
    access: Verdict | None
    killed: tuple[int, ...]
    output: str

    def report(self) -> str:
        """For the message of a failed test."""
        found = [self.app, *([self.access] if self.access else [])]
        counts = f"{len(self.account.answered)} answered, {len(self.account.unanswered)} not, {len(self.killed)} killed"
        return "\n".join([self.program.name, counts, *map(repr, found), self.output[-4000:]])


def serve(program: Program, logs: Path, requests: int, rate: int = 0, events: Sequence[str] = (), handler: str = OURS) -> Outcome:
    """Run it under load, do what the events say when half of the requests are answered, stop it, count.

    Args:
        program: which.
        logs: a folder to make.
        requests: how many must be answered.
        rate: the most in a second; 0 as many as can be had.
        events: methods of `Trouble`, in their order.
        handler: the handlers' class.

    Raises:
        RuntimeError: too many requests had no answer.
    """
    logs.mkdir()
    with Server(program, logs, handler) as server:
        load = Load(server.port, requests, CONNECTIONS, rate)
        trouble = Trouble(server, load, logs)
        account = load.run(lambda: trouble.run(events))
        server.stop()
        output = server.output
    counted = (account.answered, account.unanswered, trouble.moved)
    app = inspect(logs, "app.log", *counted, program.kinds)
    access = inspect(logs, "access.log", *counted, ["HTTP"]) if program.access else None
    messages = "".join(path.read_text() for path in sorted(logs.glob("server.log*")) if not path.name.endswith(".lock"))
    return Outcome(program, account, app, access, tuple(trouble.killed), output + messages)


def kept(logs: Path) -> int:
    """The different whole lines of the application in all files, whatever these are called; without those of `warm_up`."""
    line = re.compile(rb"\d+\.\d+ \d+ GET /log/\d{1,9} (?:begun|served)")
    found: set[bytes] = set()
    for path in logs.glob("app.log*"):
        if path.suffix not in (".lock", ".debug"):
            found.update(one for one in path.read_bytes().split(b"\n") if line.fullmatch(one))
    return len(found)


def warm_up(server: Server) -> None:
    """Ask it until all workers have answered. The requests have numbers that nobody else uses."""
    first, workers, end = 10**9, frozenset[int](), time.monotonic() + PATIENCE
    while len(workers) < WORKERS:
        assert time.monotonic() < end, f"{len(workers)} workers\n{server.output}"
        workers |= Load(server.port, 4 * CONNECTIONS, CONNECTIONS, first=first).run().workers
        first += 10**6


def bombard(server: Server, requests: int) -> tuple[int, float]:
    """The same request by `ab` many times; how many were answered with 200, and how many in a second."""
    assert AB is not None
    url = f"http://127.0.0.1:{server.port}/log/1"
    command = [AB, "-q", "-l", "-r", "-n", str(requests), "-c", str(CONNECTIONS), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = dict(re.findall(r"^([\w-][\w -]+): +([\d.]+)", done.stdout, re.MULTILINE))
    failed = int(found.get("Failed requests", 0)) + int(found.get("Non-2xx responses", 0))
    assert not done.returncode, done.stdout + done.stderr
    return int(found["Complete requests"]) - failed, float(found["Requests per second"])
