"""From pieces of a stream of bytes, as they come, to blocks of whole lines."""

from __future__ import annotations

__all__ = ["Chunks"]


class Chunks:
    """Keeps back what has no end yet. Knows no text: a line is what stands between two ends, whatever the bytes.

    Args:
        end: what ends a line; at least one byte.
        most: bytes of a line without an end that are kept at most. One that is longer is cut there: what has come is a line, and
            what follows another one.
    """

    def __init__(self, end: bytes, most: int) -> None:
        self._end = end
        self._most = most
        self._kept = bytearray()
        self.cuts = 0  # made in lines that were too long

    def feed(self, data: bytes) -> bytes:
        """The lines that this piece completes, each with its end; nothing if it completes none."""
        at = data.rfind(self._end)
        if at < 0:
            return self._keep(data)
        at += len(self._end)
        if not self._kept and at == len(data):
            return data
        whole = b"".join((self._kept, memoryview(data)[:at]))
        self._kept = bytearray(memoryview(data)[at:])
        return whole + self._cut()

    def rest(self) -> bytes:
        """What is kept back, made a line; nothing if there is nothing. To be called when no more comes."""
        rest = bytes(self._kept)
        self._kept.clear()
        return rest + self._end if rest else b""

    def _keep(self, data: bytes) -> bytes:
        start = max(0, len(self._kept) - len(self._end) + 1)
        self._kept += data
        at = self._kept.find(self._end, start) if len(self._end) > 1 else -1  # an end of several bytes, in two pieces
        if at < 0:
            return self._cut()
        at += len(self._end)
        whole = bytes(memoryview(self._kept)[:at])
        self._kept = self._kept[at:]
        return whole

    def _cut(self) -> bytes:
        """As much of an endless line as cannot be kept."""
        lines = bytearray()
        while len(self._kept) > self._most:
            lines += self._kept[: self._most] + self._end
            del self._kept[: self._most]
            self.cuts += 1
        return bytes(lines)
