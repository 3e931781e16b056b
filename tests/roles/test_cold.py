"""Cold storage from the place of each part: the scheduler moves what the guards find whole, a pool sees its own."""

# ruff: noqa: S608 - raw SQL is what is tried here
from __future__ import annotations

import pytest

from procedures.evidence.cold import place
from procedures.evidence.models import ColdBundle, Event
from procedures.models import Run
from tests.roles.conftest import Walled
from tests.roles.test_attacks import DENIED, ID, count, insert, runs

__all__ = ["runs"]
pytestmark = [pytest.mark.postgresql, pytest.mark.timeout(300)]


def lying(run: Run) -> tuple[Event, ColdBundle]:
    """The first event of a run, and a bundle with its body."""
    event = Event.objects.filter(run=run.pk).order_by("n")[0]
    return event, ColdBundle.objects.create(run=run.pk, data=bytes(event.body))


def moving(event: Event, to: bytes) -> str:
    return f"UPDATE evidence_event SET body = '\\x{to.hex()}' WHERE id = '{event.pk}'"


def test_the_scheduler_alone_moves_bodies_and_only_to_where_they_are_whole(
    walled: Walled, runs: dict[str, Run]
) -> None:
    event, bundle = lying(runs["production"])
    body = bytes(event.body)
    where = place(bundle.pk, 0, len(body))
    for part in ("web", "sequencer", "runner_production", "issuer_production", "disposable", "reader"):
        assert DENIED in walled.refusal(part, moving(event, where)), part
        assert DENIED in walled.refusal(part, insert("evidence_coldbundle", id=ID, run=ID, data="'x'")), part
        assert DENIED in walled.refusal(part, "DELETE FROM evidence_coldbundle"), part
    for wrong in (b"", b"{}", place(bundle.pk, 0, len(body) - 1), place(bundle.pk, 1, len(body) - 1)):
        assert "append-only" in walled.refusal("scheduler", moving(event, wrong))
    assert "append-only" in walled.refusal("scheduler", "DELETE FROM evidence_coldbundle")
    assert DENIED in walled.refusal("scheduler", "UPDATE evidence_coldbundle SET data = 'x'")
    assert DENIED in walled.refusal("scheduler", "TRUNCATE evidence_coldbundle")
    link = walled.link("scheduler")
    other = Event.objects.filter(run=runs["staging"].pk).order_by("n")[0]
    assert link.execute(moving(other, where).encode()).rowcount == 0, "of a run without a bundle"
    assert link.execute(moving(event, where).encode()).rowcount == 1
    event.refresh_from_db()
    assert bytes(event.body) == body


def test_a_pool_sees_bundles_of_its_own_runs_alone(walled: Walled, runs: dict[str, Run]) -> None:
    for run in runs.values():
        lying(run)
    for name, other in (("staging", "production"), ("production", "staging")):
        for part in ("runner", "issuer"):
            link = walled.link(f"{part}_{name}")
            assert count(link, "evidence_coldbundle", f"run = '{runs[name].pk}'") == 1
            assert count(link, "evidence_coldbundle", f"run = '{runs[other].pk}'") == 0
    assert count(walled.link("web"), "evidence_coldbundle") == count(walled.link("reader"), "evidence_coldbundle") == 2
    assert DENIED in walled.refusal("egress", "SELECT * FROM evidence_coldbundle")
