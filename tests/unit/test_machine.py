"""Which machine a log belongs to: by the run of its kernel, and by names that were seen in it."""

from __future__ import annotations

import pytest

from mpfhandler._pure.machine import LONGEST, Machine, machine_of

KNOWN = Machine(("alpha", "web"), ("run-2", "run-1"))


@pytest.mark.parametrize(
    ("name", "run", "after"),
    [
        ("alpha", "run-2", KNOWN),
        ("web", "run-2", KNOWN),
        ("new", "run-2", Machine(("new", "alpha", "web"), ("run-2", "run-1"))),
        ("web", "run-3", Machine(("alpha", "web"), ("run-3", "run-2", "run-1"))),
        ("web", "", KNOWN),
        ("new", "", None),
        ("new", "run-3", None),
        ("new", "run-1", None),
        ("alpha", "run-1", None),
    ],
)
def test_who_is_of_the_machine(name: str, run: str, after: Machine | None) -> None:
    """By the run, or in a new one by a name that is known; in one that is over nobody."""
    assert KNOWN.admit(name, run) == after


def test_names_of_containers_do_not_grow_without_end() -> None:
    """What is used again is kept, the latest of the others, and all of it can be read at once."""
    machine = Machine(("alpha",), ("0" * 36,))
    for number in range(500):
        machine = machine.admit(f"{number:064}", machine.runs[0]) or machine
        machine = machine.admit("alpha", f"{number + 1:036}") or machine
    assert "alpha" in machine.names
    assert f"{499:064}" in machine.names
    assert machine.runs[0] == f"{500:036}"
    assert len(machine.text()) <= LONGEST


@pytest.mark.parametrize("machine", [KNOWN, Machine(("alpha",))])
def test_text_is_read_back(machine: Machine) -> None:
    """Also where a longer one stood before."""
    assert machine_of(machine.text()) == machine
    assert machine_of(machine.text() + "   ") == machine


@pytest.mark.parametrize("text", ["", "\n", "  \n\n"])
def test_nothing_is_no_machine(text: str) -> None:
    """An empty file belongs to nobody."""
    assert machine_of(text) is None
