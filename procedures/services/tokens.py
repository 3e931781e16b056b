"""Bearer tokens: made, changed for fresh ones and ended by people who are signed in; each narrows its owner."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from procedures import access
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound
from procedures.domain.tokens import VERBS, new_token
from procedures.evidence.record import record
from procedures.models import ApiToken, Connection, Environment, Person, Procedure
from procedures.services import identity_providers
from procedures.services.unit import note_denial, thing

LONGEST = timedelta(days=90)
OVERLAP = timedelta(hours=24)
SEEN_EVERY = timedelta(minutes=5)
MOST = 200


class OtherAudience(NotAllowed):
    """A token was used at a door that it is not for."""

    code = "token.other-audience"
    next_step = "Use a token that was made for this door."
    counted_as = "token.used"


class NoDirectory(IllegalState):
    """A token was wanted for a provider that signed changes do not let push people."""

    code = "directory.not-let-in"
    next_step = "Change the provider to one with `directory: true`, which managers confirm and sign."


class TokenOver(IllegalState):
    """The token was revoked, has expired, or was changed for another already."""

    code = "token.over"
    next_step = "Make a new token."


@dataclass(frozen=True, slots=True)
class Reach:
    """What a token shall be for; empty lists of procedures or environments: all that its owner may."""

    procedures: Sequence[str] = ()
    environments: Sequence[str] = ()
    verbs: Sequence[str] = VERBS
    audience: str = ApiToken.Audience.API.value


@thing
def make_token(
    *,
    actor: Person,
    name: str,
    days: int,
    at: datetime,
    bearer: bool = False,
    person: UUID | None = None,
    reach: Reach | None = None,
) -> tuple[ApiToken, str]:
    """A bearer token for oneself or an owned service account, shown once. Raises NotAllowed, InvalidInput."""
    _signed_in(bearer)
    if actor.kind == Person.Kind.AGENT:
        raise NotAllowed("Software makes no tokens.")
    owner = actor if person in {None, actor.subject} else Person.objects.filter(subject=person, owner=actor).first()
    if owner is None or not owner.is_active:
        raise NotAllowed("Only the owner of a service account that is not suspended makes its tokens.")
    reach = reach or Reach()
    problems = _problems(name, days, reach, owner, at)
    if problems:
        raise InvalidInput(problems)
    scope = {part: sorted(set(getattr(reach, part))) for part in ("procedures", "environments", "verbs")}
    door = {"audience": reach.audience}
    token, secret = store(owner, actor, name.strip(), at, at + timedelta(days=days), scope, **door)
    facts = {"token": str(token.id), "subject": str(owner.subject), "days": days, "scope": scope, **door}
    record("token.made", actor=actor.subject, at=at, facts=facts)
    return token, secret


@thing
def make_directory_token(
    *, actor: Person, provider: str, name: str, days: int, at: datetime, bearer: bool = False
) -> tuple[ApiToken, str]:
    """A token by which a provider pushes people over SCIM, shown once; an access manager makes it.

    Raises NotAllowed, NotFound, NoDirectory, InvalidInput.
    """
    _signed_in(bearer)
    access.require(actor, "manage_access", at=at)
    owner = identity_providers.directory(identity_providers.one(provider), at)
    if identity_providers.of_directory(owner) is None:
        raise NoDirectory(f"{provider} may not push people: its signed object says nothing of a directory.")
    if problems := _problems_of_name(name, days):
        raise InvalidInput(problems)
    scope: dict[str, list[str]] = {"procedures": [], "environments": [], "verbs": []}
    door = {"audience": ApiToken.Audience.SCIM.value}
    token, secret = store(owner, actor, name.strip(), at, at + timedelta(days=days), scope, **door)
    facts = {"token": str(token.id), "subject": str(owner.subject), "days": days, "scope": scope, **door}
    record("token.made", actor=actor.subject, at=at, facts={**facts, "provider": provider})
    return token, secret


def _signed_in(bearer: bool) -> None:
    if bearer:
        raise NotAllowed("A bearer token neither makes nor changes tokens: sign in for that.")


def _problems_of_name(name: str, days: int) -> list[tuple[str, str]]:
    problems = [] if 1 <= days <= LONGEST.days else [("/days", f"1 to {LONGEST.days}")]
    return problems + ([] if name.strip() and len(name) <= 100 else [("/name", "1 to 100 characters")])


def _problems(name: str, days: int, reach: Reach, owner: Person, at: datetime) -> list[tuple[str, str]]:
    problems = _problems_of_name(name, days)
    if not reach.verbs:
        problems.append(("/verbs", "name at least one"))
    if reach.audience == ApiToken.Audience.MCP and owner.kind != Person.Kind.AGENT:
        problems.append(("/audience", "mcp is for agents: anybody else's token is for the API"))
    if reach.audience == ApiToken.Audience.SCIM:
        problems.append(("/audience", "scim is for directories: an access manager makes that token with its provider"))
    seen = access.visible(Procedure.objects.all(), owner, "discover", at=at)
    known = {
        "procedures": set(seen.filter(name__in=list(reach.procedures)).values_list("name", flat=True)),
        "environments": set(Environment.objects.values_list("name", flat=True)),
        "verbs": set(VERBS),
    }
    for part, names in known.items():
        for index, one in enumerate(getattr(reach, part)):
            if one not in names:
                hint = f"; a token is for {', '.join(VERBS)}" if part == "verbs" else ""
                problems.append((f"/{part}/{index}", f"there is no {one!r} that a token can be for{hint}"))
    return problems


def store(
    owner: Person, maker: Person, name: str, at: datetime, until: datetime, scope: dict[str, list[str]], **more: Any
) -> tuple[ApiToken, str]:
    """The row and the text of a fresh token, for a service that has decided on it, within its transaction."""
    secret = new_token()
    row = ApiToken.objects.create(
        person=owner,
        name=name,
        prefix=secret[:12],
        token_sha256=_mark(secret),
        made_by=maker,
        created_at=at,
        expires_at=until,
        **scope,
        **more,
    )
    return row, secret


@thing
def rotate_token(
    *, actor: Person, token: UUID, overlap_h: int, at: datetime, bearer: bool = False
) -> tuple[ApiToken, str]:
    """A fresh token of the same reach and length in the place of this one, which stays good for `overlap_h` hours more.

    Raises NotAllowed, NotFound, TokenOver, InvalidInput.
    """
    _signed_in(bearer)
    old = ApiToken.objects.select_for_update(of=("self",)).select_related("person").filter(pk=token).first()
    if old is None or not _owns(actor, old):
        raise NotFound("You have no such token.")
    if old.audience == ApiToken.Audience.SCIM:
        access.require(actor, "manage_access", at=at)
    if hasattr(old, "exchange"):
        raise TokenOver("A workload's token is never changed for another: it exchanges a fresh one of its issuer.")
    longest = int(OVERLAP.total_seconds() // 3600)
    if not 0 <= overlap_h <= longest:
        raise InvalidInput([("/overlap_hours", f"0 to {longest}")])
    if old.revoked_at is not None or old.expires_at <= at or old.replaced_by.exists() or not old.person.is_active:
        raise TokenOver("This token is over: it was revoked or changed, or it has expired.")
    if Connection.objects.filter(token=old).exists():
        raise TokenOver("This token belongs to a connection, whose program changes it by itself.")
    lived = min(old.expires_at - old.created_at, LONGEST)
    scope = {"procedures": old.procedures, "environments": old.environments, "verbs": old.verbs}
    more = {"replaces": old, "audience": old.audience}
    fresh, secret = store(old.person, actor, old.name, at, at + lived, scope, **more)
    until = min(old.expires_at, at + timedelta(hours=overlap_h))
    dead = {"expires_at": until} if until > old.created_at and overlap_h else {"revoked_at": at}
    ApiToken.objects.filter(pk=old.pk).update(**dead)
    facts = {"token": str(old.pk), "by": str(fresh.pk), "overlap_h": overlap_h, "subject": str(old.person.subject)}
    record("token.rotated", actor=actor.subject, at=at, facts=facts)
    return fresh, secret


@thing
def revoke_token(*, actor: Person, token: UUID, at: datetime) -> None:
    """End a token now: its owner, its maker, its account's owner, and any access manager. Raises NotFound."""
    row = ApiToken.objects.select_related("person").filter(pk=token).first()
    mine = row is not None and _owns(actor, row)
    if row is None or not (mine or access.decide(actor, "manage_access", at=at).allowed):
        raise NotFound("You have no such token.")
    if ApiToken.objects.filter(pk=token, revoked_at__isnull=True).update(revoked_at=at):
        record("token.revoked", actor=actor.subject, at=at, facts={"token": str(token)})


def _owns(actor: Person, row: ApiToken) -> bool:
    return actor.pk in {row.person_id, row.made_by_id, row.person.owner_id}


def tokens_of(person: Person) -> QuerySet[ApiToken]:
    """Every token that this person may end as its owner, maker or account's owner, newest first; none of workloads."""
    mine = Q(person=person) | Q(made_by=person) | Q(person__owner=person)
    return (
        ApiToken.objects.filter(mine, exchange__isnull=True)
        .select_related("person", "made_by")
        .order_by("-created_at")[:MOST]
    )


def end_tokens(person: Person, at: datetime) -> int:
    """Revoke every token of a person who is closed or suspended, within the transaction that does so."""
    return ApiToken.objects.filter(person=person, revoked_at__isnull=True).update(revoked_at=at)


def bearer(secret: str, *, at: datetime, audience: str = ApiToken.Audience.API.value) -> ApiToken | None:
    """The live token with this text, if it is for this door, or None. Its use is noted every five minutes at most.

    A token that comes to another door than its own is evidence (H33).
    """
    row = (
        ApiToken.objects.select_related("person__owner", "made_by", "exchange")
        .filter(token_sha256=_mark(secret), revoked_at__isnull=True, expires_at__gt=at, person__is_active=True)
        .first()
    )
    if row is not None and row.audience != audience:
        refusal = OtherAudience(f"This token is for {row.audience}, not for {audience}.")
        note_denial(refusal, what=refusal.counted_as, about={"actor": row.person, "token": row.pk})
        return None
    if row is not None and (row.last_used_at is None or at - row.last_used_at > SEEN_EVERY):
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=at)
    return row


def caller_of(row: ApiToken) -> access.Caller:
    """How whoever holds this token calls."""
    scope = access.Scope(
        token=row.pk,
        name=row.name,
        maker=row.made_by,
        procedures=frozenset(row.procedures),
        environments=frozenset(row.environments),
        verbs=frozenset(row.verbs),
    )
    return access.Caller(person=row.person_id, scope=scope, workload=hasattr(row, "exchange"))


def _mark(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
