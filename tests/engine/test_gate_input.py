"""A gate that asks: typed, bounded values, by whom it says, and shown to whoever approves after it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from procedures.domain import gate_forms
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.evidence.models import Event
from procedures.models import Environment, Person, Run
from procedures.runner.drive import drive
from procedures.services import approvals, endings, gate_answers
from procedures.services.approvals import NotWaiting
from procedures.services.gate_answers import AnotherAnswer, NothingAsked
from procedures.services.unit import SecondPersonRequired
from tests.engine.test_runs import procedure, steps, text
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary
FORM = (
    "{required: [ticket], properties: {"
    "ticket: {type: string, title: Ticket, maxLength: 12, pattern: '^[A-Z]+-[0-9]+$'},"
    " count: {type: integer, title: Count, minimum: 1, maximum: 5, default: 2}}}"
)
SAYS = "{id: say, action: 'local:command', timeout: 9s, input: {argv: [echo, --, '${{ steps.q.output.ticket }}']}}"
GATE = "{id: g, action: 'gate:approval', input: {message: 'On?', approvers: {operations: 1}, expires: 1h}}"


def asks(of: str = "requester") -> str:
    return f"{{id: q, action: 'gate:input', input: {{message: 'Which?', expires: 1h, form: {FORM}, answerers: {of}}}}}"


def begun(world: World, *rows: str, name: str = "asks", tail: str = "") -> tuple[Person, Run]:
    world.may(world.person("petra", "operations"), "approve")
    quinn = procedure(world, name, *rows, tail=tail)
    run = world.ask(quinn, procedure=name)
    assert state(run) == "waiting"
    return quinn, run


def state(run: Run) -> str:
    drive(run.pk)
    run.refresh_from_db()
    return run.state


def give(who: Person, run: Run, **values: Any) -> Run:
    return gate_answers.answer_run(actor=who, run=run.pk, values=values, at=now())


def approve(who: Person, run: Run, digest: str = "") -> None:
    run.refresh_from_db()
    named = digest or run.digest_now
    what: dict[str, Any] = {"verdict": "approve", "plan_digest": named, "comment": "", "signature": None}
    approvals.decide_run(actor=who, run=run.pk, at=now(), **what)


def test_the_requester_answers_and_later_steps_read_it(world: World) -> None:
    quinn, run = begun(world, asks(), SAYS)
    assert (run.waiting_gate, run.waiting_form) == ("q", True)
    give(quinn, run, ticket="OPS-7")
    assert state(run) == "succeeded"
    assert "OPS-7" in text(run)
    assert run.tasks.get(step="q").output == {"ticket": "OPS-7", "count": 2}
    kinds = list(Event.objects.filter(run=run.pk).order_by("n").values_list("kind", flat=True))
    assert [kind for kind in kinds if kind in {"run.answered", "run.refrozen"}] == ["run.answered", "run.refrozen"]


def test_a_later_approval_is_of_the_plan_that_the_answer_made_and_not_by_whoever_answered(world: World) -> None:
    world.may(world.person("olga", "operations"), "approve", "run")
    olga = Person.objects.get(username="olga")
    _, run = begun(world, asks("{operations: 1}"), GATE, SAYS)
    petra = Person.objects.get(username="petra")
    with pytest.raises(NotWaiting):
        approve(petra, run)
    give(olga, run, ticket="OPS-7")
    assert (state(run), run.waiting_gate) == ("waiting", "g")
    first, then = run.plan_digest, run.digest_now
    assert first != then
    frozen = parse(run.plan_now)
    assert frozen["answers"] == {"q": {"ticket": "OPS-7", "count": 2}}
    said = next(row for row in frozen["steps"] if row["id"] == "say")
    assert said["effects"][0]["does"]["argv"] == ["echo", "--", "OPS-7"]
    with pytest.raises(approvals.PlanChanged):
        approve(petra, run, first)
    with pytest.raises(SecondPersonRequired):
        approve(olga, run)
    approve(petra, run)
    assert state(run) == "succeeded"
    assert run.approvals.get().plan_digest == then


@pytest.mark.parametrize(
    "values",
    [{}, {"ticket": "x"}, {"ticket": "OPS-7; rm"}, {"ticket": "OPS-7", "count": 6}, {"ticket": "OPS-7", "more": 1}],
)
def test_what_does_not_fit_the_form_is_refused(world: World, values: dict[str, Any]) -> None:
    quinn, run = begun(world, asks(), SAYS)
    with pytest.raises(InvalidInput):
        give(quinn, run, **values)
    run.refresh_from_db()
    assert (run.state, run.answers.count()) == ("waiting", 0)


def test_only_whom_it_asks_answers_and_none_who_approved_it_and_no_software_in_production(world: World) -> None:
    quinn, run = begun(world, asks("{operations: 2}"), SAYS)
    petra, vera = Person.objects.get(username="petra"), world.person("vera")
    for who in (petra, vera):
        world.may(who, "view", procedure="asks")
    for who in (quinn, vera):
        with pytest.raises(NotAllowed):
            give(who, run, ticket="OPS-7")
    with pytest.raises(NotAllowed):
        gate_answers.answer_run(actor=petra, run=run.pk, values={"ticket": "OPS-7"}, at=now(), bearer=True)
    give(petra, run, ticket="OPS-7")
    assert run.answers.count() == 1
    with pytest.raises(NothingAsked, match="already"):
        give(petra, run, ticket="OPS-7")
    assert state(run) == "waiting"
    with pytest.raises(AnotherAnswer):
        give(world.mira, run, ticket="OPS-8")
    Environment.objects.filter(pk="development").update(production=True, drafts=False)
    Person.objects.filter(pk=petra.pk).update(kind="service")
    petra.refresh_from_db()
    with pytest.raises(NotAllowed, match="never software"):
        give(petra, run, ticket="OPS-7")


def test_turned_down_or_forgotten_it_ends_with_the_truth_and_clears_up(world: World) -> None:
    tail = "  always:\n" + steps("{id: w, action: 'local:command', timeout: 9s, input: {argv: ['true']}}") + "\n"
    one = "{id: a, action: 'local:command', timeout: 9s, input: {argv: ['true']}}"
    quinn, run = begun(world, one, asks(), SAYS, tail=tail)
    gate_answers.refuse_answer(actor=quinn, run=run.pk, reason="not today", at=now())
    assert (state(run), run.message) == ("failed", f"{quinn.name} did not answer: not today")
    assert sorted(run.tasks.values_list("step", flat=True)) == ["a", "w"]
    with pytest.raises(NothingAsked):
        give(quinn, run, ticket="OPS-7")
    late = world.ask(quinn, procedure="asks")
    assert state(late) == "waiting"
    endings.expire_overdue(at=now() + timedelta(hours=2))
    assert state(late) == "timed_out"


def test_what_is_called_asks_too_and_its_steps_read_the_answer(world: World) -> None:
    procedure(world, "inner", asks(), SAYS, tail="  callableBy: [outer]\n")
    call = "{id: call, action: 'procedure:run', timeout: 1m, input: {procedure: inner}}"
    quinn, run = begun(world, call, name="outer")
    assert run.waiting_gate == "call/q"
    give(quinn, run, ticket="OPS-9")
    assert state(run) == "succeeded"
    assert "OPS-9" in text(run)


def test_the_page_and_the_api_ask_and_tell(world: World, client: Client) -> None:
    quinn, run = begun(world, asks(), SAYS)
    client.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert "This run asks" in page
    assert 'name="p.ticket"' in page
    wrong = client.post(f"/runs/{run.pk}/answer/", {"p.ticket": "<b>", "p.count": "2"})
    assert wrong.status_code == 422
    assert "&lt;b&gt;" in wrong.content.decode()
    place = f"/api/v1/runs/{run.pk}/"
    assert client.get(place).json()["asks"]["gate"] == "q"
    made = client.post(f"{place}answer/", {"values": {"ticket": "OPS-7"}}, content_type="application/json")
    assert (made.status_code, made.json()["state"]) == (200, "queued"), made.content
    assert client.post(f"{place}answer/", {"values": {}}, content_type="application/json").status_code == 409


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"properties": {}},
        {"properties": {"a": {"type": "string"}}},
        {"properties": {"a": {"type": "string", "maxLength": 2001}}},
        {"properties": {"a": {"type": "integer", "minimum": 1}}},
        {"properties": {"a": {"type": "array"}}},
        {"properties": {"a": {"type": "string", "maxLength": 9, "format": "data-url"}}},
        {"properties": {"a": {"type": "string", "maxLength": 9, "writeOnly": True}}},
        {"properties": {"a": {"type": "boolean"}}, "patternProperties": {"^x": {}}},
        {"properties": {f"a{n}": {"type": "boolean"} for n in range(21)}},
        {"properties": {"a": {"type": "string", "maxLength": 9, "pattern": "("}}},
    ],
)
def test_a_form_that_leaves_anything_open_cannot_stand_at_a_gate(form: dict[str, Any]) -> None:
    assert gate_forms.problems(form)
