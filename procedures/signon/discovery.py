"""An OpenID provider's own document, read once by a person, as the object that people then sign (H30).

Sources: OpenID Connect Discovery 1.0 (3, 4.3). The portal itself never reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain import control_shapes, providers
from procedures.domain.errors import InvalidInput, OpsError
from procedures.signon import outbound

PLACE = "/.well-known/openid-configuration"
KNOWN = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
ADDRESSES = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class NotDiscovered(OpsError):
    """The document is not that of the issuer, or lacks what signing in needs."""

    code = "provider.not-discovered"
    next_step = "Ask whoever runs the identity provider for its issuer, or write the object by hand."


def discovered(name: str, issuer: str, *, client_id: str, title: str) -> dict[str, Any]:
    """The control object `identity_provider` that an issuer's document makes: no groups, no authority, no newcomers.

    Every address is looked at as at a proposal. Raises NotDiscovered, ProviderUnreachable, InvalidInput.
    """
    if found := providers.problems({"protocol": "oidc", "settings": {"issuer": issuer}}):
        raise InvalidInput([("/issuer", why) for _, why in found])
    document = outbound.get(issuer.rstrip("/") + PLACE)
    object = {
        "name": name,
        "title": title or name,
        "protocol": "oidc",
        "settings": _settings(document, issuer, client_id),
        "groups": {},
        "authority": False,
        "provision": False,
        "action": "set",
    }
    control_shapes.check("identity_provider", object)
    if found := providers.problems(object):
        raise InvalidInput(found)
    return object


def _settings(document: Any, issuer: str, client_id: str) -> dict[str, Any]:
    if not isinstance(document, Mapping):
        raise NotDiscovered(f"{issuer} answers with no document.")
    if document.get("issuer") != issuer:
        raise NotDiscovered(f"The document calls its issuer {str(document.get('issuer'))[:200]!r}, not {issuer!r}.")
    if lacking := [key for key in ADDRESSES if not isinstance(document.get(key), str)]:
        raise NotDiscovered(f"The document of {issuer} names no {lacking[0]}.")
    signed = [one for one in KNOWN if one in _texts(document, "id_token_signing_alg_values_supported")]
    if not signed:
        raise NotDiscovered(f"{issuer} signs identity tokens with nothing that is taken here ({', '.join(KNOWN)}).")
    settings: dict[str, Any] = {key: document[key] for key in ADDRESSES}
    settings |= {"issuer": issuer, "client_id": client_id, "algorithms": signed}
    if isinstance(document.get("userinfo_endpoint"), str):
        settings["userinfo_endpoint"] = document["userinfo_endpoint"]
    offered = _texts(document, "scopes_supported")
    settings["scopes"] = ["openid", *(one for one in ("profile", "email", "groups") if one in offered)]
    ways = _texts(document, "token_endpoint_auth_methods_supported")
    if ways and "client_secret_basic" not in ways and "client_secret_post" in ways:
        settings["client_auth"] = "post"
    return settings


def _texts(document: Mapping[str, Any], key: str) -> list[str]:
    value = document.get(key)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
