"""File parameters, from the request to the script that reads them."""

from __future__ import annotations

import base64
import hashlib

import pytest

from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.models import Person
from procedures.services import versions
from tests.engine.test_runs import run_it, text
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary

YAML = b"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: load}
spec:
  owner: group:default/x
  type: operation
  risk: low
  environments: [development]
  timeout: 1m
  parameters:
    properties:
      list: {type: string, format: data-url, title: A list}
      word: {type: string, title: A word}
  steps:
    - id: read
      action: local:command
      timeout: 9s
      input: {argv: [sh, -ec, 'cat "$PARAM_LIST"; ls -l "$PARAM_LIST" | cut -c1-10']}
"""
CONTENT = b"one\n$(touch /tmp/owned)\n"


def given(content: bytes, name: str = "hosts%20of%20mine.txt") -> str:
    return f"data:text/plain;name={name};base64,{base64.b64encode(content).decode()}"


@pytest.fixture
def quinn(world: World) -> Person:
    adam = world.person("adam")
    world.may(adam, "author")
    version = versions.submit_version(actor=adam, files={"procedure.yaml": YAML, "README.md": b"x"}, note="", at=now())
    world.review(world.mira, version, "operations")
    person = world.person("quinn")
    world.may(person, "run", procedure="load")
    return person


def test_a_file_reaches_the_script_as_a_file_that_it_cannot_change(world: World, quinn: Person) -> None:
    run = run_it(world, quinn, "load", parameters={"list": given(CONTENT)})
    assert (run.state, text(run)) == ("succeeded", CONTENT.decode() + "-rw-r--r--\n")


def test_the_plan_names_the_file_by_its_hash_and_not_by_its_content(world: World, quinn: Person) -> None:
    plan = parse(bytes(world.ask(quinn, procedure="load", parameters={"list": given(CONTENT)}).plan))
    assert plan["uploads"] == {
        "list": {"name": "hosts of mine.txt", "sha256": hashlib.sha256(CONTENT).hexdigest(), "bytes": len(CONTENT)}
    }
    assert plan["parameters"] == {"list": "/bundle/parameters/list"}


def test_another_content_is_another_plan(world: World, quinn: Person) -> None:
    first = world.ask(quinn, procedure="load", parameters={"list": given(b"a")})
    second = world.ask(quinn, procedure="load", parameters={"list": given(b"b")})
    hashes = [parse(bytes(run.plan))["uploads"]["list"]["sha256"] for run in (first, second)]
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize(
    "value", ["/etc/passwd", "data:text/plain,plain", "data:;base64,###", "data:text/plain;base64"]
)
def test_what_is_no_file_is_refused_by_name(world: World, quinn: Person, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        world.ask(quinn, procedure="load", parameters={"list": value})
    assert refused.value.problems[0][0] == "/parameters/list"


def test_without_a_file_there_is_no_variable(world: World, quinn: Person) -> None:
    assert run_it(world, quinn, "load", parameters={}).state == "failed"


def test_a_bundle_may_not_hold_files_where_file_parameters_lie(world: World, quinn: Person) -> None:
    files = {"procedure.yaml": YAML, "README.md": b"x", "parameters/list": b"mine"}
    with pytest.raises(InvalidInput):
        versions.submit_version(actor=Person.objects.get(username="adam"), files=files, note="", at=now())
