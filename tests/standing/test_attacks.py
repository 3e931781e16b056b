"""H13 and H40 from the attacker's own place: replayed, changed and foreign deliveries, proxies, forged rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from procedures.domain import deliveries
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.models import Environment, Fire, PortalSetting, Run, Standing
from procedures.services import approvals, leavers
from procedures.services.deliveries import SharesNothing, new_secret
from procedures.services.unit import SecondPersonRequired
from tests.standing.conftest import Plant, due, knock, last, lent, said, swept

pytestmark = pytest.mark.once
BODY = {"who": {"name": "Zoe"}}
ALIKE = {"detail": "The signature is missing or wrong."}


def test_a_delivery_asks_for_the_one_procedure_with_what_was_mapped(plant: Plant) -> None:
    plant.sets("hook", plant.hook())
    body = {**BODY, "procedure": "evil", "environment": "production", "targets": ["all"], "account": "root"}
    answer = plant.send(body)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "asked")
    run = Run.objects.get(door="hook")
    assert (run.procedure.name, run.environment_id, run.parameters) == ("hello", "development", {"name": "Zoe"})
    assert ("olga", "key_holder") in set(run.chain.values_list("person__username", "role"))
    assert said("run.requested")[-1]["standing"]["proof"] == "ed25519"
    assert lent(run) == ()


def test_a_replay_a_late_a_changed_and_a_foreign_delivery_start_nothing(plant: Plant) -> None:
    plant.sets("hook", plant.hook())
    plant.sets("hook", plant.hook(name="other"))
    assert plant.send(BODY, mark="one").json()["taken"] is True
    again = plant.send(BODY, mark="one")
    assert (again.status_code, again.json()) == (202, {"taken": False})
    for minutes in (-6, 6):
        late = plant.send(BODY, at=now() + timedelta(minutes=minutes), mark=f"late{minutes}")
        assert (late.status_code, late.json()) == (202, {"taken": True, "outcome": "refused"})
    assert "not within five minutes" in last(Standing.objects.get(name="deployed")).why
    data = b'{"who": {"name": "Zoe"}}'
    headers = deliveries.sign(plant.keys["deployed"], "two", now(), data)
    changed = (
        knock("deployed", data.replace(b"Zoe", b"Eve"), headers),
        knock("deployed", data, {**headers, "webhook-id": "three"}),
        knock("deployed", data, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}),
        knock("other", data, headers),
        knock("nowhere", data, headers),
        knock("deployed", data, {}),
        knock("deployed", data, {**headers, "webhook-signature": "v1a,AAAA v1,AAAA"}),
        knock("deployed", data, {"x-hub-signature-256": "sha256=00", "x-github-delivery": "x"}),
    )
    assert {one.status_code for one in changed} == {403}
    assert {one.content for one in changed} == {b'{"detail": "The signature is missing or wrong."}'}
    assert Run.objects.count() == 1
    assert Fire.objects.count() == 3


def test_what_is_no_json_or_too_large_is_refused_before_it_is_parsed(plant: Plant) -> None:
    plant.sets("hook", plant.hook())
    data = b"{}"
    headers = deliveries.sign(plant.keys["deployed"], "a", now(), data)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert knock("deployed", data, headers, kind=kind).status_code == 415
        assert knock("nowhere", data, headers, kind=kind).status_code == 415
    large = b" " * (8 * 1024 * 1024 + 1)
    assert knock("deployed", large, headers).status_code == 413
    assert plant.send(b"[1]", mark="list").json()["outcome"] == "refused"
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    "value",
    ["", "x" * 101, 7, None, ["a"], {"$ref": "x"}, True],
)
def test_a_mapped_value_that_does_not_fit_is_refused_whole(plant: Plant, value: Any) -> None:
    plant.sets("hook", plant.hook())
    assert plant.send({"who": {"name": value}}).json()["outcome"] == "refused"
    assert not Run.objects.exists()
    assert said("standing.refused")[-1]["code"] == "input.invalid"


@pytest.mark.parametrize("value", ["$(reboot)", "${{ parameters.name }}", "a\nb", "'; DROP TABLE", "-rf /", "../.."])
def test_a_mapped_value_stays_data(plant: Plant, value: str) -> None:
    plant.sets("hook", plant.hook())
    plant.send({"who": {"name": value}})
    assert [run.parameters for run in Run.objects.all()] in ([{"name": value}], [])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"mapping": {"name": {"pointer": "who"}}}, "mapping"),
        ({"mapping": {"name": {"pointer": "/a", "value": "b"}}}, "mapping"),
        ({"mapping": {"nobody": {"value": "x"}}}, "has no parameter"),
        ({"mapping": {"name": {"value": ""}}}, "mapping/name"),
        ({"keys": [{"key": "whpk_" + "A" * 43 + "=", "holder": "0190a0a0-0000-7000-8000-000000000000"}]}, "no person"),
        ({"proof": "none"}, "proof"),
        ({"a_minute": 0}, "a_minute"),
        ({"a_minute": 31}, "a_minute"),
    ],
)
def test_what_a_hook_may_not_say(plant: Plant, wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        plant.sets("hook", plant.hook(**wrong))
    assert why in f"{refused.value.problems}"


def test_more_than_it_takes_a_minute_waits_for_the_next(plant: Plant) -> None:
    plant.sets("hook", plant.hook(a_minute=2))
    answers = [plant.send(BODY, mark=f"m{count}").status_code for count in range(4)]
    assert answers == [202, 202, 429, 429]


def test_whoever_sets_it_off_by_proxy_approves_none_of_it(plant: Plant) -> None:
    """The owner of the account, who set it; whoever holds the key; in `separate` whoever confirmed it."""
    Environment.objects.filter(pk="staging").update(min_strength="session", approvals={"low": {"operations": 1}})
    kim, pat, carl = (plant.world.person(name, "operations") for name in ("kim", "pat", "carl"))
    for one in (plant.olga, kim, pat, carl):
        plant.world.may(one, "approve", "view")
    private, public = deliveries.new_pair()
    made = plant.hook(environment="staging", keys=[{"key": public, "holder": str(kim.subject)}])
    plant.sets("hook", made)
    Standing.objects.update(confirmed_by=carl)
    PortalSetting.objects.filter(pk="profile").update(value="separate")
    plant.send(BODY, key=private)
    run = Run.objects.get()
    assert run.state == "awaiting_approval"
    asked = {"run": run.pk, "verdict": "approve", "plan_digest": run.plan_digest, "comment": "", "signature": None}
    for one in (plant.olga, kim, carl):
        with pytest.raises(SecondPersonRequired, match="stand behind the request"):
            approvals.decide_run(actor=one, at=now(), **asked)
    assert approvals.decide_run(actor=pat, at=now(), **asked).state == "queued"


def test_production_takes_no_key_that_the_portal_holds(production: Plant) -> None:
    for proof in ("hmac", "github"):
        with pytest.raises(InvalidInput, match="ed25519 in production"):
            production.sets("hook", production.hook(environment="staging", proof=proof))
    plant = production
    plant.sets("hook", plant.hook(proof="hmac", name="shared"))
    secret = new_secret(actor=plant.olga, name="shared", at=now())
    assert plant.send(BODY, "shared", key=secret).json()["outcome"] == "asked"
    assert ("olga", "key_holder") in set(Run.objects.get().chain.values_list("person__username", "role"))
    assert said("run.requested")[-1]["standing"]["proof"] == "hmac"
    Environment.objects.filter(pk="development").update(production=True, drafts=False)
    assert plant.send(BODY, "shared", key=secret, mark="later").json() == ALIKE
    with pytest.raises(SharesNothing):
        new_secret(actor=plant.olga, name="shared", at=now())


def test_a_body_that_github_signed_is_taken_once_under_whatever_delivery_id(plant: Plant) -> None:
    import hashlib
    import hmac

    plant.sets("hook", plant.hook(proof="github"))
    secret = new_secret(actor=plant.olga, name="deployed", at=now())
    data = b'{"who": {"name": "Zoe"}}'
    mark = "sha256=" + hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()
    first = knock("deployed", data, {"x-hub-signature-256": mark, "x-github-delivery": "a"})
    again = knock("deployed", data, {"x-hub-signature-256": mark, "x-github-delivery": "b"})
    lacking = knock("deployed", data, {"x-hub-signature-256": mark})
    assert [first.json()["taken"], again.json()["taken"], lacking.json()] == [True, False, ALIKE]
    assert Run.objects.count() == 1


def test_whoever_held_a_key_and_left_starts_nothing_more(plant: Plant) -> None:
    kim = plant.world.person("kim")
    private, public = deliveries.new_pair()
    plant.sets("hook", plant.hook(keys=[{"key": public, "holder": str(kim.subject)}]))
    leavers.close_person(actor=plant.world.mira, person=kim.subject, at=now())
    Standing.objects.update(paused_at=None)  # whatever a table says
    assert plant.send(BODY, key=private).json() == ALIKE
    assert not Run.objects.exists()


def test_nobody_sets_one_by_an_account_of_others_or_for_what_they_may_not_run(plant: Plant) -> None:
    max_ = plant.world.person("max", key=True)
    plant.world.may(max_, "run", procedure="hello")
    with pytest.raises(NotAllowed):
        plant.sets("schedule", plant.schedule(), by=max_)
    own = plant.world.account(max_, "maxbot")
    robot = plant.robot
    plant.robot = own
    plant.sets("schedule", plant.schedule(), by=max_)
    plant.robot = robot
    ruth = plant.world.person("ruth", key=True)
    with pytest.raises(NotAllowed):
        plant.sets("schedule", plant.schedule(name="other"), by=ruth)
    assert swept(due(Standing.objects.get())) == 1
    assert "No grant lets maxbot run hello" in Fire.objects.get().why, "it needs a grant of its own"
