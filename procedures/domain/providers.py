"""Identity providers: what people sign about one, what one says about a person, and what its word weighs in a replay.

Every address that the portal talks to stands in the signed object; nothing is discovered while somebody signs in (H30).
"""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from procedures.domain.errors import NotAllowed, OpsError

PROTOCOLS = ("oidc", "saml", "ldap")
LOCAL = ("on", "break-glass", "off")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LONG = {"type": "string", "minLength": 1, "maxLength": 500}
NAMED = {"type": "string", "minLength": 1, "maxLength": 200}


class SignInRefused(NotAllowed):
    """What came back from an identity provider does not prove who this is, or the portal does not know them."""

    code = "signin.refused"
    next_step = "Try again from the page to sign in; if it stays so, ask an access manager of this portal."


class ProviderUnreachable(OpsError):
    """The identity provider does not answer, or not with what its protocol says."""

    code = "signin.provider-unreachable"
    next_step = "Try again in a minute; if it stays so, ask whoever runs the identity provider."


class EgressRefused(ProviderUnreachable):
    """The way out is closed to this address, or to its answer: no signed change names it, or it leads elsewhere."""

    code = "egress.refused"
    next_step = "Compare it with what was signed; what was asked for, and why it was refused, is in the evidence."


class EgressAway(ProviderUnreachable):
    """The one process that asks others for the web process does not answer."""

    code = "egress.away"
    next_step = "Tell whoever operates the portal: `opsportal egress` has to run, and web has to reach it."


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider proved about one person. `subject` is the provider's own lasting name; mail decides nothing."""

    subject: str
    username: str = ""
    name: str = ""
    email: str = ""
    groups: tuple[str, ...] = ()


def _settings(required: Mapping[str, Any], optional: Mapping[str, Any]) -> dict[str, Any]:
    properties = {**required, **optional}
    return {"type": "object", "required": sorted(required), "additionalProperties": False, "properties": properties}


SETTINGS: Mapping[str, dict[str, Any]] = {
    "oidc": _settings(
        {"issuer": LONG, "client_id": LONG, "authorization_endpoint": LONG, "token_endpoint": LONG, "jwks_uri": LONG},
        {
            "userinfo_endpoint": LONG,
            "scopes": {"type": "array", "items": NAMED, "uniqueItems": True, "maxItems": 20},
            "algorithms": {
                "type": "array",
                "items": {"enum": ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]},
                "minItems": 1,
                "uniqueItems": True,
            },
            "client_auth": {"enum": ["basic", "post"]},
        },
    ),
    "saml": _settings(
        {
            "entity_id": LONG,
            "sso_url": LONG,
            "certificates": {
                "type": "array",
                "items": {"type": "string", "pattern": "^[A-Za-z0-9+/=]+$", "maxLength": 8000},
                "minItems": 1,
                "maxItems": 4,
            },
        },
        {"subject": NAMED},
    ),
    "ldap": _settings(
        {"url": LONG, "subject": NAMED},
        {
            "start_tls": {"type": "boolean"},
            "ca": {"type": "string", "maxLength": 40_000},
            "person_dn": {**LONG, "pattern": r"\{username\}"},
            "bind_dn": LONG,
            "base": LONG,
            "attribute": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9-]{0,60}$"},
            "group_base": LONG,
        },
    ),
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "title", "protocol", "settings", "groups", "authority", "provision", "action"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"},
        "title": NAMED,
        "protocol": {"enum": list(PROTOCOLS)},
        "settings": {"type": "object"},
        "attributes": _settings({}, dict.fromkeys(("username", "name", "email", "groups"), NAMED)),
        "groups": {
            "type": "object",
            "maxProperties": 500,
            "propertyNames": {"minLength": 1, "maxLength": 500},
            "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 150},
        },
        "authority": {"type": "boolean"},
        "provision": {"type": "boolean"},
        "directory": {"type": "boolean"},
        "action": {"enum": ["set", "end"]},
    },
    "allOf": [
        {
            "if": {"required": ["protocol"], "properties": {"protocol": {"const": name}}},
            "then": {"properties": {"settings": settings}},
        }
        for name, settings in SETTINGS.items()
    ],
}
ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "oidc": {"username": "preferred_username", "name": "name", "email": "email", "groups": "groups"},
    "saml": {"username": "username", "name": "name", "email": "email", "groups": "groups"},
    "ldap": {"username": "uid", "name": "cn", "email": "mail", "groups": "memberOf"},
}


def attributes(provider: Mapping[str, Any]) -> dict[str, str]:
    """Where this provider says username, name, mail and groups."""
    return {**ATTRIBUTES[provider["protocol"]], **provider.get("attributes", {})}


def portal_groups(provider: Mapping[str, Any], said: Said) -> set[str]:
    """The portal's groups that the signed map makes of what the provider said; what it does not map is nothing."""
    return kept_groups(provider, said.groups)


def is_directory(provider: Mapping[str, Any]) -> bool:
    """Whether signed changes let this provider push people and groups over SCIM."""
    return provider["action"] == "set" and bool(provider.get("directory", False))


def kept_groups(provider: Mapping[str, Any], names: Iterable[str]) -> set[str]:
    """The portal's groups that the signed map makes of a directory's own, by their names or external ids."""
    return {provider["groups"][name] for name in names if name in provider["groups"]}


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the shape cannot say: each address encrypted unless on this machine, certificates that are some."""
    settings, protocol = object["settings"], object["protocol"]
    if protocol == "ldap":
        return _ldap_problems(settings)
    found = [
        (f"/object/settings/{name}", "is not an https address (http is for this machine alone)")
        for name, value in settings.items()
        if name.endswith(("_endpoint", "_uri", "_url")) or (name == "issuer" and protocol == "oidc")
        if not encrypted(str(value))
    ]
    for index, text in enumerate(settings.get("certificates", [])):
        try:
            ssl.DER_cert_to_PEM_cert(base64.b64decode(text, validate=True))
        except (ValueError, binascii.Error):
            found.append((f"/object/settings/certificates/{index}", "is not a certificate in base64"))
    return found


def encrypted(url: str) -> bool:
    """Whether an address is https, or http to this machine, without credentials or a fragment."""
    parts = urlsplit(url)
    if parts.username or parts.password or parts.fragment or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _ldap_problems(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    parts, found = urlsplit(settings["url"]), []
    sealed = parts.scheme == "ldaps" or (parts.scheme == "ldap" and settings.get("start_tls", False))
    if not sealed or not parts.hostname or parts.path.strip("/"):
        found.append(("/object/settings/url", "is ldaps://HOST, or ldap://HOST with start_tls: passwords go over it"))
    if ("person_dn" in settings) == ("base" in settings):
        found.append(("/object/settings", "has either person_dn or base: how a name becomes an entry"))
    return found


def fold(authority: Any, facts: Mapping[str, Any]) -> str:
    """Fold one `membership.synced` into an Authority; why it counts outside production alone, or an empty string.

    A provider that signed changes declare an authority is believed about the groups of its map, and about no other.
    Leaving a group is always believed: it takes away.
    """
    group, person, name = str(facts["group"]), str(facts["subject"]), str(facts["provider"])
    word = authority.words.setdefault(name, set())
    if facts["action"] == "remove":
        authority.members.get(group, set()).discard(person)
        authority.unsigned.get(group, set()).discard(person)
        word.discard((group, person))
        return ""
    known: Mapping[str, Any] = authority.providers.get(name, {})
    if known.get("stands") and known["authority"] and group in known["groups"].values():
        if person not in authority.members.setdefault(group, set()):
            authority.members[group].add(person)
            word.add((group, person))
        return ""
    authority.unsigned.setdefault(group, set()).add(person)
    return f"{name} is no authority for the group {group}"


def changed(authority: Any, object: Mapping[str, Any], keep: Mapping[str, Any]) -> None:
    """A provider was set or ended by a change that stands: what it said before counts only while it is an authority."""
    name, table = object["name"], authority.providers
    still: MutableMapping[str, Any] = dict(keep) if object["action"] == "set" else {}
    if still:
        table[name] = still
    else:
        table.pop(name, None)
    for group, person in set(authority.words.get(name, ())):
        if not (still.get("authority") and group in still["groups"].values()):
            authority.members.get(group, set()).discard(person)
            authority.words[name].discard((group, person))
            authority.unsigned.setdefault(group, set()).add(person)
