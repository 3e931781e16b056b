"""H1 from the place of a database administrator who has a true signature of a manager, but of another place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.issuer.replay import replay
from procedures.services import controls
from tests.access.test_managers_of_places import to
from tests.evidence.conftest import Log
from tests.evidence.test_asserted import EVER, event_written, signed_by, written

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("environments", "stands"), [(["production"], True), (["staging", "production"], False), ([], False)], ids=str
)
def test_a_grant_written_by_sql_stands_only_where_its_true_signer_manages_access(
    log: Log,
    environments: list[str],
    stands: bool,
) -> None:
    """Signed by Petra's own key, who manages access in production alone; its end goes the same way."""
    petra, tina = log.world.person("petra", key=True), log.world.person("tina")
    log.world.may(petra, "manage_access", environments=["production"])

    def forged(control: str, object: dict[str, Any]) -> str:
        statement = canon(controls.statement_for(actor=petra, control=control, object=object))
        return written(control, object, statement, (signed_by(log.world, petra, statement),))

    grant = forged("grant", to(tina, *environments))
    assert replay().grants[grant]["stands"] is stands
    whole = log.world.may(tina, "view")
    forged("grant_end", {"grant": str(whole.pk), "reason": "away"})
    forged("profile", {"profile": "pair"})
    authority = replay()
    assert str(whole.pk) in authority.grants
    assert authority.profile == "team"
    found = verify.verify(log.pack(), log.key)
    expected = ["grant_end", "profile"] if stands else ["grant", "grant_end", "profile"]
    assert [row["control"] for row in found["asserted"]] == expected


def test_a_manager_of_one_procedure_stands_behind_that_one_in_the_replay(log: Log) -> None:
    petra, tina = log.world.person("petra", key=True), log.world.person("tina")
    log.world.may(petra, "manage_access", procedure="hello")
    for name, stands in (("hello", True), ("restart-service", False)):
        object = to(tina, "production", procedure=name)
        statement = canon(controls.statement_for(actor=petra, control="grant", object=object))
        change = written("grant", object, statement, (signed_by(log.world, petra, statement),))
        assert replay().grants[change]["stands"] is stands
    assert [row["control"] for row in verify.verify(log.pack(), log.key)["asserted"]] == ["grant"]


@pytest.mark.parametrize(
    ("more", "stands"),
    [
        ({}, True),
        ({"verbs": ["run", "author"]}, False),
        ({"environments": ["development", "production"]}, False),
        ({"expires_at": moment(now() + timedelta(days=9))}, False),
        ({"procedure": "restart-service"}, False),
        ({"replaces": "01a214b4-cc13-7916-9a70-0c97a4e4b919"}, False),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_a_lead_signed_stands_inside_the_limits_of_the_space_alone(
    log: Log, more: dict[str, Any], stands: bool
) -> None:
    lena, tina = log.world.person("lena", key=True), log.world.person("tina")
    limits = {"verbs": ["run"], "environments": ["production"], "days": 7, "risk": "low", "procedures": ["hello"]}
    space = {"name": "payments", "title": "Payments", "leads": [f"person:{lena.subject}"], "action": "set", **limits}
    log.world.propose("space", space)
    object = to(tina, **{"environments": ["production"], "procedure": "hello", **more})
    statement = canon(controls.statement_for(actor=lena, control="grant", object=object))
    change = written("grant", object, statement, (signed_by(log.world, lena, statement),))
    assert replay().grants[change]["stands"] is stands
    asserted = [row["control"] for row in verify.verify(log.pack(), log.key)["asserted"]]
    assert asserted == ([] if stands else ["grant"])


@pytest.mark.parametrize(
    ("limits", "more", "stands"),
    [
        ({"labels": ["payments"]}, {}, True),
        ({"labels": ["payments", "nightly"]}, {}, False),
        ({"procedures": ["hello"], "targets": ["team=a", "team=b"]}, {"target_filter": "team=b"}, True),
        ({"procedures": ["hello"], "targets": ["team=a"]}, {"target_filter": "team=a or team=b"}, False),
        ({"procedures": ["hello"], "targets": ["team=a"]}, {}, False),
        ({"procedures": ["hello"], "at_once": 3}, {}, True),
        ({"procedures": ["hello"], "at_once": 2}, {}, False),
    ],
    ids=lambda value: str(value)[:40],
)
def test_labels_targets_and_the_number_of_grants_bind_the_issuer_and_the_verifier(
    log: Log, limits: dict[str, Any], more: dict[str, Any], stands: bool
) -> None:
    lena, tina = log.world.person("lena", key=True), log.world.person("tina")
    log.world.confirmed("labels", {"procedure": "hello", "labels": ["payments"]})
    log.world.may(log.world.person("uma"), "view", procedure="hello", environments=["production"])
    space = {"name": "payments", "title": "Payments", "leads": [f"person:{lena.subject}"], "action": "set"}
    space |= {"verbs": ["run"], "environments": ["production"], "days": 7, "risk": "low", "procedures": [], **limits}
    log.world.propose("space", space)
    object = to(tina, **{"environments": ["production"], "procedure": "hello", **more})
    statement = canon(controls.statement_for(actor=lena, control="grant", object=object))
    change = written("grant", object, statement, (signed_by(log.world, lena, statement),))
    assert replay().grants[change]["stands"] is stands
    asserted = [row["control"] for row in verify.verify(log.pack(), log.key)["asserted"]]
    assert asserted == ([] if stands else ["grant"])


def test_who_leads_a_space_of_labels_signs_none_that_bring_it_a_procedure(log: Log) -> None:
    nora = log.world.manager()
    limits = {"verbs": ["run"], "environments": ["production"], "days": 7, "risk": "low", "procedures": []}
    space = {"name": "payments", "title": "Payments", "leads": [f"person:{nora.subject}"], "action": "set", **limits}
    log.world.propose("space", {**space, "labels": ["payments"]})
    object = {"procedure": "hello", "labels": ["payments"]}
    statement = canon(controls.statement_for(actor=nora, control="labels", object=object))
    written("labels", object, statement, (signed_by(log.world, nora, statement),))
    assert replay().labels.get("hello", set()) == set()
    assert [row["control"] for row in verify.verify(log.pack(), log.key)["asserted"]] == ["labels"]


def test_a_lead_may_sign_neither_for_a_procedure_of_higher_risk_nor_their_own_space(log: Log) -> None:
    log.world.shipped()
    lena, tina = log.world.person("lena", key=True), log.world.person("tina")
    limits = {"verbs": ["run"], "environments": ["production"], "days": 7, "risk": "low"}
    space = {"name": "payments", "title": "Payments", "leads": [f"person:{lena.subject}"], "action": "set", **limits}
    space["procedures"] = ["hello", "restart-service"]
    log.world.propose("space", space)

    def forged(control: str, object: dict[str, Any]) -> str:
        statement = canon(controls.statement_for(actor=lena, control=control, object=object))
        return written(control, object, statement, (signed_by(log.world, lena, statement),))

    forged("grant", to(tina, "production", procedure="restart-service"))  # never accepted: its risk is unknown
    forged("space", {**space, "risk": "high"})
    forged("space", {**space, "action": "end"})
    assert replay().spaces == {"payments": space}
    found = verify.verify(log.pack(), log.key)
    assert [row["control"] for row in found["asserted"]] == ["grant", "space", "space"]
    accepted = {"version": "x", "digest": "d", "profile": "team", "reviewers": {}, "combined": [], "expires_at": EVER}
    event_written("version.accepted", {**accepted, "procedure": "hello", "risk": "high"})
    change = forged("grant", to(tina, "production", procedure="hello"))
    assert not replay().grants[change]["stands"]
