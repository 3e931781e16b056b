"""The scheduler fetches from no address that nobody signed for: it reaches strangers, web does not (H39)."""

from __future__ import annotations

from typing import Any

import pytest

from procedures.domain.clock import now
from procedures.models import Person, Source, Version
from procedures.runner.watching_sources import look_at
from tests.evidence.test_asserted import written
from tests.fixtures.parts import acting_as
from tests.services.forge import Forge


def ready(forge: Forge) -> None:
    forge.remote.write("greet")
    forge.remote.commit()
    forge.remote.push()


def test_a_source_that_people_signed_for_is_looked_at(forge: Forge) -> None:
    ready(forge)
    look_at(["repo"])
    assert Version.objects.filter(origin__source="repo").count() == 1


@pytest.mark.parametrize(
    "change", [{"url": "https://198.51.100.7/what-it-saw.git"}, {"branch": "other"}, {"path": "x"}]
)
def test_a_row_that_was_written_over_has_nothing_fetched(forge: Forge, change: dict[str, str]) -> None:
    ready(forge)
    with acting_as("web"):
        Source.objects.update(**change)
    look_at(["repo"])
    assert not Version.objects.filter(origin__source="repo").exists()
    assert "its row says something else than the change that people signed" in Source.objects.get().problem


def test_a_row_with_an_event_that_nobody_signed_has_nothing_fetched(forge: Forge) -> None:
    ready(forge)
    row = Source.objects.get()
    said: dict[str, Any] = {"url": "https://198.51.100.7/x.git", "branch": row.branch, "path": row.path}
    said |= {"owner": str(row.owner.subject), "group": row.group, "action": "set"}
    with acting_as("web"):
        for name in ("repo", "evil"):
            written("source", {**said, "name": name})
        Source.objects.update(url=said["url"])
        Source.objects.create(
            name="evil",
            url=said["url"],
            branch="main",
            owner=Person.objects.get(pk=row.owner_id),
            hook_secret="0",
            since_at=now(),
        )
    look_at(["repo", "evil"])
    told = dict(Source.objects.values_list("name", "problem"))
    assert "its row says something else" in told["repo"]
    assert "asserted by the platform alone" in told["evil"]
