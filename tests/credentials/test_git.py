"""Bindings of git credentials name one host outright, or nothing is lent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from procedures.credentials.git_key import GitKey
from procedures.credentials.git_token import GitToken, places
from procedures.definitions.risk import risk_floor
from procedures.domain.definition import CredentialNeed, Definition
from procedures.domain.ports import Binding, Provider
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdpdA=="
TOKEN_GOOD: Mapping[str, Any] = {"secret": "t", "host": "github.com"}
KEY_GOOD: Mapping[str, Any] = {"secret": "k", "host": "git.example.com:2222", "host_key": KEY}


def judged(provider: Provider, ceiling: Mapping[str, Any], *, role: str = "git", host: str = "") -> None:
    need = CredentialNeed("git", "git", {"host": host} if host else {}, 300)
    provider.validate(need, Binding("development", "git", "x", role, ceiling, 300, {}, "sha256:x"))


def fetch(environment: str, name: str) -> Secret:
    return Secret(b"value")


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": None},
        {"host": ""},
        {"host": "*"},
        {"host": "*.github.com"},
        {"host": "github.com/acme"},
        {"api": "http://api.github.com"},
        {"git": "https://user:pass@github.com"},
        {"git": "file:///srv"},
    ],
)
def test_a_token_is_for_one_host(changes: Mapping[str, Any]) -> None:
    judged(GitToken(fetch), TOKEN_GOOD, host="github.com")
    with pytest.raises(NotIssuable):
        judged(GitToken(fetch), {**TOKEN_GOOD, **changes})


@pytest.mark.parametrize("changes", [{"secret": 1}, {"host": "*"}, {"host_key": ""}, {"host_key": "any"}])
def test_a_key_is_for_one_host_whose_key_is_pinned(changes: Mapping[str, Any]) -> None:
    judged(GitKey(fetch), KEY_GOOD, host="git.example.com:2222")
    with pytest.raises(NotIssuable):
        judged(GitKey(fetch), {**KEY_GOOD, **changes})


def test_a_procedure_that_names_another_host_gets_nothing() -> None:
    for provider, ceiling in ((GitToken(fetch), TOKEN_GOOD), (GitKey(fetch), KEY_GOOD)):
        with pytest.raises(NotIssuable, match="asks for the host"):
            judged(provider, ceiling, host="evil.example")
    with pytest.raises(NotIssuable, match="account"):
        judged(GitKey(fetch), KEY_GOOD, role="-oProxyCommand=x")


def test_github_is_reached_where_it_is() -> None:
    assert places(TOKEN_GOOD) == {"git": "https://github.com", "api": "https://api.github.com"}
    own = places({"host": "ghe.example.com"})
    assert own == {"git": "https://ghe.example.com", "api": "https://ghe.example.com/api/v3"}


@pytest.mark.parametrize("provider", ["git-token", "git-key"])
def test_a_static_git_secret_in_production_is_high(provider: str) -> None:
    definition = Definition("n", "t", "", "o", "scaffolding", "low", ("production",), (), {})
    row = {"name": "git", "environment": "production", "reach": {}, "role": "git", "provider": provider}
    risk, why = risk_floor(definition, bindings=[row], production={"production"}, trust_key=False, actions={})
    assert risk == "high"
    assert any("static secret" in reason for reason in why)
