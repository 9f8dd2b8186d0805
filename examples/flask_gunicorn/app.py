"""One address: /log/<number> logs two records and answers with the process that did it."""

import logging
import logging.config
import os

from flask import Flask
from log_config import LOGGING

logging.config.dictConfig(LOGGING)
logger = logging.getLogger("app")
app = Flask(__name__)


@app.get("/log/<int:number>")
def log_lines(number: int) -> str:
    """A record when the request comes, one before it is answered."""
    logger.info("GET /log/%d begun", number)
    logger.info("GET /log/%d served", number)
    return f"{number} {os.getpid()}"
