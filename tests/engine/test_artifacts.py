"""Files that a run makes: declared, masked, hashed, read on the record, and gone when their time is over."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from procedures.definitions.load import load
from procedures.definitions.registry import actions
from procedures.domain import limits
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed, NotFound
from procedures.evidence.models import Event
from procedures.models import Artifact, Person, Run
from procedures.runner.erasing import Erasing
from procedures.services import artifacts
from tests.engine.test_runs import PROCEDURE, procedure, run_it, steps
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary


def maker(script: str, *declared: str, more: str = "") -> str:
    return (
        f"{{id: make, action: 'local:command', timeout: 20s, input: {{argv: [sh, -c, {json.dumps(script)}],"
        f" env: {{T: '${{{{ secrets.token }}}}'}}}}, artifacts: [{', '.join(declared)}]{more}}}"
    )


REPORT = "{name: report.txt, path: out/report.txt, type: text/plain, retention: 30d}"
SVG = "{name: evil.svg, path: evil.svg, type: image/svg+xml}"
MAKE = "mkdir out; echo found 3 > out/report.txt; echo '<svg onload=alert(1)>' > evil.svg"


def made(world: World, script: str = MAKE, *declared: str, **more: Any) -> tuple[Person, Run]:
    quinn = procedure(world, "maker", maker(script, *(declared or (REPORT, SVG))))
    return quinn, run_it(world, quinn, "maker", **more)


def the_text(run: Run) -> str:
    return "".join(run.log.values_list("text", flat=True))


def test_declared_files_are_kept_with_their_hash_in_what_the_runner_signed(world: World) -> None:
    _, run = made(world)
    assert run.state == "succeeded", the_text(run)
    row = run.artifacts.get(name="report.txt")
    assert (bytes(row.content or b""), row.masked) == (b"found 3\n", False)
    event = Event.objects.get(run=run.id, kind="task.finished")
    told = parse(bytes(event.body))["facts"]["artifacts"]
    assert {one["name"]: one["sha256"] for one in told} == {
        "report.txt": hashlib.sha256(b"found 3\n").hexdigest(),
        "evil.svg": hashlib.sha256(b"<svg onload=alert(1)>\n").hexdigest(),
    }
    assert row.expires_at - row.made_at == timedelta(days=30)


def test_the_plan_names_what_is_kept(world: World) -> None:
    _, run = made(world)
    step = parse(bytes(run.plan))["steps"][0]
    assert [need["name"] for need in step["artifacts"]] == ["report.txt", "evil.svg"]


def test_secrets_in_a_text_are_masked_and_the_hash_is_of_what_is_served(world: World) -> None:
    _, run = made(world, 'mkdir out; echo "key $T" > out/report.txt', REPORT, secrets={"token": "canary-5f0c11e2"})
    row = run.artifacts.get()
    assert (bytes(row.content or b""), row.masked) == (b"key ***\n", True)
    assert row.content_sha256 == hashlib.sha256(b"key ***\n").hexdigest()


def test_a_secret_among_other_bytes_keeps_the_file_out_and_fails_the_step(world: World) -> None:
    script = r"""printf '\377\000%s' "$T" > a.bin"""
    _, run = made(world, script, "{name: a.bin, path: a.bin}", secrets={"token": "canary-5f0c11e2"})
    assert (run.state, run.artifacts.count()) == ("failed", 0)
    assert "a.bin holds a secret" in run.tasks.get().message


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("ln -s /etc/passwd a", "is a link"),
        ("mkfifo a", "not a plain file"),
        ("ln -s /bundle d; mkdir -p x; ln -s ../../.. x/up; ln -s x/up/etc/passwd a", "is a link"),
        ("true", "made no file"),
        ("head -c 101 /dev/zero > a", "101 bytes; at most 100"),
    ],
)
def test_a_file_that_cannot_be_kept_fails_the_step_and_is_named(world: World, script: str, told: str) -> None:
    _, run = made(world, script, "{name: a.txt, path: a, maxBytes: 100}")
    assert (run.state, run.artifacts.count()) == ("failed", 0)
    message = run.tasks.get().message
    assert message.startswith("The artifact a.txt: ")
    assert told in message
    assert message in the_text(run)


def test_a_step_that_failed_leaves_what_it_made(world: World) -> None:
    _, run = made(world, "echo log > a; exit 3", "{name: a.txt, path: a}", "{name: b.txt, path: b}")
    assert (run.state, run.tasks.get().message) == ("failed", "It ended with exit status 3.")
    assert list(run.artifacts.values_list("name", flat=True)) == ["a.txt"]


def test_a_run_keeps_no_more_than_its_share(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARTIFACTS_BYTES", 10)
    _, run = made(world, "echo 1234567 > a; echo 1 > b; echo 12 > c", *[f"{{name: {n}, path: {n}}}" for n in "abc"])
    assert run.state == "failed"
    assert list(run.artifacts.order_by("name").values_list("name", flat=True)) == ["a", "b"]
    assert "goes over" in run.tasks.get().message


def test_reading_needs_the_right_and_is_evidence(world: World) -> None:
    quinn, run = made(world)
    row = run.artifacts.get(name="report.txt")
    viewer, reader = world.person("viewer"), world.person("reader")
    world.may(viewer, "view", procedure="maker")
    world.may(reader, "view", "read_output", procedure="maker")
    with pytest.raises(NotAllowed):
        artifacts.read_artifact(actor=viewer, run=run.id, artifact=row.id, at=now())
    assert not Event.objects.filter(kind="artifact.read").exists()
    assert Event.objects.filter(kind="access.denied").count() == 1
    for who in (quinn, reader):
        assert artifacts.read_artifact(actor=who, run=run.id, artifact=row.id, at=now()).name == "report.txt"
    facts = [parse(bytes(e.body)) for e in Event.objects.filter(kind="artifact.read")]
    assert [fact["sha256"] for fact in facts] == [row.content_sha256] * 2


def test_an_artifact_is_found_under_its_own_run_alone(world: World) -> None:
    quinn, run = made(world)
    other = run_it(world, quinn, "maker")
    with pytest.raises(NotFound):
        artifacts.read_artifact(actor=quinn, run=other.id, artifact=run.artifacts.all()[0].id, at=now())


@pytest.mark.parametrize("door", ["/runs/{run}/artifacts/{id}/", "/api/v1/runs/{run}/artifacts/{id}/"])
def test_every_door_hands_out_files_that_no_browser_shows(world: World, door: str) -> None:
    quinn, run = made(world)
    client = Client(HTTP_HOST="localhost")
    client.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    answer = client.get(door.format(run=run.id, id=run.artifacts.get(name="evil.svg").id))
    assert (answer.status_code, answer.content) == (200, b"<svg onload=alert(1)>\n")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"] == 'attachment; filename="evil.svg"'
    assert "sandbox" in answer["Content-Security-Policy"]


def test_the_page_lists_them_and_links_only_for_readers(world: World) -> None:
    quinn, run = made(world)
    viewer = world.person("viewer")
    world.may(viewer, "view", procedure="maker")
    for who, links in ((quinn, True), (viewer, False)):
        client = Client(HTTP_HOST="localhost")
        client.force_login(who, backend="procedures.access.backend.PasswordBackend")
        page = client.get(f"/runs/{run.id}/?tab=outputs").content.decode()
        assert "report.txt" in page
        assert (f"/runs/{run.id}/artifacts/" in page) is links


def test_when_its_time_is_over_the_bytes_go_and_the_hash_stays(world: World) -> None:
    quinn, run = made(world)
    assert Erasing().round(at=now())["artifacts"] == 0
    assert Erasing().round(at=now() + timedelta(days=31))["artifacts"] == 1
    row = run.artifacts.get(name="report.txt")
    assert (row.content, bool(row.content_sha256), row.erased_at is not None) == (None, True, True)
    with pytest.raises(artifacts.ArtifactGone):
        artifacts.read_artifact(actor=quinn, run=run.id, artifact=row.id, at=now())
    erased = Event.objects.filter(kind="artifact.erased").get()
    assert parse(bytes(erased.body))["sha256"] == row.content_sha256
    assert Artifact.objects.get(name="evil.svg").content is not None


@pytest.mark.parametrize(
    "row",
    [
        maker("true", "{name: a, path: ../a}"),
        maker("true", "{name: a, path: 'x/./a'}"),
        maker("true", "{name: a, path: /etc/passwd}"),
        maker("true", "{name: a, path: '${{ parameters.word }}'}"),
        maker("true", "{name: a, path: a}", "{name: a, path: b}"),
        maker("true", "{name: a/b, path: a}"),
        maker("true", "{name: a, path: a, maxBytes: 999999999}"),
        "{id: g, action: 'gate:wait', input: {for: 1s}, artifacts: [{name: a, path: a}]}",
    ],
)
def test_what_cannot_be_declared_is_told_by_lint(row: str) -> None:
    text = PROCEDURE.format(name="x", steps=steps(row), timeout="1m")
    errors = [f for f in load({"procedure.yaml": text.encode()}, actions()).findings if f.severity == "error"]
    assert errors
