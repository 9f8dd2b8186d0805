"""What the self-test's records look like: a line that proves by itself who wrote it, when, and that it is whole.

    mpf1 w3.0 17 1795478400.123456 PAYLOAD 89abcdef

Magic, slot (writer and a figure: its threads, then their huge records), number within the slot, `record.created`,
payload, CRC-32 of all before it. The payload follows from the seed, the slot and the number, so that even a fragment
can be told from somebody's garbage.
No blank and no lower case letter stands in a payload: the magic cannot occur inside one.
"""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass

from .ledger import THREADS

__all__ = ["CHECKSUM", "MAGIC", "LineFormatter", "Recipe", "is_whole", "slot_name"]

MAGIC = b"mpf1 "
CHECKSUM = 8  # hexadecimal digits at the end of a line

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_LARGE_FROM = 4096  # a write that crosses a page is what a fatal signal tears
_LARGE_SPREAD = 5000
_HUGE_FROM = 65536  # to twice as much: most of the time is spent in write(2)


@dataclass(frozen=True)
class Recipe:
    """How payloads are made.

    Args:
        seed: makes two runs differ.
        size: mean length of an ordinary payload, bytes.
    """

    seed: int
    size: int

    def payload(self, slot: str, number: int) -> str:
        """The payload of that record, the same in every process."""
        chance = zlib.crc32(f"{self.seed} {slot} {number}".encode())
        length = self._length(chance, slot)
        start = chance % len(_ALPHABET)
        return (_ALPHABET * (length // len(_ALPHABET) + 2))[start : start + length]

    def _length(self, chance: int, slot: str) -> int:
        if int(slot[-1]) >= THREADS:
            return _HUGE_FROM + chance % _HUGE_FROM
        if chance % (2 if slot.startswith("h") else 50) == 0:
            return _LARGE_FROM + (chance >> 8) % _LARGE_SPREAD
        return self.size // 2 + (chance >> 8) % self.size + 1

    def line(self, slot: str, number: int, created: str) -> bytes:
        """The whole line with its newline; `created` as it was written."""
        return _sealed(f"{slot} {number}", created, self.payload(slot, number)).encode("ascii") + b"\n"


class LineFormatter(logging.Formatter):
    """Formats `logger.info("<slot> <number>", payload)` as a line of the self-test."""

    def format(self, record: logging.LogRecord) -> str:
        payload = record.args[0] if isinstance(record.args, tuple) else ""
        return _sealed(str(record.msg), repr(record.created), str(payload))


def slot_name(writer: str, number: int) -> str:
    """One sequence of records. Of writers whose name begins with an `h` half of the records are large."""
    return f"{writer}.{number}"


def is_whole(line: bytes) -> bool:
    """Whether a line without its newline carries the checksum of itself."""
    return line.startswith(MAGIC) and line[-CHECKSUM:] == b"%08x" % zlib.crc32(line[:-CHECKSUM])


def _sealed(name: str, created: str, payload: str) -> str:
    text = f"mpf1 {name} {created} {payload} "
    return f"{text}{zlib.crc32(text.encode()):08x}"
