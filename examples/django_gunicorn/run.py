"""Serves Django by gunicorn with four workers, makes requests, and counts the lines in the logs.

    python run.py --requests 20000
    python run.py --preload
    python run.py --reload-in-the-middle        (HUP: every worker is replaced)
    python run.py --reopen-in-the-middle        (the access log is moved away, then USR1, as logrotate does it)
    python run.py --handler logging.handlers.TimedRotatingFileHandler        (to see another handler at it)

Exit code 0: one line for each answered request, each in the file of its period; 1: not so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import Account, Load
from verify import Verdict, inspect, table

HERE = Path(__file__).resolve().parent
MOVED = "access.log.moved"
KINDS = {"app.log": "served", "access.log": "HTTP"}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Django under gunicorn, one line per request, counted.")
    parser.add_argument("--requests", type=int, default=20_000, help="answered requests to make (default 20000)")
    parser.add_argument("--connections", type=int, default=8, help="requests at the same time (default 8)")
    parser.add_argument("--rate", type=int, default=0, help="at most so many requests per second (default: no limit)")
    parser.add_argument("--preload", action="store_true", help="load Django in the master, before the fork")
    parser.add_argument("--reload-in-the-middle", action="store_true", help="send HUP when half of it is done")
    parser.add_argument("--reopen-in-the-middle", action="store_true", help="move access.log away and send USR1")
    parser.add_argument("--handler", default="mpfhandler.MultProcTimedRotatingFileHandler", help="dotted class name")
    parser.add_argument("--worker-class", default="sync", help="gunicorn's worker class, such as sync or gthread")
    parser.add_argument("--logs", type=Path, help="an empty folder to log into and keep (default: a temporary one)")
    return parser.parse_args()


def main() -> int:
    """Runs it all; the exit code tells the verdict."""
    options = arguments()
    os.environ.setdefault("TZ", "UTC")
    time.tzset()
    logs = options.logs or Path(tempfile.mkdtemp(prefix="django_gunicorn_"))
    logs.mkdir(parents=True, exist_ok=True)
    try:
        account = serve_and_load(options, logs)
    except RuntimeError as error:
        print(f"FAILED: {error}\nThe logs are in {logs}")
        return 1
    moved = [MOVED] if options.reopen_in_the_middle else []
    verdicts = [inspect(logs, log, account.answered, account.unanswered, moved, [kind]) for log, kind in KINDS.items()]
    passed = report(options, account, verdicts)
    if options.logs is None and passed:
        shutil.rmtree(logs)
    else:
        print(f"The logs are in {logs}")
    return 0 if passed else 1


def serve_and_load(options: argparse.Namespace, logs: Path) -> Account:
    """Starts the server, makes the requests, stops the server."""
    with server(options, logs) as (process, port):

        def in_the_middle() -> None:
            if options.reload_in_the_middle:
                process.send_signal(signal.SIGHUP)
            if options.reopen_in_the_middle:
                (logs / "access.log").rename(logs / MOVED)
                process.send_signal(signal.SIGUSR1)

        return Load(port, options.requests, options.connections, options.rate).run(in_the_middle)


@contextmanager
def server(options: argparse.Namespace, logs: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Gunicorn on a free port: it inherits a socket that already listens, so the port cannot be taken meanwhile."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by each accepted connection
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}"]
        command += ["--worker-class", options.worker_class, *(["--preload"] if options.preload else [])]
        environment = os.environ | {"DEMO_LOGS": str(logs), "DEMO_HANDLER": options.handler}
        process = subprocess.Popen(command, cwd=HERE, env=environment, pass_fds=[listener.fileno()])
    try:
        yield process, port
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def report(options: argparse.Namespace, account: Account, verdicts: list[Verdict]) -> bool:
    """Prints the table and the verdict."""
    rate = len(account.answered) / account.seconds
    print(
        f"{len(account.answered)} requests answered, {len(account.unanswered)} not, by {len(account.workers)} workers "
        f"in {account.seconds:.1f} s ({rate:.0f}/s), {options.handler}"
    )
    print(table(verdicts))
    passed = all(verdict.good for verdict in verdicts)
    print("PASSED: one line for each request, each in its period" if passed else "FAILED")
    return passed


if __name__ == "__main__":
    sys.exit(main())
