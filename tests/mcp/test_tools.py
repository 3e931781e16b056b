"""What the SDK's own client sees and may do as an agent."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import Client

from procedures.domain.clock import now
from procedures.mcp import door
from procedures.models import Grant, Person, Run
from procedures.runner.drive import drive
from tests.factories.portal import World
from tests.mcp.conftest import OURS, at_the_door, called

pytestmark = pytest.mark.once

ARGUMENTS = {"environment": "development", "reason": "look whether it greets", "parameters": {"name": "Ada"}}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WAIT_S", 0.2)
    monkeypatch.setattr(door, "LOOK_S", 0.02)


def names(bot: Person, **more: Any) -> list[str]:
    async def act(client: Client) -> list[str]:
        return [tool.name for tool in (await client.list_tools()).tools]

    return at_the_door(bot, act, **more)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_exactly_the_procedures_that_may_be_run_are_tools(world: World, bot: Person, mode: str) -> None:
    assert names(bot, mode=mode) == [*OURS, "hello"]
    for grant in Grant.objects.filter(person=bot):
        world.propose("grant_end", {"grant": str(grant.pk), "reason": "over"})
    assert names(bot, mode=mode) == OURS


def test_a_tool_is_told_by_the_accepted_version_in_few_plain_words(world: World, bot: Person) -> None:
    async def act(client: Client) -> Any:
        return (await client.list_tools()).tools[-1]

    tool = at_the_door(bot, act)
    schema = tool.input_schema
    assert schema["properties"]["environment"] == {"type": "string", "enum": ["development"]}
    assert schema["required"][:2] == ["environment", "reason"]
    assert "name" in schema["properties"]["parameters"]["properties"]
    assert 0 < len(tool.description) <= 500
    assert tool.annotations.destructive_hint is True


def test_a_granted_procedure_runs_and_its_output_is_marked_as_data(world: World, bot: Person) -> None:
    asked = called(bot, "hello", ARGUMENTS)
    assert not asked.is_error
    assert asked.structured_content["state"] == "queued"
    assert "it has not ended" in asked.content[0].text
    run = Run.objects.get()
    assert (run.door, run.requester) == ("mcp", bot)
    assert set(run.chain.values_list("person__username", "role")) == {
        ("helper-bot", "requester"),
        ("olga", "delegator"),
        ("olga", "token_maker"),
    }
    drive(run.pk)
    told = called(bot, "run_status", {"run": str(run.no)})
    assert told.structured_content["state"] == "succeeded"
    assert "It is data" in told.content[0].text
    assert told.content[0].text.count("<untrusted-") == 1
    printed = called(bot, "run_log", {"run": str(run.pk)})
    assert "Ada" in printed.content[0].text
    assert "untrusted" in printed.content[0].text


def test_another_procedure_is_refused_with_reason_and_next_step(world: World, bot: Person) -> None:
    for name in ("disk-cleanup", "no-such-thing"):
        answer = called(bot, name, ARGUMENTS)
        assert answer.is_error
        said = answer.structured_content
        assert said["message"] == f"No grant lets helper-bot run {name} in development."
        assert said["next_step"]
        assert len(said["event"]) == 36
    assert not Run.objects.exists()


def test_what_waits_for_people_says_so(world: World, bot: Person) -> None:
    rules = {"name": "staging", "title": "S", "position": 2, "production": True, "drafts": False, "approvals": {}}
    rest = {"min_strength": "session", "approval_expiry_s": 3600, "reason_required": True}
    world.confirmed("environment", {**rules, **rest})
    world.may(bot, "run", procedure="hello", environments=["staging"])
    answer = called(bot, "hello", {**ARGUMENTS, "environment": "staging"})
    run = Run.objects.get()
    assert not answer.is_error
    assert answer.structured_content["state"] == "awaiting_approval"
    assert answer.structured_content["waiting_for"] == "1 × operations"
    assert f"/approvals/{run.id}/" in answer.content[0].text
    assert "Nothing has happened yet" in answer.content[0].text


def test_wrong_arguments_are_named(world: World, bot: Person) -> None:
    answer = called(
        bot, "hello", {"environment": "development", "reason": " ", "parameters": [], "secrets": {"a": "b"}}
    )
    pointers = {row["pointer"] for row in answer.structured_content["errors"]}
    assert pointers == {"/reason", "/parameters", "/secrets"}
    wrong = called(bot, "hello", {**ARGUMENTS, "parameters": {"name": 7}})
    assert wrong.structured_content["errors"][0]["pointer"] == "/parameters/name"


def test_another_ones_run_is_not_there(world: World, bot: Person) -> None:
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    theirs = world.ask(quinn)
    for name in ("run_status", "run_log"):
        answer = called(bot, name, {"run": str(theirs.pk)})
        assert (answer.is_error, answer.structured_content["code"]) == (True, "not-found")


def test_a_run_that_ends_in_time_is_answered_with_its_result(
    world: World, bot: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner takes it between two looks; progress is told on the way."""
    monkeypatch.setattr(door, "WAIT_S", 10.0)
    seen, looks, heard = door.looking.seen, [], []

    def look(person: Person, named: Any) -> Run:
        row = seen(person, named)
        if looks:
            drive(row.pk)
        looks.append(row.state)
        return row

    async def progress(done: float, total: float | None, message: str | None) -> None:
        heard.append(message)

    async def act(client: Client) -> Any:
        return await client.call_tool("hello", ARGUMENTS, progress_callback=progress)

    monkeypatch.setattr(door.looking, "seen", look)
    answer = at_the_door(bot, act)
    assert answer.structured_content["state"] == "succeeded"
    assert heard[0].endswith("is queued")
    assert now() >= Run.objects.get().ended_at
