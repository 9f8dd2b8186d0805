"""What the engine asks of a handler, and tells it: the standard library's hooks, which are attributes or methods that a subclass
overrides, and `handleError`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from logging.handlers import BaseRotatingHandler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._protocols.hooks import Hooks

__all__ = ["hooks_of", "teller_of"]


def hooks_of(handler: BaseRotatingHandler) -> Hooks:
    """What the handler has when a rotation asks, not what it has now."""
    from .._protocols.hooks import Hooks  # with the rest of the engine

    def namer() -> Callable[[str], str] | None:
        overridden = type(handler).rotation_filename is not BaseRotatingHandler.rotation_filename
        return handler.rotation_filename if overridden or callable(handler.namer) else None

    def rotator() -> Callable[[str, str], None] | None:
        overridden = type(handler).rotate is not BaseRotatingHandler.rotate
        return handler.rotate if overridden or callable(handler.rotator) else None

    return Hooks(suffix=lambda: getattr(handler, "suffix", None), namer=namer, rotator=rotator)


def teller_of(handler: BaseRotatingHandler) -> Callable[[Exception], None]:
    """Who is told of a failure: `handleError`, once per cause. There may be no record to blame, so one is made."""

    def tell(error: Exception) -> None:
        from .._resources.report import text_of  # with the rest of the engine

        message = f"{handler.baseFilename}: {text_of(error)}"
        record = logging.LogRecord("mpfhandler", logging.ERROR, __file__, 0, message, None, None)
        try:
            raise error  # noqa: TRY301  handleError reads sys.exc_info()
        except Exception:
            handler.handleError(record)

    return tell
