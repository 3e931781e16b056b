"""A person of the demo at their keyboard: signs in, calls the public API, signs statements with an own SSH key."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

PASSWORD = "practice makes perfect"  # noqa: S105 - of a portal that is thrown away


class Keyboard:
    """`name` is the username. `problem` is the last answer's problem type, `status` its HTTP status."""

    def __init__(self, url: str, name: str, folder: Path) -> None:
        self.url, self.name, self.folder = url, name, folder
        self.http = httpx.Client(base_url=url, timeout=30, headers={"Referer": url + "/"})
        self.subject = ""
        self.status = 0
        self.body: dict[str, Any] = {}

    @property
    def key(self) -> Path:
        return self.folder / self.name

    def make_key(self) -> str:
        """A fresh signing key; its public half."""
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(self.key)], check=True
        )
        return " ".join(self.key.with_suffix(".pub").read_text().split()[:2])

    def login(self) -> None:
        answer = self.call("POST", "/api/v1/session/", {"username": self.name, "password": PASSWORD})
        self.http.headers["X-CSRFToken"] = answer["csrf"]
        self.subject = answer["subject"]

    def step_up(self) -> None:
        """Prove by signature that the session is in its owner's hands: production asks for that."""
        statement = self.good("GET", "/api/v1/session/step-up/")["statement"]
        answer = self.good("POST", "/api/v1/session/step-up/", {"signature": self.sign(statement)})
        self.http.headers["X-CSRFToken"] = answer["csrf"]

    def call(self, method: str, path: str, data: Any = None, **more: Any) -> Any:
        """The answer's JSON; `status` and `body` are kept for the story."""
        answer = (
            self.http.request(method, path, json=data, **more)
            if data is not None
            else self.http.request(method, path, **more)
        )
        self.status = answer.status_code
        if "json" not in answer.headers.get("content-type", ""):
            return answer.content
        self.body = answer.json()
        return self.body

    def good(self, method: str, path: str, data: Any = None, **more: Any) -> Any:
        """Like `call`, for what must succeed."""
        found = self.call(method, path, data, **more)
        if self.status >= 400:
            raise RuntimeError(f"{self.name}: {method} {path}: {self.status} {json.dumps(found)[:800]}")
        return found

    def sign(self, statement: str) -> dict[str, str]:
        """A base64 statement signed with this person's key by ssh-keygen."""
        text = subprocess.run(
            ["ssh-keygen", "-Y", "sign", "-q", "-n", "opsportal-approval", "-f", str(self.key)],
            input=base64.b64decode(statement),
            capture_output=True,
            check=True,
        ).stdout.decode()
        return {"statement": statement, "signature": text}

    def propose(self, control: str, object: dict[str, Any]) -> dict[str, Any]:
        """A signed change of what decides authority."""
        asked = self.good("POST", "/api/v1/controls/statement/", {"control": control, "object": object})
        found: dict[str, Any] = self.good(
            "POST",
            "/api/v1/controls/",
            {"control": control, "object": object, "signature": self.sign(asked["statement"])},
        )
        return found

    def confirm(self, change: dict[str, Any]) -> dict[str, Any]:
        """Confirm what somebody else proposed, over the same statement."""
        if change["state"] == "confirmed":
            return change
        statement = self.good("GET", f"/api/v1/controls/{change['id']}/")["statement"]
        found: dict[str, Any] = self.good(
            "POST", f"/api/v1/controls/{change['id']}/confirm/", {"signature": self.sign(statement)}
        )
        return found

    def type(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """One command line of this person, signed in by a session of its own."""
        environ = {
            **os.environ,
            "OPSPORTAL_URL": self.url,
            "OPSPORTAL_CONFIG_DIR": str(self.folder / f"{self.name}-config"),
        }
        environ.pop("OPSPORTAL_TOKEN", None)
        argv = [sys.executable, "-m", "opsportal.cli.main", *words]
        return subprocess.run(argv, env=environ, input=stdin, capture_output=True, text=True, check=False)
