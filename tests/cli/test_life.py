"""What happens after a review, as people type it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Office

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]
DONE, FAILED, USAGE, DENIED = range(4)


def sent(office: Office, name: str) -> str:
    done = office.type("adam", "submit", str(office.bundle(name)))
    assert done.returncode == DONE, done.stderr
    return f"{name}@{done.stdout.split()[-1]}"


def accepted(office: Office, name: str) -> str:
    version = sent(office, name)
    for who, duty in (("olga", "operations"), ("sven", "security")):
        done = office.type(who, "review", version, "--accept", "--duty", duty, "--yes", "--key", office.key(who))
        assert done.returncode == DONE, done.stderr + done.stdout
    return version


def test_a_version_is_withdrawn_by_who_sent_it(office: Office) -> None:
    version = sent(office, "taken-back")
    done = office.type("adam", "withdraw", version)
    assert (done.returncode, "is withdrawn" in done.stdout) == (DONE, True), done.stderr
    version = sent(office, "taken-back")
    answer = json.loads(office.type("adam", "withdraw", version, "--json").stdout)
    assert (answer["procedure"], answer["state"]) == ("taken-back", "withdrawn")
    again = office.type("adam", "withdraw", version)
    assert (again.returncode, "withdrawn cannot become withdrawn" in again.stderr) == (FAILED, True), again.stderr


def test_revoking_says_why_and_is_refused_to_requesters(office: Office) -> None:
    version = accepted(office, "leaky")
    assert office.type("olga", "revoke", version).returncode == USAGE
    refused = office.type("quinn", "revoke", version, "--reason", "I wish")
    assert refused.returncode in {FAILED, DENIED}, refused.stdout
    done = office.type("olga", "revoke", version, "--reason", "a hole", "--cancel-running")
    assert (done.returncode, "is revoked" in done.stdout) == (DONE, True), done.stderr
    run = office.type("quinn", "run", "leaky", "--environment", "development", "--reason", "x")
    assert run.returncode != DONE


def test_a_fresh_acceptance_is_not_due_and_cannot_be_renewed(office: Office) -> None:
    version = accepted(office, "long-lived")
    done = office.type("adam", "renew", version)
    assert (done.returncode, "is accepted until" in done.stderr) == (FAILED, True), done.stderr
    assert json.loads(office.type("olga", "due", "--json").stdout)["results"] == []
    assert "Nothing is due" in office.type("olga", "due").stdout


def test_a_retired_procedure_takes_nothing_and_says_what_took_its_place(office: Office) -> None:
    accepted(office, "old-way")
    done = office.type("olga", "retire", "old-way", "--reason", "use new-way", "--json")
    assert (done.returncode, json.loads(done.stdout)["procedure"]) == (DONE, "old-way"), done.stderr
    refused = office.type("adam", "submit", str(office.bundle("old-way", README__md="# once more\n")))
    assert (refused.returncode, "use new-way" in refused.stderr) == (FAILED, True), refused.stderr
    assert "old-way" not in office.type("adam", "procedures").stdout


def test_a_policy_is_proposed_from_the_command_line_by_who_manages_access(office: Office, tmp_path: Path) -> None:
    asked = office.type("adam", "policy", "set", "ownership", "on")
    assert asked.returncode != DONE, "an author does not manage access"
    unknown = office.type("mira", "policy", "set", "nothing", "on", "--key", office.key("mira"))
    assert (unknown.returncode, "there are" in unknown.stderr) == (FAILED, True)
    settings = tmp_path / "settings.json"
    settings.write_text('{"description": 1000}')
    done = office.type(
        "mira", "policy", "set", "ownership", "on", "--settings", str(settings), "--key", office.key("mira")
    )
    assert (done.returncode, "policy is proposed; another person confirms it" in done.stdout) == (DONE, True), (
        done.stderr
    )


def test_notices_are_listed_and_marked_as_read(office: Office) -> None:
    sent(office, "to-be-read")
    rows = json.loads(office.type("olga", "notices", "list", "--unread", "--json").stdout)["results"]
    assert {"review.waits", "key.enrolled"} & {row["kind"] for row in rows}
    foreign = office.type("quinn", "notices", "read", rows[0]["id"])
    assert (foreign.returncode, "no such notice" in foreign.stderr) == (FAILED, True), foreign.stderr
    assert office.type("olga", "notices", "read").returncode == USAGE
    assert json.loads(office.type("olga", "notices", "read", rows[0]["id"], "--json").stdout) == {"read": 1}
    assert json.loads(office.type("olga", "notices", "read", rows[0]["id"], "--json").stdout) == {"read": 0}
    done = office.type("olga", "notices", "read", "--all")
    assert (done.returncode, f"{len(rows) - 1} marked" in done.stdout) == (DONE, True), done.stderr
    assert "told nothing" in office.type("olga", "notices", "list", "--unread").stdout
    assert "read" in office.type("olga", "notices", "list").stdout


def test_a_deputy_is_named_and_what_waits_is_passed_on(office: Office) -> None:
    version = sent(office, "handed-on")
    pk = next(row["id"] for row in office.company["olga"].http.get("/api/v1/versions/").json()["results"])
    named = office.type(
        "olga", "deputy", "name", "sven", "--until", f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%d}", "--json"
    )
    assert named.returncode == DONE, named.stderr
    row = json.loads(named.stdout)
    assert (row["person"], row["deputy"], row["verbs"]) == ("olga", "sven", ["review"])
    assert "also for" not in office.type("sven", "inbox").stdout
    assert "sven has not agreed yet" in office.type("sven", "deputy", "list").stdout
    assert office.type("olga", "deputy", "agree", row["id"]).returncode == DENIED
    agreed = office.type("sven", "deputy", "agree", row["id"])
    assert (agreed.returncode, "not agreed" in agreed.stdout) == (DONE, False), agreed.stderr
    waits = office.type("sven", "inbox").stdout
    assert ("of handed-on, asked for by" in waits, "also for" in waits) == (True, True), waits
    asked = office.type("olga", "pass-on", "version", pk, "sven", "--reason", "you know it")
    assert (asked.returncode, "sven is told" in asked.stdout) == (DONE, True), asked.stderr
    assert "asks you: you know it" in office.type("sven", "inbox").stdout
    assert office.type("quinn", "pass-on", "version", pk, "sven", "--reason", "mine").returncode == FAILED
    assert office.type("quinn", "deputy", "end", row["id"]).returncode == FAILED
    assert "over" in office.type("sven", "deputy", "end", row["id"]).stdout
    assert json.loads(office.type("olga", "deputy", "list", "--json").stdout)["results"][0]["over"]
    assert office.type("adam", "withdraw", version).returncode == DONE
