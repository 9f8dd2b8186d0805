"""What the command line takes, as data: read from the parser, for completion and for the reference.

argparse prints help differently from one Python to the next; its actions are the same in all of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .cli import COMMANDS, whole_parser

__all__ = ["Entry", "Group", "Page", "pages", "program_options"]


@dataclass(frozen=True)
class Entry:
    """An option or a positional argument.

    Attributes:
        flags: as they are written, such as ("-n", "--lines"); none for a positional argument.
        value: what its value is called, such as "LOG"; "" for an option without one.
        choices: what the value may be; none: anything.
        help: in full, "" where there is none.
        optional: whether it may be left out.
        repeated: whether several values may be given.
    """

    flags: tuple[str, ...]
    value: str
    choices: tuple[str, ...]
    help: str
    optional: bool
    repeated: bool


@dataclass(frozen=True)
class Group:
    """Entries below one title."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Page:
    """A command. Texts are as its module has them, line by line.

    Attributes:
        name: of the command, without the program's.
        help: in one line.
        description: what it does.
        epilog: examples, exit codes.
        groups: of arguments, in the order of `--help`.
    """

    name: str
    help: str
    description: str
    epilog: str
    groups: tuple[Group, ...]

    @property
    def options(self) -> list[Entry]:
        """All of them."""
        return [entry for group in self.groups for entry in group.entries if entry.flags]

    @property
    def positionals(self) -> list[Entry]:
        """All arguments without a flag."""
        return [entry for group in self.groups for entry in group.entries if not entry.flags]


def pages() -> list[Page]:
    """One for each command, in the order of `mpfhandler --help`."""
    commands: Any = next(filter(_has_commands, whole_parser()._actions))
    parsers: dict[str, argparse.ArgumentParser] = commands.choices
    return [_page(parsers[command.name], command.name, command.help) for command in COMMANDS]


def program_options() -> list[Entry]:
    """What may stand before a command."""
    parser = whole_parser()
    return [entry for group in _groups(parser) for entry in group.entries if entry.flags]


def _has_commands(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)


def _page(parser: argparse.ArgumentParser, name: str, line: str) -> Page:
    groups = tuple(group for group in _groups(parser) if group.entries)
    return Page(name, line, (parser.description or "").strip(), (parser.epilog or "").strip(), groups)


def _groups(parser: argparse.ArgumentParser) -> Iterator[Group]:
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        yield Group(group.title or "", tuple(_entry(parser, action) for action in actions))


def _entry(parser: argparse.ArgumentParser, action: argparse.Action) -> Entry:
    choices = tuple(str(one) for one in action.choices or ())
    named = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return Entry(
        flags=tuple(action.option_strings),
        value="" if action.nargs == 0 else named,
        choices=choices,
        help=_expanded(parser, action, choices),
        optional=bool(action.option_strings) or action.nargs in {"?", "*"},
        repeated=action.nargs in {"*", "+"},
    )


def _expanded(parser: argparse.ArgumentParser, action: argparse.Action, choices: tuple[str, ...]) -> str:
    """With the values that a text such as "(default: %(default)s)" stands for."""
    return (action.help or "") % {**vars(action), "choices": ", ".join(choices), "prog": parser.prog}
