"""An identity provider that pushes people over SCIM."""

from __future__ import annotations

from typing import Any


def provider(name: str = "corp", **more: Any) -> dict[str, Any]:
    """The control object of a provider that pushes people, too."""
    settings = {"entity_id": f"https://{name}.example.com", "sso_url": f"https://{name}.example.com/sso"}
    object = {
        "name": name,
        "title": name.title(),
        "protocol": "saml",
        "settings": {**settings, "certificates": ["AA=="]},
        "groups": {"eng": "developers", "sec": "security"},
        "authority": False,
        "provision": False,
        "directory": True,
        "action": "set",
    }
    return {**object, **more}
