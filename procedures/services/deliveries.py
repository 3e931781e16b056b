"""Deliveries to hooks: signed, in time, taken once, and mapped to parameters as people signed it (H13)."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction

from procedures.domain import deliveries, standing
from procedures.domain.canonical import moment
from procedures.domain.deliveries import Delivery
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, OpsError
from procedures.models import Fire, Person, Standing
from procedures.queries.standing import locked, may_steer, one_seen
from procedures.services import fires, standing_states
from procedures.services.unit import thing

KEPT = timedelta(days=30)  # as long as a run that a delivery asked for may wait
AT_ONCE = 50
PURPOSE = b"opsportal/hook-secret/v1"
NOBODYS = deliveries.new_pair()[1]
MINUTE = timedelta(minutes=1)


class DeliveryRefused(NotAllowed):
    """The signature is missing or wrong, or there is no such hook: both answer alike."""

    code = "hook.refused"
    next_step = "Sign `id.timestamp.body` with the hook's key, within five minutes, as Standard Webhooks says."


class TooManyDeliveries(OpsError):
    """More deliveries within a minute than the hook takes."""

    code = "hook.too-many"
    next_step = "Send it again after a minute, with a new timestamp."


class SharesNothing(IllegalState):
    """A hook in production, or one that takes public keys, shares no secret with anybody."""

    code = "hook.shares-nothing"
    next_step = "Make a pair with `opsportal hook keys` and set the hook with the public key."


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a delivery. `fresh` is False for one that was taken before; `no` is that of its run."""

    fresh: bool
    outcome: str = ""
    no: int | None = None


def take(*, name: str, headers: Mapping[str, str], body: bytes, at: datetime) -> Taken:
    """Take a delivery, header names in lower case. Raises DeliveryRefused, TooManyDeliveries."""
    found = Standing.objects.filter(kind=standing.HOOK, name=name, ended_at__isnull=True).first()
    delivery, key = _proven(found, headers, body)
    if found is None or delivery is None or not key:
        raise DeliveryRefused("The signature is missing or wrong.")
    with transaction.atomic(durable=True):
        row = locked(found.pk)
        before = Fire.objects.filter(standing=row, mark=delivery.mark)
        if row.object["proof"] == standing.GITHUB:  # which signs no time and no id: a body is taken once
            before = before | Fire.objects.filter(standing=row, body_sha256=delivery.sha256)
        if before.exists():
            return Taken(fresh=False)
        recent = Fire.objects.filter(standing=row, at__gt=at - MINUTE).exclude(mark="").count()
        if recent >= row.object["a_minute"]:
            raise TooManyDeliveries(f"{name} takes {row.object['a_minute']} deliveries a minute.")
        fire = _kept(row, delivery, key, at)
        run = None if _why_not(row, fire, delivery, at) else _asked(row, fire, body, at)
    return Taken(True, fire.outcome, run.no if run else None)


def _proven(row: Standing | None, headers: Mapping[str, str], body: bytes) -> tuple[Delivery | None, str]:
    """The delivery and the key that signed it, `shared` for a secret; a hook that is not there costs as much."""
    if row is None:
        delivery = deliveries.read(standing.ED25519, headers, body)
        return None, deliveries.signer(delivery, [NOBODYS]) if delivery else ""
    proof = row.object["proof"]
    delivery = deliveries.read(proof, headers, body)
    if delivery is None:
        return None, ""
    if proof == standing.ED25519:
        holders = {one["key"]: one["holder"] for one in row.object["keys"]}
        key = deliveries.signer(delivery, list(holders))
        holds = key and Person.objects.filter(subject=holders[key], is_active=True).exists()
        return delivery, key if holds else ""
    if row.environment.production or not row.secret:
        return None, ""
    return delivery, "shared" if deliveries.is_signed(delivery, proof, _opened(row)) else ""


def _kept(row: Standing, delivery: Delivery, key: str, at: datetime) -> Fire:
    """The row of a delivery: what the issuer verifies again stays with it until its run is over."""
    sent = {"sent_at": moment(delivery.sent_at)} if delivery.sent_at else {}
    asymmetric = row.object["proof"] == standing.ED25519
    more = {"key": key, "signatures": list(delivery.signatures)} if asymmetric else {}
    return Fire.objects.create(
        standing=row,
        planned_at=at,
        at=at,
        outcome="waiting",
        mark=delivery.mark,
        proof={"proof": row.object["proof"], **sent, **more},
        body=delivery.body if asymmetric else b"",
        body_kept=asymmetric,
        body_sha256=delivery.sha256,
    )


def _why_not(row: Standing, fire: Fire, delivery: Delivery, at: datetime) -> bool:
    """Settle a delivery that asks for nothing: sent too long ago, or to a hook that is paused or over."""
    if not deliveries.in_time(delivery, at):
        sent = f"{delivery.sent_at:%Y-%m-%d %H:%M:%S}" if delivery.sent_at else "?"
        fires.refuse(row, fire, DeliveryRefused(f"It was sent at {sent} UTC, not within five minutes of now."), at)
    elif row.paused_at is not None:
        fires.settle(fire, "skipped", "The hook is paused.")
    elif row.expires_at <= at:
        fires.settle(fire, "skipped", "The hook has expired.")
    else:
        return False
    return True


def _asked(row: Standing, fire: Fire, body: bytes, at: datetime) -> Any:
    try:
        given = deliveries.parameters_of(row.object["mapping"], body)
    except InvalidInput as problem:
        fires.refuse(row, fire, problem, at)
        return None
    return fires.ask(row, fire, given, at)


@thing
def new_secret(*, actor: Person, name: str, at: datetime, bearer: bool = False) -> str:
    """A fresh secret to share with the sender, shown this once; the one before counts no more.

    Whoever takes it holds it, and so stands behind every run that it starts. Raises NotAllowed, NotFound,
    SharesNothing.
    """
    row = one_seen(actor, standing.HOOK, name, at)
    if bearer or not may_steer(actor, row, at) or actor.kind != Person.Kind.PERSON:
        raise NotAllowed("Whoever stands behind a hook takes its secret, signed in.")
    if row.environment.production or row.object["proof"] == standing.ED25519:
        raise SharesNothing(f"{name} shares no secret with anybody.")
    raw = os.urandom(32)
    secret = deliveries.SHARED + b64encode(raw).decode()
    nonce = os.urandom(12)
    sealed = nonce + _sealing().encrypt(nonce, secret.encode(), str(row.pk).encode())
    Standing.objects.filter(pk=row.pk).update(secret=sealed, secret_holder=actor)
    facts = {"fingerprint": hashlib.sha256(secret.encode()).hexdigest()[:32]}
    standing_states.note("hook.keyed", row, at=at, actor=actor.subject, facts=facts)
    return secret


def _sealing() -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(settings.SECRET_KEY.encode()))


def _opened(row: Standing) -> str:
    data = bytes(row.secret)
    return _sealing().decrypt(data[:12], data[12:], str(row.pk).encode()).decode()


def forget_bodies(*, at: datetime) -> int:
    """Bodies of deliveries go after thirty days; their digests stay."""
    old = Fire.objects.filter(body_kept=True, at__lt=at - KEPT).values_list("pk", flat=True)[:AT_ONCE]
    found = list(old)
    return Fire.objects.filter(pk__in=found).update(body=b"", body_kept=False) if found else 0
