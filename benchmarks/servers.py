"""Web servers with four workers whose requests log into one file that is rotated every two seconds: what is kept, how fast.

The programs are the examples, under the servers of `tests/integration/_servers.py`; only the handler's class differs. For each
turn a server is started, asked until all four workers have answered, and then given `--requests` requests by `ab` (else by the
client of `examples/django_gunicorn`). Afterwards the server is stopped, and the lines of those requests are counted over all
files, each different whole line once. Rounds alternate between the handlers, and the ratio is taken within each. Figures are
medians. A server that has answered all requests before the first rotation shows nothing: `--requests` is to last some seconds.

The rate is that of the whole program on a machine that it shares with its client: what the handler costs is a part of that.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from report import header, middle, quartiles, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))

from _servers import AB, OURS, PROGRAMS, Load, Program, Server, bombard, kept, warm_up

HANDLERS = {
    "TimedRotatingFileHandler": "logging.handlers.TimedRotatingFileHandler",
    "concurrent-log-handler": "concurrent_log_handler.ConcurrentTimedRotatingFileHandler",
    "mpfhandler": OURS,
}
USUAL = ["gunicorn-sync-django", "gunicorn-gthread-flask", "uwsgi-flask", "uvicorn-fastapi"]


class Turn(NamedTuple):
    """One server with one handler."""

    asked: int
    lines: int
    kept: int
    rate: float


def turn(program: Program, handler: str, requests: int, client: str) -> Turn:
    """Serve, count."""
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder, "logs")
        logs.mkdir()
        with Server(program, logs, HANDLERS[handler]) as server:
            warm_up(server)
            if client == "ab":
                done = bombard(server, requests)
            else:
                account = Load(server.port, requests).run()
                done = len(account.answered), len(account.answered) / account.seconds
            server.stop()
        return Turn(done[0], done[0] * len(program.kinds), kept(logs), done[1])


def usable(names: list[str]) -> list[str]:
    """The programs that can be run here; the others are named."""
    for name in names:
        if PROGRAMS[name].missing:
            print(f"Skipped: {name}: not installed: {', '.join(PROGRAMS[name].missing)}\n")
    return [name for name in names if not PROGRAMS[name].missing]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="web servers: lines kept and requests per second, by handler")
    parser.add_argument("--requests", type=int, default=20_000, help="of each turn (default: 20000)")
    parser.add_argument("--rounds", type=int, default=3, help="of each program and handler (default: 3)")
    parser.add_argument("--programs", nargs="+", choices=list(PROGRAMS), default=USUAL, metavar="NAME", help=", ".join(PROGRAMS))
    parser.add_argument(
        "--handlers", nargs="+", choices=list(HANDLERS), default=list(HANDLERS), metavar="NAME", help=", ".join(HANDLERS)
    )
    parser.add_argument(
        "--client", choices=["ab", "own"], default="ab" if AB else "own", help="default: ab, where it is installed"
    )
    parser.add_argument("--dir", help="where the logs are written (default: a temporary folder)")
    return parser.parse_args()


def main() -> None:
    """Run the comparison."""
    options = arguments()
    tempfile.tempdir = options.dir
    handlers = [name for name in options.handlers if importlib.util.find_spec(HANDLERS[name].split(".", maxsplit=1)[0])]
    header("Web servers, four workers, one file rotated every two seconds", tempfile.gettempdir())
    for name in set(options.handlers) - set(handlers):
        print(f"Skipped: {name}: not installed\n")
    programs = usable(options.programs)
    turns: dict[tuple[str, str], list[Turn]] = {(name, handler): [] for name in programs for handler in handlers}
    for number in range(options.rounds):
        first = number % len(handlers)
        for name in programs:
            for handler in handlers[first:] + handlers[:first]:
                turns[name, handler].append(turn(PROGRAMS[name], handler, options.requests, options.client))
    rows = []
    for (name, handler), found in turns.items():
        base = turns[name, handlers[0]]
        low, high = quartiles([one.rate for one in found])
        ratio = middle([one.rate / other.rate for one, other in zip(found, base, strict=True)])
        rows.append(
            (
                PROGRAMS[name].name,
                handler,
                f"{middle([one.asked for one in found]):,.0f}",
                f"{middle([one.kept for one in found]):,.0f} of {middle([one.lines for one in found]):,.0f}",
                f"{middle([one.rate for one in found]):,.0f}",
                f"{low:,.0f}–{high:,.0f}",
                f"{ratio:.2f}",
            )
        )
    columns = ("program", "handler", "requests", "lines kept", "requests/s", "middle half", f"of {handlers[0]}")
    table(columns, rows)


if __name__ == "__main__":
    main()
