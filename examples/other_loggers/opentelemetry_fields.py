"""OpenTelemetry's `LoggingInstrumentor` puts the ids of the current span into each record; the format writes them down."""

from __future__ import annotations

import logging
import sys

from opentelemetry import trace
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from several import main, orders

from mpfhandler import MultProcTimedRotatingFileHandler

FORMAT = (
    "%(created)r %(levelname)s trace_id=%(otelTraceID)s span_id=%(otelSpanID)s sampled=%(otelTraceSampled)s "
    "service=%(otelServiceName)s %(message)s"
)


def configure(folder: str) -> None:
    """The instrumentor first: the format needs the fields that it sets. Release 0.66b2 wants to be asked for them."""
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({"service.name": "shop"})))
    LoggingInstrumentor().instrument(inject_trace_context=True, enable_log_auto_instrumentation=False)
    handler = MultProcTimedRotatingFileHandler(f"{folder}/app.log", when="S", encoding="utf-8")
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def work(folder: str, worker: int) -> None:
    """What one process does: a span for each order, whose ids stand in the message, too, to be compared."""
    configure(folder)
    tracer = trace.get_tracer("shop")
    for order in orders():
        with tracer.start_as_current_span("order") as span:
            ids = span.get_span_context()
            logging.info("order placed worker=%d order=%d %032x %016x", worker, order, ids.trace_id, ids.span_id)


if __name__ == "__main__":
    sys.exit(main(work))
