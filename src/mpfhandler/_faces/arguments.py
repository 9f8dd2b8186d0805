"""What the parsers of all commands have in common: how a command is added, and numbers with their bounds."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from .._pure.errors import InvalidOption
from .._pure.quantity import to_size

__all__ = ["add_command", "count", "seconds", "size"]


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    """The parser of a new command. Both texts are shown as they stand."""
    raw = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(name, description=description, epilog=epilog, formatter_class=raw)


def count(low: int, high: int) -> Callable[[str], int]:
    """A whole number from `low` to `high`."""

    def integer(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    return integer


def seconds(high: int) -> Callable[[str], float]:
    """More than 0 and at most `high` seconds."""

    def number(text: str) -> float:
        value = float(text)
        if not 0 < value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between 0 and {high} seconds")
        return value

    return number


def size(low: int, high: int) -> Callable[[str], int]:
    """From `low` to `high` bytes, as a number or as text such as "4kB"."""
    bounded = count(low, high)

    def size(text: str) -> int:
        try:
            return bounded(str(to_size("size", text)))
        except InvalidOption as error:
            raise argparse.ArgumentTypeError(f"{text!r} {error._why[0]}") from None

    return size
