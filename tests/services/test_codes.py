"""Codes decide where an environment lets them: each is good once, guesses are slowed, a token gains nothing by one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory

from procedures.domain import totp
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed, NotFound
from procedures.domain.secrets import Secret
from procedures.domain.statements import TooWeak
from procedures.evidence import verify
from procedures.evidence.models import Event
from procedures.models import CodeApp, Person, Run
from procedures.services import approvals, codes, controls, sessions
from procedures.services.unit import SecondPersonRequired
from tests.evidence.conftest import Log, log
from tests.factories.portal import PASSWORD, World
from tests.services.test_second_person import environment

pytestmark = pytest.mark.ordinary

__all__ = ["log"]  # the fixture of the evidence tests
STEP = timedelta(seconds=totp.STEP_S)


def set_up(person: Person) -> Secret:
    """A code app in use, whose first code was given a few minutes ago."""
    person.set_password(PASSWORD)
    person.save(update_fields=["password"])
    begun = now() - 10 * STEP
    secret = codes.begin(request=RequestFactory().post("/"), actor=person, password=PASSWORD, at=begun)
    codes.enrol(actor=person, code=code(secret, begun), at=begun)
    return secret


def code(secret: Secret, at: datetime | None = None) -> str:
    return totp.code_at(secret, int((at or now()).timestamp()) // totp.STEP_S)


def wrong(secret: Secret) -> str:
    near = {code(secret, now() + number * STEP) for number in range(-3, 4)}
    return next(text for text in ("000000", "111111", "222222", "333333") if text not in near)


def asked(world: World, minimum: str = "totp") -> tuple[Person, Run]:
    """Petra, who may approve, and a run in staging that waits for her."""
    world.accepted()
    quinn, petra = world.person("quinn"), world.person("petra", "operations")
    world.may(quinn, "run", procedure="hello", environments=["staging"])
    world.may(petra, "approve", "view", procedure="hello", environments=["staging"])
    rules = environment("staging", approvals={"low": {"operations": 1}}, min_strength=minimum)
    world.propose("environment", rules)
    return petra, world.ask(quinn, environment="staging")


def approve(petra: Person, run: Run, signature: Any, *, at: datetime | None = None, bearer: bool = False) -> Run:
    return approvals.decide_run(
        actor=petra,
        run=run.id,
        verdict="approve",
        plan_digest=run.plan_digest,
        comment="",
        signature=signature,
        at=at or now(),
        bearer=bearer,
    )


def test_a_code_approves_where_the_environment_lets_it(world: World) -> None:
    petra, run = asked(world)
    secret = set_up(petra)
    after = approve(petra, run, {"totp": code(secret)})
    row = run.approvals.get()
    assert (after.state, row.strength, row.signatures[0]["method"]) == ("queued", "totp", "totp")


def test_a_session_is_too_weak_where_a_code_is_asked_for(world: World) -> None:
    petra, run = asked(world)
    set_up(petra)
    with pytest.raises(TooWeak, match="session is not enough"):
        approve(petra, run, None)


def test_a_code_is_too_weak_where_a_signature_is_asked_for_and_is_not_used_up(world: World) -> None:
    petra, run = asked(world, "signed")
    secret = set_up(petra)
    before = CodeApp.objects.get().last_step
    with pytest.raises(TooWeak, match="a code is not enough"):
        approve(petra, run, {"totp": code(secret)})
    assert CodeApp.objects.get().last_step == before


def test_a_bearer_token_with_a_code_decides_nothing(world: World) -> None:
    """H20: whoever stole a token may have watched a code as well; only a signature speaks for the person."""
    petra, run = asked(world)
    secret = set_up(petra)
    with pytest.raises(TooWeak, match="bearer"):
        approve(petra, run, {"totp": code(secret)}, bearer=True)


def test_a_code_is_good_once(world: World) -> None:
    petra, run = asked(world)
    secret, at = set_up(petra), now()
    codes.use(petra, code(secret, at), at)
    with pytest.raises(codes.WrongCode):
        approve(petra, run, {"totp": code(secret, at)}, at=at)
    assert not run.approvals.exists()


def test_an_earlier_code_is_not_taken_after_a_later_one(world: World) -> None:
    mira, at = world.mira, now()
    secret = set_up(mira)
    codes.use(mira, code(secret, at), at)
    with pytest.raises(codes.WrongCode):
        codes.use(mira, code(secret, at - STEP), at)
    codes.use(mira, code(secret, at + STEP), at)


def test_five_wrong_codes_at_any_door_stop_the_right_one_and_are_evidence(world: World) -> None:
    petra, run = asked(world)
    secret = set_up(petra)
    for _ in range(3):
        with pytest.raises(codes.WrongCode):
            approve(petra, run, {"totp": wrong(secret)})
    for _ in range(2):
        with pytest.raises(codes.WrongCode):
            codes.remove(actor=petra, subject=petra.subject, code=wrong(secret), at=now())
    with pytest.raises(codes.TooManyCodes):
        approve(petra, run, {"totp": code(secret)})
    assert not run.approvals.exists()
    assert Event.objects.filter(kind="access.denied").count() >= 5
    later = now() + codes.WINDOW + timedelta(minutes=1)
    assert codes.app_of(petra) is not None
    codes.use(petra, code(secret, later), later)


def test_somebody_elses_code_is_wrong(world: World) -> None:
    petra, run = asked(world)
    set_up(petra)
    with pytest.raises(codes.WrongCode):
        approve(petra, run, {"totp": code(set_up(world.mira))})


def test_without_a_code_app_a_code_is_nothing(world: World) -> None:
    petra, run = asked(world)
    with pytest.raises(codes.NoCodeApp):
        approve(petra, run, {"totp": "123456"})


def test_an_app_counts_only_once_it_gave_a_code(world: World) -> None:
    petra, run = asked(world)
    petra.set_password(PASSWORD)
    petra.save(update_fields=["password"])
    secret = codes.begin(request=RequestFactory().post("/"), actor=petra, password=PASSWORD, at=now())
    with pytest.raises(codes.NoCodeApp):
        approve(petra, run, {"totp": code(secret)})
    with pytest.raises(codes.WrongCode):
        codes.enrol(actor=petra, code=wrong(secret), at=now())
    assert not Event.objects.filter(kind="totp.enrolled").exists()


def test_a_borrowed_session_sets_no_app_up(world: World) -> None:
    with pytest.raises(sessions.WrongPassword):
        codes.begin(request=RequestFactory().post("/"), actor=world.mira, password="guess", at=now())
    assert not CodeApp.objects.exists()


def test_a_second_app_waits_until_the_first_is_removed(world: World) -> None:
    secret = set_up(world.mira)
    request = RequestFactory().post("/")
    with pytest.raises(codes.CodeAppThere):
        codes.begin(request=request, actor=world.mira, password=PASSWORD, at=now())
    codes.remove(actor=world.mira, subject=world.mira.subject, code=code(secret), at=now())
    codes.begin(request=request, actor=world.mira, password=PASSWORD, at=now())
    kinds = Event.objects.filter(kind__startswith="totp.").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["totp.enrolled", "totp.removed"]


def test_another_access_manager_removes_a_lost_app_and_nobody_else(world: World) -> None:
    petra, max_ = world.person("petra"), world.person("max")
    set_up(petra)
    with pytest.raises(NotAllowed):
        codes.remove(actor=max_, subject=petra.subject, code="", at=now())
    codes.remove(actor=world.mira, subject=petra.subject, code="", at=now())
    assert codes.app_of(petra) is None
    assert bytes(CodeApp.objects.get().sealed) == b""
    with pytest.raises(NotFound):
        codes.remove(actor=world.mira, subject=petra.subject, code="", at=now())


def test_a_manager_removes_the_own_app_with_a_code_alone(world: World) -> None:
    set_up(world.mira)
    with pytest.raises(SecondPersonRequired):
        codes.remove(actor=world.mira, subject=world.mira.subject, code="", at=now())


def test_the_secret_lies_in_no_table_and_opens_for_its_person_alone(world: World, settings: Any) -> None:
    secret, petra = set_up(world.mira), world.person("petra")
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed FROM procedures_codeapp")
        stored = bytes(cursor.fetchone()[0])
    assert secret.reveal() not in stored
    CodeApp.objects.update(person=petra)
    with pytest.raises(codes.NoCodeApp, match="secret key"):
        codes.use(petra, code(secret), now())
    CodeApp.objects.update(person=world.mira)
    settings.SECRET_KEY = "another key of the portal than the one from which the sealing was derived"
    with pytest.raises(codes.NoCodeApp, match="secret key"):
        codes.use(world.mira, code(secret), now())


def test_a_change_outside_production_is_proposed_by_code_and_no_key_counts_by_one(world: World) -> None:
    secret = set_up(world.mira)
    rules = environment("staging", min_strength="totp")
    world.propose("environment", rules)
    at = now()
    change = controls.propose(
        actor=world.mira, control="environment", object=rules, signature={"totp": code(secret, at)}, at=at
    )
    assert (change.state, change.signatures[0]["strength"]) == ("confirmed", "totp")


def test_a_pack_counts_a_code_as_a_code(log: Log) -> None:
    petra = log.world.person("petra", "operations")
    log.world.may(petra, "approve", "view", procedure="hello", environments=["staging"])
    quinn = Person.objects.get(username="quinn")
    log.world.may(quinn, "run", procedure="hello", environments=["staging"])
    rules = environment("staging", approvals={"low": {"operations": 1}}, min_strength="totp")
    log.world.propose("environment", rules)
    run = log.world.ask(quinn, environment="staging")
    approve(petra, run, {"totp": code(set_up(petra))})
    found = verify.verify(log.pack(), log.key)
    assert found["decisions"] == {"session": 0, "totp": 1, "signed": 1}
