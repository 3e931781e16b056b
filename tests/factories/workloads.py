"""Trusted issuers and rules of workloads, for tests that are about something else."""

from __future__ import annotations

from typing import Any


def wanted(account: str) -> dict[str, dict[str, Any]]:
    """An issuer of somebody's own, and a rule that makes its tokens this account."""
    issuer = {
        "name": "evil",
        "title": "Evil",
        "kind": "other",
        "issuer": "https://evil.example.com",
        "algorithms": ["RS256"],
        "jwks_uri": "https://evil.example.com/k",
        "action": "set",
    }
    rule = {
        "name": "evil",
        "issuer": "evil",
        "account": account,
        "claims": {"sub": "mine"},
        "procedures": ["hello"],
        "environments": ["production"],
        "verbs": ["run"],
        "seconds": 900,
        "action": "set",
    }
    return {"trusted_issuer": issuer, "workload_rule": rule}
