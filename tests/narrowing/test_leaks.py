"""What was seen tells nothing that is secret: a plug-in's own words, a query string, a table named by a secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from procedures.evidence.models import Event
from procedures.models import Run, Task
from tests.engine.attack import HEAD
from tests.engine.test_runs import procedure, run_it
from tests.factories.portal import World
from tests.factories.site import Site

CANARY = "canary-5d0e77b1c0"
SAYS = """\
        token = call.secret_env["T"].reveal().decode()
        said = {"hosts": [token + ".example.com:443"], "read": [token], "calls": ["GET h:443"], "network": token,
                "credential": token, token: token, "written": [["nested", token]], "wrote": 1}
        return ActionResult("succeeded", 0, facts={"seen": said, "more": [token]})
"""
STEP = (
    "{id: one, action: 'acme:greet', timeout: 20s,"
    " input: {url: 'https://h/v1/${{ parameters.word }}?key=" + CANARY + "2', env: {T: '${{ secrets.token }}'}}}"
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    made = Site(folder)
    yield made
    monkeypatch.undo()
    made.restart()


@pytest.fixture
def run(world: World, site: Site) -> Run:
    """An action of another package says whatever it likes of what it used."""
    site.install("1.0", HEAD.replace("MORE", "") + SAYS)
    site.restart()
    site.let_in(world)
    found = run_it(world, procedure(world, "greet", STEP), "greet", secrets={"token": CANARY})
    assert found.state == "succeeded", Task.objects.get(run=found).message
    return found


def test_a_plug_in_says_nothing_that_was_not_asked_for(run: Run) -> None:
    seen = Task.objects.get(run=run).facts["seen"]
    assert set(seen) == {"hosts", "calls", "read"}
    assert seen["calls"] == ["GET h:443/v1/{}"], "the author's path, and nothing of a query"


def test_no_secret_and_no_query_stands_in_what_was_seen(run: Run) -> None:
    assert CANARY not in str(Task.objects.get(run=run).facts)
    kept = "".join(bytes(e.body).decode() for e in Event.objects.filter(kind="task.finished"))
    assert "https" not in kept
    assert CANARY not in kept
