"""What an issuer promises its runner, beside it in one process and apart from it behind a socket: the same, in the same
words.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_identity

from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.lending import Fetch, Issuing, Lend, Look, Open
from procedures.domain.sealing import WillNotOpen
from procedures.domain.sealing import seal as seal_to
from procedures.evidence.queries import facts_of_kinds
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Claim, Inventory, LeaseRecord, Notice, PoolKey, Run, Stop
from procedures.runner.drive import identity, issuer
from procedures.runner.identity import Identity, load_identity
from procedures.services import endings, life, tasks
from tests.factories.lending import CANARY, Claimed, claimed, listens, seal
from tests.factories.portal import new_world
from tests.fixtures.databases import FreshDatabase

pytestmark = pytest.mark.ordinary


@pytest.fixture(params=["beside", "apart"])
def under_way(request: pytest.FixtureRequest, fresh_database: FreshDatabase, settings: Any) -> Iterator[Claimed]:
    """A claimed run, and its issuer in this process or behind a socket."""
    with ExitStack() as stack:
        if request.param == "apart":
            settings.OPSPORTAL_ISSUER_SOCKET = str(stack.enter_context(listens()))
            settings.OPSPORTAL_ISSUER_BOUND_S = 2
        yield claimed(new_world())


def here(who: Identity | None = None) -> Issuing:
    return issuer("development", who)


def refusal(asked: Lend | Open, who: Identity | None = None) -> str:
    way = here(who)
    with pytest.raises(LeaseRefused) as refused:
        way.lend(asked).__enter__() if isinstance(asked, Lend) else way.open(asked)
    return refused.value.message


def test_a_step_gets_its_credential_and_gives_it_back_and_all_of_it_is_evidence(under_way: Claimed) -> None:
    with here().lend(under_way.ask()) as lease:
        key = load_ssh_private_key(lease.material["private_key"].reveal(), None)
        certificate = load_ssh_public_identity(lease.material["certificate"].reveal())
        assert key.public_key() == certificate.public_key()  # type: ignore[union-attr]
        assert lease.evidence["principal"] == "deploy@web-1"
        assert LeaseRecord.objects.get().state == "issued"
        assert under_way.told("lease.intent")
        assert not under_way.told("lease.revoked")
        with pytest.raises(TypeError, match="cannot be serialised"):
            pickle.dumps(lease)
    assert LeaseRecord.objects.get().state == "revoked"
    (intent,), (issued,), (back,) = (under_way.told(f"lease.{kind}") for kind in ("intent", "issued", "revoked"))
    assert intent["lease"] == issued["lease"] == back["lease"] == str(lease.id)
    assert (back["how"], back["why"]) == ("expires-only", "the step has ended")
    assert issued["issuer"] in {"apart", "with its runner"}
    assert "private_key" not in str(issued)


def test_what_goes_wrong_in_the_step_gives_the_credential_back_too(under_way: Claimed) -> None:
    with pytest.raises(ZeroDivisionError), here().lend(under_way.ask()):
        raise ZeroDivisionError
    assert LeaseRecord.objects.get().state == "revoked"


def test_a_second_attempt_and_another_target_have_credentials_of_their_own(under_way: Claimed) -> None:
    with here().lend(under_way.ask()) as one, here().lend(under_way.ask(target="web-2", attempt=2)) as two:
        assert one.evidence["principal"] != two.evidence["principal"]
        assert one.evidence["command_sha256"] != two.evidence["command_sha256"]
    assert set(LeaseRecord.objects.values_list("state", flat=True)) == {"revoked"}


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"step": "three"}, "has no step three"),
    ({"credential": "other"}, "uses no credential other"),
    ({"step": "two"}, "uses no credential deploy"),
    ({"target": "web-3"}, "does not act on web-3"),
    ({"target": ""}, "does not act on no target"),
    ({"attempt": 3}, "allows 2 attempts"),
    ({"attempt": 0}, "allows 2 attempts"),
    ({"claim": uuid4()}, "is not running under this claim"),
)


def test_what_the_approved_plan_does_not_hold_is_lent_to_nobody(under_way: Claimed) -> None:
    for count, (other, words) in enumerate(WRONG, 1):
        assert words in refusal(under_way.ask(**other))
        assert words in under_way.told("lease.refused")[-1]["why"]
        assert len(under_way.told("lease.refused")) == count
    assert not LeaseRecord.objects.exists()


def test_a_run_that_there_is_not_is_lent_nothing(under_way: Claimed) -> None:
    assert "no such run" in refusal(under_way.ask(run=uuid4()))


def test_whoever_does_not_hold_the_key_gets_nothing_and_security_is_told_once(
    under_way: Claimed, tmp_path: Any
) -> None:
    thief = replace(load_identity(tmp_path), id=identity().id)
    asked: tuple[Lend | Open, ...] = (under_way.ask(), under_way.ask(), under_way.secrets)
    for one in asked:
        assert "does not hold the key" in refusal(one, thief)
    assert len(under_way.told("lease.refused")) == 1, "however often it asks"
    assert Notice.objects.filter(kind="runner.refused", person=under_way.world.mira).count() == 1


def test_what_was_asked_for_at_the_launch_is_opened_for_who_holds_the_claim(under_way: Claimed) -> None:
    found = here().open(under_way.secrets)
    assert {name: secret.reveal().decode() for name, secret in found.items()} == {"token": CANARY}
    assert CANARY not in repr(found)
    assert "is not running under this claim" in refusal(Open(under_way.run.pk, uuid4()))


def test_a_value_that_somebody_sealed_in_its_place_is_not_opened(under_way: Claimed) -> None:
    """Anybody can seal to a pool's public key; the plan that was approved holds a mark of the value."""
    pool = PoolKey.objects.get(environment_id="development").public
    row = under_way.run.sealed_secrets["token"]
    box = seal_to(pool, canon({"salt": "00", "value": "evil"}), info=f"run-secret/{row['mark']}")
    Run.objects.update(sealed_secrets={"token": {**row, "box": box.hex()}})
    with pytest.raises(WillNotOpen, match="not the one that the plan was made with"):
        here().open(under_way.secrets)
    with pytest.raises(WillNotOpen), here().lend(under_way.ask()):
        raise AssertionError("it was lent")
    assert not LeaseRecord.objects.exclude(state="revoked").exists()


def test_everything_is_decided_again_before_each_lease(under_way: Claimed) -> None:
    run, world = under_way.run, under_way.world
    Run.objects.update(parameters={"word": "evil"})
    assert "parameters are not those of the approved plan" in refusal(under_way.ask())
    Run.objects.update(parameters=run.parameters, plan=bytes(run.plan).replace(b"hello", b"evil!"))
    assert "not the one that was approved" in refusal(under_way.ask())
    Run.objects.update(plan=bytes(run.plan))
    with here().lend(under_way.ask()):
        assert LeaseRecord.objects.filter(state="issued").count() == 1, "the control: it was lent"
    stop = Stop.objects.create(environment_id="development", reason="a test", thrown_by=world.mira, thrown_at=now())
    assert "is stopped" in refusal(under_way.ask())
    stop.delete()
    life.revoke_version(actor=world.mira, version=run.version_id, reason="a hole", at=now())
    assert "The version was revoked" in refusal(under_way.ask())
    assert "The version was revoked" in refusal(under_way.secrets), "nor is a secret opened"
    Claim.objects.all().delete()
    assert "not running under this claim" in refusal(under_way.ask())


def test_what_a_lost_step_left_is_looked_for_with_a_credential_for_that_alone(under_way: Claimed) -> None:
    place: dict[str, Any] = {"phase": "steps", "step": "one", "position": 0, "batch": 0, "does": "x"}
    run: dict[str, Any] = {"run": under_way.run.pk, "token": under_way.token}
    task = tasks.begin(**run, **place, target="web-1", attempt=1, at=now())
    with here().lend(under_way.ask()) as lease:
        mark = lease.evidence["command_sha256"]
    asked = Look(identity().id, task.pk)
    with pytest.raises(LeaseRefused, match="does not say that this run ended"):
        here().look(asked).__enter__()
    assert endings.interrupt_lost(at=now() + timedelta(minutes=3)) == [under_way.run.pk]
    with here().look(asked) as (found, where):
        assert (where.name, where.address) == ("web-1", "127.0.0.1")
        assert found.evidence["command_sha256"] != mark, "it ends what carries the mark, and runs nothing of the step"
    assert set(LeaseRecord.objects.values_list("state", flat=True)) == {"revoked"}
    (told,) = [fact.facts for fact in facts_of_kinds("lease.issued") if "of_run" in fact.facts]
    assert (told["for"], told["of_run"]) == ("lost", str(under_way.run.pk))


def test_an_inventory_gets_the_secret_that_people_confirmed_for_it_and_no_other(under_way: Claimed) -> None:
    world = under_way.world
    for name in ("cloud", "other"):
        seal(world, name, f"{name}-{CANARY}".encode())
    settings = {"region": "eu-west-1", "secret": "cloud"}
    object = {"name": "ec2", "environment": "development", "kind": "aws-ec2", "settings": settings, "trust": "key"}
    world.propose("inventory", {**object, "every_s": 600, "takes": False, "action": "set"})
    asked = Fetch(identity().id, "ec2", "cloud")
    assert here().fetch(asked).reveal().decode() == f"cloud-{CANARY}"
    for wrong, words in (
        (replace(asked, secret="other"), "names no secret other"),
        (replace(asked, inventory="ec3"), "holds no inventory ec3"),
        (replace(asked, runner=uuid4()), "nobody enrolled it"),
    ):
        with pytest.raises(LeaseRefused, match=words):
            here().fetch(wrong)
    Inventory.objects.update(settings={**settings, "secret": "other"})
    with pytest.raises(LeaseRefused, match="names no secret other"):
        here().fetch(replace(asked, secret="other"))


def test_it_says_whether_it_answers(under_way: Claimed) -> None:
    assert here().answers()
