"""A whole portal, its people, and the command line as each of them would type it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from opsportal.demo.client import PASSWORD
from opsportal.demo.company import Company
from opsportal.supervisor.portal import Portal

RIGHTS = {
    "adam": ["author", "view", "review"],
    "olga": ["review", "view"],
    "sven": ["review", "view"],
    "quinn": ["run", "view", "approve", "cancel", "read_output"],
    "petra": ["approve", "view"],
    "ines": ["audit", "view"],
}
YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: greet, title: Greet, description: Says hello a number of times.}
spec:
  owner: group:default/x
  type: diagnostic
  risk: moderate
  environments: [development, production]
  timeout: 1m
  parameters:
    required: [who]
    properties:
      who: {type: string, title: Who, description: Whom to greet., maxLength: 20}
      times: {type: integer, title: Times, description: How often., minimum: 1, maximum: 600, default: 1}
      loud: {type: boolean, title: Loud, description: In capitals., default: false}
      reason: {type: string, title: Why, description: A name that collides., default: ""}
      words: {type: array, items: {type: string}, title: Words, description: More words., default: []}
  secrets: {schema: {properties: {token: {type: string, title: Token}}}}
  steps:
    - id: say
      action: local:script
      timeout: 50s
      input: {script: say.sh, env: {TOKEN: "${{ secrets.token }}"}}
"""
SAY = """\
i=0
while [ $i -lt "$PARAM_TIMES" ]; do echo "hello $PARAM_WHO loud=$PARAM_LOUD words=$PARAM_WORDS"; i=$((i + 1)); done
echo "token is $TOKEN"
[ "$PARAM_WHO" = nobody ] && exit 3
[ "$PARAM_TIMES" -gt 100 ] && sleep 40
exit 0
"""


@dataclass(slots=True)
class Office:
    """`type(who, …)` is one command line; `company` has the same people at the API."""

    portal: Portal
    company: Company
    folder: Path

    def type(
        self, who: str, *words: str, stdin: str = "", url: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        config = self.folder / f"config-{who}"
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "OPSPORTAL_URL": url or self.portal.url,
            "OPSPORTAL_CONFIG_DIR": str(config),
            **more,
        }
        argv = [sys.executable, "-m", "opsportal.cli.main", *words]
        return subprocess.run(argv, env=environ, input=stdin, capture_output=True, text=True, timeout=90, check=False)

    def sign_in(self, who: str) -> None:
        """A session of its own, which proved nothing yet beyond a password."""
        done = self.type(who, "login", "--username", who, "--password-stdin", stdin=PASSWORD + "\n")
        assert done.returncode == 0, done.stderr

    def key(self, who: str) -> str:
        return str(self.company[who].key)

    def bundle(self, name: str = "greet", **changes: str) -> Path:
        folder = self.folder / "bundles" / name
        folder.mkdir(parents=True, exist_ok=True)
        files = {
            "procedure.yaml": YAML.replace("name: greet,", f"name: {name},"),
            "say.sh": SAY,
            "README.md": "# Greet\n",
        }
        for path, text in {**files, **{key.replace("__", "."): value for key, value in changes.items()}}.items():
            (folder / path).write_text(text)
        return folder


@pytest.fixture(scope="package")
def office() -> Iterator[Office]:
    with tempfile.TemporaryDirectory(prefix="opsportal-office-", dir="/var/tmp") as name:
        folder = Path(name)
        with Portal(folder / "portal") as portal:
            (folder / "people").mkdir(mode=0o700)
            company = Company(portal.url, folder / "people")
            assert portal.first_link is not None
            company.found(portal.first_link)
            company.invite_everybody()
            company.grant("jonas", ["manage_access", "operate", "view"], [])
            company.give_duties()
            for who, verbs in RIGHTS.items():
                company.grant(who, verbs, [])
            office = Office(portal, company, folder)
            for who in ("mira", "jonas", "max", *RIGHTS):
                office.sign_in(who)
            yield office


@pytest.fixture(scope="package")
def accepted(office: Office) -> str:
    """`greet`, submitted by Adam and accepted by Olga on the command line; its digest."""
    sent = office.type("adam", "submit", str(office.bundle()), "--note", "for the tests")
    assert sent.returncode == 0, sent.stderr
    digest = sent.stdout.split()[-1]
    for who, duty in (("olga", "operations"), ("sven", "security")):
        words = ["review", f"greet@{digest}", "--accept", "--duty", duty, "--yes", "--key", office.key(who)]
        done = office.type(who, *words)
        assert done.returncode == 0, done.stderr + done.stdout
    return digest
