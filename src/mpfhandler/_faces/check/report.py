"""The result of a self-test as a table with a verdict, or as JSON. One set of facts feeds both."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .conductor import Outcome
from .filesystem import FileSystem, warning
from .job import Setup
from .probe import Probes
from .verify import Findings

__all__ = ["Report"]

_KEY_WIDTH = 38
_COMPLAINTS = 5


@dataclass(frozen=True)
class Report:
    """Everything that one run found out; `kept` is the folder that was not removed, or None."""

    setup: Setup
    where: FileSystem
    probes: Probes
    outcome: Outcome
    findings: Findings
    kept: str | None

    @property
    def passed(self) -> bool:
        return self.findings.clean and not self.faults()

    def faults(self) -> tuple[str, ...]:
        """What makes the run fail beside the files' content."""
        nothing = () if self.findings.acknowledged else ("not one record was acknowledged",)
        return (*self.probes.broken(), *self.outcome.problems, *nothing)

    def facts(self) -> dict[str, int | float | str]:
        """The rows of the table, by the names that they have there."""
        found, outcome = self.findings, self.outcome
        rows: dict[str, int | float | str] = {
            "records": found.acknowledged,
            "files": found.files,
            "rotations seen": found.rotations,
            "lost": found.lost,
            "doubled": found.doubled,
            "torn": found.torn,
            "misfiled": found.misfiled,
            "fragments (of killed, unacknowledged)": found.fragments,
            "kills": outcome.kills,
            "rate (records/s)": round(found.acknowledged / max(outcome.seconds, 0.001)),
            "worst call (ms)": round(max((one.worst_ns for one in outcome.accounts), default=0) / 1e6, 1),
            "file system": str(self.where),
        }
        if found.strange:
            rows["strange"] = found.strange
        return rows

    def text(self) -> str:
        """The table, what is wrong in words, and the verdict on the last line. ASCII, ends without a newline."""
        lines = [_row(key, value) for key, value in self.facts().items()]
        lines += [f"warning: {text}" for text in self.warnings()]
        lines += [f"problem: {text}" for text in self.faults()]
        lines += [f"example: {text}" for text in self.findings.examples]
        lines += [f"stderr of {text}" for text in self.outcome.complaints[:_COMPLAINTS]]
        lines += [f"files kept in: {self.kept}"] if self.kept else []
        return "\n".join([*lines, self.verdict()]).encode("ascii", "backslashreplace").decode("ascii")

    def json(self) -> str:
        """The same as one JSON object."""
        return json.dumps(
            {
                **self.facts(),
                "passed": self.passed,
                "verdict": self.verdict(),
                "seed": self.setup.seed,
                "procs": self.setup.procs,
                "secs": self.setup.secs,
                "when": self.setup.when,
                "interval": self.setup.interval,
                "warnings": self.warnings(),
                "problems": self.faults(),
                "examples": self.findings.examples,
                "stderr": self.outcome.complaints,
                "kept": self.kept,
            },
            indent=2,
        )

    def warnings(self) -> tuple[str, ...]:
        weak = warning(self.where.kind)
        cannot = () if weak is None else (f"{weak}; this run cannot prove the promises, log to a local file system",)
        unknown = tuple(f"unexpected file {name}" for name in self.findings.unexpected)
        return (*cannot, *unknown)

    def verdict(self) -> str:
        if self.passed:
            count = f"{self.findings.acknowledged:,}"
            return f"PASS: all {count} acknowledged records are there, whole, once, in their period"
        found = self.findings
        wrong = ("lost", "doubled", "torn", "misfiled", "strange")
        counted = [f"{count:,} {name}" for name in wrong if (count := getattr(found, name))]
        return "FAIL: " + ", ".join(counted or [f"{len(self.faults())} problem(s), see above"])


def _row(key: str, value: float | str) -> str:
    shown = value if isinstance(value, str) else f"{value:,}"
    return f"{key:<{_KEY_WIDTH}} {shown:>14}"
