"""One procedure has one home, and a source has somebody who answers for it, or it rests."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.models import Person, Source, SourceFinding, Version
from procedures.services import leavers, sources
from tests.factories.repositories import PROCEDURE, Remote, git
from tests.services.forge import Forge


def second(forge: Forge, folder: Path) -> Remote:
    """Another repository as the source `rival`, owned by Max."""
    remote, world = Remote.make(folder), forge.world
    max_ = world.person("max")
    world.may(max_, "author")
    wanted = {"name": "rival", "url": str(remote.bare), "branch": "main", "path": "procedures", "group": ""}
    world.confirmed("source", {**wanted, "owner": str(max_.subject), "action": "set"})
    return remote


def push(remote: Remote, *words: str) -> None:
    remote.commit()
    remote.push("--force", *words)


def findings(source: str) -> list[str]:
    return list(SourceFinding.objects.filter(source=source).values_list("message", flat=True))


def test_a_second_source_of_one_procedure_is_refused_by_name_and_withdraws_nothing(
    forge: Forge, tmp_path: Path
) -> None:
    version = forge.pushed("greet")
    rival = second(forge, tmp_path / "rival")
    rival.write("greet", "mine")
    rival.write("other")
    push(rival)
    assert [row.procedure.name for row in sources.look(name="rival", at=now())] == ["other"], "stops no other"
    version.refresh_from_db()
    assert version.state == "in_review"
    [told] = findings("rival")
    assert told.startswith("greet comes from the source repo, folder procedures/greet, already. Take it out of one")
    forge.pushed("greet", "again")
    assert Version.objects.filter(procedure__name="greet", origin__source="rival").count() == 0


def test_a_procedure_moves_once_its_old_home_has_let_it_go(forge: Forge, tmp_path: Path) -> None:
    forge.pushed("greet")
    rival = second(forge, tmp_path / "rival")
    rival.write("greet", "mine")
    push(rival)
    assert sources.look(name="rival", at=now()) == []
    forge.remote.write("left")
    git(forge.remote.work, "rm", "-rq", "procedures/greet")
    push(forge.remote)
    forge.look()
    [moved] = sources.look(name="rival", at=now())
    assert (moved.procedure.name, moved.origin["source"]) == ("greet", "rival")
    assert findings("rival") == []


def test_an_ended_source_keeps_no_name(forge: Forge, tmp_path: Path) -> None:
    forge.pushed("greet")
    rival = second(forge, tmp_path / "rival")
    rival.write("greet", "mine")
    push(rival)
    Source.objects.filter(name="repo").update(ended_at=now())
    assert [row.procedure.name for row in sources.look(name="rival", at=now())] == ["greet"]


def test_two_folders_of_one_source_do_not_fight_and_a_renamed_folder_goes_on(forge: Forge) -> None:
    forge.pushed("greet")
    git(forge.remote.work, "mv", "procedures/greet", "procedures/hail")
    push(forge.remote)
    assert forge.look() == [], "the same bytes, elsewhere"
    here = forge.remote.work / "procedures/hail/procedure.yaml"
    here.write_text(PROCEDURE.format(name="greet", word="again"))
    push(forge.remote)
    assert [version.origin["folder"] for version in forge.look()] == ["procedures/hail"]
    copy = forge.remote.work / "procedures/copy"
    copy.mkdir()
    (copy / "procedure.yaml").write_text(PROCEDURE.format(name="greet", word="copied"))
    push(forge.remote)
    assert forge.look() == []
    assert findings("repo")[0].startswith("greet comes from the folder procedures/hail of this source already.")


def test_a_source_whose_owner_left_rests_says_so_and_goes_on_with_another_owner(forge: Forge) -> None:
    world = forge.world
    forge.pushed("greet")
    leavers.close_person(actor=world.mira, person=forge.owner.subject, at=now())
    assert sources.due(at=now()) == []
    forge.remote.write("greet", "in the name of a leaver")
    push(forge.remote)
    assert forge.look() == []
    assert "has left: nothing is fetched until another person answers for it" in Source.objects.get().problem
    nora = Person.objects.get(username="nora")
    world.may(nora, "author")
    with pytest.raises(sources.Unowned, match="Olga has left"):
        sources.ask_for_a_look(actor=nora, source="repo", at=now())
    page = Client()
    page.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")
    assert "Olga has left" in page.get("/sources/").content.decode()
    row = Source.objects.get()
    again = {"name": "repo", "url": row.url, "branch": "main", "path": "procedures", "group": "", "action": "set"}
    world.confirmed("source", {**again, "owner": str(nora.subject)})
    assert sources.due(at=now()) == ["repo"]
    assert [version.procedure.name for version in forge.look()] == ["greet"]
    assert Source.objects.get().problem == ""
