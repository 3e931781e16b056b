"""An agent asks and reads; nothing that somebody grants, owns or writes into a table makes it more (H38)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from procedures import access
from procedures.domain.canonical import canon, moment, parse
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.domain.software import MAY
from procedures.evidence.models import Event
from procedures.issuer.judgement import judge_run
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import (
    VERBS,
    Approval,
    EnrolledKey,
    Environment,
    GrantRight,
    Person,
    Procedure,
    Run,
    Runner,
)
from procedures.services import agents, approvals, break_glass, claims, controls, leavers, people, runs
from procedures.services.unit import SecondPersonRequired
from tests.factories.agents import agent_object, new_agent
from tests.factories.portal import SOON, World
from tests.factories.transitions import unevidenced


@pytest.fixture
def olga(world: World) -> Person:
    """A person with rights of her own, for whom the agent asks."""
    olga = world.person("olga", "operations", key=True)
    world.may(olga, "run", "approve", "view", "read_output")
    return olga


@pytest.fixture
def bot(world: World, olga: Person) -> Person:
    world.accepted()
    return new_agent(world, olga)


def asks(world: World, bot: Person, environment: str = "development", **more: Any) -> Run:
    return world.ask(bot, environment=environment, **more)


def no_approvals(world: World) -> None:
    """Production where nobody has to approve anything, as two managers confirmed it."""
    rules = {"name": "staging", "title": "Staging", "position": 2, "production": True, "drafts": False}
    rest = {"approvals": {}, "min_strength": "signed", "approval_expiry_s": 3600, "reason_required": True}
    world.confirmed("environment", {**rules, **rest})


def test_an_agent_has_none_of_its_owners_rights(world: World, bot: Person) -> None:
    assert bot.owner is not None
    assert access.decide(bot.owner, "run", at=now(), procedure=Procedure.objects.get(name="hello")).allowed
    with pytest.raises(NotAllowed, match="No grant lets helper-bot run hello"):
        asks(world, bot)
    assert not access.visible(Procedure.objects.all(), bot, "discover", at=now()).exists()
    world.may(bot, "run", procedure="hello", environments=["development"])
    run = asks(world, bot)
    assert run.state == "queued"
    chain = {(link.person.username, link.role) for link in run.chain.select_related("person")}
    assert chain == {("helper-bot", "requester"), ("olga", "delegator")}


def test_what_is_a_persons_alone_no_grant_gives_to_software(world: World, bot: Person) -> None:
    for verb in sorted(set(VERBS) - set(MAY)):
        with pytest.raises(InvalidInput, match="a person's alone"):
            world.may(bot, verb, environments=["development"])
    with pytest.raises(InvalidInput, match="names each environment"):
        world.may(bot, "run")
    with pytest.raises(InvalidInput, match="software fills no duty"):
        world.propose("duty", {"principal": f"person:{bot.subject}", "duty": "operations", "action": "add"})
    member = {"person": str(bot.subject), "group": "mighty", "action": "add"}
    world.confirmed("membership", member)
    mighty = {"principal": "group:mighty"}
    world.may(world.person("x"), *VERBS, **mighty)
    for verb in VERBS:
        assert access.decide(bot, verb, at=now()).allowed is (verb in MAY), verb
    with pytest.raises(IntegrityError), transaction.atomic():
        GrantRight.objects.create(
            grant_id=GrantRight.objects.values_list("grant", flat=True)[0],
            verb="approve",
            person=bot,
            not_before_at=now(),
            ends_at=now() + timedelta(days=1),
        )


def test_the_one_who_owns_an_agent_gives_it_nothing(world: World) -> None:
    """A manager's agent would be the manager's own hand."""
    nora = world.person("nora", key=True)
    world.may(nora, "manage_access")
    own = agent_object(nora, "noras-bot")
    with pytest.raises(SecondPersonRequired):
        controls.propose(actor=nora, control="agent", object=own, signature=None, at=now())
    made = new_agent(world, nora, "noras-bot")
    grant = {
        "principal": f"person:{made.subject}",
        "verbs": ["run"],
        "environments": ["production"],
        "not_before": moment(now()),
        "expires_at": SOON,
        "reason": "mine",
    }
    statement = canon(controls.statement_for(actor=nora, control="grant", object=grant))
    signed = world.signed("nora", statement)
    with pytest.raises(SecondPersonRequired):
        controls.propose(actor=nora, control="grant", object=grant, signature=signed, at=now())
    group = {"person": str(made.subject), "group": "ops", "action": "add"}
    with pytest.raises(SecondPersonRequired):
        controls.propose(actor=nora, control="membership", object=group, signature=None, at=now())


def test_in_production_a_person_outside_the_chain_approves_whatever_the_table_says(world: World, bot: Person) -> None:
    no_approvals(world)
    world.may(bot, "run", procedure="hello", environments=["staging"])
    own = asks(world, Person.objects.get(username="olga"), "staging")
    assert own.state == "queued", "a person needs no approval here"
    run = asks(world, bot, "staging")
    assert (run.state, run.approvals_needed) == ("awaiting_approval", {"operations": 1})
    olga = Person.objects.get(username="olga")
    value = approvals.statement_for(actor=olga, run=run, verdict="approve", at=now())
    decision: dict[str, Any] = {"run": run.pk, "verdict": "approve", "plan_digest": run.plan_digest, "comment": ""}
    with pytest.raises(SecondPersonRequired):
        approvals.decide_run(actor=olga, signature=world.signed("olga", canon(value)), at=now(), **decision)
    mira = world.mira
    value = approvals.statement_for(actor=mira, run=run, verdict="approve", at=now())
    approved = approvals.decide_run(actor=mira, signature=world.signed("mira", canon(value)), at=now(), **decision)
    assert approved.state == "queued"
    assert judge_run(replay(), run, parse(bytes(run.plan)), at=now()) == (str(mira.subject),)


def test_a_table_that_calls_the_agent_a_person_gets_no_lease_and_no_claim(world: World, bot: Person) -> None:
    """From the place of a database administrator, triggers off: plan and account without a word of software."""
    no_approvals(world)
    world.may(bot, "run", procedure="hello", environments=["staging"])
    run = asks(world, bot, "staging")
    with pytest.raises(IntegrityError), transaction.atomic():
        Person.objects.filter(pk=bot.pk).update(kind="person")
    olga = Person.objects.get(username="olga")
    forged = asks(world, olga, "staging")
    for field in ("plan", "plan_digest", "approvals_needed"):
        setattr(run, field, getattr(forged, field))
    with unevidenced():
        Run.objects.filter(pk=run.pk).update(
            plan=forged.plan, plan_digest=forged.plan_digest, approvals_needed={}, state="queued", requester=olga
        )
    run.chain.all().delete()
    run.refresh_from_db()
    with pytest.raises(LeaseRefused):
        judge_run(replay(), run, parse(bytes(run.plan)), at=now())
    runner = Runner.objects.filter(disposable=False)[0]
    for _ in ("the forged plan is of another run, so it is made again", "and refused by what the log says"):
        assert claims.claim_run(run=run.pk, runner=runner, at=now()) is None
    run.refresh_from_db()
    assert (run.state, run.message) == ("denied", "Approvals are missing: 1 × operations.")


def test_no_glass_is_broken_for_software(world: World, bot: Person) -> None:
    no_approvals(world)
    world.may(bot, "run", procedure="hello", environments=["staging"])
    run = asks(world, bot, "staging")
    hero = world.person("hero", key=True)
    world.may(hero, "break_glass", "view", procedure="hello", environments=["staging"])
    value = break_glass.statement_for(actor=hero, run=run, reason="now", at=now())
    signature = world.signed("hero", canon(value))
    with pytest.raises(NotAllowed, match="Software asked for run"):
        break_glass.break_the_glass(
            actor=hero, run=run.pk, plan_digest=run.plan_digest, reason="now", signature=signature, at=now()
        )
    run.refresh_from_db()
    assert run.state == "awaiting_approval"


def test_an_hour_and_a_minute_hold_so_many_runs(world: World, olga: Person) -> None:
    world.accepted()
    bot = new_agent(world, olga, runs_an_hour=6)
    world.may(bot, "run", procedure="hello", environments=["development"])
    for _ in range(5):
        asks(world, bot)
    with pytest.raises(agents.BudgetSpent, match="within a minute"):
        asks(world, bot)
    Run.objects.filter(requester=bot).update(requested_at=now() - timedelta(minutes=5))
    asks(world, bot)
    with pytest.raises(agents.BudgetSpent, match="within an hour; 6 are its budget"):
        asks(world, bot)
    assert Event.objects.filter(kind="access.denied").count() == 2
    world.ask(olga)


def test_software_hands_over_no_secret(world: World, bot: Person) -> None:
    world.may(bot, "run", procedure="hello", environments=["development"])
    with pytest.raises(agents.NeedsAPerson, match="hands over no secrets"):
        asks(world, bot, secrets={"password": "x"})
    with pytest.raises(agents.NeedsAPerson, match=r"needs secrets \(password\)"):
        agents.no_secrets(bot, "reset", {"required": ["password"]}, {})


def test_one_hand_stops_one_agent_or_all_and_only_a_manager_lets_them_go_on(world: World, bot: Person) -> None:
    world.may(bot, "run", procedure="hello", environments=["development"])
    run = asks(world, bot)
    olga, quinn = Person.objects.get(username="olga"), world.person("quinn")
    with pytest.raises(NotAllowed):
        agents.stop(actor=quinn, agent=bot.subject, reason="no", at=now())
    agents.stop(actor=olga, agent=bot.subject, reason="it goes wild", at=now())
    with pytest.raises(NotAllowed, match="was stopped"):
        asks(world, bot)
    assert claims.claim_run(run=run.pk, runner=Runner.objects.filter(disposable=False)[0], at=now()) is None
    run.refresh_from_db()
    assert run.state == "denied"
    for actor, how in ((olga, {}), (bot, {}), (world.mira, {"bearer": True})):
        with pytest.raises(NotAllowed):
            agents.start(actor=actor, agent=bot.subject, reason="please", at=now(), **how)
    agents.start(actor=world.mira, agent=bot.subject, reason="mended", at=now())
    running = asks(world, bot)
    claimed = claims.claim_run(run=running.pk, runner=Runner.objects.filter(disposable=False)[0], at=now())
    assert claimed is not None
    assert claims.beat(run=running.pk, token=claimed.token) == ""
    agents.stop(actor=world.mira, agent=None, reason="all of them", at=now())
    assert claims.beat(run=running.pk, token=claimed.token) == "stop"
    with pytest.raises(NotAllowed, match="All agents are stopped"):
        asks(world, bot)
    with pytest.raises(LeaseRefused, match="All agents are stopped"):
        judge_run(replay(), running, parse(bytes(running.plan)), at=now())


def test_the_database_lets_no_software_decide_enrol_or_sign_in(world: World, bot: Person) -> None:
    world.may(bot, "run", procedure="hello", environments=["development"])
    run = world.ask(Person.objects.get(username="olga"))
    approval = {"run": run, "requester": run.requester, "plan_digest": "x", "verdict": "approve", "at": now()}
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.create(approver=bot, not_after_at=now(), statement=b"", nonce="n", **approval)
    with pytest.raises(IntegrityError), transaction.atomic():
        EnrolledKey.objects.create(person=bot, public="k", fingerprint="SHA256:x", enrolled_at=now())
    with pytest.raises(IntegrityError), transaction.atomic():
        Person.objects.filter(pk=bot.pk).update(password="argon2$x")
    with pytest.raises(IntegrityError), transaction.atomic():
        Person.objects.filter(pk=bot.pk).update(owner=None)


def test_an_agent_of_somebody_who_left_asks_for_nothing(world: World, bot: Person) -> None:
    world.may(bot, "run", procedure="hello", environments=["development"])
    Person.objects.filter(username="olga").update(is_active=False)
    with pytest.raises(NotAllowed, match="Nobody stands behind"):
        asks(world, Person.objects.get(pk=bot.pk))
    Person.objects.filter(username="olga").update(is_active=True)
    leavers.close_person(actor=world.mira, person=Person.objects.get(username="olga").subject, at=now())
    with pytest.raises(NotAllowed, match="account is closed"):
        asks(world, Person.objects.get(pk=bot.pk))
    nora = Person.objects.filter(username="nora").first() or world.person("nora")
    again = agent_object(nora, bot.username, agent=str(bot.subject))
    world.confirmed("agent", again)
    assert asks(world, Person.objects.get(pk=bot.pk)).state == "queued"


def test_an_agent_is_made_by_no_invitation_and_its_subject_is_nobody_elses(world: World, olga: Person) -> None:
    with pytest.raises(InvalidInput, match="with an owner"):
        people.invite_person(actor=world.mira, username="b", name="B", email="", at=now(), kind="agent")
    with pytest.raises(InvalidInput, match="somebody else"):
        world.propose("agent", agent_object(olga, "b", agent=str(world.mira.subject)))
    assert not Environment.objects.filter(name="b").exists()
    assert runs.Wish(procedure="x", environment="y").door == "api"
