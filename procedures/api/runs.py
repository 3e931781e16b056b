"""Runs over REST."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door, attached, once, page, uuid
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed
from procedures.domain.states import RunState
from procedures.models import Run
from procedures.queries import pages_runs, waiting, workloads
from procedures.services import approvals, artifacts, continuing, endings, gate_answers, pauses, reruns, runs

PAGE = 50
SOON = {RunState.PLANNING, RunState.AWAITING_APPROVAL}


class RunDoor(Door):
    def run(self, pk: str) -> Run:
        """The run, if this person may know of it. Raises NotFound."""
        return pages_runs.one_run(self.actor, uuid(pk), now())

    def with_waits(self, row: Run) -> dict[str, Any]:
        """A run as it looks, with what keeps it waiting: also that no runner would take it."""
        waits = [{"kind": why.kind, "text": why.text} for why in waiting.waiting_for(row, self.actor, now())]
        return {**shapes.run(row, url=self.url), "waiting_for": waits}

    def asked_for(self, row: Run) -> tuple[int, dict[str, Any]]:
        """The answer to a request for a run: 202 where something must come before the queue."""
        return (202 if row.state in SOON else 201), self.with_waits(row)


class Runs(RunDoor):
    by_token: ClassVar[Mapping[str, str]] = {"get": "view", "post": "run"}

    def get(self, request: Request) -> Response:
        rows = pages_runs.seen_by(self.actor, now()).order_by("-id")
        for name, field in (("procedure", "procedure__name"), ("environment", "environment"), ("state", "state")):
            if request.GET.get(name):
                rows = rows.filter(**{field: request.GET[name]})
        if number := request.GET.get("no"):
            rows = rows.filter(no=int(number)) if number.isdecimal() and len(number) < 10 else rows.none()
        if request.GET.get("cursor"):
            rows = rows.filter(pk__lt=uuid(request.GET["cursor"]))
        return Response(page(list(rows[: PAGE + 1]), PAGE, lambda r: shapes.run(r, url=self.url), lambda r: str(r.pk)))

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.RUN, request.data)

        def act() -> tuple[int, dict[str, Any]]:
            return self.asked_for(runs.request_run(actor=self.actor, wish=runs.Wish(door="api", **data), at=now()))

        return once(request, self.actor, act)


class OneRun(RunDoor):
    def get(self, request: Request, pk: str) -> Response:
        row = self.run(pk)
        return Response({**self.with_waits(row), "workload": workloads.behind(row.pk)})


class Plan(RunDoor):
    """The exact bytes that an approval is of, beside their digest."""

    def get(self, request: Request, pk: str) -> Response:
        row = self.run(pk)
        data = row.plan_now
        return Response(
            {
                "plan_digest": row.digest_now,
                "plan": json.loads(data or b"{}"),
                "bytes": base64.b64encode(data).decode(),
            }
        )


class Statement(RunDoor):
    """A fresh statement to sign, over the plan as it is now."""

    def get(self, request: Request, pk: str) -> Response:
        row = self.run(pk)
        verdict = request.GET.get("verdict", "approve")
        value = approvals.statement_for(actor=self.actor, run=row, verdict=verdict, at=now())
        return Response({"statement": base64.b64encode(canon(value)).decode(), "value": value})


class Decide(RunDoor):
    verdict = "approve"

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.DECISION, request.data)
        row = approvals.decide_run(
            actor=self.actor,
            run=uuid(pk),
            verdict=self.verdict,
            plan_digest=data["plan_digest"],
            comment=data.get("comment", ""),
            signature=data.get("signature"),
            at=now(),
            bearer=self.bearer,
        )
        return Response(shapes.run(row, url=self.url))


class Reject(Decide):
    verdict = "reject"


class Cancel(RunDoor):
    by_token: ClassVar[Mapping[str, str]] = {"post": "cancel"}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.REASON, request.data or {})
        row = endings.cancel_run(actor=self.actor, run=self.run(pk).pk, reason=data.get("reason", ""), at=now())
        return Response(shapes.run(row, url=self.url))


class Answer(RunDoor):
    """What a gate asks for; or `refuse` turns it down."""

    by_token: ClassVar[Mapping[str, str]] = {"post": "run"}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.ANSWER, request.data or {})
        me, run, bearer = self.actor, self.run(pk).pk, self.bearer
        if data.get("refuse"):
            why = data.get("reason", "")
            row = gate_answers.refuse_answer(actor=me, run=run, reason=why, at=now(), bearer=bearer)
        else:
            row = gate_answers.answer_run(actor=me, run=run, values=data.get("values", {}), at=now(), bearer=bearer)
        return Response(shapes.run(row, url=self.url))


class Pause(RunDoor):
    """The run stands still before its next step."""

    by_token: ClassVar[Mapping[str, str]] = {"post": "cancel"}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.REASON, request.data or {})
        row = pauses.pause_run(actor=self.actor, run=self.run(pk).pk, reason=data.get("reason", ""), at=now())
        return Response(shapes.run(row, url=self.url))


class Resume(RunDoor):
    """A paused run goes on."""

    by_token: ClassVar[Mapping[str, str]] = {"post": "cancel"}

    def post(self, request: Request, pk: str) -> Response:
        row = pauses.resume_run(actor=self.actor, run=self.run(pk).pk, at=now())
        return Response(shapes.run(row, url=self.url))


class Rerun(RunDoor):
    """The same again, or only where it went wrong."""

    by_token: ClassVar[Mapping[str, str]] = {"post": "run"}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.RERUN, request.data or {})

        def act() -> tuple[int, dict[str, Any]]:
            again = reruns.Again(door="api", **data)
            return self.asked_for(reruns.rerun(actor=self.actor, run=uuid(pk), again=again, at=now()))

        return once(request, self.actor, act)


class Continue(RunDoor):
    """A new run that skips what this one has done."""

    by_token: ClassVar[Mapping[str, str]] = {"post": "run"}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.REASON, request.data or {})

        def act() -> tuple[int, dict[str, Any]]:
            how = continuing.GoOn(reason=data.get("reason", ""), door="api")
            return self.asked_for(continuing.continue_run(actor=self.actor, run=uuid(pk), how=how, at=now()))

        return once(request, self.actor, act)


class Tasks(RunDoor):
    """Who may read the output gets the seeds too, which open what the runners signed of it."""

    def get(self, request: Request, pk: str) -> Response:
        run = self.run(pk)
        opened = pages_runs.may_read_output(self.actor, run, now())
        rows = [(shapes.task(row), row.transcript_seed if opened else None) for row in run.tasks.all()]
        told = [shape | ({"seed": bytes(seed).hex()} if seed else {}) for shape, seed in rows]
        return Response({"results": told, "next": None})


class Artifacts(RunDoor):
    """What a run made, by name and hash; the bytes are asked for one by one."""

    by_token: ClassVar[Mapping[str, str]] = {"get": "read_output"}

    def get(self, request: Request, pk: str) -> Response:
        rows = self.run(pk).artifacts.select_related("task").order_by("id")
        return Response({"results": [shapes.artifact(row) for row in rows], "next": None})


class OneArtifact(RunDoor):
    by_token: ClassVar[Mapping[str, str]] = {"get": "read_output"}

    def get(self, request: Request, pk: str, artifact: str) -> HttpResponse:
        row = artifacts.read_artifact(actor=self.actor, run=self.run(pk).pk, artifact=uuid(artifact), at=now())
        answer = HttpResponse(bytes(row.content or b""), content_type="application/octet-stream")
        return attached(answer, row.name)


class Log(RunDoor):
    by_token: ClassVar[Mapping[str, str]] = {"get": "read_output"}

    def get(self, request: Request, pk: str) -> Response:
        row = self.run(pk)
        if not pages_runs.may_read_output(self.actor, row, now()):
            raise NotAllowed("You may see this run, but not what it printed.")
        after = int(request.GET.get("cursor", "0")) if request.GET.get("cursor", "0").isdigit() else 0
        chunks = list(row.log.filter(seq__gt=after).order_by("seq")[:501])
        return Response(
            page(
                chunks,
                500,
                lambda c: {
                    "seq": c.seq,
                    "at": shapes.at(c.at),
                    "task": c.task_id and str(c.task_id),
                    "step": c.step,
                    "target": c.target,
                    "stream": c.stream,
                    "text": c.text,
                },
                lambda c: str(c.seq),
            )
        )
