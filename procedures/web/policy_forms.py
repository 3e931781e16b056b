"""The form of a policy: its settings, made from their JSON Schema, and how it counts; nobody needs Rego for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.http import QueryDict

from procedures.domain.canonical import moment
from procedures.domain.policies import MODES
from procedures.queries.pages_policies import Row
from procedures.web import schema_form
from procedures.web.schema_form import FormPage

PREFIX = "s"
MODE_WORDS = {"off": "Off", "warn": "Only warn, for 14 days", "on": "On"}
WARNS_FOR = timedelta(days=14, minutes=-1)


def form(row: Row, posted: QueryDict | None) -> tuple[list[FormPage], dict[str, Any]]:
    """The form as it stands, and the settings that it says; without a post, those in force or the defaults."""
    if row.made_from is None:
        return [], dict(row.object.get("settings", {}))
    schema = dict(row.made_from.schema) | {"title": "", "description": ""}
    if posted is None:
        settings = row.object.get("settings") or defaults(schema)
        return schema_form.pages([schema], prefix=PREFIX, filled=settings), settings
    return schema_form.grown([schema], posted, prefix=PREFIX)


def defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: rules["default"] for name, rules in schema["properties"].items() if "default" in rules}


def made(row: Row, settings: Mapping[str, Any], posted: QueryDict, at: datetime) -> dict[str, Any]:
    """The control object that the form asks for."""
    schema = row.made_from.schema if row.made_from else {"properties": {}}
    lists: dict[str, list[Any]] = {
        name: [] for name, rules in schema["properties"].items() if rules.get("type") == "array"
    }
    mode = posted.get("mode", "")
    known = row.object
    object: dict[str, Any] = {
        "name": row.name,
        "source": row.made_from.source if row.made_from else known.get("source", ""),
        "settings": {**lists, **settings},
        "mode": mode if mode in MODES else "off",
        "stages": posted.getlist("stages"),
    }
    if row.made_from:
        object["shipped"] = row.made_from.name
    if environments := posted.getlist("environments"):
        object["environments"] = environments
    if mode == "warn":
        object["warn_until"] = moment(at + WARNS_FOR)
    return object
