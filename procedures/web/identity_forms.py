"""Identity providers on pages: what a pasted object becomes, and what a change of one does, in a sentence."""

from __future__ import annotations

import json
from typing import Any

from django.http import QueryDict

from procedures.domain.errors import InvalidInput

LOCAL = {
    "on": "Names and passwords of the portal open it beside identity providers",
    "break-glass": "Names and passwords open the portal only for who may break glass",
    "off": "Names and passwords of the portal open it no more",
}


EXAMPLE = """\
{"name": "corp", "title": "Corp",
 "protocol": "oidc", "action": "set",
 "provision": true, "authority": false,
 "groups": {"eng": "developers"},
 "settings": {
  "issuer": "https://id.example.com",
  "client_id": "opsportal",
  "authorization_endpoint": "https://…/auth",
  "token_endpoint": "https://…/token",
  "jwks_uri": "https://…/jwks"}}"""
CHOICES = {"on": "open the portal", "break-glass": "open it in emergencies", "off": "open it no more"}


def provider(posted: QueryDict) -> dict[str, Any]:
    """The object as the handbook has one for each protocol, pasted."""
    try:
        made = json.loads(posted.get("object_text", "") or "{}")
    except ValueError as problem:
        raise InvalidInput([("/object", f"is not JSON: {problem}")]) from problem
    if not isinstance(made, dict):
        raise InvalidInput([("/object", "is not a JSON object")])
    return made


def local(posted: QueryDict) -> dict[str, Any]:
    return {"local": posted.get("local", "")}


def told_provider(made: dict[str, Any]) -> str:
    if made["action"] == "end":
        return f"Nobody signs in with {made['title']} any more, and who was in a group by its word is out"
    return f"{made['title']} {what_it_says(made)}"


def what_it_says(made: dict[str, Any]) -> str:
    """How far a provider is believed, to be read after its title."""
    groups = ", ".join(sorted(set(made["groups"].values()))) or "no group"
    word = (
        f"and is an AUTHORITY: its own administrators decide who is in {groups}"
        if made["authority"]
        else f"and says who is in {groups}; what decides or reaches production a manager confirms"
    )
    new = "newcomers get an account without rights" if made["provision"] else "newcomers need an invitation"
    pushes = ", pushes them and their groups over SCIM" if made.get("directory") else ""
    return f"vouches for people ({made['protocol'].upper()}){pushes}, {new}, {word}"


def told_local(made: dict[str, Any]) -> str:
    return LOCAL[made["local"]]
