"""Secret results at every door, and what lint says of those that cannot be handed over."""

from __future__ import annotations

import pytest
from django.test import Client

from procedures.definitions.load import load
from procedures.definitions.registry import actions
from procedures.domain import age
from procedures.domain import results as rules
from procedures.domain.clock import now
from procedures.services import results
from procedures.services.recipients import TooManyReaders
from procedures.trials import suite
from tests.engine.test_results import CANARY, ONCE, READERS, asked, declared, key_of, made, maker
from tests.engine.test_runs import PROCEDURE, procedure, run_it, steps
from tests.factories import portal
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary


@pytest.mark.parametrize("door", ["/runs/{run}/results/{id}/", "/api/v1/runs/{run}/results/{id}/fetch/"])
def test_every_door_hands_out_the_encrypted_file_once(world: World, door: str) -> None:
    quinn, run = made(world)
    client = Client(HTTP_HOST="localhost")
    client.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    path = door.format(run=run.id, id=run.results.get().id)
    assert client.get(path).status_code == 405
    answer = client.post(path)
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (200, True)
    assert answer["Content-Disposition"] == 'attachment; filename="password.age"'
    assert age.decrypt(answer.content, key_of(world, quinn)).decode() == CANARY
    assert client.post(path).status_code == 409


def test_page_and_api_say_where_it_is(world: World) -> None:
    quinn, run = made(world)
    client = Client(HTTP_HOST="localhost")
    client.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    page = client.get(f"/runs/{run.id}/?tab=outputs").content.decode()
    assert "Pick up password" in page
    plan = client.get(f"/runs/{run.id}/?tab=plan").content.decode()
    assert f"picked up once by {quinn}" in plan
    (row,) = client.get(f"/api/v1/runs/{run.id}/results/").json()["results"]
    assert (row["state"], row["where"], "content" in row) == ("kept", "to be picked up once", False)
    client.post(f"/runs/{run.id}/results/{row['id']}/erase/")
    assert "erased" in client.get(f"/runs/{run.id}/?tab=outputs").content.decode()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("p: {value: '${{ steps.none.output.p }}', deliver: once}", "secret-result"),
        ("p: {value: '${{ parameters.word }}', deliver: once}", "schema"),
        ("p: {value: '${{ steps.make.output.p }}'}", "schema"),
        ("p: {value: '${{ steps.make.output.p }}', deliver: mail}", "schema"),
        ("p: {value: '${{ steps.make.output.p }}', deliver: readers}", "schema"),
        ("p: {value: '${{ steps.make.output.p }}', deliver: once, expires: 30d}", "secret-result"),
        ("p: {value: '${{ steps.make.output.p }}', deliver: vault, credential: no, path: secret/x}", "undeclared"),
        ("p: {value: '${{ steps.make.output.p }}', deliver: vault, path: secret/x}", "schema"),
    ],
)
def test_lint_says_what_cannot_be_handed_over(row: str, told: str) -> None:
    codes = lint_codes(declared(row))
    assert any(code.startswith(told) for code in codes), codes


def test_no_other_step_reads_a_secret_result() -> None:
    tail = "  always:\n" + steps("{id: a, action: 'debug:log', input: {message: '${{ steps.make.output.password }}'}}")
    assert "secret-place" in lint_codes(declared(ONCE) + tail + "\n")
    shown = declared(ONCE) + "    values: {p: '${{ steps.make.output.password }}'}\n"
    assert "secret-place" in lint_codes(shown)
    assert "secret-place" not in lint_codes(declared(ONCE))


def lint_codes(tail: str) -> list[str]:
    text = PROCEDURE.format(name="x", steps=steps(maker()), timeout="1m") + tail
    found = load({"procedure.yaml": text.encode(), "README.md": b"x"}, actions()).findings
    return [f.code for f in found if f.severity == "error"]


def test_each_item_makes_one_of_its_own(world: World) -> None:
    _, run = made(world, more=", each: '${{ [1, 2] }}'")
    assert run.state == "succeeded", run.message
    rows = run.results.select_related("task").order_by("id")
    assert [(row.task.target, row.state) for row in rows] == [("item 1", "kept"), ("item 2", "kept")]


def test_what_a_called_procedure_makes_is_for_who_asked_for_the_whole(world: World) -> None:
    asked(world, tail="  callableBy: [caller]\n")
    petra = procedure(world, "caller", "{id: go, action: 'procedure:run', input: {procedure: maker}}")
    world.enrol(petra)
    run = run_it(world, petra, "caller")
    assert run.state == "succeeded", run.message
    row = run.results.get()
    assert (row.task.step, row.recipients[0][0]) == ("go/make", str(petra.subject))
    _, file = results.fetch_result(actor=petra, run=run.id, result=row.id, at=now())
    assert age.decrypt(file, key_of(world, petra)).decode() == CANARY


def test_the_comment_of_a_key_stands_in_no_plan(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = portal.public_text
    monkeypatch.setattr(portal, "public_text", lambda key: f"{bare(key)} quinn@her-laptop")
    quinn, run = made(world)
    assert run.state == "succeeded", run.message
    assert quinn.signing_keys.get().public.endswith("quinn@her-laptop")
    assert b"her-laptop" not in bytes(run.plan)


def test_a_secret_for_more_than_can_be_named_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_RECIPIENTS", 1)
    reader = world.person("reader", key=True)
    quinn = asked(world, READERS)
    world.may(reader, "read_output", procedure="maker")
    with pytest.raises(TooManyReaders, match="3 keys could open"):
        world.ask(quinn, procedure="maker")


@pytest.mark.parametrize("wanted", ["output: {password: other}", "exit: 3"])
def test_a_test_of_a_procedure_says_nothing_of_what_it_made(wanted: str) -> None:
    text = PROCEDURE.format(name="x", steps=steps(maker()), timeout="1m") + declared(ONCE)
    case = f"expect: {{steps: {{make: {{{wanted}}}}}}}\n"
    row = suite.result({"procedure.yaml": text.encode(), "tests/one.yaml": case.encode()}, "tests/one.yaml")
    assert not row["ok"]
    assert "gave something else" in row["told"] or "is not shown" in row["told"], row["told"]
    assert CANARY not in row["told"]
