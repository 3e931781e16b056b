"""Asking for access on the command line: asked, seen, answered with less, refused, withdrawn; campaigns and spaces."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from procedures.domain.canonical import moment
from tests.cli.conftest import Office
from tests.factories.directories import provider


def test_max_asks_jonas_grants_less_and_it_is_told(office: Office, accepted: str) -> None:
    run = office.type("max", "run", "greet", "--environment", "development", "--who", "you", "--reason", "x")
    assert run.returncode == 3
    assert "opsportal access request greet --environment" in run.stderr
    words = ["access", "request", "greet", "--environment", "development", "--environment", "production"]
    asked = office.type("max", *words, "--days", "9", "--reason", "on call", "--json")
    assert asked.returncode == 0, asked.stderr
    row = json.loads(asked.stdout)
    assert {"mira", "jonas"} <= set(row["deciders"])
    again = office.type("max", *words, "--reason", "on call")
    assert (again.returncode, "not answered yet" in again.stderr) == (1, True)
    assert row["id"] in office.type("jonas", "access", "requests", "--state", "open").stdout
    alone = office.type("max", "access", "answer", row["id"])
    assert (alone.returncode, "cannot decide" in alone.stderr) == (1, True)
    less = ["access", "answer", row["id"], "--environment", "production", "--days", "2", "--key", office.key("jonas")]
    done = office.type("jonas", *less)
    assert done.returncode == 0, done.stderr
    told = office.type("max", "access", "requests", "--json")
    (found,) = [one for one in json.loads(told.stdout)["results"] if one["id"] == row["id"]]
    assert (found["state"], found["narrowed"]) == ("granted", ["environments", "days"])
    more = office.type("max", "access", "extend", found["grant"], "--days", "3", "--reason", "still on call", "--json")
    assert more.returncode == 0, more.stderr
    refused = office.type("mira", "access", "refuse", json.loads(more.stdout)["id"], "--reason", "Enough.")
    assert refused.stdout == "The request is refused.\n"
    assert "Enough." in office.type("max", "access", "requests").stdout
    other = office.type("max", "access", "request", "greet", "--environment", "staging", "--reason", "x", "--json")
    taken = office.type("max", "access", "withdraw", json.loads(other.stdout)["id"])
    assert taken.stdout == "The request is withdrawn.\n"


def test_a_campaign_is_opened_decided_and_read_on_the_command_line(office: Office, accepted: str) -> None:
    campaign, mira = ["access", "campaign"], ["--key", office.key("mira")]
    opened = office.type(
        "mira", *campaign, "open", "Autumn", "--person", "petra", "--reviewer", "jonas", "--json", *mira
    )
    assert opened.returncode == 0, opened.stderr
    row = json.loads(opened.stdout)
    assert row["id"] in office.type("jonas", *campaign, "list").stdout
    (one,) = json.loads(office.type("jonas", *campaign, "show", row["id"], "--json").stdout)["results"]
    words = ["--keep", one["grant"]["id"], "--reason", "approves every day", "--key", office.key("jonas")]
    done = office.type("jonas", *campaign, "decide", row["id"], *words)
    assert (done.returncode, done.stdout) == (0, "Kept: 1.\n"), done.stderr
    told = office.type("mira", *campaign, "show", row["id"], "--csv").stdout
    assert '"keep","jonas"' in told


def test_a_space_is_set_and_its_lead_told_the_limits_on_the_command_line(
    office: Office, accepted: str, tmp_path: Path
) -> None:
    petra, space, wish = office.company["petra"], tmp_path / "space.json", tmp_path / "grant.json"
    limits = {"environments": ["development"], "verbs": ["view", "run"], "days": 9, "risk": "low"}
    said = {"name": "greeters", "title": "Greeters", "leads": [f"person:{petra.subject}"], "procedures": ["greet"]}
    space.write_text(json.dumps({**said, **limits, "action": "set"}))
    done = office.type("mira", "control", "propose", "space", str(space), "--key", office.key("mira"))
    assert (done.returncode, done.stdout) == (0, "space is confirmed\n"), done.stderr
    told = office.type("petra", "access", "spaces").stdout
    assert "greeters  Greeters, led by " in told
    assert "gives view, run for 9 days at most, low risk at most" in told
    assert office.type("max", "access", "spaces").returncode == 3
    at = datetime.now(UTC)
    dates = {"not_before": moment(at), "expires_at": moment(at + timedelta(days=30))}
    grant = {"principal": f"person:{office.company['max'].subject}", "procedure": "greet", "reason": "to help"}
    wish.write_text(json.dumps({**grant, **dates, "verbs": ["run"], "environments": ["development"]}))
    refused = office.type("petra", "control", "propose", "grant", str(wish))
    assert refused.returncode == 1
    assert "is longer than the 9 days of the space greeters" in refused.stderr


def test_a_directory_is_let_in_and_gets_its_token_on_the_command_line(office: Office, tmp_path: Path) -> None:
    (tmp_path / "corp.json").write_text(json.dumps(provider()))
    words = ["control", "propose", "identity_provider", str(tmp_path / "corp.json"), "--json"]
    proposed = office.type("mira", *words, "--key", office.key("mira"))
    change = json.loads(proposed.stdout[proposed.stdout.index("{") :])
    if change["state"] == "proposed":
        done = office.type("jonas", "control", "confirm", change["id"], "--key", office.key("jonas"))
        assert done.returncode == 0, done.stderr
    refused = office.type("petra", "directory", "token", "corp")
    assert refused.returncode == 3, refused.stderr
    made = office.type("mira", "directory", "token", "corp", "--name", "Okta", "--days", "9", "--json")
    assert made.returncode == 0, made.stderr
    row = json.loads(made.stdout)
    answer = httpx.get(
        f"{office.portal.url}/scim/v2/Users", headers={"Authorization": f"Bearer {row['token']}"}, timeout=60
    )
    assert (answer.status_code, answer.json()["totalResults"]) == (200, 0)
    told = office.type("jonas", "directory", "list").stdout
    assert "0 people, 0 groups" in told
    assert row["id"] in told
    assert row["token"] not in told
    assert office.type("jonas", "token", "revoke", row["id"]).returncode == 0
    assert row["id"] not in office.type("jonas", "directory", "list").stdout
