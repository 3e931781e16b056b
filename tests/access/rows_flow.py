"""Doors at a run under way: (method, path, body) of each, for the rows of the matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Body = Callable[[Any, str], dict[str, Any]]


def said(**fields: Any) -> Body:
    return lambda scene, name: dict(fields)


FLOW: list[tuple[str, str, Body | None]] = [
    ("GET", "/api/v1/runs/{done}/since/", None),
    ("GET", "/api/v1/runs/{done}/comments/", None),
    ("POST", "/api/v1/runs/{waiting}/comments/", said(body="why?")),
    ("POST", "/runs/{waiting}/comments/", said(body="why?")),
    ("POST", "/api/v1/runs/{waiting}/answer/", None),
    ("POST", "/runs/{waiting}/answer/", None),
    ("POST", "/api/v1/runs/{waiting}/pause/", said(reason="because")),
    ("POST", "/api/v1/runs/{waiting}/resume/", None),
    ("POST", "/runs/{waiting}/pause/", said(reason="because")),
    ("POST", "/runs/{waiting}/resume/", None),
]
