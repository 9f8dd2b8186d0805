"""Asks each peer the same questions, and prints a table of yes and no, with what was seen behind each cell.

    python benchmarks/compare.py
    python benchmarks/compare.py --rows kept,period --peers clh,loguru

Each cell is a run of real processes in a folder of its own: about ten seconds. A peer that is not installed, or that a question
has no meaning for, has no cell. On a machine with a lot to do the questions about time say no more often; the load is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

from compare_peers import PEERS, problem, version
from compare_rows import ROWS, Answer

__all__ = ["asked", "table"]


def asked(row: str, peer: str, rounds: int) -> Answer:
    """One cell; of what is rare the first no in so many rounds. What the peer writes to stderr meanwhile is not shown."""
    for _ in range(rounds if ROWS[row].rare else 1):
        with tempfile.TemporaryDirectory() as folder, quiet():
            answer = ROWS[row].ask(peer, Path(folder))
        if not answer.yes:
            break
    return answer


@contextlib.contextmanager
def quiet():  # type: ignore[no-untyped-def]
    """For this process and those that it starts."""
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)


def table(cells: dict[tuple[str, str], Answer], rows: list[str], peers: list[str]) -> str:
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
    options = parser.parse_args()
    rows, peers = options.rows.split(","), options.peers.split(",")
    for peer in list(peers):
        why = problem(peer)
        print(f"Skipped: {PEERS[peer]}: {why}" if why else f"{PEERS[peer]}: {version(peer)}")
        if why:
            peers.remove(peer)
    print(f"Load before the run: {os.getloadavg()[0]:.1f}\n", flush=True)
    cells = {}
    for row in rows:
        for peer in peers:
            if peer not in ROWS[row].not_asked:
                cells[row, peer] = answer = asked(row, peer, options.rounds)
                print(f"{row:8} {PEERS[peer]:42} {'yes' if answer.yes else 'no':3} {answer.seen}", flush=True)
    print(f"\n{table(cells, rows, peers)}")
    return 0 if all(answer.yes for (_, peer), answer in cells.items() if peer == "mpfhandler") else 1


if __name__ == "__main__":
    sys.exit(main())
