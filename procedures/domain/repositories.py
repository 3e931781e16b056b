"""Repositories of code hosts as Backstage names them, and the addresses at which a host may be reached."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from procedures.domain.errors import OpsError
from procedures.domain.expression_filters import parse_repo_url

HOST = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?$")
NAME = re.compile(r"^[A-Za-z0-9_.-]{1,100}$")
BRANCH = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$")


class RepositoryRefused(OpsError):
    """A text that names no repository, branch or address that a step may publish to."""

    code = "publish.repository-refused"
    next_step = "Write host?owner=OWNER&repo=NAME, with plain names, as Backstage's RepoUrlPicker does."


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of a host that has owners, such as GitHub."""

    host: str
    owner: str
    name: str

    @property
    def page(self) -> str:
        return f"https://{self.host}/{self.owner}/{self.name}"


def repository(text: Any) -> Repository:
    """The repository that a `repoUrl` names. Raises RepositoryRefused."""
    try:
        parts: Mapping[str, str] = parse_repo_url(text)
    except (TypeError, ValueError) as problem:
        raise RepositoryRefused(f"{str(text)[:200]!r} names no repository.") from problem
    found = Repository(parts["host"], parts.get("owner", ""), parts["repo"])
    if not HOST.fullmatch(found.host) or not all(_is_name(name) for name in (found.owner, found.name)):
        raise RepositoryRefused(f"{str(text)[:200]!r} names no repository.")
    return found


def _is_name(text: str) -> bool:
    return bool(NAME.fullmatch(text)) and not text.startswith(("-", ".")) and not text.endswith((".git", "."))


def branch(text: Any) -> str:
    """A branch's name. Raises RepositoryRefused."""
    name = str(text)
    if not BRANCH.fullmatch(name) or ".." in name or "//" in name or name.endswith((".lock", "/", ".")):
        raise RepositoryRefused(f"{name[:200]!r} is no name of a branch.")
    return name


def base_problem(url: str) -> str:
    """Why an address is not one at which a host may be reached with a credential, or an empty string."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"{url[:200]!r} is no address."
    if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname or port == 0:
        return "an address holds a host and a path alone."
    if parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname)):
        return ""
    return "an address begins with https://; http:// is for this machine alone."


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
