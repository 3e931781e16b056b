"""Procedures, versions and reviews over REST."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from procedures import access
from procedures.api import inputs, shapes
from procedures.api.door import Door, no_larger, once, uuid
from procedures.definitions.archive import unpack
from procedures.domain import options
from procedures.domain.bundle import MAX_BYTES
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.models import Environment, Procedure, Version
from procedures.queries.drafts import hidden_from, without_others
from procedures.queries.due import due_for_review, moved_on
from procedures.queries.reach import grown
from procedures.services import drafts, life, option_asking, reviews, trials, versions


class Procedures(Door):
    by_token: ClassVar[Mapping[str, str]] = {"get": "discover"}

    def get(self, request: Request) -> Response:
        alive = Procedure.objects.filter(retired_at__isnull=not request.GET.get("retired")).order_by("name")
        rows = access.visible(alive, self.actor, "discover", at=now())
        query = request.GET.get("q", "").strip()
        if query:
            rows = rows.filter(name__icontains=query) | rows.filter(title__icontains=query)
        if request.GET.get("runnable"):
            rows = access.visible(rows, self.actor, "run", at=now())
        return Response({"results": [shapes.procedure(row) for row in rows[:200]], "next": None, "previous": None})


class OneProcedure(Door):
    by_token: ClassVar[Mapping[str, str]] = {"get": "discover"}

    def get(self, request: Request, name: str) -> Response:
        row = Procedure.objects.filter(name=name).first()
        if row is None or not access.decide(self.actor, "discover", at=now(), procedure=row).allowed:
            raise NotFound(f"There is no procedure {name}.")
        found = shapes.procedure(row)
        if (
            access.decide(self.actor, "view", at=now(), procedure=row).allowed
            or access.decide(self.actor, "run", at=now(), procedure=row).allowed
        ):
            accepted = row.versions.filter(state="accepted").first()
            rows = without_others(Version.objects.filter(procedure=row), self.actor).order_by("-number")
            found["versions"] = [shapes.version(v) for v in rows[:50]]
            found["parameters"] = accepted.definition["parameters"] if accepted else None
            found["secrets"] = accepted.definition["secrets"] if accepted else None
        return Response(found)


class Options(Door):
    """The choices of one parameter, which come from elsewhere: asked for, or told as they stand."""

    by_token: ClassVar[Mapping[str, str]] = {"post": "run"}

    def post(self, request: Request, name: str) -> Response:
        data = inputs.checked(inputs.OPTIONS, request.data)
        row = Procedure.objects.filter(name=name).first()
        environment = Environment.objects.filter(name=data["environment"]).first()
        at = now()
        if row is None or environment is None:
            if narrow := access.outside(self.actor, "run", name, data["environment"]):
                raise NotAllowed(narrow)
            why = f"No grant lets {self.actor.username} run {name} in {data['environment']}."
            raise NotAllowed.for_want_of(why, verb="run", procedure=name, environment=data["environment"])
        access.require(self.actor, "run", at=at, procedure=row, environment=environment)
        version = row.versions.filter(state="accepted", expires_at__gt=at).first()
        source = options.sources(version.definition["parameters"]).get(data["parameter"]) if version else None
        if version is None or source is None:
            raise NotFound(f"{data['parameter']} takes its choices from nowhere else.")
        listed = option_asking.ask(
            actor=self.actor,
            version=version,
            environment=environment,
            source=source,
            parameters=data.get("parameters", {}),
            at=at,
        )
        found = listed.choices
        return Response(
            {
                "state": listed.state,
                "message": listed.said,
                "binds": source.binds,
                "values": found.values if found else [],
                "titles": found.titles if found else [],
                "digest": listed.digest or None,
                "run": str(listed.run) if listed.run else None,
            }
        )


class Versions(Door):
    by_token: ClassVar[Mapping[str, str]] = {"get": "view", "post": "author"}

    def get(self, request: Request) -> Response:
        if request.GET.get("due"):
            at = now()
            queue = [
                shapes.version(row) | {"moved_on": moved_on(row, at), "grown": grown(row, at)}
                for row in due_for_review(self.actor, at)
            ]
            return Response({"results": queue, "next": None, "previous": None})
        rows = Version.objects.select_related("procedure", "submitter").order_by("-id")
        if request.GET.get("state"):
            rows = rows.filter(state=request.GET["state"])
        if request.GET.get("procedure"):
            rows = rows.filter(procedure__name=request.GET["procedure"])
        seen = [shapes.version(row) for row in rows[:200] if may_see(self.actor, row)]
        return Response({"results": seen, "next": None, "previous": None})

    def post(self, request: Request) -> Response:
        no_larger(request, MAX_BYTES + 65_536, "The bundle", "/bundle")
        bundle = request.FILES.get("bundle")
        note = str(request.POST.get("note", ""))
        if bundle is None:
            raise InvalidInput([("/bundle", "send the bundle as multipart field `bundle`, a tar.gz")])
        if len(note) > 2000:
            raise InvalidInput([("/note", "is longer than 2,000 characters")])
        submit = drafts.submit_draft if request.POST.get("draft") == "true" else versions.submit_version
        packed = bundle.read()

        def act() -> tuple[int, dict[str, Any]]:
            row = submit(actor=self.actor, files=unpack(packed), note=note, at=now())
            return 201, shapes.version(row)

        return once(request, self.actor, act, body=packed)


def may_see(actor: Any, row: Version) -> bool:
    if row.submitter_id == actor.pk and access.within(actor, "view", row.procedure.name):
        return True
    if hidden_from(actor, row):
        return False
    return any(
        access.decide(actor, verb, at=now(), procedure=row.procedure).allowed for verb in ("view", "review", "audit")
    )


class VersionDoor(Door):
    def version(self, pk: str) -> Version:
        row = Version.objects.select_related("procedure", "submitter").filter(pk=uuid(pk)).first()
        if row is None or not may_see(self.actor, row):
            raise NotFound("There is no such version.")
        return row


class OneVersion(VersionDoor):
    def get(self, request: Request, pk: str) -> Response:
        return Response(shapes.version(self.version(pk), whole=True))


class VersionFiles(VersionDoor):
    def get(self, request: Request, pk: str) -> Response:
        files = versions.stored_files(self.version(pk))
        return Response({"files": {path: base64.b64encode(content).decode() for path, content in files.items()}})


class Statement(VersionDoor):
    def get(self, request: Request, pk: str) -> Response:
        duties = request.GET.getlist("duties")
        value = reviews.statement_for(
            actor=self.actor, version=self.version(pk), verdict=request.GET.get("verdict", "accept"), duties=duties
        )
        return Response({"statement": base64.b64encode(canon(value)).decode(), "value": value})


class Reviews(Door):
    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.REVIEW, request.data)

        def act() -> tuple[int, dict[str, Any]]:
            row = reviews.review_version(
                actor=self.actor,
                version=uuid(data["version"]),
                digest=data["digest"],
                verdict=data["verdict"],
                duties=data.get("duties", []),
                comment=data.get("comment", ""),
                signature=data.get("signature"),
                at=now(),
                bearer=self.bearer,
            )
            row.refresh_from_db()
            return 201, {**shapes.version(row), "missing": reviews.still_missing(row)}

        return once(request, self.actor, act)


class Lift(VersionDoor):
    """Lift one's own request for changes."""

    def post(self, request: Request, pk: str) -> Response:
        row = reviews.lift(actor=self.actor, version=uuid(pk), at=now(), bearer=self.bearer)
        row.refresh_from_db()
        return Response({**shapes.version(row), "missing": reviews.still_missing(row)})


class Revoke(VersionDoor):
    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.REASON, request.data or {})
        row = life.revoke_version(
            actor=self.actor,
            version=uuid(pk),
            reason=data.get("reason", ""),
            at=now(),
            cancel_running=data.get("cancel_running", False),
        )
        return Response(shapes.version(row))


class Withdraw(VersionDoor):
    by_token: ClassVar[Mapping[str, str]] = {"post": "author"}

    def post(self, request: Request, pk: str) -> Response:
        row = versions.withdraw_version(actor=self.actor, version=uuid(pk), at=now())
        return Response(shapes.version(row))


class Resubmit(VersionDoor):
    """The same bytes into review again, for a renewal or a reinstatement."""

    by_token: ClassVar[Mapping[str, str]] = {"post": "author"}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.NOTE, request.data or {})
        row = life.resubmit_version(actor=self.actor, version=uuid(pk), note=data.get("note", ""), at=now())
        return Response(shapes.version(row), status=201)


class Retire(Door):
    def post(self, request: Request, name: str) -> Response:
        data = inputs.checked(inputs.REASON, request.data or {})
        row = life.retire_procedure(
            actor=self.actor,
            procedure=name,
            reason=data.get("reason", ""),
            at=now(),
            cancel_running=data.get("cancel_running", False),
        )
        return Response({"procedure": row.name, "retired_at": row.retired_at, "reason": row.retired_reason})


class Restore(Door):
    def post(self, request: Request, name: str) -> Response:
        data = inputs.checked(inputs.REASON, request.data or {})
        reason = data.get("reason", "")
        row = life.restore_procedure(actor=self.actor, procedure=name, reason=reason, at=now(), bearer=self.bearer)
        return Response({"procedure": row.name, "retired_at": None})


class TestAgain(VersionDoor):
    """Have the version's own tests run once more."""

    by_token: ClassVar[Mapping[str, str]] = {"post": "author"}

    def post(self, request: Request, pk: str) -> Response:
        row = self.version(pk)
        return Response(shapes.trial(trials.test_again(actor=self.actor, version=row.id, at=now())), status=202)
