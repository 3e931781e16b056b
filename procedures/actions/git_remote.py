"""What publishing steps share: the commit out of the run's workspace, and the one host that a credential is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from procedures.actions import reach, workspace
from procedures.actions.reach import Ending
from procedures.domain import expressions
from procedures.domain.canonical import sha256_hex
from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.domain.expressions import Unresolved
from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult, Lease
from procedures.domain.repositories import base_problem
from procedures.domain.secrets import Secret
from procedures.git import push
from procedures.git.push import Remote, Words

LINE: Mapping[str, Any] = {"type": "string", "maxLength": 300}
COMMIT: Mapping[str, Any] = {
    "sourcePath": {"type": "string", "maxLength": 1000},
    "gitCommitMessage": {"type": "string", "maxLength": 5000},
    "gitAuthorName": LINE,
    "gitAuthorEmail": LINE,
}
SSH = re.compile(r"^ssh://([a-z_][a-z0-9_.-]{0,31})@([A-Za-z0-9.-]+)(?::([0-9]{1,5}))?(/[A-Za-z0-9._/~-]+)$")
MAIL = re.compile(r"[^\s<>@\x00-\x1f\x7f]+@[^\s<>@\x00-\x1f\x7f]+")
NAME = re.compile(r"[^<>\x00-\x1f\x7f]+")
DEFAULT_MAIL = "run@opsportal.invalid"


class AuthorRefused(OpsError):
    """A commit cannot be by somebody of this name or address."""

    code = "publish.author-refused"
    next_step = "Give a plain name and an address, or leave both out."


class CredentialElsewhere(OpsError):
    """A step would carry a credential to another host than the one it is for."""

    code = "publish.credential-elsewhere"
    next_step = "Name the host that the environment binds the credential to, or ask an operator to bind this one."


class Publishing(Action):
    """A step that sends the workspace somewhere. What it writes to is known when the plan is made (rule 19)."""

    shares_files: ClassVar[bool] = True
    floor: ClassVar[Any] = "moderate"
    credential_kinds: ClassVar[frozenset[str]] = frozenset({"git"})
    fixed: ClassVar[tuple[str, ...]] = ()

    def check(self, input: Mapping[str, Any], files: Mapping[str, bytes]) -> list[tuple[str, str]]:
        problems = [
            (f"/{name}", "Where a step publishes to may not be decided at run time.")
            for name in self.fixed
            if any(path[0] in {"steps", "secrets"} for path in expressions.names_used(input.get(name, "")))
        ]
        for name in ("sourcePath", "targetPath"):
            text = str(input.get(name, "."))
            try:
                _ = expressions.has_expression(text) or workspace.clean(text)
            except OpsError as problem:
                problems.append((f"/{name}", problem.message))
        return problems

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        return reach.in_time(call, io, lambda stop: self.published(call, io, stop))

    def published(self, call: ActionCall, io: ActionIO, stop: Ending) -> ActionResult:
        raise OpsError("An action without an effect.")


def lent(call: ActionCall, host: str) -> Lease:
    """The credential of a step, which must be for this host. Raises CredentialElsewhere (H39)."""
    if call.lease is None or call.lease.evidence.get("host") != host:
        bound = "none" if call.lease is None else call.lease.evidence.get("host")
        raise CredentialElsewhere(f"The step goes to {host}; its credential is for {bound}.")
    return call.lease


def remote(call: ActionCall, io: ActionIO, lease: Lease, path: str, stop: Ending) -> Remote:
    """The repository at `path` of the credential's host, its address judged. Raises AddressRefused, OSError."""
    told = lease.evidence
    if "private_key" in lease.material:
        host, _, text = str(told["host"]).partition(":")
        port = int(text or 22)
        return Remote(
            url=f"ssh://{told['user']}@{host}:{port}{path}",
            host=host,
            port=port,
            address=reach.waited(stop, lambda: reach.judged(host, port, call.networks)),
            key=lease.material["private_key"].reveal(),
            known=f"{host} {told['host_key']}",
            stop=stop,
            seconds=call.seconds_left,
        )
    base = str(told["git"])
    if problem := base_problem(base):
        raise CredentialElsewhere(problem)
    parts = urlsplit(base)
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    found = Remote(
        url=base.rstrip("/") + path,
        host=host,
        port=port,
        address=reach.waited(stop, lambda: reach.judged(host, port, call.networks)),
        user=str(told["user"]),
        token=lease.material["token"].reveal(),
        stop=stop,
        seconds=call.seconds_left,
    )
    io.register_secret(Secret(found.authorisation))
    return found


@dataclass(frozen=True, slots=True)
class Made:
    """A commit, and the bare repository that holds it."""

    folder: Path
    commit: str
    files: int


def repository_folder(call: ActionCall, contents: str) -> Path:
    """Where what was published under an address is kept until the run ends."""
    return call.shared().published / sha256_hex(contents.rstrip("/").encode())[:32]


def committed(call: ActionCall, folder: Path, message: str, *, base: str = "") -> Made:
    """The workspace, or the part that `sourcePath` names, as one commit below `targetPath`. Raises what git says."""
    root = workspace.inside(call.shared().files, str(call.input.get("sourcePath") or "."))
    into = workspace.clean(str(call.input.get("targetPath") or "."))
    files = {f"{into}/{path}".lstrip("/"): place.read_bytes() for path, place in workspace.listed(root)}
    if not files:
        raise workspace.PathRefused("There is nothing to publish: the workspace is empty there.")
    name, mail = _author(call.input)
    words = Words(message=message, name=name, mail=mail, at=int(now().timestamp()))
    return Made(folder, push.commit(folder, files, words, base=base), len(files))


def _author(given: Mapping[str, Any]) -> tuple[str, str]:
    """Name and mail of who a commit is by. Raises AuthorRefused rather than letting git leave something out."""
    name, mail = str(given.get("gitAuthorName") or "OpsPortal"), str(given.get("gitAuthorEmail") or DEFAULT_MAIL)
    if not NAME.fullmatch(name) or name != name.strip():
        raise AuthorRefused("gitAuthorName holds the end of a line, another control, < or >, or outer blanks.")
    if not MAIL.fullmatch(mail):
        raise AuthorRefused("gitAuthorEmail is no address such as name@example.com.")
    return name, mail


def what(call: ActionCall) -> Mapping[str, Any]:
    """What a plan says of the commit. Raises AuthorRefused."""
    given = call.input
    if not any(isinstance(given.get(key), Unresolved) for key in ("gitAuthorName", "gitAuthorEmail")):
        _author(given)
    return {
        "from": given.get("sourcePath") or ".",
        "message": _plain(given.get("gitCommitMessage") or given.get("commitMessage") or "initial commit"),
        "author": _plain(given.get("gitAuthorName") or "OpsPortal"),
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, Unresolved) else str(value)
