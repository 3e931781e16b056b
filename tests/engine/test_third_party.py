"""An action of another package is part of what was accepted: one changed byte of it and the claim refuses (H4)."""

from __future__ import annotations

import marshal
import sys
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

import pytest

from procedures.definitions import registry
from procedures.domain.controls import Authority
from procedures.domain.effects import apply
from procedures.evidence.models import Event
from procedures.issuer.judgement import _actions
from procedures.issuer.refusals import LeaseRefused
from procedures.runner.drive import drive
from tests.engine.test_runs import procedure, run_it
from tests.factories.portal import World
from tests.factories.site import Site

pytestmark = pytest.mark.ordinary

CODE = """\
from procedures.domain.ports import Action, ActionResult


class Greet(Action):
    id = "acme:greet"
    summary = "Greets."
    input_schema = {"type": "object", "additionalProperties": False, "properties": {"word": {"type": "string"}}}

    def plan(self, call):
        return dict(call.input)

    def run(self, call, io):
        io.write("stdout", b"WORD\\n")
        return ActionResult("succeeded")
"""
STEP = "{id: one, action: 'acme:greet', timeout: 5s, input: {word: a}}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    made = Site(folder)
    made.install("1.0", CODE.replace("WORD", "hello"))
    made.restart()
    yield made
    monkeypatch.undo()
    made.restart()


def denied(run: object) -> list[str]:
    return [str(e.kind) for e in Event.objects.filter(run=run, kind="run.denied")]


def test_the_code_of_another_package_is_never_imported_here(world: World, site: Site) -> None:
    site.let_in(world)
    run = run_it(world, procedure(world, "greet", STEP), "greet")
    assert run.state == "succeeded"
    assert "acme_actions" not in sys.modules


def test_the_accepted_package_runs(world: World, site: Site) -> None:
    site.let_in(world)
    quinn = procedure(world, "greet", STEP)
    run = run_it(world, quinn, "greet")
    assert (run.state, "".join(run.log.values_list("text", flat=True))) == ("succeeded", "hello\n")
    [[action, mark]] = run.version.closure["actions"]
    assert action == "acme:greet"
    assert mark.startswith("acme-actions:1.0:")


@pytest.mark.parametrize("restarted", [True, False], ids=["runner restarted", "runner still up"])
def test_code_replaced_after_acceptance_is_denied_with_evidence(world: World, site: Site, restarted: bool) -> None:
    """The attacker changes one file and leaves version and RECORD as they were."""
    site.let_in(world)
    quinn = procedure(world, "greet", STEP)
    run = world.ask(quinn, procedure="greet")
    code = site.folder / "acme_actions" / "__init__.py"
    code.write_text(code.read_text().replace("hello", "owned"))
    if restarted:
        site.restart()
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "denied"
    assert "accepted was" in run.message
    assert denied(run.id) == ["run.denied"]
    assert not run.log.exists()


def test_a_file_put_beside_the_package_is_noticed(world: World, site: Site) -> None:
    site.let_in(world)
    quinn = procedure(world, "greet", STEP)
    run = world.ask(quinn, procedure="greet")
    (site.folder / "acme_actions" / "extra.py").write_text("x = 1\n")
    site.restart()
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "denied"


def test_another_release_needs_another_acceptance(world: World, site: Site) -> None:
    site.let_in(world)
    quinn = procedure(world, "greet", STEP)
    run = world.ask(quinn, procedure="greet")
    for old in (site.folder / "acme_actions-1.0.dist-info").iterdir():
        old.unlink()
    (site.folder / "acme_actions-1.0.dist-info").rmdir()
    site.install("1.1", CODE.replace("WORD", "hello"))
    site.restart()
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "denied"


def test_what_no_confirmed_change_let_in_is_denied(world: World, site: Site) -> None:
    """Installing a package and having a procedure accepted is not enough, and what was let in can be put out again."""
    quinn = procedure(world, "greet", STEP)
    run = run_it(world, quinn, "greet")
    assert (run.state, "comes from another package" in run.message) == ("denied", True)
    site.let_in(world)
    assert run_it(world, quinn, "greet").state == "succeeded"
    site.let_in(world, "end")
    assert run_it(world, quinn, "greet").state == "denied"


def test_other_bytes_than_those_let_in_are_denied_though_their_version_is_accepted(world: World, site: Site) -> None:
    site.let_in(world)
    site.install("1.0", CODE.replace("WORD", "other"))
    site.restart()
    run = run_it(world, procedure(world, "greet", STEP), "greet")
    assert (run.state, "no confirmed change lets acme-actions:1.0:" in run.message) == ("denied", True)


def test_the_issuer_lends_nothing_to_what_is_only_asserted_to_be_let_in() -> None:
    """From the attacker's place: a change in the log without the signatures of two managers."""
    authority = Authority(production={"production"})
    closure = {"actions": [["local:script", "opsportal:1"], ["acme:greet", "acme:1:aa"]]}
    object = {"id": "acme:greet", "mark": "acme:1:aa", "action": "set"}
    apply(authority, "action", object, id="1", stands=False)
    with pytest.raises(LeaseRefused, match="acme:greet comes from another package"):
        _actions(authority, closure)
    apply(authority, "action", object, id="2", stands=True)
    _actions(authority, closure)
    apply(authority, "action", {**object, "mark": "acme:1:bb"}, id="3", stands=False)
    _actions(authority, closure)
    apply(authority, "action", {**object, "action": "end"}, id="4", stands=True)
    with pytest.raises(LeaseRefused):
        _actions(authority, closure)


def test_a_package_without_a_record_is_never_what_was_accepted(site: Site) -> None:
    (site.folder / "acme_actions-1.0.dist-info" / "RECORD").unlink()
    site.restart()
    assert registry.action_marks()["acme:greet"].startswith("unpinned:")


def test_our_own_actions_keep_their_mark_over_releases(site: Site) -> None:
    assert registry.action_marks()["local:script"] == "opsportal:1"


def test_byte_code_that_says_it_need_not_be_compared_with_its_source_never_runs(world: World, site: Site) -> None:
    """What is hashed is the source; what Python would load is the file beside it (PEP 552, unchecked)."""
    site.let_in(world)
    quinn = procedure(world, "greet", STEP)
    code = compile(CODE.replace("WORD", "evil"), "acme_actions/__init__.py", "exec")
    place = Path(cache_from_source(str(site.folder / "acme_actions/__init__.py"), optimization=""))
    place = site.folder / "acme_actions" / "__pycache__" / place.name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(code))
    site.restart()
    run = run_it(world, quinn, "greet")
    assert (run.state, "".join(run.log.values_list("text", flat=True))) == ("succeeded", "hello\n")
