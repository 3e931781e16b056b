"""Git sources: what is pushed becomes versions in review; nothing of a repository is run (H37)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from procedures.domain.clock import now
from procedures.models import Source, SourceFinding
from procedures.runner import disposable
from procedures.runner.identity import DISPOSABLE, load_identity
from procedures.sandbox.cells import Cells
from procedures.services import sources
from tests.factories.repositories import git
from tests.fixtures.counterparts import need
from tests.services.forge import Forge


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
    assert "git fetch: fatal: '/nowhere/at/all.git' does not appear to be a git repository" in (
        Source.objects.get().problem
    )


def test_a_folder_that_this_machine_cannot_check_is_told_and_stops_no_other(
    forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("shellcheck")
    forge.remote.write("good")
    forge.remote.write("scripted", work__sh="#!/bin/sh\necho hi\n")
    forge.remote.commit()
    forge.remote.push()
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    assert [v.procedure.name for v in forge.look()] == ["good"]
    assert "This machine could not check it" in SourceFinding.objects.get().message
    monkeypatch.undo()
    assert [v.procedure.name for v in forge.look()] == ["scripted"]


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


def test_hostile_tests_of_a_push_run_nowhere_but_in_the_disposable_pool(
    forge: Forge, tmp_path: Path, settings: Any
) -> None:
    """Whatever process looks at the source and writes the version has run nothing of it."""
    mark = tmp_path / "ran"
    (forge.remote.work / "procedures" / "evil" / "tests").mkdir(parents=True)
    forge.remote.write("evil", **{"tests/evil.yaml": "expect: {steps: {one: {exit: 0}}}\n"})
    place = forge.remote.work / "procedures" / "evil" / "procedure.yaml"
    place.write_text(place.read_text().replace("[echo, hello]", f"[touch, --, {mark}]"))
    forge.remote.commit()
    forge.remote.push()
    [version] = forge.look()
    trial = version.trials.get()
    assert (trial.state, trial.attempts, mark.exists()) == ("waiting", 0, False)
    disposable.try_version(trial.id)
    trial.refresh_from_db()
    assert (trial.state, mark.exists()) == ("waiting", False), "this process is no disposable pool"
    me = load_identity(Path(settings.OPSPORTAL_KEYS_DIR), name=DISPOSABLE)
    with Cells(disposable.hidden()) as cells:
        disposable.here[:] = [disposable.Pool(me, cells)]
        try:
            disposable.try_version(trial.id)
        finally:
            disposable.here.clear()
    trial.refresh_from_db()
    assert (trial.state, mark.exists()) == ("failed", False), "it ran where this folder does not exist"
