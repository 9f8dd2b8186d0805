"""One address: /log/<number> logs two records and answers with the process that did it.

Every worker imports this module, and so opens the logs for itself. The server has configured its own loggers by then; their
access records are sent to our file here, whichever server it is.
"""

import asyncio
import logging
import logging.config
import os
from typing import Any

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

_FOLDER = os.environ.get("DEMO_LOGS", "logs")
_HANDLER = os.environ.get("DEMO_HANDLER", "mpfhandler.MultProcTimedRotatingFileHandler")


def _file(name: str) -> dict[str, Any]:
    # Every two seconds, to see it happen. A program of yours says "midnight", or "H".
    return {"class": _HANDLER, "filename": os.path.join(_FOLDER, name), "when": "S", "interval": 2, "formatter": "line"}


def _logger(handler: str) -> dict[str, Any]:
    return {"level": "INFO", "handlers": [handler], "propagate": False}


os.makedirs(_FOLDER, exist_ok=True)
logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(created)r %(process)d %(message)s"}},
        "handlers": {"app": _file("app.log"), "access": _file("access.log")},
        "loggers": {
            "app": _logger("app"),
            **{f"{server}.access": _logger("access") for server in ("uvicorn", "hypercorn", "granian", "gunicorn")},
        },
    }
)
logger = logging.getLogger("app")
app = FastAPI()


@app.get("/log/{number}", response_class=PlainTextResponse)
async def log_lines(number: int) -> str:
    """A record in the event loop, and one in a thread beside it, before the request is answered."""
    logger.info("GET /log/%d begun", number)
    await asyncio.to_thread(logger.info, "GET /log/%d served", number)
    return f"{number} {os.getpid()}"
