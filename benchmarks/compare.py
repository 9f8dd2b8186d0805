"""Asks each peer the same questions, and prints two tables of yes and no, with what was seen behind each cell.

    python benchmarks/compare.py
    python benchmarks/compare.py --rows kept,period --peers clh,loguru

Each cell is a run of real processes in a folder of its own: about ten seconds. A peer that is not installed, or that a question
has no meaning for, has no cell; one that hangs or crashes says no. Two peers cannot be installed beside the others: `--apart`
names the folder where each has one of its own (`compare_others.py` says how). On a machine with a lot to do the questions about
time say no more often; the load is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from compare_others import APART, OTHERS
from compare_peers import PEERS, problem, version
from compare_rows import PATIENCE, ROWS, Answer

__all__ = ["asked", "table"]

LIMIT = PATIENCE + 60  # seconds for a cell


def asked(row: str, peer: str, rounds: int, apart: Path | None = None) -> Answer:
    """One cell; of what is rare the first no in so many rounds."""
    for _ in range(rounds if ROWS[row].rare else 1):
        with tempfile.TemporaryDirectory() as folder:
            answer = _asked_once(row, peer, Path(folder), apart)
        if not answer.yes:
            break
    return answer


def _asked_once(row: str, peer: str, folder: Path, apart: Path | None) -> Answer:
    """By a process that is ended with all that it has started."""
    logs, told, errors, env = folder / "logs", folder / "answer", folder / "errors", dict(os.environ)
    logs.mkdir()
    if peer in APART and apart is not None:
        env["PYTHONPATH"] = f"{apart / peer}{os.pathsep}{env.get('PYTHONPATH', '')}".rstrip(os.pathsep)
    command = [sys.executable, str(Path(__file__).with_name("compare_cell.py")), row, peer, str(logs), str(told)]
    with errors.open("wb") as sink:
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=sink, start_new_session=True)
    try:
        process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        return Answer(False, f"not over after {LIMIT:.0f} s")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if told.exists():
        return Answer(*json.loads(told.read_text(encoding="utf-8")))
    said = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [f"ended with {process.returncode}"]
    return Answer(False, said[-1])


def table(cells: dict[tuple[str, str], Answer], rows: Sequence[str], peers: Sequence[str]) -> str:
    """As Markdown."""
    lines = ["| | " + " | ".join(PEERS[peer] for peer in peers) + " | asked by |", "|---" * (len(peers) + 2) + "|"]
    for row in rows:
        found = [cells.get((row, peer)) for peer in peers]
        texts = ["" if one is None else "yes" if one.yes else "no" for one in found]
        lines.append(f"| {ROWS[row].text} | " + " | ".join(texts) + f" | `--rows {row}` |")
    return "\n".join(lines)


def main() -> int:
    """The command: 1 if mpfhandler says no to something."""
    parser = argparse.ArgumentParser(description="yes or no: what handlers do in the same situations")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"which questions, with commas: {', '.join(ROWS)}")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"who, with commas: {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=8, help="of questions about what is rare: one no is a no (default: 8)")
    parser.add_argument("--apart", type=Path, help=f"where the folders {' and '.join(APART)} are")
    options = parser.parse_args()
    apart = options.apart and options.apart.resolve()
    rows, peers = options.rows.split(","), options.peers.split(",")
    for peer in list(peers):
        why = problem(peer, apart)
        print(f"Skipped: {PEERS[peer]}: {why}" if why else f"{PEERS[peer]}: {version(peer, apart)}")
        if why:
            peers.remove(peer)
    print(f"Load before the run: {os.getloadavg()[0]:.1f}\n", flush=True)
    cells = {}
    for row in rows:
        for peer in peers:
            if peer not in ROWS[row].not_asked:
                cells[row, peer] = answer = asked(row, peer, options.rounds, apart)
                print(f"{row:8} {PEERS[peer]:42} {'yes' if answer.yes else 'no':3} {answer.seen}", flush=True)
    for group in ([peer for peer in peers if peer not in OTHERS], [peer for peer in peers if peer in OTHERS]):
        if group:
            print(f"\n{table(cells, rows, group)}")
    return 0 if all(answer.yes for (_, peer), answer in cells.items() if peer == "mpfhandler") else 1


if __name__ == "__main__":
    sys.exit(main())
