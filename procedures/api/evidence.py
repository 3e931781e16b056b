"""Evidence over REST: the log's key, its latest checkpoint, events of a run, and packs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from procedures import access
from procedures.api import inputs, shapes
from procedures.api.door import Door, attached, uuid
from procedures.api.runs import RunDoor
from procedures.domain.clock import now
from procedures.domain.errors import NotFound
from procedures.evidence import proofs, receipts
from procedures.evidence.models import Checkpoint, Event
from procedures.evidence.pulse import pulse
from procedures.evidence.retained import published
from procedures.evidence.witnessed import witnessed
from procedures.models import LegalHold
from procedures.queries import auditing, populations, storage
from procedures.services import dossiers, exports, legal_holds, purges, readings


class Exports(Door):
    def post(self, request: Request) -> FileResponse:
        wanted = inputs.checked(inputs.EXPORT, request.data or {})
        file, summary = exports.export(actor=self.actor, wanted=wanted, at=now())
        answer = FileResponse(file, as_attachment=True, filename="pack.zip", content_type="application/zip")
        answer["X-Evidence-Events"] = str(summary["events"])
        answer["X-Evidence-Level"] = summary["level"]
        return answer


class Populations(Door):
    """Which runs a filter names, counted from every header; and fixes them, before anybody speaks a nonce.

    `?size=` counts over a checkpoint of before, `?start=` goes on after so many rows, `?as=csv` gives the whole file.
    """

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response | StreamingHttpResponse:
        start, size = (inputs.number(request.GET, name) for name in ("start", "size"))
        found = populations.population(self.actor, request.GET.dict(), at=now(), size=size)
        if request.GET.get("as") == "csv":
            readings.note_read(actor=self.actor, what=found.said(), at=now())
            file = StreamingHttpResponse(found.count.csv(), content_type="text/csv; charset=utf-8")
            return attached(file, "population.csv")
        rows = [row.told() for row in found.rows(start)]
        end = start + len(rows)
        more = str(end) if end < found.count.runs else None
        return Response({"panel": found.panel(), "results": rows, "next": more, "previous": None})

    def post(self, request: Request) -> Response:
        wanted = inputs.checked(inputs.POPULATION, request.data or {})
        return Response(exports.fix(actor=self.actor, wanted=wanted, at=now()), status=201)


class Samples(Door):
    """Draws runs from a fixed population by the auditor's nonce."""

    def post(self, request: Request) -> Response:
        said = inputs.checked(inputs.SAMPLE, request.data or {})
        return Response(exports.draw(actor=self.actor, **said, at=now()), status=201)


class Log(Door):
    def get(self, request: Request) -> Response:
        access.require(self.actor, "audit", at=now())
        last = Checkpoint.objects.order_by("-size").first()
        found = witnessed(now())
        keys = {"log_key": exports.log_key(), "mldsa_key": published()}
        said = {**keys, "checkpoint": last.note if last else None}
        health = {"health": shapes.pulse(pulse(now())), "storage": _storage(now())}
        return Response({**said, **health, "size": last.size if last else 0, "witnessed": shapes.witnessed(found)})


class Holds(Door):
    """The register of legal holds, live ones first; they are placed and ended as control changes."""

    def get(self, request: Request) -> Response:
        live, past = legal_holds.register(actor=self.actor, at=now())
        return Response({"results": [_hold(row) for row in [*live, *past]], "next": None, "previous": None})


class Retention(Door):
    """How long runs are kept at least, how many are past their date, how many two people purged, how many lie cold.

    `refused` are agreements that the log does not bear out: the sweeper leaves those runs alone.
    `?due=1` adds what a purge of those past their date would say, of one `?procedure=` if it is named: for a control
    change `redaction`, with a basis and who asked for it.
    """

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        found = purges.overview(actor=self.actor, at=now())
        said: dict[str, Any] = {"floor_days": found.floor, "due": found.due, "since": shapes.at(found.since)}
        said |= {"agreed": found.agreed, "purged": found.purged, "cold": found.cold}
        said["refused"] = [{"change": str(one.change), "why": one.why, "runs": one.runs} for one in found.refused]
        if request.GET.get("due") == "1":
            said["purge"] = purges.proposed(actor=self.actor, procedure=request.GET.get("procedure", ""), at=now())
        return Response(said)


def _hold(row: LegalHold) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "names": row.named(),
        "basis": row.basis,
        "requested_by": row.requested_by,
        "placed_by": row.placed_by.username,
        "placed_at": shapes.at(row.placed_at),
        "ended_by": row.ended_by.username if row.ended_by else None,
        "ended_at": shapes.at(row.ended_at),
    }


def _storage(at: datetime) -> dict[str, Any]:
    """How full the places of evidence are, what a year takes, and for how many days they last; None: not known yet."""
    grown = storage.growth(at)
    rows = [{"what": one.what, "used": one.used, "size": one.size} for one in storage.looked_at()]
    return {"places": rows, "year_bytes": grown.year, "days_left": grown.days}


class RunEvents(RunDoor):
    """Every event of one run, with its place in the log once it has one."""

    def get(self, request: Request, pk: str) -> Response:
        run = self.run(pk)
        rows = [
            {
                "n": e.n,
                "kind": e.kind,
                "at": shapes.at(e.at),
                "id": str(e.id),
                "index": e.leaf.index if hasattr(e, "leaf") else None,
                "facts": json.loads(bytes(e.body)) if e.body else None,
            }
            for e in Event.objects.filter(run=run.pk).select_related("leaf").order_by("n")
        ]
        return Response({"results": rows, "next": None})


class RunProof(RunDoor):
    """That the log holds the event that ended a run: it commits to every other event of the run."""

    def get(self, request: Request, pk: str) -> HttpResponse:
        return _as_file(proofs.proof_of(proofs.seal_of(self.run(pk).pk).pk, body=True), f"run-{pk}")


class RunDossier(Door):
    """All that is known of one run as a document, for auditors: `?form=html` or `?form=pdf`."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request, pk: str) -> HttpResponse:
        form = request.GET.get("form", "html")
        data, name = dossiers.run_dossier(actor=self.actor, run=uuid(pk), form=form, at=now())
        return attached(HttpResponse(data, content_type="application/octet-stream"), name)


class RunReceipt(RunDoor):
    """What one takes home for asking for a run, or deciding on it: a promise of the log, soon with its proof.

    The newest of them, or of `?event=`.
    """

    by_token: ClassVar[Mapping[str, str]] = {"get": "view"}

    def get(self, request: Request, pk: str) -> HttpResponse:
        which = request.GET.get("event")
        event = receipts.receipt_for(self.actor.subject, self.run(pk).pk, uuid(which) if which else None)
        if event is None:
            raise NotFound("You neither asked for this run nor decided on it.")
        data = receipts.receipt_bytes(event)
        name = f"run-{pk}-{event.kind.partition('.')[2]}-{event.pk}.receipt"
        return attached(HttpResponse(data, content_type="application/json"), name)


class EventProof(Door):
    """That the log holds one event, for its actor and for auditors; only to these with what its body says."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request, pk: str) -> HttpResponse:
        row = Event.objects.filter(pk=uuid(pk)).first()
        audits = row is not None and auditing.audits_event(self.actor, row, now())
        if row is None or not (audits or row.actor == self.actor.subject):
            raise NotFound("There is no such event.")
        return _as_file(proofs.proof_of(row.pk, body=audits), f"event-{pk}")


def _as_file(data: bytes, name: str) -> HttpResponse:
    return attached(HttpResponse(data, content_type="text/plain; charset=utf-8"), f"{name}.tlog-proof")


class OneEvent(Door):
    """Where one event stands in the log, for its actor and for auditors."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request, pk: str) -> Response:
        row = Event.objects.select_related("leaf").filter(pk=uuid(pk)).first()
        mine = row is not None and row.actor == self.actor.subject
        if row is None or not (mine or auditing.audits_event(self.actor, row, now())):
            raise NotFound("There is no such event.")
        return Response(
            {
                "id": str(row.id),
                "kind": row.kind,
                "at": shapes.at(row.at),
                "index": row.leaf.index if hasattr(row, "leaf") else None,
            }
        )
