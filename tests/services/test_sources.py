"""Git sources: what is pushed becomes versions in review, and everybody behind it is an author (H10, H37)."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group

from procedures.domain.clock import now
from procedures.domain.sshkeys import fingerprint
from procedures.models import Person, Source, SourceFinding, Version
from procedures.services import controls, sources
from procedures.services.unit import SecondPersonRequired
from tests.factories.portal import World
from tests.factories.repositories import Remote, git


@dataclass(slots=True)
class Forge:
    """A source named `repo` over a remote, owned by Olga, and people with an address."""

    world: World
    remote: Remote
    owner: Person

    def someone(self, name: str, *duties: str) -> Person:
        person = self.world.person(name, *duties)
        Person.objects.filter(pk=person.pk).update(email=f"{name}@example.com")
        self.world.may(person, "review", "author")
        person.refresh_from_db()
        return person

    def group(self, name: str, *people: Person) -> None:
        """The group of people who may push, as the source names it."""
        Group.objects.create(name=name)
        for person in people:
            self.world.propose("membership", {"person": str(person.subject), "group": name, "action": "add"})
        Source.objects.update(group=name)

    def look(self) -> list[Version]:
        return sources.look(name="repo", at=now())

    def pushed(self, name: str = "greet", word: str = "hello", **how: Any) -> Version:
        self.remote.write(name, word)
        self.remote.commit(**how)
        self.remote.push("--force")
        made = self.look()
        assert len(made) == 1, list(SourceFinding.objects.values_list("message", flat=True))
        return made[0]

    def authors(self, version: Version) -> set[str]:
        return set(version.authors.values_list("person__username", flat=True))


@pytest.fixture
def forge(world: World, tmp_path: Path, settings: Any) -> Forge:
    settings.OPSPORTAL_DATA_DIR = tmp_path / "data"
    remote = Remote.make(tmp_path / "git")
    olga = world.person("olga")
    world.may(olga, "author")
    wanted = {"name": "repo", "url": str(remote.bare), "branch": "main", "path": "procedures", "group": ""}
    world.confirmed("source", {**wanted, "owner": str(olga.subject), "action": "set"})
    return Forge(world, remote, olga)


def test_a_push_becomes_a_version_in_review_with_its_commit(forge: Forge) -> None:
    forge.someone("ada")
    forge.remote.write("greet")
    commit = forge.remote.commit("say hello")
    forge.remote.push()
    version = forge.look()[0]
    assert (version.state, version.procedure.name, version.note) == ("in_review", "greet", "say hello")
    assert (version.origin["commit"], version.origin["folder"]) == (commit, "procedures/greet")
    assert forge.look() == [], "the same commit is not taken twice"
    assert Source.objects.get().commit == commit


def test_only_what_changed_becomes_a_version(forge: Forge) -> None:
    forge.remote.write("one")
    forge.remote.write("two")
    forge.remote.commit()
    forge.remote.push()
    assert {v.procedure.name for v in forge.look()} == {"one", "two"}
    forge.remote.write("two", "other")
    forge.remote.commit()
    forge.remote.push()
    assert [v.procedure.name for v in forge.look()] == ["two"]


def test_a_bad_file_is_told_and_stops_no_other(forge: Forge) -> None:
    forge.remote.write("good")
    forge.remote.write("bad")
    (forge.remote.work / "procedures/bad/procedure.yaml").write_text("kind: Nonsense\n")
    forge.remote.commit()
    forge.remote.push()
    assert [v.procedure.name for v in forge.look()] == ["good"]
    rows = list(SourceFinding.objects.all())
    assert {row.path for row in rows} == {"procedures/bad"}
    assert "procedure.yaml:1:" in rows[0].message
    (forge.remote.work / "procedures/bad/procedure.yaml").unlink()
    forge.remote.commit()
    forge.remote.push()
    forge.look()
    assert not SourceFinding.objects.exists()


def test_a_remote_that_is_not_there_is_told_on_the_sources_page(forge: Forge) -> None:
    Source.objects.update(url="/nowhere/at/all.git")
    assert forge.look() == []
    assert "git fetch" in Source.objects.get().problem


def test_a_forged_author_helps_nobody_the_owner_and_the_named_both_count(forge: Forge) -> None:
    """Bob writes, and says that Ada did: for plain git the source's owner answers, and a stranger counts as all."""
    forge.someone("ada", "operations")
    forge.someone("bob", "operations")
    version = forge.pushed(who="ada")
    assert forge.authors(version) == {"olga", "ada"}


def test_whoever_pushes_under_a_known_name_cannot_accept_it_if_the_sources_group_may_push(forge: Forge) -> None:
    """Bob may push, forges Ada as the author, and would accept "her" work: nobody vouched for the pusher."""
    forge.someone("ada", "operations")
    bob = forge.someone("bob", "operations")
    forge.group("payments", bob)
    version = forge.pushed(who="ada")
    assert version.origin["vouched"] is False
    assert forge.authors(version) == {"olga", "ada", "bob"}
    with pytest.raises(SecondPersonRequired):
        forge.world.review(bob, version, "operations")


def test_a_signed_webhook_that_names_the_pusher_frees_the_rest_of_the_group(forge: Forge) -> None:
    ada, bob = forge.someone("ada", "operations"), forge.someone("bob", "operations")
    forge.group("payments", ada, bob)
    Source.objects.update(pushers=[{"name": "ada", "email": "ada@example.com"}])
    version = forge.pushed(who="ada")
    assert (version.origin["vouched"], forge.authors(version)) == (True, {"ada"})


def test_more_commits_than_are_read_count_as_everybody(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procedures.services.sources.MAX_COMMITS", 2)
    ada, bob = forge.someone("ada", "operations"), forge.someone("bob", "operations")
    forge.group("payments", ada, bob)
    Source.objects.update(pushers=[{"name": "ada", "email": "ada@example.com"}])
    forge.remote.write("greet", "first")
    forge.remote.commit(who="ada")
    assert "bob" in forge.authors(forge.pushed(who="ada"))


def test_a_pusher_whom_the_forge_names_is_an_author_whatever_the_commit_says(forge: Forge) -> None:
    forge.someone("ada", "operations")
    bob = forge.someone("bob", "operations")
    Source.objects.update(pushers=[{"name": "bob", "email": "bob@example.com"}])
    version = forge.pushed(who="ada")
    assert version.submitter == bob
    assert forge.authors(version) == {"ada", "bob"}
    with pytest.raises(SecondPersonRequired):
        forge.world.review(bob, version, "operations")


def test_a_co_author_cannot_accept(forge: Forge) -> None:
    forge.someone("ada")
    bob = forge.someone("bob", "operations")
    version = forge.pushed(message="pair\n\nCo-authored-by: Bob <bob@example.com>")
    assert "bob" in forge.authors(version)
    with pytest.raises(SecondPersonRequired):
        forge.world.review(bob, version, "operations")


def test_whoever_applied_a_suggestion_or_rebased_is_an_author(forge: Forge) -> None:
    """The reviewer's button makes the reviewer the committer."""
    forge.someone("ada")
    bob = forge.someone("bob", "operations")
    forge.remote.write("greet")
    forge.remote.commit()
    git(forge.remote.work, "commit", "-q", "--amend", "--no-edit", who="bob")
    forge.remote.push("--force")
    version = forge.look()[0]
    assert {"ada", "bob"} <= forge.authors(version)
    with pytest.raises(SecondPersonRequired):
        forge.world.review(bob, version, "operations")


def test_everybody_since_the_last_accepted_version_counts_not_only_the_last(forge: Forge) -> None:
    forge.someone("ada")
    bob = forge.someone("bob", "operations")
    forge.remote.write("greet", "evil")
    forge.remote.commit(who="bob")
    forge.remote.write("greet", "evil2")
    forge.remote.commit(who="ada")
    forge.remote.push()
    version = forge.look()[0]
    with pytest.raises(SecondPersonRequired):
        forge.world.review(bob, version, "operations")


def test_authors_before_the_last_accepted_version_no_longer_count(forge: Forge) -> None:
    forge.someone("ada")
    forge.someone("bob", "operations")
    forge.world.review(forge.world.mira, forge.pushed(who="bob"), "operations")
    assert forge.authors(forge.pushed(word="next", who="ada")) == {"olga", "ada"}


def test_a_rewritten_history_keeps_the_authors_of_what_was_thrown_away(forge: Forge) -> None:
    forge.someone("ada")
    forge.someone("bob", "operations")
    forge.remote.write("other")
    forge.remote.commit(who="ada")
    forge.remote.push()
    forge.look()
    forge.pushed(word="mine", who="bob")
    git(forge.remote.work, "reset", "-q", "--hard", "HEAD~1")
    version = forge.pushed(word="innocent", who="ada")
    assert version.origin["rewritten"] is True
    assert {"ada", "bob"} <= forge.authors(version)


def test_an_unknown_author_counts_as_everybody_of_the_owners_group(forge: Forge) -> None:
    bob = forge.someone("bob", "operations")
    forge.group("payments", bob)
    version = forge.pushed(who="stranger")
    assert version.origin["strangers"] == ["Stranger <stranger@example.com>"]
    assert forge.authors(version) == {"olga", "bob"}
    with pytest.raises(SecondPersonRequired):
        forge.world.review(bob, version, "operations")
    forge.world.review(forge.world.mira, version, "operations")
    version.refresh_from_db()
    assert version.state == "accepted"


def test_a_signed_commit_is_checked_against_enrolled_keys_and_names_its_signer(forge: Forge, tmp_path: Path) -> None:
    forge.someone("ada")
    carl = forge.someone("carl", "operations")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    public = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={tmp_path / 'key'}", "-c", "commit.gpgsign=true")
    unknown = forge.pushed(word="a", more=signing)
    assert unknown.origin["signature"]["good"] == 0
    change = controls.propose(
        actor=carl,
        control="key",
        object={"subject": str(carl.subject), "public": public, "fingerprint": fingerprint(public)},
        signature=None,
        at=now(),
    )
    signed = forge.world.signed("mira", bytes(change.statement))
    controls.confirm(actor=forge.world.mira, change=change.id, signature=signed, at=now())
    version = forge.pushed(word="b", more=signing)
    assert version.origin["signature"] == {"state": "G", "signer": "carl", "good": 2, "all": 2}
    assert "carl" in forge.authors(version), "who signed it stands behind it"


@pytest.mark.parametrize(
    ("how", "told"),
    [("link", "a link"), ("submodule", "a submodule")],
)
def test_links_and_submodules_are_refused_by_name(forge: Forge, how: str, told: str) -> None:
    forge.remote.write("greet")
    if how == "link":
        (forge.remote.work / "procedures/greet/evil.sh").symlink_to("/etc/passwd")
        forge.remote.commit()
    else:
        git(forge.remote.work, "add", "-A")
        mode = f"160000,{'a' * 40},procedures/greet/sub"
        git(forge.remote.work, "update-index", "--add", "--cacheinfo", mode)
        git(forge.remote.work, "commit", "-q", "-m", "sub")
    forge.remote.push()
    assert forge.look() == []
    assert told in SourceFinding.objects.get().message


def test_what_a_repository_configures_runs_nothing(forge: Forge, tmp_path: Path) -> None:
    """Filters, fsmonitor, hooks and LFS in the attacker's repository: blobs are read as they are."""
    mark = tmp_path / "owned"
    forge.remote.write(
        "greet", __gitattributes="* filter=evil\n*.bin filter=lfs diff=lfs\n", data__bin="version https://git-lfs\n"
    )
    (forge.remote.work / "procedures/greet/.gitattributes").write_text("* filter=evil\n")
    forge.remote.commit()
    forge.remote.push()
    evil = f"touch {mark}"
    for name in (
        "filter.evil.smudge",
        "filter.evil.clean",
        "core.fsmonitor",
        "core.sshCommand",
        "uploadpack.packObjectsHook",
    ):
        git(forge.remote.bare, "config", name, evil)
    for hook in ("post-checkout", "reference-transaction", "pre-receive"):
        place = forge.remote.bare / "hooks" / hook
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"#!/bin/sh\n{evil}\n")
        place.chmod(0o755)
    version = forge.look()[0]
    assert not mark.exists()
    assert bytes(version.files.get(path="data.bin").content) == b"version https://git-lfs\n"


def test_sources_are_due_when_asked_and_after_a_while(forge: Forge, settings: Any) -> None:
    settings.OPSPORTAL_SOURCE_POLL_S = 3600
    assert sources.due(at=now()) == ["repo"]
    forge.look()
    assert sources.due(at=now()) == []
    sources.ask_for_a_look(actor=forge.owner, source="repo", at=now())
    assert sources.due(at=now()) == ["repo"]
    forge.look()
    settings.OPSPORTAL_SOURCE_POLL_S = 0
    assert sources.due(at=now()) == ["repo"]
