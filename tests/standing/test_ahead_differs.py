"""The plan is approved, not the form: on another target, with another key, right or step a run waits, and says why."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from procedures.domain.clock import now
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Person, Run, Standing, Target
from procedures.runner.drive import drive
from procedures.services import endings
from tests.factories import ahead
from tests.factories.ahead_forged import let_go
from tests.factories.portal import public_text
from tests.factories.standing import until
from tests.standing.conftest import Ready, fired, last, lent

pytestmark = pytest.mark.ordinary
ROUNDS = b"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: rounds}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [staging]
  timeout: 5m
  targets: {filter: role=web}
  credentials: {deploy: {kind: ssh, ttl: 5m}}
  steps:
    - {id: look, action: 'ssh:command', credentials: [deploy], timeout: 1m, input: {argv: [uptime]}}
"""
ROLE: dict[str, Any] = {"provider": "ssh-certificate", "ceiling": {"principals": ["deploy"]}, "max_ttl_s": 600}


def host(name: str, **more: Any) -> dict[str, Any]:
    made = {"environment": "staging", "name": name, "address": "192.0.2.1", "port": 22 + int(name[-1]), "action": "set"}
    made |= {"host_key": public_text(Ed25519PrivateKey.generate()), "trust": "certificate", "attributes": {}}
    return {**made, "tags": {"role": "web"}, **more}


def bound(ready: Ready, role: str) -> None:
    ready.world.confirmed("binding", {"environment": "staging", "name": "deploy", "role": role, "reach": {}, **ROLE})


@pytest.fixture
def rounds(ready: Ready) -> Standing:
    """A schedule over two hosts by a credential, at moderate risk, of which Sam approved three runs ahead."""
    world = ready.world
    world.confirmed("environment", ahead.rules(approvals={"moderate": {"operations": 1}}, ahead_up_to="moderate"))
    world.may(Person.objects.get(username="nora"), "operate", environments=["staging"])
    for name in ("web-1", "web-2"):
        world.confirmed("target", host(name))
    bound(ready, "deploy")
    adam = world.person("adam")
    world.may(adam, "author")
    version = world.submit(adam, "hello", procedure__yaml=ROUNDS)
    world.review(world.mira, version, "operations", "security", signed=True)
    version.refresh_from_db()
    for who in (ready.plant.robot, ready.plant.olga):
        world.may(who, "run", "view", procedure="rounds", environments=["staging"], expires_at=until(29))
    ready.plant.version = version
    row = ready.settled(procedure="rounds", parameters={})
    ahead.given(world, ready.sam)
    return row


def test_the_same_plan_goes_and_names_targets_and_rights_in_what_was_signed(ready: Ready, rounds: Standing) -> None:
    run = fired(rounds)
    assert run.state == "queued"
    assert lent(run) == (str(ready.sam.subject),)
    given = run.approved_ahead.get().pre_approval
    assert b'"targets":["web-1","web-2"]' in bytes(given.statement)
    assert b'"role":"deploy"' in bytes(given.plan)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("more", "targets: 1 more: web-3"),
        ("fewer", "targets: 1 fewer: web-2"),
        ("key", "host keys: another host key: web-1"),
        ("right", "credential: deploy is bound to ssh-certificate as admin instead of ssh-certificate as deploy"),
    ],
)
def test_another_target_key_or_right_waits_for_a_person_in_words(
    ready: Ready, rounds: Standing, what: str, why: str
) -> None:
    one = rounds.pre_approvals.get()
    if what == "more":
        ready.world.confirmed("target", host("web-3"))
    elif what == "fewer":
        Target.objects.filter(name="web-2").update(ended_at=now())
    elif what == "key":
        ready.world.confirmed("target", host("web-1"))
    else:
        bound(ready, "admin")
    run = fired(rounds)
    assert run.state == "awaiting_approval"
    assert f"What sam approved ahead does not let it go: the plan is another one: {why}" in last(rounds).why
    with pytest.raises(LeaseRefused, match="it is of another plan"):
        lent(let_go(run, one))


def test_what_drifts_between_the_request_and_the_claim_waits_too(ready: Ready, rounds: Standing) -> None:
    """The claim plans anew, and what it finds is not what was approved ahead."""
    run = fired(rounds)
    assert run.state == "queued"
    ready.world.confirmed("target", host("web-3"))
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "awaiting_approval"
    endings.cancel_run(actor=ready.plant.robot, run=run.pk, reason="", at=now())
    assert Run.objects.get(pk=run.pk).approved_ahead.count() == 1, "it was used all the same"
