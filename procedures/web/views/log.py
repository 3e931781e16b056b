"""A run's output as it comes: server-sent events that go on where a browser left off."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_safe

from procedures import access
from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.models import Person, Run
from procedures.queries import pages_log, pages_runs
from procedures.services import open_sessions
from procedures.web.doors import person_of, status_of

EVERY_S = 0.3
ASK_AGAIN_S = 15.0
KEEP_ALIVE_S = 10.0
AT_ONCE = 200


@dataclass(slots=True)
class Watch:
    """One browser's view of one run."""

    person: int
    run: UUID
    step: str
    target: str
    after: int
    session: UUID | None
    mark: str = ""


async def events(request: HttpRequest, run: UUID) -> HttpResponse | StreamingHttpResponse:
    """`id` is the sequence number; `log` carries lines, `state` says that the page's moving parts changed."""
    try:
        watch = await sync_to_async(_start)(request, run)
    except OpsError as problem:
        return JsonResponse({"code": problem.code, "detail": problem.message}, status=status_of(problem))
    answer = StreamingHttpResponse(_stream(watch), content_type="text/event-stream; charset=utf-8")
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"
    return answer


def _start(request: HttpRequest, run: UUID) -> Watch:
    person = person_of(request)
    last = request.headers.get("Last-Event-ID") or request.GET.get("after", "0")
    known = access.calling(person)
    watch = Watch(
        person.pk,
        run,
        request.GET.get("step", ""),
        request.GET.get("target", ""),
        int(last) if last.isdecimal() else 0,
        known.session if known else None,
    )
    allowed(watch)
    return watch


def allowed(watch: Watch) -> bool:
    """Whether this person may still read this run's output. Raises NotFound for a run that they may not know of."""
    person = Person.objects.get(pk=watch.person)
    row = pages_runs.one_run(person, watch.run, now())
    if not open_sessions.stands(watch.session, now()):
        return False
    return person.is_active and pages_runs.may_read_output(person, row, now())


def _look(watch: Watch, *, ask: bool) -> tuple[list[pages_log.LogLine], bool, bool, bool]:
    """(new lines, whether the state moved, whether the run has ended, whether reading is still allowed)."""
    if ask and not _still(watch):
        return [], False, True, False
    row = Run.objects.filter(pk=watch.run).values_list("state", "cancel_requested_at", "message").first()
    tasks = list(Run.objects.filter(pk=watch.run).values_list("tasks__state", "tasks__attempt").order_by("tasks__id"))
    mark = repr((row, tasks))
    moved, watch.mark = mark != watch.mark, mark
    chunks = list(pages_log.chunks(watch.run, step=watch.step, target=watch.target, after=watch.after)[:AT_ONCE])
    if chunks:
        watch.after = chunks[-1].seq
    ended = row is None or (row[0] in pages_runs.ENDED and len(chunks) < AT_ONCE)
    return list(pages_log.lines(chunks)), moved, ended, True


def _still(watch: Watch) -> bool:
    try:
        return allowed(watch)
    except OpsError:
        return False


async def _stream(watch: Watch) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    asked = spoke = 0.0
    while True:
        clock = time.monotonic()
        ask = clock - asked >= ASK_AGAIN_S
        asked = clock if ask else asked
        found, moved, ended, may = await sync_to_async(_look)(watch, ask=ask)
        if not may:
            yield _event("end", {"why": "You may no longer read this."})
            return
        if moved:
            yield _event("state", {})
        if found:
            yield _event("log", {"lines": [_line(line) for line in found]}, seq=watch.after)
        if ended:
            yield _event("end", {"why": "The run has ended."})
            return
        if moved or found:
            spoke = clock
        elif clock - spoke >= KEEP_ALIVE_S:
            spoke = clock
            yield ": still here\n\n"
        await asyncio.sleep(EVERY_S)


def _line(line: pages_log.LogLine) -> dict[str, Any]:
    return {
        "key": line.key,
        "at": line.at.isoformat(),
        "step": line.step,
        "target": line.target,
        "stream": line.stream,
        "parts": line.parts,
    }


def _event(name: str, data: dict[str, Any], *, seq: int | None = None) -> str:
    first = f"id: {seq}\n" if seq is not None else ""
    return f"{first}event: {name}\ndata: {json.dumps(data)}\n\n"


@require_safe
async def lines(request: HttpRequest, run: UUID) -> HttpResponse:
    """Up to 500 pieces of output before a sequence number, for scrolling back: `{"lines", "first", "more"}`."""

    def earlier() -> dict[str, Any]:
        watch = _start(request, run)
        if not _still(watch):
            return {"lines": [], "first": 0, "more": False}
        before = request.GET.get("before", "0")
        rows = pages_log.chunks(run, step=watch.step, target=watch.target).filter(
            seq__lt=int(before) if before.isdecimal() else 0
        )
        last = list(rows.reverse()[:500])[::-1]
        first = last[0].seq if last else 0
        return {
            "lines": [_line(one) for one in pages_log.lines(last)],
            "first": first,
            "more": bool(last) and rows.filter(seq__lt=first).exists(),
        }

    try:
        return JsonResponse(await sync_to_async(earlier)())
    except OpsError as problem:
        return JsonResponse({"code": problem.code, "detail": problem.message}, status=status_of(problem))
