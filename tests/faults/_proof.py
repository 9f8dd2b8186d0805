"""How long the tests of faults take, and what they have covered."""

from __future__ import annotations

import collections
import os

PROOF = os.environ.get("MPFHANDLER_PROOF", "") not in {"", "0"}  # as thorough as can be, instead of as quick as is useful
COUNTS: collections.Counter[str] = collections.Counter()  # of one test; printed at the end of a run
