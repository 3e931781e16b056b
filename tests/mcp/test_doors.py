"""Each tool of this door tried by each sort of agent; the table is the answer, as that of the other doors (rule 5).

`+` done · `-` refused, and that is evidence · `.` nothing there · `!` let in, and refused for another reason.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from mcp import Client

from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.mcp import door
from procedures.models import ApiToken, Person, Run, RunComment
from procedures.services import agents, tokens
from tests.factories.agents import new_agent, token_of
from tests.factories.portal import World
from tests.mcp.conftest import OURS, at_the_door, called

pytestmark = pytest.mark.once
AGENTS = ("its own", "sees it", "may cancel", "a stranger", "was stopped", "for view alone", "another place")
TABLE = {
    "run_status": "+ + + . + + .",
    "run_log": "+ - - . - - .",
    "run_comments": "+ + + . + + .",
    "run_comment": "+ + + . - - .",
    "run_pause": "+ - + . - - .",
    "run_resume": "! - ! . - - .",
    "run_answer": "! ! ! . ! ! .",
}
GIVEN: dict[str, dict[str, Any]] = {"run_comment": {"body": "look"}, "run_answer": {"values": {}}}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WAIT_S", 0.1)


@pytest.fixture
def run(world: World, bot: Person) -> Run:
    return world.ask(bot)


def keys(world: World, bot: Person) -> dict[str, tuple[Person, str]]:
    """An agent of each sort, and the token by which it calls."""
    here: dict[str, Any] = {"procedure": "hello", "environments": ["development"]}
    viewer, canceler, stranger = (
        new_agent(world, world.person(f"owner-{name}"), name) for name in ("view-bot", "cancel-bot", "strange-bot")
    )
    world.may(viewer, "view", **here)
    world.may(canceler, "view", "cancel", **here)
    narrow = {"view": ["view"], "place": ["run", "view", "cancel", "read_output"]}
    made = {
        name: tokens.make_token(
            actor=bot.owner,  # type: ignore[arg-type]
            name=name,
            days=1,
            at=now(),
            person=bot.subject,
            reach=tokens.Reach(verbs=verbs, audience=ApiToken.Audience.MCP, environments=where),
        )[1]
        for (name, verbs), where in zip(narrow.items(), ([], ["staging"]), strict=True)
    }
    whole = {"its own": bot, "sees it": viewer, "may cancel": canceler, "a stranger": stranger, "was stopped": bot}
    return {
        **{sort: (agent, token_of(agent)) for sort, agent in whole.items()},
        "for view alone": (bot, made["view"]),
        "another place": (bot, made["place"]),
    }


def mark(answer: Any) -> str:
    if not answer.is_error:
        return "+"
    return {"access.denied": "-", "not-found": "."}.get(answer.structured_content["code"], "!")


def test_every_tool_answers_every_agent_as_the_table_says(world: World, bot: Person, run: Run) -> None:
    found: dict[str, list[str]] = {name: [] for name in OURS}
    known = keys(world, bot)
    for sort in AGENTS:
        agent, secret = known[sort]
        for name in OURS:
            point = transaction.savepoint()
            if sort == "was stopped":
                agents.stop(actor=world.mira, agent=bot.subject, reason="enough", at=now())
                Run.objects.filter(pk=run.pk).update(cancel_requested_at=None)
            before = Event.objects.filter(kind="access.denied").count()
            answer = called(agent, name, {"run": str(run.pk), **GIVEN.get(name, {})}, secret=secret)
            found[name].append(mark(answer))
            if found[name][-1] == "-" and name != "run_log":
                assert Event.objects.filter(kind="access.denied").count() == before + 1, (name, sort)
            transaction.savepoint_rollback(point)
    assert {name: " ".join(marks) for name, marks in found.items()} == TABLE


CODES = {"input.invalid", "not-found", "run.not-pausable", "run.not-paused", "run.nothing-asked"}
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**60,
    1.5,
    [],
    {},
    "",
    " ",
    "0",
    "\x00",
    "../../etc/passwd",
    "' OR 1=1 --",
    "\u202e<script>alert(1)</script>",
    "x" * 70_000,
    ["a"] * 500,
    {"a": {"b": [None]}},
    {"$ref": "file:///etc/passwd"},
)
FIELDS = {
    **{name: ["run", "no-such-field"] for name in OURS},
    "run_log": ["run", "after"],
    "run_comments": ["run", "after"],
    "run_comment": ["body"],
    "run_pause": ["run", "reason"],
    "run_answer": ["run", "values", "refuse", "reason"],
}


@pytest.mark.parametrize("name", OURS)
def test_no_value_breaks_a_tool(
    world: World, bot: Person, run: Run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each field with each value: what does not fit is refused by its name, and no answer has anything hidden in it."""
    monkeypatch.setattr(door, "CALLS_A_MINUTE", 10_000)
    wrong = [(field, value) for field in FIELDS[name] for value in WRONG]

    async def act(client: Client) -> list[Any]:
        given = {"run": str(run.pk), **GIVEN.get(name, {})}
        return [await client.call_tool(name, {**given, field: value}) for field, value in wrong]

    for (field, value), answer in zip(wrong, at_the_door(bot, act), strict=True):
        text = answer.content[0].text
        assert not {"\x00", "\u202e"} & set(text)
        assert "Traceback" not in text
        if answer.is_error:
            said = answer.structured_content
            assert said["code"] in CODES, (field, value, said)
            assert said["next_step"]
            pointers = [row["pointer"] for row in said["errors"]]
            assert all(pointer.startswith(f"/{field}") for pointer in pointers), (field, value, said)
        else:
            assert (name, field) in {("run_comment", "body"), ("run_pause", "reason")} or field == "after", (
                field,
                value,
            )
    run.refresh_from_db()
    assert (run.state, Run.objects.count()) == ("queued", 1)
    said = RunComment.objects.values_list("body", flat=True)
    assert set(said) <= {value for value in WRONG if isinstance(value, str)}
