"""The door where a workload changes its issuer's token for a short one of the portal (RFC 8693), and what it knows of.

Its refusals are those of RFC 6749 (5.2): `error` and `error_description`, never a rule's name or claims.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from rest_framework.exceptions import APIException, Throttled
from rest_framework.parsers import FormParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from procedures.api import shapes
from procedures.api.door import Door
from procedures.domain.addresses import network_of
from procedures.domain.clock import now
from procedures.domain.providers import ProviderUnreachable
from procedures.domain.workloads import NAME, WorkloadRefused
from procedures.queries import workloads
from procedures.services import exchanges
from procedures.services.unit import door

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
TYPE = "urn:ietf:params:oauth:token-type:"
TAKEN = (f"{TYPE}jwt", f"{TYPE}id_token")
GIVEN = f"{TYPE}access_token"
LARGEST_BYTES = 65_536
UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
UNQUOTABLE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")  # what an error_description may not hold


class ByAddress(SimpleRateThrottle):
    """Tries of one address (of IPv6, one network of 64 bits) within a minute, kept by this process."""

    scope = "exchange"
    rate = "120/min"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return f"exchange {network_of(request.META.get('REMOTE_ADDR', '')) or 'unknown'}".replace(" ", "-")


class Exchange(APIView):
    """POST a form: grant_type, subject_token, subject_token_type; scope and rule may narrow what is given."""

    permission_classes = (AllowAny,)
    authentication_classes = ()
    parser_classes = (FormParser,)
    throttle_classes = (ByAddress,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        door.set("api")
        super().initial(request, *args, **kwargs)
        if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BYTES:
            raise WorkloadRefused(f"The request is larger than {LARGEST_BYTES} bytes.", status=413)

    def post(self, request: Request) -> Response:
        data = _form(request.data)
        given = exchanges.exchange(
            token=data["subject_token"], scope=data.get("scope", ""), rule=data.get("rule", ""), at=now()
        )
        answer = {
            "access_token": given.secret,
            "issued_token_type": GIVEN,
            "token_type": "Bearer",
            "expires_in": given.seconds,
            "scope": given.reach.scope(),
        }
        return Response(answer, headers=UNCACHED)

    def handle_exception(self, exc: Exception) -> Response:
        """Every refusal in the form that clients of OAuth read."""
        headers = dict(UNCACHED)
        if isinstance(exc, WorkloadRefused):
            error, status, message = exc.error, exc.status, exc.message
        elif isinstance(exc, ProviderUnreachable):
            error, status, message = "temporarily_unavailable", 503, "The keys of the issuer cannot be had: try again."
        elif isinstance(exc, Throttled):
            error, status, message = "slow_down", 429, "Too many tries from this address."
            headers["Retry-After"] = str(int(getattr(exc, "wait", None) or 60))
        elif isinstance(exc, APIException):
            error, status, message = "invalid_request", exc.status_code, "Send a form (x-www-form-urlencoded) by POST."
        else:
            return super().handle_exception(exc)
        body = {"error": error, "error_description": UNQUOTABLE.sub("'", message)}
        return Response(body, status=status, headers=headers)


def _form(posted: Any) -> dict[str, str]:
    """The parameters, each given once, as RFC 8693 (2.1) names them. Raises WorkloadRefused."""
    data: Mapping[str, list[str]] = dict(posted.lists()) if hasattr(posted, "lists") else {}
    if twice := [name for name, values in data.items() if len(values) > 1]:
        raise WorkloadRefused(f"{twice[0][:60]} is given more than once.")
    found = {name: values[0] for name, values in data.items() if values[0]}
    if found.get("grant_type") != GRANT:
        raise WorkloadRefused(f"grant_type is {GRANT}.", error="unsupported_grant_type")
    if found.get("subject_token_type") not in TAKEN:
        raise WorkloadRefused(f"subject_token_type is one of {', '.join(TAKEN)}.")
    if "subject_token" not in found:
        raise WorkloadRefused("subject_token is missing.")
    if "actor_token" in found or "actor_token_type" in found:
        raise WorkloadRefused("actor_token is not taken: a workload asks for itself.")
    if found.get("requested_token_type", GIVEN) != GIVEN:
        raise WorkloadRefused(f"requested_token_type is {GIVEN}.")
    for name in ("audience", "resource"):
        if found.get(name, settings.OPSPORTAL_PUBLIC_URL) != settings.OPSPORTAL_PUBLIC_URL:
            raise WorkloadRefused(f"{name} is this portal, or left out.", error="invalid_target")
    if "rule" in found and not re.fullmatch(NAME["pattern"], found["rule"]):
        raise WorkloadRefused("rule is the name of a rule.")
    return found


class Workloads(Door):
    """GET: trusted issuers, rules and the last exchanges: all for managers and auditors, else of one's own accounts."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        issuers, rules = workloads.shown(self.actor, now())
        return Response(
            {
                "issuers": [{**row.object, "since_at": shapes.at(row.since_at)} for row in issuers],
                "rules": [_rule(one) for one in rules],
                "audience": settings.OPSPORTAL_PUBLIC_URL,
            }
        )


def _rule(one: workloads.Shown) -> dict[str, Any]:
    return {
        **one.rule.object,
        "account": shapes.person(one.rule.account),
        "made_by": one.rule.made_by.username,
        "since_at": shapes.at(one.rule.since_at),
        "exchanges": [
            {
                "id": str(row.pk),
                "sub": row.subject,
                "at": shapes.at(row.at),
                "token": str(row.token_id),
                "expires_at": shapes.at(row.token.expires_at),
                "revoked_at": shapes.at(row.token.revoked_at),
            }
            for row in one.last
        ],
    }
