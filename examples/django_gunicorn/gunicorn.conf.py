"""Four workers; gunicorn's own two logs go through the handler as well.

The master opens these handlers before it forks, every worker inherits them, Django's `dictConfig` closes them while
they stay in use, a reload (HUP) configures them once more, and a reopen (USR1) runs inside a signal handler.
"""

import os
from typing import Any

workers = 4
wsgi_app = "project.wsgi"
access_log_format = "%(m)s %(U)s %(H)s %(s)s"
control_socket_disable = True

_handler = os.environ.get("DEMO_HANDLER", "mpfhandler.MultProcTimedRotatingFileHandler")


def _file(name: str) -> dict[str, Any]:
    path = os.path.join(os.environ.get("DEMO_LOGS", "."), name)
    return {"class": _handler, "filename": path, "when": "S", "interval": 2, "formatter": "line"}


logconfig_dict: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(created)r %(process)d %(message)s"}},
    "handlers": {"access": _file("access.log"), "server": _file("server.log")},
    "root": {"level": "WARNING", "handlers": ["server"]},
    "loggers": {
        "gunicorn.access": {"level": "INFO", "handlers": ["access"], "propagate": False},
        "gunicorn.error": {"level": "INFO", "handlers": ["server"], "propagate": False},
    },
}
