"""How the process logs: one line per decision, as text for people or JSON for machines.

Owns the set-up of structlog, done once by a command. Refuses nothing; what must not be logged
(secrets, request bodies, whole objects) is never handed to it.
"""

import logging
import sys
from typing import Any, Final, Literal

import structlog

Format = Literal["text", "json"]
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}


def level_number(level: str) -> int:
    """A level by the names Argo Rollouts accepts; ValueError names them."""
    if level.lower() not in _LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(_LEVELS)}")
    return _LEVELS[level.lower()]


def configure(level: str = "info", form: Format = "text") -> None:
    """Log to standard error from now on. Raises ValueError for an unknown level."""
    number = level_number(level)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    factory: Any
    if form == "json":
        import orjson

        renderer: Any = structlog.processors.JSONRenderer(serializer=_dump(orjson))
        processors = [*shared, structlog.processors.format_exc_info, renderer]
        factory = structlog.BytesLoggerFactory(file=sys.stderr.buffer)
    else:
        # Plain: structlog's own tracebacks print local variables, which may hold a Secret.
        plain = structlog.dev.plain_traceback
        console = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=plain
        )
        processors = [*shared, console]
        factory = structlog.PrintLoggerFactory(file=sys.stderr)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    # Libraries that use the standard logging speak up only when something is wrong.
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stderr, format="%(message)s")


def _dump(orjson: Any) -> Any:
    def dump(event: Any, default: Any) -> bytes:
        encoded: bytes = orjson.dumps(event, default=default)
        return encoded

    return dump
