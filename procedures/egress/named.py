"""Where the way out leads: the addresses that signed changes name now, read from the log and from no table (H30)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.domain.controls import Authority
from procedures.domain.providers import encrypted
from procedures.issuer.replay import replay


@dataclass(frozen=True, slots=True)
class Named:
    """`asks` are (method, address), letter by letter; `directories` are providers by name, as they were signed."""

    asks: frozenset[tuple[str, str]] = frozenset()
    directories: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def named_now() -> Named:
    """What stands at this moment: whoever writes rows, or events without the signatures, adds nothing."""
    return named(replay())


def named(authority: Authority) -> Named:
    """Tokens are posted for, keys and facts about a person are got; a directory is bound at."""
    asks, directories = set[tuple[str, str]](), {}
    for name, provider in authority.providers.items():
        settings = provider["settings"]
        if not provider.get("stands"):
            continue
        if provider["protocol"] == "ldap":
            directories[name] = provider
        elif provider["protocol"] == "oidc":
            asks |= {("post", settings["token_endpoint"]), ("get", settings["jwks_uri"])}
            asks |= {("get", settings[key]) for key in ("userinfo_endpoint",) if key in settings}
    for (control, _), row in authority.workloads.items():
        if control == "trusted_issuer" and row.get("stands") and "jwks_uri" in row:
            asks.add(("get", row["jwks_uri"]))
    return Named(frozenset((method, url) for method, url in asks if encrypted(url)), directories)
