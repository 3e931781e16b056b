"""A workload's token, of which everything is checked before anybody looks at who it is.

Sources: RFC 8725 (JWT practice), RFC 7519, OpenID Connect Core 1.0 (3.1.3.7).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import jwt

from procedures.domain.providers import SignInRefused
from procedures.domain.text import visible
from procedures.domain.workloads import WorkloadRefused
from procedures.signon import keys

LARGEST, LONGEST_TEXT = 16_384, 255
LEEWAY_S = 30
LONGEST_LIFE_S = 86_400
REQUIRED = ["iss", "sub", "aud", "exp", "iat"]
BROKEN = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


def unproved(token: str) -> dict[str, str]:
    """Issuer and subject as the token says, before anything is proved; short, printable. Raises WorkloadRefused."""
    if not token or len(token) > LARGEST:
        raise WorkloadRefused(f"subject_token is a token of at most {LARGEST} characters.")
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except BROKEN as problem:
        raise WorkloadRefused("subject_token is not a JSON Web Token.") from problem
    return {name: _printable(claims.get(name)) for name in ("iss", "sub")}


def _printable(text: Any) -> str:
    return visible(text.encode("utf-8", "replace").decode())[:500] if isinstance(text, str) else ""


def verified(issuer: Mapping[str, Any], token: str, *, audience: str) -> dict[str, Any]:
    """The claims of a token that this trusted issuer signed for this very portal, and that holds now.

    Algorithm and key are the signed object's, never the token's own word. Raises WorkloadRefused, ProviderUnreachable.
    """
    try:
        head = jwt.get_unverified_header(token)
        key = _key(issuer, head)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=audience,
            issuer=issuer["issuer"],
            leeway=LEEWAY_S,
            options={"require": REQUIRED},
        )
        _sound(claims, audience)
    except SignInRefused as problem:
        raise WorkloadRefused("The token is signed by a key that its issuer does not show.") from problem
    except BROKEN as problem:
        why = PROVED.get(type(problem), "it is not what its issuer signed")
        raise WorkloadRefused(f"The token does not hold: {why}.", proved=type(problem) in PROVED) from problem
    return claims


# What is wrong with a token whose signature holds.
PROVED: Mapping[type[Exception], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "its time has not come yet",
    jwt.InvalidAudienceError: "it was made for another audience than this portal",
    jwt.InvalidIssuerError: "its issuer is written otherwise",
    jwt.MissingRequiredClaimError: f"it lacks one of {', '.join(REQUIRED)}",
}


def _key(issuer: Mapping[str, Any], head: Mapping[str, Any]) -> jwt.PyJWK:
    """The issuer's key that the header names, if it is of the algorithm that the header says and people agreed to."""
    if head.get("alg") not in issuer["algorithms"]:
        raise WorkloadRefused("The token is signed with an algorithm that was not agreed to for its issuer.")
    if "crit" in head or head.get("b64") is False or str(head.get("typ", "JWT")).upper() != "JWT":
        raise WorkloadRefused("The token is of another type than an identity token.")
    kid = str(head.get("kid", ""))
    key = keys.pinned(issuer["keys"], kid) if "keys" in issuer else keys.shown(issuer["jwks_uri"], kid)
    if key.algorithm_name != head["alg"]:
        raise WorkloadRefused("The token is signed with another algorithm than its key is for.")
    return key


def _sound(claims: Mapping[str, Any], audience: str) -> None:
    """What the library does not look at: one audience, a short life, a subject and an id that are short texts."""
    if claims["aud"] not in (audience, [audience]):
        why = "The token was made for others too; ask for one whose only audience is this portal."
        raise WorkloadRefused(why, proved=True)
    if claims["exp"] - claims["iat"] > LONGEST_LIFE_S or claims["iat"] < time.time() - LONGEST_LIFE_S:
        raise WorkloadRefused("The token lives longer than a day; ask its issuer for a short one.", proved=True)
    for name in ("sub", "jti"):
        text = claims.get(name, "-")
        if not isinstance(text, str) or not text or len(text) > LONGEST_TEXT or visible(text) != text:
            why = f"The {name} of the token is not a printable text of at most {LONGEST_TEXT} characters."
            raise WorkloadRefused(why, proved=True)
