"""Which machine a log belongs to, where locks exclude the processes of one machine only. A value and its text; no file.

A machine is what runs one kernel. The number of that run (`boot_id`) is the same in all of its containers, whatever they are
called, and is another one after the machine was started anew. Then the name tells: each name that was seen in a run is kept. A
run that is over does not come back, so one that is no more the latest is another machine's of the same name.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LONGEST", "Machine", "machine_of"]

_NAMES, _RUNS = 50, 20  # as many are kept; those of before were long ago
LONGEST = 8192  # bytes of the text


@dataclass(frozen=True)
class Machine:
    """What is known of one.

    Attributes:
        names: of itself and of its containers; one of the latest first.
        runs: of its kernel, the present one first; empty where the system does not tell.
    """

    names: tuple[str, ...]
    runs: tuple[str, ...] = ()

    def admit(self, name: str, run: str) -> Machine | None:
        """What is known of it with one more process on it; None if that one is on another machine.

        Args:
            name: of the machine or container that the process is in.
            run: of its kernel; "" is not known.
        """
        present = self.runs[:1] == (run,)
        if not present and (run in self.runs or name not in self.names):
            return None
        names = self.names if name in self.names[: _NAMES // 2] else (name, *(one for one in self.names if one != name))
        runs = self.runs if present or not run else (run, *self.runs)
        return Machine(names[:_NAMES], runs[:_RUNS])

    def text(self) -> str:
        """A line of names and one of runs."""
        return f"{' '.join(self.names)}\n{' '.join(self.runs)}\n"


def machine_of(text: str) -> Machine | None:
    """What `text` wrote, blanks behind it or not; None where nothing stands there."""
    names, _, runs = text.partition("\n")
    return Machine(tuple(names.split()), tuple(runs.split())) if names.split() else None
