"""Logs that a person reads on a terminal and a machine reads elsewhere, with the request's id in every line."""

from __future__ import annotations

import logging.config
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast
from uuid import uuid4

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(*, level: str, form: str) -> None:
    """Set up structlog and the standard library's logging to say the same things in the same form on stderr."""
    as_text = form == "text" or (not form and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if as_text else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    drop_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    finish = [drop_meta, structlog.processors.format_exc_info, renderer]
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": finish,
                    "foreign_pre_chain": SHARED,
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                "uvicorn.access": {"level": "WARNING"},
                "httpx": {"level": "WARNING"},
                "mcp": {"level": "WARNING"},
            },
        }
    )


SOUND_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
Response = HttpResponseBase


class RequestLogMiddleware:
    """Gives every request an id: the caller's `X-Request-Id` where it is sound, else a new one.

    Views find it as `request.headers["X-Request-Id"]`, log lines carry it, the answer repeats it.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Response | Awaitable[Response]]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Response | Awaitable[Response]:
        if self.is_async:
            return self._answer_async(request)
        name = _begin(request)
        return _end(name, cast(Response, self.get_response(request)))

    async def _answer_async(self, request: HttpRequest) -> Response:
        name = _begin(request)
        return _end(name, await cast(Awaitable[Response], self.get_response(request)))


def _begin(request: HttpRequest) -> str:
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    name = given if SOUND_ID.fullmatch(given) else uuid4().hex
    request.META["HTTP_X_REQUEST_ID"] = name
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=name)
    return name


def _end(name: str, response: Response) -> Response:
    response["X-Request-Id"] = name
    return response
