"""A second process that does one thing for this one: started, asked, and ended without touching what the host program does with
its own children.

It is this interpreter with this program's search path, in a process group of its own. It always exits with 0: there are servers
that wait for any child and draw conclusions from its code (gunicorn ends at 3 and 4).

It ends by itself once this process is gone: its standard input ends, or its parent is another one. The former alone would not do,
since a child that is forked meanwhile has the other end, too.
"""

from __future__ import annotations

import importlib.util
import os
import sys

if sys.platform == "win32":
    from .helper_windows import Helper, end_with_parent
else:
    from .helper_posix import Helper, end_with_parent

__all__ = ["Helper", "command", "end_with_parent", "environment", "module_exists", "search_path"]

_BOOT = (
    "import sys, json; job = json.loads(sys.stdin.readline()); sys.path[:] = job['path']; "
    "from {module} import main; main(job)"
)  # fmt: skip


def environment() -> dict[str, str]:
    """A copy of the process's."""
    return dict(os.environ)


def module_exists(name: str) -> bool:
    """Whether a library could be imported, without doing so."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # a module that is there in parts, or was put there by hand
        return name in sys.modules


def search_path() -> list[str]:
    """Where modules are found, without the folder that is the current one now: anybody may write to that."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return [*(path for path in sys.path if os.path.isabs(path)), package]


def command(module: str) -> list[str]:
    """The command that has `module.main` get the job.

    Raises:
        OSError: this program's interpreter is not to be found: it is built into a server, or frozen.
    """
    code = _BOOT.format(module=module)
    return [_interpreter(), "-I", "-X", "utf8", "-c", code, f"({module})"]


def _interpreter() -> str:
    own = sys.executable or ""
    if not getattr(sys, "frozen", False):
        if "py" in os.path.basename(own).lower() and os.access(own, os.X_OK):
            return own
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        for path in (os.path.join(prefix, "bin", version) for prefix in (sys.prefix, sys.base_prefix)):
            if os.access(path, os.X_OK):
                return path
    raise OSError(f"no Python interpreter is known to this program ({own or 'none'}); run 'mpfhandler seal LOG' beside it")
