"""What an author cannot even name: nothing plans on a runner, and nothing needs a free shell on a host (H9, H28)."""

from __future__ import annotations

import ast

import pytest

from procedures.definitions import registry
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.domain.states import RunState
from procedures.models import Version
from procedures.services import versions
from tests.factories.portal import World, new_world
from tests.house import tree

pytestmark = pytest.mark.ordinary
NEEDS_FREE_HANDS = ("ansible:playbook", "ansible:adhoc", "terraform:plan", "terraform:apply", "kubernetes:apply")
PROCEDURE = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: sneaky}
spec:
  owner: group:default/x
  type: operation
  risk: high
  environments: [development]
  timeout: 5m
  credentials: {deploy: {kind: ssh, ttl: 2m}}
  steps: [{id: one, action: "ACTION", credentials: [deploy], timeout: 20s, input: {playbook: site.yml}}]
"""
PLAYBOOK = b"- hosts: all\n  tasks: [{delegate_to: localhost, shell: \"{{ lookup('pipe', 'id') }}\"}]\n"


@pytest.mark.parametrize("action", NEEDS_FREE_HANDS)
def test_a_procedure_that_names_one_is_refused_whole_and_told_so(db: None, action: str) -> None:
    world: World = new_world()
    adam = world.person("adam")
    world.may(adam, "author")
    files = {"procedure.yaml": PROCEDURE.replace("ACTION", action).encode(), "site.yml": PLAYBOOK, "README.md": b"x"}
    with pytest.raises(InvalidInput) as refused:
        versions.submit_version(actor=adam, files=files, note="", at=now())
    ((_, said),) = refused.value.problems
    assert f"unknown-action: There is no action {action}." in said
    assert not Version.objects.filter(procedure__name="sneaky").exists()


def test_none_is_in_the_catalogue_under_another_name() -> None:
    kinds = {name.partition(":")[0] for name in registry.actions()}
    assert not kinds & {"ansible", "terraform", "tofu", "kubernetes", "helm", "docker", "salt", "puppet"}


def test_no_service_ever_lets_a_run_plan_on_a_runner() -> None:
    """The state is in the table of states for the day when an action needs it; nothing moves a run there."""
    for path in tree.python_files("procedures/services", "procedures/engine", "procedures/runner", "procedures/issuer"):
        for node in ast.walk(tree.parsed(path)):
            named = isinstance(node, ast.Attribute) and node.attr == "PLANNING"
            assert not named, (
                f"{tree.short(path)} moves a run to {RunState.PLANNING}: H9 needs its own credentials then"
            )
