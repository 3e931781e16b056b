"""Every door of the API honours what a token is for: a token of somebody who may everything, for another procedure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import get_resolver
from rest_framework.test import APIClient

from procedures.api.door import Door
from procedures.domain.clock import now
from procedures.domain.tokens import VERBS
from procedures.models import Run
from procedures.runner.drive import drive
from procedures.services import tokens
from procedures.services.tokens import Reach
from tests.factories.portal import World

pytestmark = pytest.mark.once

METHODS = ("get", "post", "put", "patch", "delete")
OPEN = {  # what a token of any kind may know, and why
    "get v1/me/": "who one is",
    "get v1/environments/": "their names and rules, as everybody who is signed in knows them",
}
SHOWS_LESS = {
    "get v1/procedures/",
    "get v1/versions/",
    "get v1/runs/",
    "get v1/targets/",
    "get v1/inventories/",
    "get v1/runners/",
    "get v1/access-requests/",
    "get v1/schedules/",
    "get v1/hooks/",
}  # lists, narrowed


def doors() -> Iterator[tuple[str, str, type[Door]]]:
    for one in get_resolver("procedures.api.urls").url_patterns:
        view = getattr(one.callback, "cls", None)
        if view is not None and issubclass(view, Door):
            yield from ((method, str(one.pattern), view) for method in METHODS if hasattr(view, method))


@pytest.fixture
def run(world: World) -> Run:
    """A run of `hello` by Mira, who may everything and owns the token that comes."""
    world.shipped()
    world.accepted()
    world.may(world.person("nora", key=True), "manage_access")
    made = world.ask(world.mira)
    drive(made.pk)
    return made


def path_of(pattern: str, run: Run) -> str:
    kind = pattern.split("/")[1]
    pk = run.version_id if kind == "versions" else run.pk
    return "/api/" + pattern.replace("<str:pk>", str(pk)).replace("<str:name>", "hello").replace(
        "<str:artifact>", str(run.pk)
    ).replace("<str:result>", str(run.pk))


def tried(world: World, run: Run, **reach: Any) -> dict[str, Any]:
    """The answer of every door to a token of Mira's, by `method pattern`."""
    _, secret = tokens.make_token(actor=world.mira, name="thin", days=1, at=now(), reach=Reach(**reach))
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return {
        f"{method} {pattern}": getattr(client, method)(path_of(pattern, run), {}, format="json")
        for method, pattern, _ in doors()
    }


def test_a_token_for_another_procedure_reaches_nothing_of_this_one(world: World, run: Run) -> None:
    for name, answer in tried(world, run, procedures=["disk-cleanup"]).items():
        if name in OPEN:
            assert answer.status_code == 200, name
        elif name in SHOWS_LESS:
            assert "hello" not in answer.content.decode(), name
        else:  # 400: the body is judged first, and holds nothing
            assert answer.status_code in {400, 403, 404}, (name, answer.content)


def test_each_door_is_closed_to_a_token_that_is_not_for_its_verb(world: World, run: Run) -> None:
    answers = tried(world, run, verbs=["discover"])
    for method, pattern, view in doors():
        name, verb = f"{method} {pattern}", view.by_token.get(method)
        assert verb in {None, "", *VERBS}, name
        if verb not in {"", "discover"}:
            assert answers[name].status_code == 403, (name, answers[name].content)
            assert "'thin'" in answers[name].json()["detail"] or "oken" in answers[name].json()["detail"], name


def test_a_token_for_another_environment_sees_and_stops_no_run_here(world: World, run: Run) -> None:
    answers = tried(world, run, environments=["staging"])
    for name, answer in answers.items():
        if "v1/runs/<str:pk>/" in name:
            assert answer.status_code in {400, 403, 404}, (name, answer.content)
    assert answers["get v1/runs/"].json()["results"] == []
