"""Choices from an accepted procedure, a URL allowed by policy, or the catalogue: asked on the record, checked again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from procedures.domain import limits, options
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence.models import Event
from procedures.models import Entity, Environment, OptionList, Person, Run, Version
from procedures.runner.drive import drive
from procedures.services import option_asking, versions
from procedures.services import options as lists
from procedures.services.options import Listed
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary

HEAD = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {{name: {name}, tags: [web]}}
spec:
  owner: group:default/{owner}
  type: {type}
  risk: low
  environments: [development, production]
  timeout: 1m
"""
LISTING = """\
  parameters: {properties: {team: {type: string, title: Team, default: blue, pattern: "^[a-z]*$"}}}
  output: {values: {names: "${{ steps.list.output.names }}"}}
  steps:
    - id: list
      action: local:command
      timeout: 20s
      input:
        argv: [sh, -c, 'T=$PARAM_TEAM; echo "{\\"names\\": [\\"$T-db1\\", \\"$T-db2\\"]}" >> $OPSPORTAL_OUTPUT']
"""
USING = """\
  parameters:
    properties:
      team: {{type: string, title: Team}}
      database: {{type: {type}, title: Database{items}, options: {options}}}
  steps:
    - {{id: one, action: 'local:command', timeout: 5s, input: {{argv: ['true']}}}}
"""
FROM_RUN = "{from: procedure, procedure: listing, output: names, with: {team: '${{ parameters.team }}'}, ttl: 10m}"


def accepted(world: World, name: str, body: str, *, of_type: str = "diagnostic", owner: str = "x") -> Version:
    adam = Person.objects.filter(username="adam").first() or world.person("adam")
    world.may(adam, "author")
    files = {
        "procedure.yaml": (HEAD.format(name=name, type=of_type, owner=owner) + body).encode(),
        "README.md": b"x",
    }
    version = versions.submit_version(actor=adam, files=files, note="", at=now())
    world.review(world.mira, version, "operations", "security", signed=True)
    version.refresh_from_db()
    return version


def using(raw: str = FROM_RUN, kind: str = "string", items: str = "") -> str:
    return USING.format(options=raw, type=kind, items=items)


def asker(world: World, *, listing: bool = True, name: str = "quinn") -> Person:
    quinn = world.person(name)
    world.may(quinn, "run", "view", procedure="using")
    if listing:
        world.may(quinn, "run", procedure="listing")
    return quinn


def both(world: World) -> tuple[Version, Person]:
    accepted(world, "listing", LISTING)
    return accepted(world, "using", using()), asker(world)


def ask(version: Version, who: Person, **parameters: Any) -> Listed:
    source = options.sources(version.definition["parameters"])["database"]
    where = Environment.objects.get(pk="development")
    return option_asking.ask(
        actor=who, version=version, environment=where, source=source, parameters=parameters, at=now()
    )


def asked(version: Version, who: Person, **parameters: Any) -> Listed:
    """The list once its run has ended."""
    first = ask(version, who, **parameters)
    if first.run is not None:
        drive(first.run)
    return look(version, who, **parameters)


def look(version: Version, who: Person, **parameters: Any) -> Listed:
    source = options.sources(version.definition["parameters"])["database"]
    where = Environment.objects.get(pk="development")
    return lists.look(actor=who, version=version, environment=where, source=source, parameters=parameters, at=now())


def test_a_list_comes_from_a_run_on_the_record_and_is_shared_and_kept(world: World) -> None:
    version, quinn = both(world)
    listed = asked(version, quinn, team="red")
    assert listed.choices is not None, listed.said
    assert listed.choices.values == ["red-db1", "red-db2"]
    run = Run.objects.get()
    assert (run.procedure.name, run.door, run.requester, run.parameters) == ("listing", "form", quinn, {"team": "red"})
    olga = asker(world, name="olga")
    assert ask(version, olga, team="red").choices == listed.choices
    assert ask(version, quinn, team="blue").state == "asking"
    assert Run.objects.count() == 2


def test_what_is_chosen_must_stand_in_the_list_and_its_digest_is_evidence(world: World) -> None:
    version, quinn = both(world)
    listed = asked(version, quinn, team="red")
    run = world.ask(quinn, procedure="using", parameters={"team": "red", "database": "red-db2"})
    requested = parse(bytes(Event.objects.get(run=run.id, kind="run.requested").body))
    assert requested["options"]["database"] == {"from": "procedure", "digest": listed.digest, "run": str(listed.run)}
    for wrong in ("red-db3", "blue-db1", "RED-DB1", ""):
        with pytest.raises(InvalidInput) as refused:
            world.ask(quinn, procedure="using", parameters={"team": "red", "database": wrong})
        assert refused.value.problems[0][0] == "/parameters/database"


def test_a_list_of_another_team_does_not_count(world: World) -> None:
    """Cascading: who changes the team afterwards keeps no right to the old team's database."""
    version, quinn = both(world)
    asked(version, quinn, team="red")
    with pytest.raises(InvalidInput) as refused:
        world.ask(quinn, procedure="using", parameters={"team": "blue", "database": "red-db1"})
    assert "Load them first" in str(refused.value.problems)


def test_a_list_that_is_too_old_or_was_never_loaded_does_not_count(world: World) -> None:
    version, quinn = both(world)
    wish = {"team": "red", "database": "red-db1"}
    with pytest.raises(InvalidInput):
        world.ask(quinn, procedure="using", parameters=wish)
    asked(version, quinn, team="red")
    OptionList.objects.update(expires_at=now() - timedelta(seconds=1))
    with pytest.raises(InvalidInput):
        world.ask(quinn, procedure="using", parameters=wish)


def test_without_the_right_to_run_the_source_there_is_no_list_and_no_request(world: World) -> None:
    version, quinn = both(world)
    asked(version, quinn, team="red")
    nosy = asker(world, listing=False, name="nosy")
    listed = ask(version, nosy, team="red")
    assert (listed.state, listed.choices) == ("denied", None)
    assert "You may not run listing" in listed.said
    with pytest.raises(InvalidInput, match="choices are not known"):
        world.ask(nosy, procedure="using", parameters={"team": "red", "database": "red-db1"})
    assert Run.objects.count() == 1


def test_a_grant_that_limits_the_sources_parameters_limits_the_lists(world: World) -> None:
    accepted(world, "listing", LISTING)
    version = accepted(world, "using", using())
    quinn = asker(world, listing=False)
    world.may(quinn, "run", procedure="listing", constraint={"properties": {"team": {"const": "red"}}})
    assert asked(version, quinn, team="red").state == "ready"
    assert ask(version, quinn, team="blue").state == "denied"


def test_a_form_waits_for_what_its_list_depends_on(world: World) -> None:
    version, quinn = both(world)
    assert (ask(version, quinn).state, ask(version, quinn, team="").state) == ("waits", "waits")
    assert not Run.objects.exists()


def test_hostile_values_of_what_it_depends_on_are_told_in_words(world: World) -> None:
    version, quinn = both(world)
    listed = ask(version, quinn, team="red; id")
    assert listed.state == "failed"
    assert "does not match" in listed.said or "invalid" in listed.said.lower()


def test_a_failing_source_is_told_in_words_and_asked_again_later(world: World) -> None:
    accepted(world, "listing", LISTING.replace("echo", "exit 3; echo"))
    version, quinn = accepted(world, "using", using()), asker(world)
    listed = asked(version, quinn, team="red")
    assert (listed.state, "failed" in listed.said) == ("failed", True)
    OptionList.objects.update(expires_at=now() - timedelta(seconds=1))
    assert ask(version, quinn, team="red").state == "asking"


def test_asking_counts_as_running(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    version, quinn = both(world)
    monkeypatch.setattr(limits, "RUNS_A_MINUTE", 2)
    states = [ask(version, quinn, team=team).state for team in ("a", "b", "c")]
    assert states == ["asking", "asking", "failed"]


def test_the_source_is_pinned_and_a_new_version_of_it_is_not_asked(world: World) -> None:
    version, quinn = both(world)
    pinned = dict(version.closure["options"])
    assert pinned["listing"] == Version.objects.get(procedure__name="listing").digest
    accepted(world, "listing", LISTING.replace("db1", "db9"))
    listed = ask(version, quinn, team="red")
    assert (listed.state, "no longer the version" in listed.said) == ("failed", True)
    assert not Run.objects.exists()


def test_a_source_must_be_diagnostic_accepted_and_have_that_output(world: World) -> None:
    adam = world.person("adam")
    world.may(adam, "author")

    def refusal(**change: str) -> str:
        with pytest.raises(InvalidInput) as refused:
            accepted(world, "using", using(FROM_RUN.replace(*change.popitem())))
        return str(refused.value.problems)

    assert "no accepted version" in refusal(listing="nowhere")
    accepted(world, "listing", LISTING)
    assert "has no output other" in refusal(names="other")
    accepted(world, "listing", LISTING, of_type="operation")
    assert "not of type diagnostic" in refusal(names="names")


def test_a_form_is_as_risky_as_what_it_starts(world: World) -> None:
    accepted(world, "listing", LISTING.replace("input:\n", "input:\n        network: true\n"))
    version = accepted(world, "using", using())
    assert version.risk == "moderate"
    assert "its form asks listing, which is moderate" in version.risk_reasons


def test_a_source_that_needs_an_approval_gives_no_choices(world: World) -> None:
    version, quinn = both(world)
    Environment.objects.filter(pk="development").update(approvals={"low": {"operations": 1}})
    listed = ask(version, quinn, team="red")
    assert "needs an approval" in listed.said
    assert not Run.objects.exists()


def test_lists_of_lists_are_checked_item_by_item(world: World) -> None:
    accepted(world, "listing", LISTING)
    version = accepted(world, "using", using(kind="array", items=", items: {type: string}"))
    quinn = asker(world)
    asked(version, quinn, team="red")
    world.ask(quinn, procedure="using", parameters={"team": "red", "database": ["red-db1", "red-db2"]})
    with pytest.raises(InvalidInput):
        world.ask(quinn, procedure="using", parameters={"team": "red", "database": ["red-db1", "x"]})


def test_the_catalogue_binds_and_its_digest_is_recorded(world: World) -> None:
    Group.objects.create(name="payments")
    accepted(world, "using", using("{from: catalogue, kinds: [Group]}"), owner="checkout")
    quinn = asker(world, listing=False)
    for good in ("group:default/payments", "group:default/checkout"):
        run = world.ask(quinn, procedure="using", parameters={"database": good})
        facts = parse(bytes(Event.objects.get(run=run.id, kind="run.requested").body))
        assert facts["options"]["database"]["digest"].startswith("sha256:")
    with pytest.raises(InvalidInput):
        world.ask(quinn, procedure="using", parameters={"database": "group:default/nowhere"})


def test_registered_entities_are_choices_but_a_document_makes_no_group(world: World) -> None:
    accepted(world, "using", using("{from: catalogue, kinds: [Component, Group]}"))
    quinn = asker(world, listing=False)
    run = world.ask(quinn, procedure="using")
    for ref in ("component:default/shop", "group:default/intruders"):
        more = {"place": "p", "descriptor_sha256": "0", "commit": "0", "run": run, "registered_at": now()}
        Entity.objects.create(ref=ref, document={"metadata": {"title": "Shop"}}, **more)
    assert world.ask(quinn, procedure="using", parameters={"database": "component:default/shop"})
    with pytest.raises(InvalidInput):
        world.ask(quinn, procedure="using", parameters={"database": "group:default/intruders"})


def test_a_picker_that_takes_entities_alone_binds_too(world: World) -> None:
    rules = {"type": "string", "ui:field": "OwnerPicker", "ui:options": {"catalogFilter": {"kind": "Group"}}}
    assert not options.sources({"properties": {"o": rules}})
    rules["ui:options"]["allowArbitraryValues"] = False  # type: ignore[index]
    assert options.sources({"properties": {"o": rules}})["o"].raw["kinds"] == ["Group"]
