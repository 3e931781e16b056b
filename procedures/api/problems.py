"""Errors as RFC 9457 problems: a stable type, the fields at fault by JSON pointer, and what to do next."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from rest_framework import exceptions
from rest_framework.response import Response

from procedures.api.door import TooLarge
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound, OpsError
from procedures.domain.statements import BadSignature, StatementMismatch, TooWeak
from procedures.evidence.cold import ColdMissing
from procedures.services.access_requests import TooManyAccessRequests
from procedures.services.agents import BudgetSpent
from procedures.services.idempotency import SameKeyOtherBody
from procedures.services.runs import TooManyRuns
from procedures.services.sessions import TooManyTries

STATUS: tuple[tuple[type[OpsError], int], ...] = (
    (InvalidInput, 400),
    (NotFound, 404),
    (TooManyTries, 429),
    (BudgetSpent, 429),
    (TooWeak, 403),
    (BadSignature, 403),
    (NotAllowed, 403),
    (StatementMismatch, 409),
    (TooManyRuns, 429),
    (TooManyAccessRequests, 429),
    (SameKeyOtherBody, 422),
    (TooLarge, 413),
    (IllegalState, 409),
    (ColdMissing, 500),
)


def status_of(problem: OpsError) -> int:
    return next(
        (status for kind, status in STATUS if isinstance(problem, kind)), 409 if problem.pointer is None else 400
    )


def body(*, code: str, status: int, title: str, detail: str, request_id: str, **more: Any) -> dict[str, Any]:
    return {
        "type": f"urn:opsportal:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id,
        **more,
    }


def request_id(context: Any) -> str:
    request = context.get("request") if context else None
    return str(getattr(getattr(request, "_request", request), "request_id", "") or uuid4())


def handle(error: Exception, context: Any) -> Response | None:
    """DRF's exception handler: every refusal is a problem, nothing else leaves."""
    mark = request_id(context)
    if isinstance(error, OpsError):
        status = status_of(error)
        more: dict[str, Any] = {"next_step": error.next_step, "errors": error.field_errors()}
        if error.link:
            more["link"] = error.link
        event = getattr(error, "event", None)
        if event is not None:
            more["event"] = str(event)
        data = body(
            code=error.code, status=status, title=type(error).__name__, detail=error.message, request_id=mark, **more
        )
        return Response(data, status=status, content_type="application/problem+json")
    if isinstance(error, exceptions.APIException):
        data = body(
            code=f"http.{error.default_code}",
            status=error.status_code,
            title=type(error).__name__,
            detail=_words(error.detail),
            request_id=mark,
            errors=_pointers(error.detail),
        )
        challenge = getattr(error, "auth_header", None)
        headers = {"WWW-Authenticate": challenge} if challenge else {}
        return Response(data, status=error.status_code, content_type="application/problem+json", headers=headers)
    return None


def _words(detail: Any) -> str:
    return str(detail) if isinstance(detail, str) else "Some fields are wrong."


def _pointers(detail: Any, path: str = "") -> list[dict[str, str]]:
    """DRF's nested errors as rows of pointer and message."""
    if isinstance(detail, dict):
        return [row for key, value in detail.items() for row in _pointers(value, f"{path}/{key}")]
    if isinstance(detail, list):
        return [
            row
            for index, value in enumerate(detail)
            for row in _pointers(value, path if isinstance(value, str) else f"{path}/{index}")
        ]
    return [{"pointer": path, "message": str(detail), "code": "input.invalid"}] if path else []
