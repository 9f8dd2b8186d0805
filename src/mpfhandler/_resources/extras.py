"""What an option needs of the interpreter and of other packages: looked for when a log is made, imported when it is used."""

from __future__ import annotations

import sys

from .._pure.errors import InvalidOption
from .importing import importing

__all__ = ["check_method", "is_installed"]

_BUILT_IN = {"gz": "zlib", "xz": "_lzma", "bz2": "_bz2"}  # modules that a Python may have been built without


def check_method(parameter: str, method: str) -> None:
    """Whether this interpreter can compress so.

    Args:
        parameter: as the caller wrote it.
        method: "gz", "zst", "xz" or "bz2".

    Raises:
        InvalidOption: it cannot; the remedy is the command that installs what is missing.
    """
    if method == "zst":
        if not (is_installed("_zstd") or is_installed("backports.zstd")):
            remedy = "run: pip install 'mpfhandler[zstd]'"
            raise InvalidOption(parameter, method, "needs the package backports.zstd, which is not installed", remedy)
    elif not is_installed(_BUILT_IN[method]):
        problem = f"this Python was built without the module {_BUILT_IN[method]}"
        raise InvalidOption(parameter, method, problem, "use another method, such as 'gz'")


def is_installed(module: str) -> bool:
    """Whether a module is there to be imported. It is not imported, only the packages that it lies in."""
    import importlib.util

    if sys.modules.get(module) is not None:
        return True
    try:
        with importing():
            return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # no such package, or one that was loaded in an odd way
        return False
