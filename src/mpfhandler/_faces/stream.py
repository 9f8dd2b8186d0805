"""What `handler.stream` is: enough of a text file for the programs that reach for it.

gunicorn's reopen does `handler.close(); handler.stream = handler._open()`, daemons keep `handler.stream.fileno()` open.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._engine.buffer import Sink
    from .._engine.writer import Writer

__all__ = ["LogStream"]


class LogStream:
    """A text file's face on the engine. Owns nothing: the engine opens, closes and rotates."""

    mode = "a"

    def __init__(self, writer: Writer, sink: Sink) -> None:
        self._writer = writer
        self._sink = sink
        self.name = writer.place.log
        self.encoding = writer.options.encoding
        self.errors = writer.options.errors

    @property
    def closed(self) -> bool:
        """Whether nothing is open at present."""
        return self._writer.segment is None

    def write(self, text: str) -> int:
        """Write text as one record; its terminator is added if it is missing."""
        data, terminator = text.encode(self.encoding, self.errors), self._writer.terminator
        if data and data != terminator:
            data = data if data.endswith(terminator) else data + terminator
            if self._writer.options.escape:
                from .._pure.escaping import escaped_record  # the handler has imported it

                data = escaped_record(data, terminator, self.encoding)
            self._sink.write(data, self._writer.now())
        return len(text)

    def flush(self) -> None:
        """Write what is in the buffer, and try once more what waits in memory for the disk."""
        self._sink.flush()

    def fileno(self) -> int:
        """The append descriptor, still the engine's.

        Raises:
            ValueError: nothing is open.
        """
        segment = self._writer.segment
        if segment is None:
            raise ValueError(f"{self.name}: not open")
        return segment.fileno()

    def isatty(self) -> bool:
        """Never: it is a log."""
        return False

    def writable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Close the engine's files; the next record opens them again."""
        self._sink.close()
