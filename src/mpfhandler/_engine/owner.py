"""The `owner` parameter: names or ids, looked up once at construction."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, cast

from .._pure.errors import InvalidOption, InvalidOptionType

__all__ = ["find_owner"]

_NO_ID = (1 << 32) - 1  # means "leave it as it is" to chown(2); ids end below
_NOBODY, _LEAVE_OUT = "this system has no such owners of files", "leave it out here"
_FORMS = 'use "user", "user:group", ":group", a user id, or a pair such as ("www-data", "adm")'


def find_owner(owner: object) -> tuple[int | None, int | None]:
    """User and group id; None for a part that is not asked for.

    Args:
        owner: `"user"`, `"user:group"`, `":group"`, a user id, or a pair of names or ids (None leaves a part alone).

    Raises:
        InvalidOption: there is no such user or group.
        InvalidOptionType: it has none of these forms.
    """
    user: object
    group: object
    if owner is None:
        return None, None
    if isinstance(owner, str):
        user, _, group = owner.partition(":")
        if not user and not group:
            raise InvalidOption("owner", owner, "names nobody", _FORMS)
        return _user(owner, user or None), _group(owner, group or None)
    if isinstance(owner, (tuple, list)):
        pair = cast("Sequence[object]", owner)
        if len(pair) != 2:
            raise InvalidOption("owner", pair, "is not a pair", _FORMS)
        user, group = pair
        return _user(pair, user), _group(pair, group)
    return _user(owner, owner), None


def _user(owner: object, user: object) -> int | None:
    if user is None:
        return None
    number = _number(owner, user)
    if number is not None:
        return number
    try:
        users: Any = import_module("pwd")
        return int(users.getpwnam(str(user)).pw_uid)
    except ImportError:
        raise InvalidOption("owner", owner, _NOBODY, _LEAVE_OUT) from None
    except (KeyError, ValueError):  # unknown, or no text that a name can have
        raise InvalidOption("owner", owner, f"there is no user {user!r} on this system", _FORMS) from None


def _group(owner: object, group: object) -> int | None:
    if group is None:
        return None
    number = _number(owner, group)
    if number is not None:
        return number
    try:
        groups: Any = import_module("grp")
        return int(groups.getgrnam(str(group)).gr_gid)
    except ImportError:
        raise InvalidOption("owner", owner, _NOBODY, _LEAVE_OUT) from None
    except (KeyError, ValueError):
        raise InvalidOption("owner", owner, f"there is no group {group!r} on this system", _FORMS) from None


def _number(owner: object, value: object) -> int | None:
    """An id, or None for a name."""
    if isinstance(value, str):
        if not value.isdecimal():
            return None
        number = int(value) if len(value) <= 10 else _NO_ID
    elif isinstance(value, bool) or not isinstance(value, int):
        raise InvalidOptionType("owner", owner, "is not a user", _FORMS)
    else:
        number = value
    if number < 0:
        raise InvalidOption("owner", owner, "ids are not negative", _FORMS)
    if number >= _NO_ID:
        raise InvalidOption("owner", owner, f"ids are below {_NO_ID}", _FORMS)
    return number
