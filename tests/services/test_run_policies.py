"""Policies on runs: at the request, on the plan, again at the claim, and once more where a credential is lent."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.issuer.judgement import judge_run
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import Person, Policy, PolicyDecision, Run, Runner
from procedures.runner.identity import load_identity
from procedures.services import approvals, claims
from procedures.services.policies import PolicyDenied
from tests.engine.test_calls import CALL, GREET, accept, parent
from tests.factories.policies import ours, put, rules
from tests.factories.portal import World

pytestmark = pytest.mark.once

GATED = 'require := {"security": 1} if input.environment.name == "development"'


@pytest.fixture
def quinn(world: World) -> Person:
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    return quinn


def facts(kind: str) -> dict[str, Any]:
    return json.loads(bytes(Event.objects.filter(kind=kind).latest("id").body))


def claimed(run: Run) -> str:
    runner = Runner.objects.get(pk=load_identity(Path(settings.OPSPORTAL_KEYS_DIR)).id)
    claims.claim_run(run=run.id, runner=runner, at=now())
    run.refresh_from_db()
    return run.state


def approve(person: Person, run: Run) -> None:
    approvals.decide_run(
        actor=person, run=run.id, verdict="approve", plan_digest=run.plan_digest, comment="", signature=None, at=now()
    )


def test_a_request_that_a_policy_refuses_leaves_a_denial_with_its_digests_and_no_run(
    world: World, quinn: Person
) -> None:
    put(world, ours("ticket", production=False))
    with pytest.raises(PolicyDenied, match="ticket: the reason names no ticket, such as CHG-1234"):
        world.ask(quinn)
    assert not Run.objects.exists()
    told = facts("access.denied")
    assert told["code"] == "policy.denied"
    assert told["policy"]["policies"].startswith("sha256:")
    assert told["policy"]["denied"][0]["policy"] == "ticket"


def test_what_a_request_was_let_through_by_stands_in_its_events(world: World, quinn: Person) -> None:
    put(world, rules('warn contains "mind the gap"\nrequire := {"security": 1}', "request"))
    run = world.ask(quinn)
    assert facts("run.requested")["policy"]["warned"][0]["message"] == "mind the gap"
    assert run.state == "awaiting_approval"
    assert run.approvals_needed == {"security": 1}
    assert parse(bytes(run.plan))["approvals"] == {"security": 1}


def test_no_policy_leaves_plan_and_events_as_they_were(world: World, quinn: Person) -> None:
    run = world.ask(quinn)
    assert "policy" not in parse(bytes(run.plan))
    assert "policy" not in facts("run.planned")
    assert not PolicyDecision.objects.exists()


def test_a_plan_that_a_policy_refuses_is_no_run(world: World, quinn: Person) -> None:
    put(world, rules("deny contains msg if { some s in input.plan.steps; msg := s.action }", "plan"))
    with pytest.raises(PolicyDenied, match="house: local:script"):
        world.ask(quinn)
    assert not Run.objects.exists()


def test_a_plan_asks_for_the_approvals_that_a_policy_wants_and_runs_with_them(world: World, quinn: Person) -> None:
    put(world, rules(GATED, "plan"))
    anna = world.person("anna", "security")
    world.may(anna, "approve")
    run = world.ask(quinn)
    assert (run.state, run.approvals_needed) == ("awaiting_approval", {"security": 1})
    assert facts("run.planned")["policy"]["required"] == {"security": 1}
    approve(anna, run)
    assert claimed(run) == "running"
    assert facts("run.claimed")["policy"]["policies"] == PolicyDecision.objects.get(run=run).policies


def test_the_claim_asks_again_and_a_new_policy_refuses_what_was_queued(world: World, quinn: Person) -> None:
    run = world.ask(quinn)
    put(world, rules('deny contains "not today"', "plan"))
    assert claimed(run) == "denied"
    assert "house: not today" in run.message
    assert facts("run.denied")["policy"]["denied"] == [{"policy": "house", "rule": "deny", "message": "not today"}]


def test_a_policy_that_wants_more_approvals_since_sends_the_run_back_for_them(world: World, quinn: Person) -> None:
    run = world.ask(quinn)
    was = run.plan_digest
    put(world, rules(GATED, "plan"))
    assert claimed(run) == "awaiting_approval"
    assert run.plan_digest != was
    assert facts("run.drifted")["policy"]["required"] == {"security": 1}


def test_a_freeze_of_the_calendar_refuses_the_request_and_what_waited_for_it(world: World, quinn: Person) -> None:
    run = world.ask(quinn)
    window = {"from": f"{now() - timedelta(hours=1):%Y-%m-%dT%H:%MZ}", "until": "2099-01-01T00:00Z", "why": "holidays"}
    put(world, ours("freeze-windows", windows=[window], production=False))
    with pytest.raises(PolicyDenied, match="frozen until 2099-01-01T00:00Z: holidays"):
        world.ask(quinn)
    assert claimed(run) == "denied"


def test_what_a_run_calls_is_asked_about_by_its_own_name_at_each_stage(world: World) -> None:
    accept(world, "greet", GREET)
    quinn = parent(world, CALL)
    for stage in ("request", "plan"):
        put(world, rules('deny contains "not greet" if input.procedure.name == "greet"', stage))
        with pytest.raises(PolicyDenied, match="not greet"):
            world.ask(quinn, procedure="parent")
    put(world, rules('require := {"security": 1} if input.procedure.name == "greet"', "plan"))
    assert world.ask(quinn, procedure="parent").approvals_needed == {"security": 1}


def judged(run: Run) -> tuple[str, ...]:
    run.refresh_from_db()
    return judge_run(replay(), run, parse(bytes(run.plan)), at=now())


def test_the_issuer_asks_the_policies_of_the_log_whatever_the_tables_say(world: World, quinn: Person) -> None:
    put(world, rules(GATED, "plan"))
    Policy.objects.all().delete()
    run = world.ask(quinn)
    assert claimed(run) == "running", "the tables know of no policy"
    with pytest.raises(LeaseRefused, match="1 × security"):
        judged(run)
    put(world, rules('deny contains "never"', "plan"))
    with pytest.raises(LeaseRefused, match="house: never"):
        judged(run)
    put(world, rules('deny contains "never"', "plan", mode="off"))
    assert judged(run) == ()


def test_the_issuer_counts_the_approvals_that_a_policy_asked_for(world: World, quinn: Person) -> None:
    put(world, rules(GATED, "plan"))
    anna = world.person("anna")
    world.may(anna, "approve")
    signed = world.propose("duty", {"principal": f"person:{anna.subject}", "duty": "security", "action": "add"})
    assert signed.state == "confirmed"
    run = world.ask(quinn)
    approve(anna, run)
    assert claimed(run) == "running"
    assert judged(run) == (str(anna.subject),)
