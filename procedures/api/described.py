"""What the OpenAPI document says of each door: what a request holds, what is answered, and how refusals look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from procedures.api import inputs
from procedures.api.taken import FORMS, TAKES, TEXT, Shape

MAYBE: Shape = {"type": ["string", "null"]}
NUMBER: Shape = {"type": "integer"}
YES: Shape = {"type": "boolean"}
OBJECT: Shape = {"type": "object"}
ROWS: Shape = {"type": "array", "items": OBJECT}
WORDS: Shape = {"type": "array", "items": TEXT}


def _named(shape: Shape, names: str) -> dict[str, Shape]:
    return dict.fromkeys(names.split(), shape)


POLICY: Shape = {
    "type": ["object", "null"],
    "properties": {
        **_named(TEXT, "stage policies input at event"),
        **_named(ROWS, "denied warned"),
        "required": OBJECT,
        "current": YES,
    },
}
VERSION = inputs.shape(
    {
        **_named(TEXT, "id procedure digest state risk submitted_by author note"),
        **_named(MAYBE, "submitted_at accepted_at expires_at"),
        "number": NUMBER,
        "draft": YES,
        "risk_reasons": WORDS,
        "findings": ROWS,
        "tests": {},
        "policy": POLICY,
    },
    {**_named(ROWS, "trials files reviews"), "definition": OBJECT, **_named(WORDS, "missing moved_on grown")},
)
RUN = inputs.shape(
    {
        **_named(TEXT, "id procedure digest environment requester asked_by reason risk state message url"),
        **_named(MAYBE, "created_at started_at ended_at plan_digest waiting_gate again_of continues min_strength"),
        "priority": TEXT,
        **_named(OBJECT, "parameters output printed links kept"),
        "no": NUMBER,
        "draft": YES,
        "approvals_needed": {},
        "paused": {"type": ["object", "null"]},
        "not_touched": WORDS,
        "asks": {"type": ["object", "null"]},
        "policy": POLICY,
    },
    {"workload": {"type": ["object", "null"]}, "waiting_for": ROWS},
)
GIVEN = {
    "type": "object",
    "properties": {**_named(TEXT, "access_token issued_token_type token_type scope"), "expires_in": NUMBER},
}
OAUTH_ERROR = "error error_description"
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        **_named(TEXT, "type title detail request_id next_step event link"),
        "status": NUMBER,
        "errors": {"type": "array", "items": {"type": "object", "properties": _named(TEXT, "pointer message code")}},
    },
}


def _list(shape: Shape) -> dict[str, Any]:
    results = {"type": "array", "items": shape}
    return {
        "type": "object",
        "required": ["results"],
        "properties": {"results": results, "next": MAYBE, "previous": MAYBE},
    }


# (view, method) → the statuses of what went well, and the shape of the answer.
ANSWERS: Mapping[tuple[str, str], tuple[Sequence[int], Shape]] = {
    ("versions.Versions", "GET"): ([200], _list(VERSION)),
    ("versions.Versions", "POST"): ([201], VERSION),
    ("versions.OneVersion", "GET"): ([200], VERSION),
    ("versions.Reviews", "POST"): ([201], VERSION),
    ("versions.Resubmit", "POST"): ([201], VERSION),
    **{(f"versions.{name}", "POST"): ([200], VERSION) for name in ("Lift", "Revoke", "Withdraw")},
    ("versions.TestAgain", "POST"): ([202], OBJECT),
    ("discussions.Comments", "GET"): ([200], _list(OBJECT)),
    ("discussions.Comments", "POST"): ([201], OBJECT),
    ("runs.Runs", "GET"): ([200], _list(RUN)),
    ("runs.Runs", "POST"): ([201, 202], RUN),
    ("runs.OneRun", "GET"): ([200], RUN),
    ("runs.Continue", "POST"): ([201, 202], RUN),
    ("run_pages.Comments", "GET"): ([200], _list(OBJECT)),
    ("run_pages.Comments", "POST"): ([201], OBJECT),
    ("glass.Register", "GET"): ([200], _list(OBJECT)),
    ("glass.Break", "POST"): ([201], OBJECT),
    ("control.Changes", "POST"): ([201, 202], OBJECT),
    ("control.Grants", "POST"): ([201, 202], OBJECT),
    ("control.People", "POST"): ([201], OBJECT),
    ("accounts.ServiceAccounts", "POST"): ([201], OBJECT),
    ("agents.Agents", "GET"): ([200], _list(OBJECT)),
    ("standing.Listing", "GET"): ([200], _list(OBJECT)),
    ("standing.Listing", "POST"): ([201, 202], OBJECT),
    **{(f"standing.{name}", "POST"): ([200], OBJECT) for name in ("Preview", "Pause", "Resume")},
    ("standing.One", "GET"): ([200], OBJECT),
    ("standing.Secret", "POST"): ([201], OBJECT),
    ("ahead.Ahead", "GET"): ([200], OBJECT),
    ("ahead.Ahead", "POST"): ([201], OBJECT),
    ("ahead.TakeBack", "POST"): ([200], OBJECT),
    ("deputies.Deputies", "GET"): ([200], _list(OBJECT)),
    ("deputies.Deputies", "POST"): ([201], OBJECT),
    ("decisions.Decisions", "GET"): ([200], _list(OBJECT)),
    ("decisions.PassOn", "POST"): ([201], OBJECT),
    ("notices.Notices", "GET"): ([200], _list(OBJECT)),
    **{(name, "GET"): ([200], _list(OBJECT)) for name in ("spaces.Spaces", "evidence.Holds")},
    **{(name, "GET"): ([200], _list(OBJECT)) for name in ("saved_requests.SavedRequests", "evidence_events.Events")},
    ("collectors.Collectors", "GET"): ([200], _list(OBJECT)),
    **{(f"saved_requests.{name}", "POST"): ([201], OBJECT) for name in ("SavedRequests", "Ask")},
    ("stops.Stops", "GET"): ([200], _list(OBJECT)),
    ("stops.Stops", "POST"): ([201], OBJECT),
    ("policies.Policies", "GET"): ([200], _list(OBJECT)),
    ("policies.Past", "POST"): ([200], OBJECT),
    **{(f"agents.{name}", "POST"): ([204], {}) for name in ("Stop", "Start")},
    ("tokens.Tokens", "POST"): ([201], OBJECT),
    ("directories.Directories", "GET"): ([200], _list(OBJECT)),
    ("directories.Directories", "POST"): ([201], OBJECT),
    ("tokens.Rotate", "POST"): ([201], OBJECT),
    ("access_requests.AccessRequests", "POST"): ([201], OBJECT),
    ("access_requests.Grant", "POST"): ([201, 202], OBJECT),
    ("sessions.LetIn", "POST"): ([204], {}),
    **{(name, "DELETE"): ([204], {}) for name in ("tokens.OneToken", "sessions.OneSession")},
    ("campaigns.Campaigns", "POST"): ([201], OBJECT),
    **{(name, "POST"): ([201], OBJECT) for name in ("campaigns.Keep", "use.NarrowProcedure")},
    ("campaigns.Narrow", "POST"): ([201, 202], OBJECT),
    ("exchange.Exchange", "POST"): ([200], GIVEN),
    ("exchange.Workloads", "GET"): ([200], OBJECT),
    ("session.Session", "POST"): ([204], {}),
    ("session.Welcome", "POST"): ([201], OBJECT),
    ("sources.Look", "POST"): ([202], OBJECT),
    ("targets.Targets", "GET"): ([200], _list(OBJECT)),
    ("targets.Inventories", "GET"): ([200], _list(OBJECT)),
    ("runners.Runners", "GET"): ([200], _list(OBJECT)),
    **{(f"targets.{name}", "POST"): ([202], OBJECT) for name in ("Contact", "Sync")},
}
PROBLEMS = {
    "default": {"description": "A refusal (RFC 9457).", "content": {"application/problem+json": {"schema": PROBLEM}}}
}

OAUTH = {
    status: {
        "description": "A refusal (RFC 6749, 5.2).",
        "content": {"application/json": {"schema": {"type": "object", "properties": _named(TEXT, OAUTH_ERROR)}}},
    }
    for status in ("400", "413", "415", "429", "503")
}


class Described(AutoSchema):
    """Requests and answers as the tables above have them; the views themselves hold no serializer."""

    @property
    def _name(self) -> str:
        kind = type(self.view)
        return f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"

    def get_operation_id(self) -> str:
        words = [word.strip("{}") for word in self.path.strip("/").split("/")[2:]]
        return "_".join([self.method.lower(), *words]).replace("-", "_")

    def _get_serializer(self) -> None:
        """The views have none, and nothing is guessed."""

    def _get_request_body(self, direction: str = "request") -> dict[str, Any] | None:
        if self.method != "POST":
            return None
        if self._name in FORMS:
            kind, shape = FORMS[self._name]
            return {"required": True, "content": {kind: {"schema": dict(shape)}}}
        taken = TAKES.get(self._name)
        return {"content": {"application/json": {"schema": dict(taken)}}} if taken is not None else None

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        statuses, shape = ANSWERS.get((self._name, self.method), ([200], OBJECT))
        body = {"content": {"application/json": {"schema": dict(shape)}}} if shape else {}
        found = {str(status): {"description": "It went well.", **body} for status in statuses} | PROBLEMS
        return found | (OAUTH if self._name == "exchange.Exchange" else {})


class Bearer(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A token of a program, in the header."""

    target_class = "procedures.api.authentication.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class Cookie(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A person's session."""

    target_class = "procedures.api.authentication.PersonSession"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
