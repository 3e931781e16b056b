"""Deciding on the command line with a code of an app: asked for, never an argument, and nothing beside a token."""

from __future__ import annotations

import base64
import re
import time

import pytest

from opsportal.demo.client import PASSWORD
from procedures.domain import totp
from procedures.domain.secrets import Secret
from tests.cli.conftest import YAML, Office
from tests.cli.test_commands import DENIED, DONE, USAGE, said

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]


def code_app(office: Office, who: str) -> Secret:
    """A code app set up on the settings page, as a person does it; its code of a step ago is used up."""
    http = office.company[who].http
    shown = http.post("/settings/code-app/", data={"do": "begin", "password": PASSWORD}).text
    found = re.search("secret=([A-Z2-7]{32})", shown)
    assert found, shown
    secret = Secret(base64.b32decode(found[1]))
    assert http.post("/settings/code-app/", data={"do": "enrol", "code": code_of(secret, -1)}).status_code == 302
    return secret


def code_of(secret: Secret, ahead: int = 0) -> str:
    return totp.code_at(secret, int(time.time()) // totp.STEP_S + ahead)


def test_a_code_is_asked_for_and_decides_where_it_is_enough(office: Office, accepted: str) -> None:
    yaml = YAML.replace("name: greet,", "name: chime,").replace("[development, production]", "[development]")
    sent = office.type("adam", "submit", str(office.bundle("chime", procedure__yaml=yaml)), "--note", "x")
    secret, digest = code_app(office, "olga"), sent.stdout.split()[-1]
    words = ["review", f"chime@{digest}", "--accept", "--duty", "operations", "--yes", "--totp"]
    assert office.type("olga", *words, "--key", office.key("olga")).returncode == USAGE
    wrong = office.type("olga", *words, stdin="12345\n")
    assert (wrong.returncode, "not the code of now" in wrong.stderr) == (DENIED, True), said(wrong)
    token = office.company["olga"].good("POST", "/api/v1/tokens/", {"name": "t", "days": 1})["token"]
    beside = office.type("olga", *words, stdin=code_of(secret) + "\n", OPSPORTAL_TOKEN=token)
    assert (beside.returncode, "bearer token alone" in beside.stderr) == (DENIED, True), said(beside)
    done = office.type("olga", *words, stdin=code_of(secret) + "\n")
    assert done.returncode == DONE, said(done)
    rows = office.company["olga"].good("GET", "/api/v1/versions/?procedure=chime")["results"]
    version = office.company["olga"].good("GET", f"/api/v1/versions/{rows[0]['id']}/")
    assert [review["strength"] for review in version["reviews"]] == ["totp"]
