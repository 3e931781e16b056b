"""Programs of local steps with credentials: they find them by the names that their tools read, and nobody else does."""

from __future__ import annotations

import pytest

from procedures.domain.clock import now
from procedures.domain.sealing import secret_object
from procedures.models import LeaseRecord, PoolKey, Run
from procedures.runner.drive import drive
from procedures.services import versions
from tests.engine.test_plain_key import everything_stored
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary

YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: with-tokens}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [development]
  credentials:
    first: {kind: secret, ttl: 2m}
    second: {kind: secret, ttl: 2m}
  steps:
    - {id: other, action: "local:script", credentials: [first], input: {script: look.sh}}
    - {id: one, action: "local:script", credentials: [second], input: {script: look.sh, env: {TWO: its own}}}
    - {id: none, action: "local:script", input: {script: look.sh}}
"""
LOOK = b'echo "one=${#ONE} two=${#TWO} $ONE $TWO"\n'


def bind(world: World, name: str, secret: str, variable: str) -> None:
    world.propose(
        "binding",
        {
            "environment": "development",
            "name": name,
            "provider": "sealed-secret",
            "role": "x",
            "ceiling": {"secret": secret, "env": variable},
            "max_ttl_s": 300,
            "reach": {},
        },
    )


def furnished(world: World) -> None:
    pool = PoolKey.objects.get(environment_id="development").public
    for name, value in (("a", b"first-canary"), ("b", b"second-canary!")):
        world.propose("secret", secret_object(environment="development", name=name, value=value, pool=pool))
    bind(world, "first", "a", "ONE")
    bind(world, "second", "b", "TWO")
    author = world.person("adam")
    world.may(author, "author")
    files = {"procedure.yaml": YAML.encode(), "look.sh": LOOK, "README.md": b"x"}
    version = versions.submit_version(actor=author, files=files, note="", at=now())
    world.review(world.mira, version, "operations", "security", signed=True)


def run(world: World) -> Run:
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="with-tokens")
    made = world.ask(quinn, procedure="with-tokens")
    drive(made.id)
    made.refresh_from_db()
    return made


def text(made: Run, step: str) -> str:
    return "".join(made.log.filter(task__step=step, stream="stdout").order_by("seq").values_list("text", flat=True))


def test_each_step_finds_what_it_was_lent_and_no_more(world: World) -> None:
    furnished(world)
    made = run(world)
    assert made.state == "succeeded", made.message
    assert text(made, "other").startswith("one=12 two=0 ")
    assert text(made, "one").startswith("one=0 two=7 "), "what the author wrote goes before"
    assert text(made, "none").startswith("one=0 two=0 ")
    assert set(LeaseRecord.objects.values_list("credential", "state")) == {("first", "revoked"), ("second", "revoked")}
    assert LeaseRecord.objects.count() == 2
    stored = everything_stored()
    assert b"first-canary" not in stored
    assert b"second-canary!" not in stored


def test_a_secret_that_is_gone_runs_nothing(world: World) -> None:
    furnished(world)
    bind(world, "first", "gone", "ONE")
    made = run(world)
    assert (made.state, text(made, "other")) == ("failed", "")
    assert "holds no sealed secret named gone" in "".join(made.log.values_list("text", flat=True))
    assert not LeaseRecord.objects.exclude(state="revoked").exists()


@pytest.mark.parametrize("variable", ["", "PATH", "LD_PRELOAD", "PARAM_X", "OPSPORTAL_OUTPUT", "A B", "1A"])
def test_a_secret_goes_into_no_variable_that_leads_a_program(world: World, variable: str) -> None:
    furnished(world)
    bind(world, "first", "a", variable)
    made = run(world)
    assert made.state == "failed"
    assert "is not the name of a variable" in "".join(made.log.values_list("text", flat=True))
