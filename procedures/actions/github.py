"""GitHub's REST API as publishing steps use it: a repository made, a pull request opened, and nothing else."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpcore

from procedures.actions import reach
from procedures.actions.git_remote import CredentialElsewhere
from procedures.domain.errors import OpsError
from procedures.domain.ports import ActionCall, Lease
from procedures.domain.repositories import Repository, base_problem, branch

MAX_ANSWER = 1024 * 1024
VERSION = "2022-11-28"


class HostRefused(OpsError):
    """The code host did not do what it was asked; the message holds its own words."""

    code = "publish.host-refused"
    next_step = "Read the host's words: the name may be taken, or the token may lack a right."


@dataclass(frozen=True, slots=True)
class GitHub:
    """One host's API with one credential. Every request goes to the base that the binding names, and to no other."""

    call: ActionCall
    lease: Lease
    stop: reach.Ending

    def make(self, where: Repository, wanted: Mapping[str, Any]) -> None:
        """A new, empty repository of an organisation or of the token's own user. Raises HostRefused."""
        owner = self.ask("GET", f"/users/{where.owner}")
        path = f"/orgs/{where.owner}/repos" if owner.get("type") == "Organization" else "/user/repos"
        self.ask("POST", path, {"name": where.name, **wanted})

    def default_branch(self, where: Repository) -> str:
        return branch(self.ask("GET", f"/repos/{where.owner}/{where.name}").get("default_branch", ""))

    def open_pull(self, where: Repository, wanted: Mapping[str, Any]) -> int:
        """The number of a new pull request. Raises HostRefused."""
        answer = self.ask("POST", f"/repos/{where.owner}/{where.name}/pulls", wanted)
        number = answer.get("number")
        if not isinstance(number, int):
            raise HostRefused("The host's answer holds no number of a pull request.")
        return number

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The JSON object of a 2xx answer. No redirect is followed. Raises HostRefused, AddressRefused."""
        base = str(self.lease.evidence["api"]).rstrip("/")
        if problem := base_problem(base):
            raise CredentialElsewhere(problem)
        return _answer(method, path, *reach.waited(self.stop, lambda: self._asked(method, base + path, body)))

    def _asked(self, method: str, url: str, body: Mapping[str, Any] | None) -> tuple[int, bytes]:
        headers: dict[bytes | str, bytes | str] = {
            "accept": "application/vnd.github+json",
            "authorization": f"Bearer {self.lease.material['token'].reveal().decode()}",
            "user-agent": "opsportal",
            "x-github-api-version": VERSION,
            "content-type": "application/json",
        }
        limits = dict.fromkeys(("connect", "read", "write", "pool"), min(30.0, max(self.call.seconds_left, 0.1)))
        content = b"" if body is None else json.dumps(body).encode()
        context, backend = ssl.create_default_context(), reach.Guarded(self.call.networks)
        with (
            httpcore.ConnectionPool(ssl_context=context, network_backend=backend, max_connections=1) as pool,
            pool.stream(method, url, headers=headers, content=content, extensions={"timeout": limits}) as got,
        ):
            data = b""
            for chunk in got.iter_stream():
                data += chunk
                if len(data) > MAX_ANSWER:
                    raise HostRefused("The host's answer is larger than 1 MB.")
            return got.status, data


def _answer(method: str, path: str, status: int, data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        found = {}
    answer: Mapping[str, Any] = found if isinstance(found, dict) else {}
    if not 200 <= status < 300:
        said = answer.get("message", "")
        errors = answer.get("errors") or []
        more = "; ".join(str(row.get("message", "")) for row in errors if isinstance(row, dict))
        raise HostRefused(f"{method} {path} answered {status}: {said} {more}".strip()[:500])
    return answer
