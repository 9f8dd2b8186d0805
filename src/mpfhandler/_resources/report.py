"""What failed, told once per cause (promise P5), and remembered for `stats()`."""

from __future__ import annotations

from collections.abc import Callable

from .tracefile import Trace

__all__ = ["Reporter", "text_of"]


class Reporter:
    """Collects failures of one log.

    Args:
        trace: the debug file, which gets every failure.
        on_error: gets one failure per cause; what it raises is ignored.
    """

    def __init__(self, trace: Trace, on_error: Callable[[Exception], None] | None) -> None:
        self._trace = trace
        self._on_error = on_error
        self._told: dict[str, set[str]] = {}
        self.last: str | None = None

    def __call__(self, what: str, error: Exception) -> None:
        """A failure of `what`. Told if there was none of its kind (type and error number) since `what` last worked. Never
        raises."""
        text = f"{type(error).__name__}: {_text(error)}"
        cause = f"{type(error).__name__} {getattr(error, 'errno', None)}"
        self.last = f"{what}: {text}"
        self._trace("failure", what=repr(what), cause=repr(text))
        told = self._told.setdefault(what, set())
        if cause in told:
            return
        told.add(cause)
        if self._on_error is not None:
            try:
                self._on_error(error)
            except Exception:
                return  # the host's own error handler failed; there is nobody left to tell

    def solved(self, what: str) -> None:
        """`what` works again: its next failure is news."""
        if self._told:
            self._told.pop(what, None)


def text_of(error: Exception) -> str:
    """What it says; where it says nothing (an `assert` of a user's hook), or cannot, of what kind it is."""
    kind = type(error).__name__
    try:
        return str(error) or kind
    except Exception as worse:  # of a user's class
        return f"{kind}: {_no_text(worse)}"


def _text(error: Exception) -> str:
    try:
        return str(error)
    except Exception as worse:
        return _no_text(worse)


def _no_text(worse: Exception) -> str:
    return f"<its text cannot be had: {type(worse).__name__}>"
