"""The helper process: stores one segment, and says in a line of JSON how it went. See `_protocols/archive.py`.

Not to be run by hand; `mpfhandler seal` does the same for all segments of a log.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .._platform import OPERATIONS
from .._platform.helper import end_with_parent, environment
from .._protocols.deposit import Job, deposit
from .._pure.target import masked, parse_target
from .._resources.stores import open_store

__all__ = ["main"]

_KINDS = (FileExistsError, FileNotFoundError, InterruptedError, PermissionError, TimeoutError)
_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|SAS|SIGNATURE", re.IGNORECASE)
_SHORTEST = 6  # a shorter value would be found everywhere


def main(job: dict[str, Any]) -> None:
    """Do a job and print the answer."""
    end_with_parent(int(job["parent"]))
    print("\n" + json.dumps(_answer(Job(**job["segment"]))), flush=True)


def _answer(job: Job) -> dict[str, object]:
    try:
        target = parse_target("archive", job.url)
        return deposit(OPERATIONS, open_store(OPERATIONS, target), target, job, lambda: False)
    except Exception as error:
        kind = next((kind.__name__ for kind in _KINDS if isinstance(error, kind)), "OSError")
        return {"failed": {"kind": kind, "text": masked(str(error) or type(error).__name__, _secrets())}}


def _secrets() -> list[str]:
    return [value for name, value in environment().items() if _SECRET.search(name) and len(value) >= _SHORTEST]
