"""The button of a run's page: the browser checks seal, inclusion, signatures and growth, and tells each lie."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as live
from playwright.sync_api import Page, Route, expect

from procedures.domain.clock import now
from procedures.evidence import turning
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer, beat
from procedures.models import Environment, Run
from procedures.services import endings
from tests.browser.conftest import Portal
from tests.browser.test_engine_pages import ASK, RULES, SEEN, kept
from tests.fixtures.counterparts import node_packages

pytestmark = pytest.mark.once
Said = dict[str, Any]


@pytest.fixture
def log(portal: Portal, tmp_path: Path) -> Sequencer:
    public = Path(live.OPSPORTAL_PUBLIC_DIR)
    public.mkdir(parents=True, exist_ok=True)
    key = load_key(tmp_path / "key", "test/log")
    (public / "evidence.pub").write_text(key.verifier)
    return Sequencer(key, tmp_path / "at", public / "checkpoint")


def grown(log: Sequencer) -> None:
    beat(now())
    while log.step(now()):
        continue


def ended(portal: Portal) -> Run:
    """A run that was asked for, planned and taken back."""
    run = portal.town.ask(environment="staging")
    endings.cancel_run(actor=portal.town.people["mira"], run=run.pk, reason="no more", at=now())
    return run


@pytest.fixture
def run(portal: Portal, log: Sequencer) -> Run:
    portal.town.accept("hello")
    Environment.objects.filter(pk="staging").update(approvals={"low": {"operations": 1}}, min_strength="session")
    run = ended(portal)
    grown(log)
    return run


def checked(page: Page, run: Run, url: str, lie: Callable[[Said], None] | None = None) -> str:
    """What the button says, of what the portal says, or of a lie in its place."""

    def altered(route: Route) -> None:
        said = route.fetch().json()
        if lie:
            lie(said)
        route.fulfill(json=said)

    page.unroute_all()
    page.route("**/evidence/?seen=*", altered)
    page.goto(f"{url}/runs/{run.id}/")
    page.click("#proof-check button")
    expect(page.locator("#proof-check .note")).to_be_visible()
    return page.inner_text("#proof-check [role=status]")


def body_of(said: Said) -> None:
    name = sorted(said["bodies"])[1]
    said["bodies"][name] = said["bodies"][name].replace('"salt":"', '"salt":"A', 1)


def header_of(said: Said) -> None:
    said["headers"][1] = said["headers"][1].replace('"k":"', '"k":"x', 1)


def dropped(said: Said) -> None:
    del said["headers"][1]


def last_dropped(said: Said) -> None:
    """And counted anew, as if the event had never been."""
    rows = [json.loads(row) for row in said["headers"]]
    kept_rows = [*rows[:-2], {**rows[-1], "n": len(rows) - 1}]
    said["headers"] = [json.dumps(row, sort_keys=True, separators=(",", ":")) for row in kept_rows]


def unsigned(said: Said) -> None:
    head, _, line = said["proof"].rpartition(" ")
    at = len(line) // 2
    said["proof"] = f"{head} {line[:at]}{'A' if line[at] != 'A' else 'B'}{line[at + 1 :]}"


def other_place(said: Said) -> None:
    """An honest proof, of another place."""
    rows = said["proof"].split("\n")
    rows[2] = "index 0"
    said["proof"] = "\n".join(rows)


LIES = {
    body_of: "says something else than the log committed to",
    header_of: "does not fit the events that are shown",
    dropped: "is missing, doubled, or of another run",
    last_dropped: "is of another event than this run's end",
    unsigned: "the signature is not by the log's key",
    other_place: "does not prove that the end of this run is in the log",
}


def test_the_browser_checks_a_run_and_tells_each_lie(portal: Portal, run: Run, log: Sequencer, tmp_path: Path) -> None:
    page = portal.page("aisha")
    told = checked(page, run, portal.url)
    assert "Checked here" in told
    assert log.key.verifier in told
    assert "sees the log for the first time" in told
    assert "No witness cosigned it" in told
    assert "Not proven" in told
    grown(log)
    assert "Nothing was taken back" in checked(page, run, portal.url)
    for lie, reason in LIES.items():
        told = checked(page, run, portal.url, lie)
        assert "It does not fit." in told, lie.__name__
        assert reason in told, (lie.__name__, told)
    assert "Nothing was taken back" in checked(page, run, portal.url)

    wrong = load_key(tmp_path / "other", "test/log")
    told = checked(page, run, portal.url, lambda said: said.update(key=wrong.verifier))
    assert "This is another log than before." in told
    assert "another one than this browser has known" in told


def test_a_log_that_went_back_or_was_forked_is_told_loudly_and_forgotten_only_on_purpose(
    portal: Portal, run: Run, log: Sequencer
) -> None:
    page = portal.page("aisha")
    answers: list[Said] = []
    checked(page, run, portal.url, lambda said: answers.append(copy.deepcopy(said)))
    early = answers[0]
    grown(log)
    checked(page, run, portal.url)
    told = checked(page, run, portal.url, lambda said: said.update(early))
    assert "This is another log than before." in told
    assert "it was rolled back" in told
    assert page.locator("#proof-check [role=alert]").count() == 1
    page.evaluate("""() => { const seen = JSON.parse(localStorage.getItem('opsportal-log'));
      seen.root = btoa('x'.repeat(32)); localStorage.setItem('opsportal-log', JSON.stringify(seen)); }""")
    assert "It was forked or rewritten" in checked(page, run, portal.url)
    grown(log)
    assert "It was forked or rewritten" in checked(page, run, portal.url)
    page.click("text=Forget what this browser remembers")
    assert "sees the log for the first time" in checked(page, run, portal.url)


def test_a_browser_that_cannot_check_says_so_and_nothing_more(portal: Portal, run: Run) -> None:
    page = portal.page("aisha")
    page.add_init_script("Object.defineProperty(globalThis, 'crypto', { value: {} })")
    told = checked(page, run, portal.url)
    assert "Nothing was checked" in told
    assert "Checked here" not in told

    other = portal.page("aisha")
    other.add_init_script("""SubtleCrypto.prototype.importKey = async () => {
      throw new DOMException('no', 'NotSupportedError'); }""")
    told = checked(other, run, portal.url)
    assert "cannot check Ed25519" in told
    assert "Nothing was checked" in told
    assert "Checked here" not in told


def test_whoever_may_see_a_run_checks_it_without_its_bodies_and_others_get_nothing(portal: Portal, run: Run) -> None:
    page, answers = portal.page("mira"), list[Said]()
    told = checked(page, run, portal.url, answers.append)
    assert "What each event says in full is shown to auditors" in told
    assert "bodies" not in answers[0]
    path = f"/runs/{run.id}/evidence/"
    portal.town.move_in("noah", "Noah", [])
    assert portal.page("noah").request.get(portal.url + path).status == 404
    assert portal.browser.new_context().request.get(portal.url + path).status == 403


def test_the_check_fits_a_phone_and_axe_finds_nothing_and_the_keyboard_reaches_it(portal: Portal, run: Run) -> None:
    page, axe = portal.page("aisha"), (node_packages() / "axe-core" / "axe.min.js").read_text()
    for lie, name in ((None, "good"), (body_of, "bad")):
        checked(page, run, portal.url, lie)
        for width, scheme in SEEN[1::2]:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            page.evaluate("() => new Promise(done => { scrollTo(0, 0); setTimeout(done, 50); })")
            kept(page, f"run-check-{name}-{width}-{scheme}")
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), (name, width)
            page.evaluate(axe)
            assert page.evaluate(ASK, RULES) == [], (name, width)
    page.goto(f"{portal.url}/runs/{run.id}/")
    page.focus("#proof-check button")
    page.keyboard.press("Enter")
    expect(page.locator("#proof-check .note")).to_contain_text("It does not fit.")


def test_a_key_that_was_changed_is_followed_and_nobody_elses_is(
    portal: Portal, run: Run, log: Sequencer, tmp_path: Path
) -> None:
    page, public = portal.page("aisha"), Path(live.OPSPORTAL_PUBLIC_DIR)
    checked(page, run, portal.url)
    old, path = log.key, tmp_path / "key"
    turning.ask(path, old.name, reason="the laptop with it was lost", by="ops")
    assert turning.turn(log, path, now())
    new = load_key(path, old.name)
    (public / "evidence.pub").write_text(new.verifier)
    grown(Sequencer(new, tmp_path / "at", public / "checkpoint"))
    assert (new.verifier != old.verifier, len(turning.notes())) == (True, 1)

    told = checked(page, run, portal.url, lambda said: said.update(turns=[]))
    assert "another one than this browser has known" in told, "a change that nobody signed over"
    stranger = load_key(tmp_path / "stranger", old.name)
    half = turning.both(stranger, new, 1).replace(stranger.verifier, old.verifier)
    assert "is not signed by both keys" in checked(page, run, portal.url, lambda said: said.update(turns=[half]))
    other = turning.both(stranger, new, 1)
    told = checked(page, run, portal.url, lambda said: said.update(turns=[other]))
    assert "another one than this browser has known" in told, "a change from a key of a stranger"

    told = checked(page, run, portal.url)
    assert "The log's key was changed since this browser looked" in told
    assert "Nothing was taken back" in told
    assert new.verifier in told
    assert "was changed since" not in checked(page, run, portal.url), "the new key is the one that is remembered"
    told = checked(portal.page("mira"), run, portal.url)
    assert "sees the log for the first time" in told, "a proof that the former key signed fits for newcomers too"
