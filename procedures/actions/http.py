"""`http:request`: one request with expectations; the address is judged after it was resolved, and then kept."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

import httpcore

from procedures.actions.reach import Ending, Guarded, in_time, waited
from procedures.domain import limits, rendering
from procedures.domain.errors import OpsError
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult
from procedures.domain.rendering import ENV_NAME
from procedures.domain.seen import host_of, seen

MAX_BODY = limits.ANSWER_BYTES
SHOWN = 2_000
STATUS = {"type": "integer", "minimum": 100, "maximum": 599}
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
KEPT_HEADERS = frozenset({"content-type", "location", "etag", "retry-after", "x-request-id"})


class HttpRequest(Action):
    """A request to one URL. No redirect is followed, so a credential never goes to another origin."""

    id: ClassVar[str] = "http:request"
    summary: ClassVar[str] = "Sends one HTTP request and checks the answer."
    floor: ClassVar[Any] = "moderate"
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "required": ["url"],
        "additionalProperties": False,
        "properties": {
            "url": {"type": "string", "minLength": 1, "maxLength": 2000},
            "method": {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]},
            "headers": {
                "type": "object",
                "propertyNames": {"pattern": "^[A-Za-z0-9-]{1,64}$"},
                "additionalProperties": {"type": "string"},
            },
            "json": {},
            "body": {"type": "string"},
            "stdin": {"type": "string"},
            "env": {"type": "object", "additionalProperties": {"type": "string"}},
            "auth": {
                "type": "object",
                "additionalProperties": False,
                "required": ["env"],
                "properties": {
                    "env": {"type": "string", "pattern": ENV_NAME.pattern},
                    "header": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$"},
                },
            },
            "expect": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "status": {"anyOf": [STATUS, {"type": "array", "items": STATUS, "minItems": 1}]},
                    "contains": {"type": "string", "maxLength": 2000},
                },
            },
        },
    }
    output_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "status": STATUS,
            "headers": {"type": "object"},
            "json": {},
            "text": {"type": "string"},
            "truncated": {"type": "boolean"},
        },
    }

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        problems = [("/url", problem)] if (problem := rendering.url_problem(input.get("url"))) else []
        bodies = [name for name in ("json", "body", "stdin") if name in input]
        if len(bodies) > 1:
            problems.append((f"/{bodies[1]}", f"A request has one body; {bodies[0]} is given too."))
        auth = input.get("auth") or {}
        if auth and auth.get("env") not in (input.get("env") or {}):
            problems.append(("/auth/env", "names no variable of this step's env."))
        return problems

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        given = call.input
        return {
            "method": given.get("method", "GET"),
            "url": given["url"],
            "headers": dict(given.get("headers") or {}),
            "json": given.get("json"),
            "body": given.get("body", ""),
            "secret_body": call.stdin is not None,
            "authorised_by": (given.get("auth") or {}).get("env", ""),
            "private_networks": list(call.networks),
        }

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        return in_time(call, io, lambda stop: _sent(call, io, stop))


def _sent(call: ActionCall, io: ActionIO, stop: Ending) -> ActionResult:
    """The request's result. Raises what the network raises."""
    method, url = call.input.get("method", "GET"), str(call.input["url"])
    headers, content = _body(call)
    pool = httpcore.ConnectionPool(
        ssl_context=ssl.create_default_context(), network_backend=Guarded(call.networks), max_connections=1
    )
    try:
        answer, body = waited(stop, lambda: _asked(pool, call, headers, content))
    finally:
        threading.Thread(target=pool.close, daemon=True).start()
    output = _output(answer, body)
    problem = _unexpected(call.input.get("expect") or {}, answer.status, body)
    io.write("stdout", f"{method} {url} answered {answer.status}, {len(body):,} bytes\n".encode())
    if problem:
        io.write("stderr", body[:SHOWN] + b"\n")
    host = host_of(url)
    facts = seen(hosts=[host], calls=[f"{method} {host}"])
    return ActionResult("failed" if problem else "succeeded", output=output, facts=facts, message=problem)


def _asked(
    pool: httpcore.ConnectionPool, call: ActionCall, headers: list[tuple[bytes, bytes]], content: bytes
) -> tuple[httpcore.Response, bytes]:
    """The answer with as much of its body as is kept, and one piece more."""
    method, url = call.input.get("method", "GET"), str(call.input["url"])
    limits = dict.fromkeys(("connect", "read", "write", "pool"), max(call.seconds_left, 0.1))
    with pool.stream(method, url, headers=headers, content=content, extensions={"timeout": limits}) as answer:
        body = b""
        for chunk in answer.iter_stream():
            body += chunk
            if len(body) > MAX_BODY:
                break
    return answer, body


def _body(call: ActionCall) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and bytes to send. Raises OpsError for a header value that would end its line."""
    headers = {str(name).lower(): str(value) for name, value in (call.input.get("headers") or {}).items()}
    content = str(call.input.get("body", "")).encode()
    if "json" in call.input:
        content = json.dumps(call.input["json"], ensure_ascii=False).encode()
        headers.setdefault("content-type", "application/json")
    if call.stdin is not None:
        content = call.stdin.reveal()
    if auth := call.input.get("auth"):
        name = auth["env"]
        value = call.secret_env[name].reveal().decode() if name in call.secret_env else call.env.get(name, "")
        header = auth.get("header", "authorization").lower()
        headers[header] = f"Bearer {value}" if header == "authorization" else value
    for name, value in headers.items():
        if CONTROL.search(value) or value != value.strip(" \t"):
            raise OpsError(f"The header {name} holds the end of a line, another control character, or outer blanks.")
    return [(name.encode(), value.encode()) for name, value in headers.items()], content


def _output(answer: httpcore.Response, body: bytes) -> dict[str, Any]:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    output: dict[str, Any] = {
        "status": answer.status,
        "headers": {name: value for name, value in headers.items() if name in KEPT_HEADERS},
        "truncated": len(body) > MAX_BODY,
    }
    if "json" in headers.get("content-type", ""):
        with contextlib.suppress(ValueError, RecursionError):
            return output | {"json": json.loads(body)}
    return output | {"text": body[:MAX_BODY].decode("utf-8", "replace").replace("\x00", "\u2400")}


def _unexpected(expect: Mapping[str, Any], status: int, body: bytes) -> str:
    """What is not as expected, or an empty string. Without a word about it any 2xx is good."""
    wanted = expect.get("status")
    good = status in (wanted if isinstance(wanted, list) else [wanted]) if wanted else 200 <= status < 300
    if not good:
        return f"It answered {status}; expected was {wanted or '2xx'}."
    if "contains" in expect and expect["contains"].encode() not in body:
        return "The answer does not contain what was expected."
    return ""
