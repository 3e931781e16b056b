"""The protocol itself, as scim2-server has it, with the limits of this portal and one directory behind it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from scim2_models import PatchOp, PayloadTooLargeException, Resource, SCIMException
from scim2_server.conditions import Conditions
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import ScimResponse
from scim2_server.service import ScimService

from procedures.domain.clock import now
from procedures.domain.directories import too_much
from procedures.domain.errors import OpsError
from procedures.models import IdentityProvider
from procedures.scim.resources import described
from procedures.scim.storage import OneDirectory, told

READS = ("GET", "HEAD")


class Service(ScimService):
    """A PATCH of more than a process can bear is refused before it is begun."""

    def apply_patch(
        self, current: Resource[Any], patch_op: PatchOp[Any], conditions: Conditions
    ) -> Resource[Any] | None:
        operations = patch_op.operations or []
        held = len(getattr(current, "members", None) or getattr(current, "emails", None) or ())
        if why := too_much(len(operations), held + sum(_values(one.value) for one in operations)):
            raise PayloadTooLargeException(detail=why)
        return super().apply_patch(current, patch_op, conditions)


def _values(value: Any) -> int:
    """How many rows of a list somebody wants to write."""
    if isinstance(value, dict):
        return sum(map(_values, value.values()))
    return len(value) if isinstance(value, list) else 0


@cache
def _service(url: str) -> Service:
    return Service(described(url))


def served(
    provider: IdentityProvider,
    *,
    method: str,
    url: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
) -> ScimResponse:
    """The answer to one request of this provider's directory; `url` is where the service stands for its callers."""
    protocol = _service(url)
    method = "GET" if method in READS else method
    asked = ScimRequest(method=method, base_url=url, path=path, query=query, headers=headers, body=body)
    try:
        return ScimHandler(protocol, OneDirectory(provider, now(), changes=method != "GET")).handle(asked)
    except SCIMException as problem:
        return protocol.error_response(problem)
    except OpsError as problem:
        return protocol.error_response(told(problem))
