"""A user's hook is called in a thread of ours, or in one of the program's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mpfhandler._platform import OPERATIONS
from mpfhandler._resources import fork
from mpfhandler._resources.calling import called


def raised_by(hook: Callable[[], object]) -> BaseException | None:
    """Whatever it is; what would end pytest does not get that far."""
    try:
        called(OPERATIONS, hook)
    except BaseException as error:
        return error
    return None


def test_what_a_hook_gives_is_given() -> None:
    """Whatever it is."""
    assert called(OPERATIONS, lambda: None) is None
    assert called(OPERATIONS, lambda: 7) == 7


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_is_one_in_a_thread_of_ours(error: type[BaseException]) -> None:
    """P5: in the program's own thread it goes through, for there it may be the user's Ctrl-C."""

    def hook() -> None:
        raise error

    assert type(raised_by(hook)) is error
    with fork.ours(OPERATIONS.threads.identity()):
        failure = raised_by(hook)
    assert type(failure) is RuntimeError
    assert error.__name__ in str(failure)
    assert type(raised_by(hook)) is error


def test_an_exception_stays_what_it_is() -> None:
    """The type and the error number tell whether it is news."""

    def hook() -> None:
        raise FileNotFoundError(2, "no such file")

    with fork.ours(OPERATIONS.threads.identity()), pytest.raises(FileNotFoundError):
        called(OPERATIONS, hook)
