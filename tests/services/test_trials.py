"""A version's own tests: queued with the submission, run in the disposable pool alone, kept as they ended."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed
from procedures.evidence.queries import version_facts
from procedures.models import Person, Runner, Trial, Version, VersionFile
from procedures.queries.trials import standing
from procedures.runner import disposable
from procedures.runner.drive import identity
from procedures.services import trial_claims, trials, versions
from procedures.services.sweeping import sweep
from tests.factories.portal import World
from tests.trials.hostile import bundle


def submitted(adam: Person, script: str = "echo fine", **more: Any) -> Version:
    return versions.submit_version(actor=adam, files={**bundle(script), **more}, note="", at=now())


def evidence_of(version: Version) -> list[Any]:
    return [fact for fact in version_facts(version.id) if fact.kind == "version.tested"]


def test_submission_queues_the_tests_and_the_pool_tells_their_result_with_its_digest(
    adam: Person, pool: Runner
) -> None:
    version = submitted(adam)
    row = version.trials.get()
    assert (row.state, row.digest, evidence_of(version)) == ("waiting", version.digest, [])
    disposable.try_version(row.id)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.runner) == ("passed", 1, pool)
    assert [(r["test"], r["ok"]) for r in row.results] == [("tests/act.yaml", True)]
    [fact] = evidence_of(version)
    told = {key: fact.facts[key] for key in ("digest", "trial", "state", "passed", "failed")}
    assert told == {"digest": version.digest, "trial": str(row.id), "state": "passed", "passed": 1, "failed": 0}
    disposable.try_version(row.id)
    assert len(evidence_of(version)) == 1, "a second ring of the bell does nothing"


def test_a_failing_test_is_told_and_stands_in_the_acceptance(world: World, adam: Person, pool: Runner) -> None:
    version = submitted(adam, "echo no luck; exit 4")
    row = version.trials.get()
    disposable.try_version(row.id)
    row.refresh_from_db()
    assert (row.state, "no luck" in row.results[0]["told"]) == ("failed", True)
    world.review(world.mira, version, "operations")
    version.refresh_from_db()
    [accepted] = [fact for fact in version_facts(version.id) if fact.kind == "version.accepted"]
    assert version.state == "accepted"
    assert accepted.facts["tests"] == {"trial": str(row.id), "state": "failed", "passed": 0, "failed": 1}


def test_a_version_without_tests_says_so(adam: Person) -> None:
    files = bundle("echo fine")
    del files["tests/act.yaml"]
    version = versions.submit_version(actor=adam, files=files, note="", at=now())
    assert (version.trials.get().state, standing(version)["state"]) == ("none", "none")
    with pytest.raises(trials.NothingToTest):
        trials.test_again(actor=adam, version=version.id, at=now())


def test_no_runner_that_holds_keys_takes_a_test(adam: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    row = submitted(adam).trials.get()
    ordinary = Runner.objects.get(pk=identity().id)
    assert trial_claims.take(trial=row.id, runner=ordinary, at=now()) is None
    assert disposable.here == []
    disposable.try_version(row.id)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("waiting", 0)


def test_what_was_found_is_never_rewritten_nor_removed(adam: Person, pool: Runner) -> None:
    row = submitted(adam, "exit 4").trials.get()
    disposable.try_version(row.id)
    for tamper in (
        lambda rows: rows.update(results=[]),
        lambda rows: rows.update(state="passed"),
        lambda rows: rows._raw_delete(rows.db),
    ):
        with pytest.raises(DatabaseError, match="how a version was tested cannot be"), transaction.atomic():
            tamper(Trial.objects.filter(pk=row.pk))


def test_a_reviewer_has_them_run_again_and_both_results_stay(world: World, adam: Person, pool: Runner) -> None:
    version = submitted(adam)
    stranger = world.person("stranger")
    with pytest.raises(trials.UnderWay):
        trials.test_again(actor=world.mira, version=version.id, at=now())
    disposable.try_version(version.trials.get().id)
    with pytest.raises(NotAllowed):
        trials.test_again(actor=stranger, version=version.id, at=now())
    again = trials.test_again(actor=world.mira, version=version.id, at=now())
    disposable.try_version(again.id)
    assert list(version.trials.values_list("state", flat=True)) == ["passed", "passed"]
    assert [fact.actor for fact in evidence_of(version)] == ["", str(world.mira.subject)]


def test_bytes_that_were_changed_behind_the_portal_are_not_tested(adam: Person, pool: Runner) -> None:
    version = submitted(adam)
    VersionFile.objects.filter(version=version, path="act.sh").update(content=b"echo other")
    row = version.trials.get()
    disposable.try_version(row.id)
    row.refresh_from_db()
    assert (row.state, row.results) == ("broken", [])
    assert "not those submitted" in row.message


def test_tests_of_a_pool_that_died_get_one_more_go_and_then_it_is_said(adam: Person, pool: Runner) -> None:
    row = submitted(adam).trials.get()
    for expected in ("waiting", "broken"):
        taken = trial_claims.take(trial=row.id, runner=pool, at=now())
        assert taken is not None
        late = now() + timedelta(minutes=8)
        assert sweep(at=late)["trials"] == 1
        row.refresh_from_db()
        assert row.state == expected
        trial_claims.told(taken=taken, results=[{"test": "x", "ok": True, "seconds": 0.0}], runner=pool, at=late)
        row.refresh_from_db()
        assert row.state == expected, "who lost it tells nothing any more"
    assert row.message == "The disposable pool ended twice."


def test_a_pool_that_starts_again_lets_go_of_what_it_left(adam: Person, pool: Runner) -> None:
    row = submitted(adam).trials.get()
    trial_claims.take(trial=row.id, runner=pool, at=now())
    assert trial_claims.let_go(runner=pool, at=now()) == 1
    row.refresh_from_db()
    assert row.state == "waiting"


def test_without_cells_nothing_runs_and_it_is_said(adam: Person, pool: Runner) -> None:
    row = submitted(adam).trials.get()
    disposable.here[0].cells.close()
    disposable.try_version(row.id)
    disposable.try_version(row.id)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("broken", 2)
    assert "starter of cells is gone" in row.message


def test_no_cell_is_shown_the_portal_s_data_keys_broker_or_database_socket(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, keys, sockets = (tmp_path / name for name in ("data", "elsewhere", "postgresql"))
    for folder in (data / "broker", keys, sockets):
        folder.mkdir(parents=True)
    settings.OPSPORTAL_DATA_DIR, settings.OPSPORTAL_KEYS_DIR = data, keys
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", str(sockets))
    assert {data, keys, sockets, Path("/dev/shm")} <= set(disposable.hidden())
    assert data / "broker" not in disposable.hidden(), "it lies below what is covered as a whole"
