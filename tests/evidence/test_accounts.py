"""Who owns a service account, by SQL: former owners who would be rid of their gain, and accounts that nobody signed."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest

from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.domain.gains import gains_from
from procedures.evidence import verify
from procedures.evidence.queries import facts_of_run
from procedures.issuer.delegation import asked_by_software
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import Person
from procedures.services import controls, leavers
from tests.evidence.conftest import Log
from tests.evidence.test_asserted import event_written, signed_by, written

pytestmark = pytest.mark.once


def account(subject: str, owner: Person) -> dict[str, Any]:
    return {"account": subject, "username": "robot", "name": "Robot", "owner": str(owner.subject)}


def gaining(robot: Person) -> set[str]:
    return gains_from("grant", {"principal": f"person:{robot.subject}"}, replay(), at=moment(now())) - {
        str(robot.subject)
    }


@pytest.mark.parametrize("signer", ["nobody", "the former owner", "the new owner"])
def test_a_forged_change_of_hands_ends_nobodys_gain(log: Log, signer: str) -> None:
    world = log.world
    rob, tina = world.person("rob", key=True), world.person("tina", key=True)
    world.may(tina, "manage_access")
    robot = world.account(rob)
    object = account(str(robot.subject), tina)
    who = {"the former owner": rob, "the new owner": tina}.get(signer)
    statement = canon(controls.statement_for(actor=who, control="service_account", object=object)) if who else b""
    written("service_account", object, statement, (signed_by(world, who, statement),) if who else ())
    event_written("account.given", {"subject": str(robot.subject), "owner": str(tina.subject), "was": ""})
    assert str(rob.subject) in gaining(robot)
    assert [row["control"] for row in verify.verify(log.pack(), log.key)["asserted"]] == ["service_account"]


def test_after_a_signed_change_of_hands_the_pack_counts_the_new_owner_alone(log: Log) -> None:
    """Rob's own signature over a grant to what was his: asserted while it is his, standing afterwards."""
    world = log.world
    rob, nora = world.person("rob", key=True), world.person("nora")
    world.may(rob, "manage_access")
    robot = world.account(rob)
    object = {
        "principal": f"person:{robot.subject}",
        "verbs": ["run"],
        "environments": ["production"],
        "not_before": moment(now()),
        "expires_at": moment(now() + timedelta(days=1)),
        "reason": "nightly",
    }
    statement = canon(controls.statement_for(actor=rob, control="grant", object=object))
    before = written("grant", object, statement, (signed_by(world, rob, statement),))
    world.account(nora)
    assert gaining(robot) == {str(nora.subject)}
    after = written("grant", object, statement, (signed_by(world, rob, statement),))
    grants = replay().grants
    assert (grants[before]["stands"], grants[after]["stands"]) == (False, True)
    assert [row["control"] for row in verify.verify(log.pack(), log.key)["asserted"]] == ["grant"]


def test_an_account_that_no_signed_change_made_is_lent_nothing_in_production(log: Log) -> None:
    world = log.world
    rob = world.person("rob")
    for robot, lent in ((world.account(rob), True), (world.person("bot"), False)):
        Person.objects.filter(pk=robot.pk).update(kind=Person.Kind.SERVICE, owner=rob)
        event_written("person.made", {"subject": str(robot.subject), "kind": "service", "owner": str(rob.subject)})
        world.may(robot, "run", procedure="hello")
        run = world.ask(Person.objects.get(pk=robot.pk))
        authority = replay()
        authority.production.add(run.environment_id)
        with nullcontext() if lent else pytest.raises(LeaseRefused, match="service account that asked is asserted"):
            asked_by_software(authority, run, facts_of_run(run.pk))


def test_software_that_was_closed_works_again_once_people_sign_for_it_and_not_before(log: Log) -> None:
    world = log.world
    rob = world.person("rob", key=True)
    robot = world.account(rob)
    world.may(robot, "run", procedure="hello")
    principal = f"person:{robot.subject}"
    leavers.close_person(actor=world.mira, person=robot.subject, at=now())
    written("service_account", account(str(robot.subject), rob))
    assert replay().claimants(principal, production=True) == set()
    world.account(rob)
    authority = replay()
    assert authority.claimants(principal, production=True) == {str(robot.subject)}
    assert not [one for one in authority.grants.values() if one["principal"] == principal], "what it held stays gone"
    found = verify.verify(log.pack(), log.key)
    assert [row["control"] for row in found["asserted"]] == ["service_account"]
    assert len(found["closed"]) == 1
