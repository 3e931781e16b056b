"""Webhooks of forges: is the signature right, and who pushed (GitHub, GitLab, Gitea; and our own post-receive hook)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from procedures.domain import limits

MAX_BODY = limits.BODY_BYTES


@dataclass(frozen=True, slots=True)
class Push:
    """What a forge says of one push. `delivery` is its id, or empty; `ref` is empty if it does not say.

    `after` is the commit that the push left at the branch's tip: it names the pusher of that commit and of no other.
    """

    delivery: str
    ref: str
    name: str
    email: str
    after: str = ""


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the body carries a signature by this secret. Header names are in lower case.

    GitHub: `X-Hub-Signature-256: sha256=HEX`; Gitea: `X-Gitea-Signature: HEX`; ours: `X-OpsPortal-Signature: HEX`;
    GitLab sends the secret itself in `X-Gitlab-Token`.
    """
    mark = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    given = [headers.get("x-hub-signature-256", "").removeprefix("sha256=")]
    given += [headers.get("x-gitea-signature", ""), headers.get("x-opsportal-signature", "")]
    good = [hmac.compare_digest(mark.encode(), one.strip().lower().encode()) for one in given if one]
    token = headers.get("x-gitlab-token", "")
    if token:
        good.append(hmac.compare_digest(token.encode(), secret.encode()))
    return bool(good) and all(good)


def push_of(headers: Mapping[str, str], body: bytes) -> Push:
    """The push a signed body tells of; what is missing stays empty."""
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        said = {}
    said = said if isinstance(said, dict) else {}
    pusher = said.get("pusher") if isinstance(said.get("pusher"), dict) else {}
    sender = said.get("sender") if isinstance(said.get("sender"), dict) else {}
    ids = ("x-github-delivery", "x-gitea-delivery", "x-gitlab-event-uuid", "x-opsportal-delivery")
    names = (pusher.get("login"), pusher.get("username"), pusher.get("name"), said.get("user_username"))
    mails = (pusher.get("email"), said.get("user_email"), sender.get("email"))
    return Push(
        delivery=next((headers[name] for name in ids if headers.get(name)), "")[:100],
        ref=str(said.get("ref") or "")[:300],
        name=str(next((name for name in names if name), ""))[:200],
        email=str(next((mail for mail in mails if mail), ""))[:200],
        after=str(said.get("after") or "")[:64],
    )
