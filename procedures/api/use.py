"""What was used against what is allowed, and less of it: a manuscript, or the object of a smaller grant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door, uuid
from procedures.domain import patches
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import NotFound
from procedures.domain.observed import FLOOR, Line
from procedures.models import Version
from procedures.queries import observed, observed_grants, pages_procedures
from procedures.services import narrowing
from procedures.services.manuscripts import unpacked
from procedures.services.versions import stored_files


class ProcedureUse(Door):
    """The lines of the accepted version, each with what its runs were seen to use."""

    def get(self, request: Request, name: str) -> Response:
        at = now()
        procedure = pages_procedures.one_procedure(self.actor, name, at)
        version = pages_procedures.accepted(procedure, at)
        if version is None or not pages_procedures.may_view(self.actor, procedure, at):
            raise NotFound("There is no accepted version whose use you may look at.")
        seen = observed.of_procedure(self.actor, procedure, version, at)
        told = {key: value for key, value in seen.body.items() if key != "lines"}
        rest = {"digest": seen.digest, "partial": seen.partial, "called": seen.called, "floor": FLOOR}
        return Response({**told, **rest, "results": [line(one) for one in seen.lines]})


class NarrowProcedure(Door):
    """POST {lines}: a manuscript of the caller without these lines, with the note for its reviewers and a patch."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, name: str) -> Response:
        data = inputs.checked(inputs.LINES, request.data)
        made = narrowing.narrow_procedure(actor=self.actor, name=name, lines=data["lines"], at=now())
        base = Version.objects.get(procedure__name=name, digest=made.manuscript.base_digest, state="accepted")
        text = patches.mail(
            stored_files(base),
            unpacked(made.manuscript),
            folder=str((base.origin or {}).get("folder", "")).strip("/"),
            author=str(self.actor),
            address=self.actor.email or f"{self.actor.username}@opsportal.invalid",
            title=f"{name}: narrowed to what is used",
            at=now(),
        )
        url = f"{self.url}/procedures/{name}/edit/"
        told = {"procedure": name, "note": made.note, "observation": made.observation.digest, "patch": text, "url": url}
        return Response(told, status=201)


class GrantUse(Door):
    """The lines of a live grant, each with what was done under it."""

    def get(self, request: Request, pk: str) -> Response:
        at = now()
        grant = observed_grants.one(self.actor, uuid(pk), at)
        if grant is None:
            raise NotFound("There is no such access.")
        seen = observed_grants.of_grant(self.actor, grant, at)
        told = {key: value for key, value in seen.body.items() if key != "lines"}
        rest = {"digest": seen.digest, "partial": seen.partial, "floor": FLOOR, "last_at": shapes.at(seen.last_at)}
        return Response({**told, **rest, "results": [line(one) for one in seen.lines]})


class NarrowGrant(Door):
    """POST {lines}: the object of the smaller grant, to be signed and proposed under controls; nothing is given."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.LINES, request.data)
        made = narrowing.narrower_grant(actor=self.actor, grant=uuid(pk), lines=data["lines"], at=now())
        return Response({"object": made})


def line(one: Line) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "step": one.step,
        "what": one.what,
        "verdict": one.verdict,
        "runs": one.runs,
        "last_at": moment(one.last_at) if one.last_at else None,
        "why": one.why,
        "can_go": one.cut,
        "less": one.less,
    }
