"""One address: /log/<number> logs one line and answers with the process that did it."""

import logging
import os

from django.http import HttpRequest, HttpResponse
from django.urls import path

logger = logging.getLogger("project.requests")


def log_line(request: HttpRequest, number: int) -> HttpResponse:
    """One record per request; the client counts them afterwards."""
    logger.info("%s %s served", request.method, request.path)
    return HttpResponse(f"{number} {os.getpid()}", content_type="text/plain")


urlpatterns = [path("log/<int:number>", log_line)]
