"""A pipeline and a pod at the command line: no password, a token of their own platform, and a run in their name."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Office
from tests.cli.test_commands import DENIED, DONE, USAGE, said
from tests.fixtures import token_issuer
from tests.fixtures.token_issuer import GITHUB, Issuer

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]
CLAIMS = {name: GITHUB[name] for name in ("repository_id", "repository_owner_id", "ref", "event_name")}
VERBS = ["run", "view", "read_output"]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with token_issuer.running() as found:
        yield found


def changed(office: Office, kind: str, object: dict[str, object]) -> None:
    """Proposed by Mira and, where it waits, confirmed by Jonas, as they type it."""
    file = office.folder / f"{kind}.json"
    file.write_text(json.dumps(object))
    done = office.type("mira", "control", "propose", kind, str(file), "--key", office.key("mira"), "--json")
    assert done.returncode == DONE, said(done)
    change = json.loads(done.stdout)
    if change["state"] == "proposed":
        done = office.type("jonas", "control", "confirm", change["id"], "--key", office.key("jonas"))
        assert done.returncode == DONE, said(done)


def test_a_job_signs_in_by_its_platform_runs_and_is_named(office: Office, accepted: str, issuer: Issuer) -> None:
    key = ["--key", office.key("mira")]
    made = office.type("mira", "account", "make", "ci-robot", "--name", "CI", "--owner", "olga", *key)
    assert made.returncode == DONE, said(made)
    grant = [
        "access",
        "grant",
        "person:ci-robot",
        "run",
        "view",
        "read_output",
        "--procedure",
        "greet",
        "--environment",
        "development",
    ]
    given = office.type("mira", *grant, "--days", "3", "--reason", "deploys", *key)
    assert given.returncode == DONE, said(given)
    words = ["workload", "discover", issuer.url, "--name", "ci", "--title", "Octo CI", "--kind", "github"]
    found = office.type("mira", *words)
    assert json.loads(found.stdout) == {**issuer.object(algorithms=["RS256"])}, said(found)
    pinned = json.loads(office.type("mira", *words, "--pin").stdout)
    assert [row["kid"] for row in pinned["keys"]] == ["one", "two"]
    other = office.type("mira", "workload", "discover", issuer.url + "/", "--name", "ci")
    assert (other.returncode, "letter by letter another name" in other.stderr) == (DENIED, True), said(other)
    changed(office, "trusted_issuer", json.loads(found.stdout))
    accounts = office.company["mira"].good("GET", "/api/v1/service-accounts/")["results"]
    robot = next(row["subject"] for row in accounts if row["username"] == "ci-robot")
    reach = {
        "procedures": ["greet"],
        "environments": ["development"],
        "verbs": ["run", "view", "read_output"],
        "seconds": 600,
    }
    changed(
        office,
        "workload_rule",
        {"name": "deploy", "issuer": "ci", "account": robot, "claims": CLAIMS, "action": "set", **reach},
    )

    nothing = office.type("job", "login", "--workload")
    assert (nothing.returncode, "id-token: write" in nothing.stderr) == (USAGE, True), said(nothing)
    github = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer.url}/request?api-version=2.0"}
    refused = office.type("job", "login", "--workload", **github, ACTIONS_ID_TOKEN_REQUEST_TOKEN="of another")
    assert (refused.returncode, "gave this job no token" in refused.stderr) == (DENIED, True), said(refused)
    github["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "of the job"
    entered = office.type("job", "login", "--workload", **github)
    assert entered.returncode == DONE, said(entered)
    assert "Signed in as a workload for 10 minutes: procedure:greet" in entered.stdout
    kept = office.folder / "config-job" / "session.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    asked = ["run", "greet", "--environment", "development", "--who", "Zoe", "--p-reason", "x", "--reason", "a push"]
    ran = office.type("job", *asked, "--secret", f"token=@{kept}", "--wait")
    assert ran.returncode == DONE, said(ran)
    elsewhere = office.type("job", "run", "greet", "--environment", "production", "--who", "Zoe", "--reason", "x")
    assert (elsewhere.returncode, "not for production" in elsewhere.stderr) == (DENIED, True), said(elsewhere)

    token = office.folder / "projected"
    token.write_text(issuer.token(GITHUB, aud=office.portal.url) + "\n")
    scope = ["--scope", "verb:view", "--rule", "deploy"]
    pod = office.type("pod", "login", "--workload", *scope, OPSPORTAL_WORKLOAD_TOKEN_FILE=str(token))
    assert (pod.returncode, "verb:run" in pod.stdout) == (DONE, False), said(pod)
    again = office.type("pod", "login", "--workload", "--token-file", str(token))
    assert (again.returncode, "exchanged already" in again.stderr) == (DENIED, True), said(again)
    listed = office.type("olga", "workload", "list")
    assert "becomes ci-robot for 600 s: run, view, read_output greet in development" in listed.stdout, said(listed)
    run = office.company["mira"].good("GET", "/api/v1/runs/")["results"][0]
    workload = office.company["mira"].good("GET", f"/api/v1/runs/{run['id']}/")["workload"]
    assert (workload["sub"], workload["rule"]) == (GITHUB["sub"], "deploy")
