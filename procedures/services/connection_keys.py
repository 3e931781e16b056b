"""The keys of a connection: a code is good once and for a minute, a token for half an hour, a refresh token once.

Whoever presents a key that was used already, or somebody else's, shows that two hold it: the connection ends.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from procedures.domain import clients
from procedures.domain.addresses import network_of
from procedures.domain.errors import InvalidInput, OpsError
from procedures.domain.tokens import new_token
from procedures.evidence.record import record
from procedures.models import AgentClient, ApiToken, Connection, RefreshToken
from procedures.services.connections import mark
from procedures.services.unit import thing

SWEPT = 500
REFRESH = "opsr_"
TWICE = "a refresh token came twice"


class TooManyClients(OpsError):
    """So many programs registered that the next one has to wait."""

    code = "connection.too-many-clients"
    next_step = "Wait an hour, then register again."


@dataclass(frozen=True, slots=True)
class Keys:
    """What a program gets: both texts are told once and stored hashed."""

    access: str
    refresh: str
    expires_s: int
    verbs: tuple[str, ...]


@thing
def register(*, name: str, redirects: Sequence[str], address: str, at: datetime) -> AgentClient:
    """Take a program in, which may nothing by that. Raises InvalidInput, TooManyClients.

    Where as many wait as may, one that nobody connected gives way: a flood takes its own places, not those of others.
    """
    if why := clients.redirects_problem(redirects):
        raise InvalidInput([("/redirect_uris", why)])
    if why := clients.name_problem(name):
        raise InvalidInput([("/client_name", why)])
    place = network_of(address)
    recent = AgentClient.objects.filter(address=place, registered_at__gt=at - timedelta(hours=1))
    if recent.count() >= clients.AN_HOUR:
        raise TooManyClients("Too many programs registered here lately.")
    _make_room()
    return AgentClient.objects.create(name=name, redirects=list(redirects), address=place, registered_at=at)


def _make_room() -> None:
    """Forget the oldest that wait from the neighbourhood with most of them, until one more may wait.

    Neighbourhoods are wider than the places that are counted by the hour: whoever floods has many addresses at hand.
    """
    waiting = list(_unused().order_by("registered_at", "pk").values_list("pk", "address"))
    near = {pk: network_of(place, four=24, six=48) for pk, place in waiting}
    while len(near) >= clients.WAITING:
        crowd = Counter(near.values()).most_common(1)[0][0]
        oldest = next(pk for pk, place in near.items() if place == crowd)
        _unused().filter(pk=oldest).delete()
        del near[oldest]


def _unused() -> QuerySet[AgentClient]:
    return AgentClient.objects.filter(~Exists(Connection.objects.filter(client=OuterRef("pk"))))


@thing
def claim_code(*, client: UUID, code: str, at: datetime) -> Connection | None:
    """The connection that this code opens, for its own program and in time, or None; whoever shows it uses it up.

    A code that comes a second time, or from another program, was stolen by one of the two: what it opened ends.
    """
    row = _locked().filter(code_sha256=mark(code)).first()
    if row is None:
        return None
    first = Connection.objects.filter(pk=row.pk, code_used_at__isnull=True).update(code_used_at=at)
    why = ""
    if row.client_id != client:
        why = "its code came from another program"
    elif not first:
        why = "its code came twice"
    elif row.code_until_at <= at:
        why = "its code came too late"
    elif not _stands(row, at):
        why = "its agent has no owner with an open account, or another one"
    if not why:
        return row
    _refuse(row, why, at)
    _end(row, why, at)
    return None


def _locked() -> QuerySet[Connection]:
    rows = Connection.objects.select_for_update(of=("self", "agent"))
    return rows.select_related("client", "agent__owner", "token")


def _stands(row: Connection, at: datetime) -> bool:
    owner = row.agent.owner
    whose = owner is not None and owner.is_active and owner.pk == row.made_by_id
    return row.agent.is_active and whose and row.until_at > at


@thing
def not_proved(*, connection: UUID, at: datetime) -> None:
    """A code came without the verifier, or with another address, than it was asked for with: it is used up."""
    _refuse(_locked().get(pk=connection), "its code came without what it was asked for with", at)


def _refuse(row: Connection, why: str, at: datetime) -> None:
    facts = {"client": str(row.client_id), "connection": str(row.pk), "why": why}
    record("connection.refused", actor=row.agent.subject, at=at, facts=facts)


@thing
def open_connection(*, connection: UUID, at: datetime) -> Keys | None:
    """The first keys of a connection whose code was claimed just now; None if it got them before."""
    row = _locked().get(pk=connection)
    if row.token is not None or row.code_used_at is None or not _stands(row, at):
        return None
    secret = new_token()
    token = ApiToken.objects.create(
        person=row.agent,
        name=f"{row.client.name or 'a program'}, {clients.receiver(row.redirect)}"[:100],
        prefix=secret[:12],
        token_sha256=mark(secret),
        made_by=row.made_by,
        created_at=at,
        expires_at=min(at + clients.ACCESS, row.until_at),
        verbs=row.verbs,
        audience=ApiToken.Audience.MCP.value,
    )
    Connection.objects.filter(pk=row.pk).update(token=token)
    facts = {
        "token": str(token.pk),
        "subject": str(row.agent.subject),
        "days": (row.until_at - row.made_at).days,
        "scope": {"procedures": [], "environments": [], "verbs": row.verbs},
        "audience": token.audience,
        "connection": str(row.pk),
    }
    record("token.made", actor=row.made_by.subject, at=at, facts=facts)
    return _keys(row, secret, token.expires_at, row.verbs, at)


def _keys(row: Connection, secret: str, expires_at: datetime, verbs: Sequence[str], at: datetime) -> Keys:
    fresh = f"{REFRESH}{secrets.token_urlsafe(32)}"
    until = min(at + clients.IDLE, row.until_at)
    RefreshToken.objects.create(connection=row, token_sha256=mark(fresh), made_at=at, until_at=until)
    return Keys(secret, fresh, int((expires_at - at).total_seconds()), tuple(verbs))


@thing
def refresh_token_of(*, client: UUID, secret: str, at: datetime) -> RefreshToken | None:
    """The refresh token with this text if it may be used now by this program, or None.

    One that was used, or comes from another program, is held by two: its connection ends.
    """
    row = RefreshToken.objects.filter(token_sha256=mark(secret)).first()
    if row is None:
        return None
    connection = row.connection = _locked().get(pk=row.connection_id)
    row.refresh_from_db(fields=["used_at"])
    if connection.client_id != client:
        _end(connection, "a refresh token came from another program", at)
    elif row.used_at is not None:
        _end(connection, TWICE, at)
    elif row.until_at > at and _lives(connection, at):
        return row
    return None


def _lives(row: Connection, at: datetime) -> bool:
    return row.token is not None and row.token.revoked_at is None and _stands(row, at)


@thing
def refreshed(*, row: UUID, verbs: Sequence[str], at: datetime) -> Keys | None:
    """Fresh keys in the place of the old, which are nothing from now on; `verbs` within what the owner let it have."""
    connection = _locked().get(refresh_tokens=row)
    if not RefreshToken.objects.filter(pk=row, used_at__isnull=True).update(used_at=at):
        _end(connection, TWICE, at)
        return None
    if not _lives(connection, at) or not set(verbs) <= set(connection.verbs):
        return None
    secret, expires_at = new_token(), min(at + clients.ACCESS, connection.until_at)
    fresh = {"token_sha256": mark(secret), "prefix": secret[:12], "expires_at": expires_at, "verbs": sorted(verbs)}
    if not ApiToken.objects.filter(connection=connection, revoked_at__isnull=True).update(**fresh):
        return None
    return _keys(connection, secret, expires_at, sorted(verbs), at)


@thing
def end_by_program(*, client: UUID, secret: str, at: datetime) -> bool:
    """End the connection that this token or refresh token belongs to, if it is this program's (RFC 7009)."""
    rows = Q(token__token_sha256=mark(secret)) | Q(refresh_tokens__token_sha256=mark(secret))
    found = Connection.objects.filter(rows, client=client).values_list("pk", flat=True).first()
    return found is not None and _end(_locked().get(pk=found), "ended by its program", at)


def _end(row: Connection, why: str, at: datetime) -> bool:
    """Whether it was open until now. One whose code was claimed and changed for nothing yet never opens."""
    over = max(at, row.made_at + timedelta(microseconds=1))
    Connection.objects.filter(pk=row.pk, token__isnull=True).update(until_at=over)
    if not ApiToken.objects.filter(connection=row, revoked_at__isnull=True).update(revoked_at=at):
        return False
    facts = {"connection": str(row.pk), "token": str(row.token_id), "why": why}
    record("connection.ended", actor=row.agent.subject, at=at, facts=facts)
    return True


def forget(*, at: datetime) -> int:
    """Programs that nobody connected within a day, and refresh tokens whose time is over, are deleted."""
    with transaction.atomic():
        old = _unused().filter(registered_at__lt=at - clients.UNUSED).values_list("pk", flat=True)[:SWEPT]
        gone = AgentClient.objects.filter(pk__in=list(old)).delete()[0]
        late = RefreshToken.objects.filter(until_at__lt=at).values_list("pk", flat=True)[:SWEPT]
        return gone + RefreshToken.objects.filter(pk__in=list(late)).delete()[0]
