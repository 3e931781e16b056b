"""Changes of what decides authority: shown in full, signed by their proposer, confirmed by somebody else."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from procedures.domain import controls as rules
from procedures.domain import outages, windows
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, OpsError
from procedures.models import ControlChange, Environment, Person
from procedures.queries import deciding, labels, pages_people, retention
from procedures.queries.would_allow import would_allow
from procedures.services import control_gains, control_weight, controls, target_changes
from procedures.services.portal import profile_in_force
from procedures.web import control_forms, control_words, outage_forms, signing
from procedures.web.doors import page, person_of, show, status_of

AGAIN = {"outage": "parts/outage.html"}  # nobody types ten lines twice because one of them is wrong
# What could not be proposed whoever signed it is refused before anybody signs.
SOUND = {"grant", "redaction", "legal_hold", "legal_hold_end", "retention", "collector", "outage"}


@page
@require_POST
def new(request: HttpRequest, control: str) -> HttpResponse:
    """First the form's object is shown to be signed; then, with `object`, it is proposed."""
    me = person_of(request)
    if "object" not in request.POST:
        try:
            made = control_forms.build(control, request.POST, me)
            _may_propose(me, control, made)
            return show(request, "propose.html", proposal(request, me, control, made))
        except InvalidInput as problem:
            if control not in AGAIN:
                raise
            return _typed_again(request, control, problem)
    made = object_in(request.POST["object"])
    _may_propose(me, control, made)
    try:
        change = controls.propose(
            actor=me, control=control, object=made, signature=signing.given(request.POST), at=now()
        )
    except InvalidInput:
        raise
    except OpsError as problem:
        context = proposal(request, me, control, made) | {"problem": problem}
        return show(request, "propose.html", context, status=status_of(problem))
    if change.state == ControlChange.State.CONFIRMED:
        messages.success(request, "The change is in force and in the evidence.")
        return redirect(_back(request))
    return redirect("web:change", change.pk)


def _typed_again(request: HttpRequest, control: str, problem: InvalidInput) -> HttpResponse:
    """What is wrong, and under it the form as it was typed."""
    context = {"problem": problem, "again": AGAIN[control], "posted": request.POST}
    return show(
        request, "problem.html", context | {"environments": Environment.objects.all()}, status=status_of(problem)
    )


def _may_propose(me: Person, control: str, made: dict[str, Any]) -> None:
    """What a change would do is shown to whoever may propose it, and to nobody else. Raises NotAllowed."""
    if control != "key":
        deciding.require(me, control, made, at=now(), proposes=True)


def object_in(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as problem:
        raise InvalidInput([("/object", "is not JSON")]) from problem
    if not isinstance(value, dict):
        raise InvalidInput([("/object", "is not a JSON object")])
    return value


def _back(request: HttpRequest) -> str:
    back = request.POST.get("next", "/")
    ours = back.startswith("/") and url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return back if ours else "/"


def proposal(request: HttpRequest, me: Person, control: str, made: dict[str, Any]) -> dict[str, Any]:
    """What a page shows of a change before it is proposed, the statement to sign included."""
    if control in SOUND:
        controls.require_sound(control, made)
    statement = controls.statement_for(actor=me, control=control, object=made)
    gains = control_gains.who_gains(control, made)
    production = rules.touches_production(control, made, control_weight.production_names())
    minimum = "session" if control == "key" else control_weight.minimum_strength(control, made)
    return {
        "control": control,
        "object": canon(made).decode(),
        "facts": _facts(control, made),
        "next": _back(request),
        "told": control_words.told(control, made, pages_people.names_of(control_words.subjects_in(made))),
        "ask": signing.ask(statement, minimum, me, older_key=control == "key"),
        "production": production,
        **effects(control, made),
        "confirmers": rules.confirmers_needed(
            control, profile=profile_in_force(), production=production, somebody_gains=bool(gains)
        ),
    }


def _facts(control: str, made: dict[str, Any]) -> list[tuple[str, Any]]:
    """What is signed, name by name; the runs of a purge by their numbers, and people by their names."""
    if control == outages.CONTROL:
        names = pages_people.names_of(control_words.subjects_in(made))
        acts = "; ".join(outage_forms.acts_told(made, names)) or "none"
        return sorted((made | {"acts": acts, "could_not": "; ".join(made["could_not"]) or "none"}).items())
    if control != "redaction" or "runs" not in made:
        return sorted(made.items())
    names = pages_people.names_of(made["behind"])
    behind = ", ".join(sorted(names.get(one, one) for one in made["behind"]))
    said = {"runs": retention.numbers(made["runs"]), "behind": behind}
    return sorted((made | said).items())


def effects(control: str, made: dict[str, Any]) -> dict[str, Any]:
    """What a grant would allow today, or whom labels would let in."""
    if control == "grant":
        window = made.get("window")
        return {"would": would_allow(made, now()), "hours": windows.told(window) if window else ""}
    return {"joined": labels.joined(made, at=now())} if control == "labels" else {}


@page
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, change: UUID) -> HttpResponse:
    """A proposed change; POST confirms or refuses it."""
    me = person_of(request)
    row = pages_people.one_change(me, change, now())
    if request.method == "GET":
        return show(request, "change.html", _context(me, row), nav="access")
    try:
        if request.POST.get("verdict") == "refuse":
            controls.refuse(actor=me, change=row.pk, reason=request.POST.get("reason", ""), at=now())
        else:
            controls.confirm(actor=me, change=row.pk, signature=signing.given(request.POST), at=now())
    except OpsError as problem:
        row.refresh_from_db()
        return show(
            request, "change.html", _context(me, row) | {"problem": problem}, status=status_of(problem), nav="access"
        )
    return redirect("web:change", row.pk)


def _effects_still(change: ControlChange) -> dict[str, Any]:
    """What it would do now; a change that can do nothing any more is shown all the same, with the reason."""
    try:
        return effects(change.control, change.object)
    except OpsError as problem:
        return {"problem": problem}


def _context(me: Person, change: ControlChange) -> dict[str, Any]:
    names = pages_people.names_of([row["by"] for row in change.signatures] + control_words.subjects_in(change.object))
    waits = change.state == ControlChange.State.PROPOSED
    signed = any(row["by"] == str(me.subject) for row in change.signatures)
    gains = str(me.subject) in control_gains.who_gains(change.control, change.object)
    minimum = control_weight.minimum_strength(change.control, change.object)
    return {
        "change": change,
        "facts": _facts(change.control, change.object),
        "waits": waits,
        "mine": change.proposer_id == me.pk,
        "told": control_words.told(change.control, change.object, names),
        "gains": gains,
        "many": target_changes.too_many(change.object, now()) if waits and change.control == "target" else "",
        **(_effects_still(change) if waits else {}),
        "signed": signed,
        "signers": [(names.get(row["by"], row["by"]), row) for row in change.signatures],
        "ask": signing.ask(bytes(change.statement), minimum, me) if waits and not signed and not gains else None,
    }
