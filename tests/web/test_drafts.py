"""Drafts and tests on pages: offered to who may author, marked wherever they stand, and shown as they ended."""

from __future__ import annotations

import re

from procedures.domain.clock import now
from procedures.models import Run, Version
from procedures.services import trial_claims, versions
from tests.trials.hostile import bundle
from tests.web.town import Town


def hello(town: Town) -> Version:
    return Version.objects.filter(procedure__name="hello", draft=False).order_by("-number")[0]


def test_the_first_access_manager_runs_hello_as_a_draft_from_its_page_and_it_says_so(town: Town) -> None:
    client = town.client("jonas")
    page = client.get("/procedures/hello/").content.decode()
    place = re.search(r'action="(/drafts/of/[0-9a-f-]+/)"', page)
    assert place, "who may author is offered a draft of what stands in review"
    made = client.post(place.group(1))
    draft = client.get(made["Location"]).content.decode()
    assert "nobody has reviewed it" in draft
    ran = client.post(made["Location"], {"environment": "development", "p.name": "Ada", "reason": ""})
    assert ran.status_code == 302, ran.content.decode()
    run = Run.objects.get()
    assert (run.draft, run.state) == (True, "queued")
    assert "Draft, reviewed by nobody" in client.get(ran["Location"]).content.decode()
    assert ">draft</span>" in client.get("/runs/").content.decode()
    assert "Run my draft" in client.get("/procedures/hello/").content.decode()


def test_a_draft_is_nobody_else_s_page(town: Town) -> None:
    client = town.client("jonas")
    made = client.post(f"/drafts/of/{hello(town).id}/")
    for other in ("aisha", "mira"):
        assert town.client(other).get(made["Location"]).status_code == 404
        assert town.client(other).post(made["Location"], {"environment": "development"}).status_code == 404
        assert "Run my draft" not in town.client(other).get("/procedures/hello/").content.decode()


def test_a_draft_run_elsewhere_is_refused_on_the_page_too(town: Town) -> None:
    client = town.client("jonas")
    made = client.post(f"/drafts/of/{hello(town).id}/")
    answer = client.post(made["Location"], {"environment": "production", "p.name": "Ada"})
    assert (answer.status_code, "No draft runs in production" in answer.content.decode()) == (403, True)


def test_a_review_shows_each_test_and_what_it_told(town: Town) -> None:
    jonas = town.people["jonas"]
    version = versions.submit_version(actor=jonas, files=bundle("echo fine"), note="", at=now())
    page = town.client("jonas").get(f"/reviews/{version.id}/").content.decode()
    assert "Waits for the disposable pool" in page
    row = version.trials.get()
    told = [{"test": "tests/act.yaml", "ok": False, "told": "act ended 4 \x1b[2J<b>", "seconds": 0.4}]
    pool = trial_claims.Runner.objects.get(disposable=True)
    taken = trial_claims.take(trial=row.id, runner=pool, at=now())
    assert taken is not None
    trial_claims.told(taken=taken, results=told, runner=pool, at=now())
    page = town.client("jonas").get(f"/reviews/{version.id}/").content.decode()
    assert "act ended 4 \\x1b[2J&lt;b&gt;" in page
    assert "Failed" in page
