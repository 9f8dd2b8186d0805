"""One cell of `compare.py`: `compare_cell.py ROW PEER FOLDER ANSWER` asks there, and writes the answer to a file, as JSON.

A process of its own, because a peer may hang, crash, or have a module of our name.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from compare_rows import ROWS

__all__: list[str] = []

if __name__ == "__main__":
    row, peer, folder, answer = sys.argv[1:]
    found = ROWS[row].ask(peer, Path(folder))
    Path(answer).write_text(json.dumps(found), encoding="utf-8")
    os._exit(0)  # without waiting for threads that hang
