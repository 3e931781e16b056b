"""A browser without a window: our pages through Django's client, the identity provider's over real HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import httpx
from django.test import Client

from procedures.models import Person

PORTAL = "http://localhost:8000"


@dataclass
class Browser:
    """One browser: a session with us, and one with whatever provider it meets."""

    ours: Client = field(default_factory=lambda: Client(HTTP_HOST="localhost:8000"))
    theirs: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20))

    def away(self, provider: str, **query: str) -> str:
        """Begin here; the address at the provider to which we send."""
        answer = self.ours.get(f"/login/with/{provider}/", query)
        assert answer.status_code == 302, answer.content.decode()
        return str(answer["Location"])

    def prove(self, url: str, login: str) -> str:
        """Go through the OpenID provider's own pages as `login`; the address of ours to which it sends back."""
        answer = self.theirs.get(url)
        while True:
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["Location"])
                if target.startswith(PORTAL):
                    return target.removeprefix(PORTAL)
                answer = self.theirs.get(target)
                continue
            form = re.search(r'action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert form, answer.text[:2000]
            assert prompt, answer.text[:2000]
            data = {"prompt": prompt[1], "login": login, "password": "any"}
            answer = self.theirs.post(urljoin(str(answer.url), form[1]), data=data)

    def sign_in(self, provider: str, login: str, **query: str) -> Any:
        """The whole way; our last answer."""
        return self.ours.get(self.prove(self.away(provider, **query), login))

    def me(self) -> Person | None:
        """Whoever is signed in with us."""
        found = self.ours.session.get("_auth_user_id")
        return Person.objects.get(pk=found) if found else None
