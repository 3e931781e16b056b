"""OpenID Connect: authorisation code with PKCE, and an identity token of which everything is checked.

Sources: OpenID Connect Core 1.0 (3.1.3.7), RFC 7636 (PKCE), RFC 9207 (issuer in the answer), RFC 8725 (JWT practice).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import jwt

from procedures.domain.providers import ProviderUnreachable, Said, SignInRefused, attributes
from procedures.signon import egress, keys

LEEWAY_S = 30
Settings = Mapping[str, Any]


def begun(provider: Settings, *, redirect_uri: str) -> tuple[str, dict[str, str]]:
    """Where the browser goes, and what its session must keep until it comes back."""
    settings = provider["settings"]
    kept = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(kept["verifier"].encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": settings["client_id"],
        "redirect_uri": redirect_uri,
        "scope": " ".join(settings.get("scopes") or ["openid", "profile", "email"]),
        "state": kept["state"],
        "nonce": kept["nonce"],
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    endpoint = str(settings["authorization_endpoint"])
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", kept


def finished(
    provider: Settings, answer: Mapping[str, str], kept: Mapping[str, str], *, redirect_uri: str, secret: str
) -> Said:
    """Who came back. `secret` may be empty: a public client. Raises SignInRefused, ProviderUnreachable."""
    settings = provider["settings"]
    if not kept or not hmac.compare_digest(answer.get("state", "").encode(), kept["state"].encode()):
        raise SignInRefused("This sign-in was not begun in this browser, or was finished already.")
    if "iss" in answer and answer["iss"] != settings["issuer"]:
        raise SignInRefused("The answer comes from another identity provider than the one that was asked.")
    if "error" in answer or not answer.get("code"):
        raise SignInRefused(f"The identity provider did not sign you in ({answer.get('error', 'no code')[:60]}).")
    tokens = _exchanged(settings, answer["code"], kept["verifier"], redirect_uri, secret)
    claims = verified(settings, str(tokens.get("id_token", "")), nonce=kept["nonce"])
    if "userinfo_endpoint" in settings:
        more = egress.get(settings["userinfo_endpoint"], {"Authorization": f"Bearer {tokens.get('access_token')}"})
        if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
            raise SignInRefused("The identity provider speaks of two different people in one answer.")
        claims = {**more, **claims}
    return said(provider, claims)


def _exchanged(settings: Settings, code: str, verifier: str, redirect_uri: str, secret: str) -> dict[str, Any]:
    client = str(settings["client_id"])
    data = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
        "client_id": client,
    }
    headers: dict[str, str] = {}
    if secret and settings.get("client_auth", "basic") == "post":
        data["client_secret"] = secret
    elif secret:
        pair = f"{quote(client, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    tokens = egress.post(settings["token_endpoint"], data, headers)
    if not isinstance(tokens, dict):
        raise ProviderUnreachable("The identity provider gave no tokens.")
    return tokens


def verified(settings: Settings, token: str, *, nonce: str) -> dict[str, Any]:
    """The claims of an identity token that this issuer signed for us, now, for this very sign-in.

    The algorithms are the signed ones, never the token's own word: `none` and a key of another kind are refused.
    """
    allowed = list(settings.get("algorithms") or ["RS256"])
    try:
        head = jwt.get_unverified_header(token)
        if head.get("alg") not in allowed:
            raise SignInRefused("The identity token is not signed as it was agreed.")
        claims: dict[str, Any] = jwt.decode(
            token,
            keys.shown(settings["jwks_uri"], str(head.get("kid", ""))),
            algorithms=allowed,
            audience=settings["client_id"],
            issuer=settings["issuer"],
            leeway=LEEWAY_S,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except (jwt.PyJWTError, ValueError) as problem:
        raise SignInRefused(f"The identity token does not hold ({type(problem).__name__}).") from problem
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if claims.get("azp", settings["client_id"]) != settings["client_id"] or (len(audience) > 1 and "azp" not in claims):
        raise SignInRefused("The identity token was made for another application.")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise SignInRefused("The identity token belongs to another sign-in.")
    if not claims["sub"] or len(claims["sub"]) > 255:
        raise SignInRefused("The identity token names nobody.")
    return claims


def said(provider: Settings, claims: Mapping[str, Any]) -> Said:
    """The claims as facts about a person; a groups claim may be one text or a list."""
    names = attributes(provider)
    text = {key: str(claims.get(names[key]) or "")[:200] for key in ("username", "name", "email")}
    groups = claims.get(names["groups"]) or []
    rows = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    return Said(str(claims["sub"]), groups=tuple(sorted({str(row) for row in rows[:2000]})), **text)
