"""Everybody behind a push is an author, known or not (H10)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from procedures.domain.clock import now
from procedures.domain.pushes import Push
from procedures.domain.sshkeys import fingerprint
from procedures.git.repository import Repository
from procedures.models import Source
from procedures.services import controls, sources
from procedures.services.unit import SecondPersonRequired
from tests.factories.repositories import PROCEDURE, git
from tests.fixtures.parts import as_owner
from tests.services.forge import Forge

pytestmark = pytest.mark.ordinary


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
    version = forge.pushed(pusher="ada", who="ada")
    assert (version.origin["vouched"], forge.authors(version)) == (True, {"ada"})


def test_more_commits_than_are_read_count_as_everybody(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procedures.services.sources.MAX_COMMITS", 2)
    ada, bob = forge.someone("ada", "operations"), forge.someone("bob", "operations")
    forge.group("payments", ada, bob)
    forge.remote.write("greet", "first")
    forge.remote.commit(who="ada")
    assert "bob" in forge.authors(forge.pushed(pusher="ada", who="ada"))


def test_a_pusher_whom_the_forge_names_is_an_author_whatever_the_commit_says(forge: Forge) -> None:
    forge.someone("ada", "operations")
    bob = forge.someone("bob", "operations")
    version = forge.pushed(pusher="bob", who="ada")
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


def test_the_hook_of_one_push_vouches_for_no_other(forge: Forge) -> None:
    """Ada pushes and the forge says so; before the portal looks, Bob pushes on top of it and forges her name."""
    ada, bob = forge.someone("ada", "operations"), forge.someone("bob", "operations")
    forge.group("payments", ada, bob)
    forge.remote.write("greet", "first")
    forge.named("ada", forge.remote.commit(who="ada"))
    version = forge.pushed(word="forged", who="ada")
    assert (version.origin["vouched"], "bob" in forge.authors(version)) == (False, True)
    with pytest.raises(SecondPersonRequired):
        forge.world.review(bob, version, "operations")


def test_a_hook_that_comes_while_the_portal_looks_is_kept_for_the_next_look(
    forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge.someone("ada", "operations")
    forge.someone("bob", "operations")
    late = Push("d-2", "refs/heads/main", "bob", "bob@example.com", "b" * 40)
    read = Repository.files

    def files(self: Repository, commit: str, folder: str) -> dict[str, bytes]:
        with as_owner():  # it comes to the web, and the scheduler looks
            sources.taken(name="repo", push=late, at=now())
        return read(self, commit, folder)

    monkeypatch.setattr(Repository, "files", files)
    forge.pushed(pusher="ada", who="ada")
    assert [row["name"] for row in Source.objects.get().pushers] == ["bob"]


def test_who_wrote_an_unvouched_version_stays_an_author_of_what_is_pushed_on_top_of_it(forge: Forge) -> None:
    ada, bob = forge.someone("ada", "operations"), forge.someone("bob", "operations")
    forge.group("payments", ada, bob)
    assert "bob" in forge.authors(forge.pushed(who="ada"))
    version = forge.pushed(word="more", pusher="ada", who="ada")
    assert (version.origin["vouched"], "bob" in forge.authors(version)) == (True, True)


def test_control_characters_in_a_name_forge_no_signature_and_stop_no_source(forge: Forge) -> None:
    """The separators of a listing, in a name: one commit would look like two, the newest signed by Ada."""
    forge.someone("ada", "operations")
    fields = ["Ada", "ada@example.com", "Ada", "ada@example.com", "G", "ada", "SHA256:x", "fine", ""]
    evil = "\x1f".join(fields) + "\x1e" + "f" * 40 + "\x1fAda"
    forge.remote.write("greet", "evil")
    git(forge.remote.work, "add", "-A")
    git(forge.remote.work, "commit", "-q", "-m", "change", "--author", f"{evil} <ada@example.com>")
    forge.remote.push("--force")
    (version,) = forge.look()
    assert version.origin["signature"] == {"state": "N", "signer": "", "good": 0, "all": 1}
    assert len(version.origin["commits"]) == 1


def test_a_folder_with_a_name_of_gits_own_language_hides_no_commit(forge: Forge) -> None:
    """`:!x` means to git: everything but x."""
    forge.someone("bob", "operations")
    folder = forge.remote.work / ":!greet"
    folder.mkdir()
    (folder / "procedure.yaml").write_text(PROCEDURE.format(name="greet", word="x"))
    (folder / "README.md").write_text("Says something.\n")
    commit = forge.remote.commit(who="bob")
    forge.remote.push("--force")
    repository = sources.repository_of(Source.objects.get())
    fetched = repository.fetch(str(forge.remote.bare), "main")
    rows = repository.commits([fetched], ":!greet", sources._signers(repository))
    assert [row.id for row in rows] == [commit]
