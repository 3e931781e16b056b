"""Recording: an event beside the change it stands for, in one transaction (rule 9)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import connection

from procedures.domain.canonical import canon, moment, sha256_hex
from procedures.domain.errors import OpsError
from procedures.domain.ids import uuid7
from procedures.domain.plan import plain
from procedures.evidence import events
from procedures.evidence.models import Disclosure, ErasableKey, Event, NumberSeries, Outbox, RunCounter
from procedures.evidence.tree import leaf_hash, root_of


class NotRecordable(OpsError):
    """An event outside a transaction, of an unknown kind, without its facts, or after the seal."""

    code = "evidence.not-recordable"
    next_step = "This is a defect: tell whoever operates the portal, with the time and what you did."


def record(
    kind: str,
    *,
    actor: UUID | None,
    facts: Mapping[str, Any],
    at: datetime,
    run: UUID | None = None,
    procedure: UUID | None = None,
    header: Mapping[str, Any] | None = None,
    sensitive: Mapping[str, str] | None = None,
    whose: UUID | None = None,
    statement: bytes | None = None,
    signatures: Sequence[Mapping[str, Any]] = (),
) -> Event:
    """Write one event and its outbox row. `sensitive` values (JSON pointer → text) are committed to, not contained.

    They lie encrypted under the key of the person `whose` they are (the actor unless said), so that destroying
    that one key erases them.

    Raises NotRecordable outside a transaction, for an unknown kind, for missing facts, and after a run's seal.
    """
    _fit(kind, facts)
    n = _next_n(run, sealing=False) if run is not None else None
    told = dict(facts) if whose is None else {**facts, "whose": str(whose)}
    return _write(kind, actor, told, at, run, procedure, n, dict(header or {}), sensitive or {}, statement, signatures)


def seal(
    run: UUID,
    *,
    kind: str,
    outcome: str,
    risk: str,
    kept_until: datetime,
    actor: UUID | None,
    at: datetime,
    procedure: UUID,
    facts: Mapping[str, Any],
) -> Event:
    """The closing event of a run: commits to its number of events and to the root of their headers.

    Its header says until when the run is kept: whoever erases it sooner is found out by anybody.
    """
    _fit(kind, facts)
    n = _next_n(run, sealing=True)
    headers = Event.objects.filter(run=run).order_by("n").values_list("header", flat=True)
    root = root_of([leaf_hash(bytes(h)) for h in headers])
    sealed = {**facts, "seal": {"n": n, "root": root.hex()}}
    header = {"o": outcome, "risk": risk, "kept": moment(kept_until)}
    return _write(kind, actor, sealed, at, run, procedure, n, header, {}, None, ())


def _fit(kind: str, facts: Mapping[str, Any]) -> None:
    if not connection.in_atomic_block:
        raise NotRecordable(f"{kind} was to be recorded outside a transaction.")
    if kind not in events.KINDS:
        raise NotRecordable(f"There is no event of the kind {kind}.")
    lacking = [name for name in events.KINDS[kind] if name not in facts]
    if lacking:
        raise NotRecordable(f"{kind} lacks the fact {lacking[0]}.")


def _next_n(run: UUID, *, sealing: bool) -> int:
    counter, _ = RunCounter.objects.select_for_update().get_or_create(run=run)
    if counter.sealed:
        raise NotRecordable(f"The run {run} is sealed: nothing can be added to it.")
    counter.n += 1
    counter.sealed = sealing
    counter.save(update_fields=["n", "sealed"])
    return counter.n


def _write(
    kind: str,
    actor: UUID | None,
    facts: Mapping[str, Any],
    at: datetime,
    run: UUID | None,
    procedure: UUID | None,
    n: int | None,
    more: dict[str, Any],
    sensitive: Mapping[str, str],
    statement: bytes | None,
    signatures: Sequence[Mapping[str, Any]],
) -> Event:
    body = dict(plain(facts))
    body["salt"] = base64.b64encode(os.urandom(16)).decode()
    if actor is not None:
        body["actor"] = str(actor)
    if statement is not None:
        body["statement"] = base64.b64encode(statement).decode()
        body["sigs"] = [dict(row) for row in signatures]
    secrets = {pointer: disclosure(pointer, value) for pointer, value in sensitive.items()}
    if secrets:
        body["sd"] = sorted(sha256_hex(data) for data in secrets.values())
    body_bytes = canon(body)
    event_id = uuid7()
    header: dict[str, Any] = {"at": moment(at), "b": sha256_hex(body_bytes), "id": str(event_id), "k": kind, "v": 1}
    if run is not None:
        header |= {"run": str(run), "n": n}
    if procedure is not None:
        header["p"] = str(procedure)
    header |= more
    event = Event.objects.create(
        id=event_id,
        kind=kind,
        run=run,
        n=n,
        procedure=procedure,
        actor=actor,
        at=at,
        header=canon(header),
        body=body_bytes,
    )
    subject = UUID(body["whose"]) if "whose" in body else actor
    for pointer, data in secrets.items():
        Disclosure.objects.create(
            event=event, pointer=pointer, subject=subject, sealed=_seal(subject, data, f"{event_id}{pointer}")
        )
    Outbox.objects.create(event=event)
    return event


def disclosure(pointer: str, value: str) -> bytes:
    """The bytes whose SHA-256 stands in `sd`: `[salt, pointer, value]`, the shape of RFC 9901."""
    return canon([base64.b64encode(os.urandom(16)).decode(), pointer, value])


def key_of(subject: UUID | None) -> bytes | None:
    """The erasable key of a person (or of nobody in particular); None once it was destroyed."""
    row, _ = ErasableKey.objects.get_or_create(subject=subject or UUID(int=0), defaults={"secret": os.urandom(32)})
    return bytes(row.secret) if row.destroyed_at is None else None


def _seal(subject: UUID | None, data: bytes, context: str) -> bytes | None:
    key = key_of(subject)
    if key is None:
        return None
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, data, context.encode())


def disclosed(row: Disclosure) -> bytes | None:
    """The disclosure's bytes, or None where the value or the person's key was erased."""
    key = key_of(row.subject)
    if row.sealed is None or key is None:
        return None
    sealed = bytes(row.sealed)
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], f"{row.event_id}{row.pointer}".encode())


def pseudonym(subject: UUID) -> str:
    """How a person stands in headers: stable while their key lives, noise once it is destroyed."""
    key = key_of(subject)
    if key is None:
        return "erased"
    return hmac.new(key, b"opsportal/pseudonym/v1", hashlib.sha256).hexdigest()[:32]


def next_run_number() -> int:
    """The next run number, without gaps: drawn in the transaction that uses it."""
    series, _ = NumberSeries.objects.select_for_update().get_or_create(name="run")
    series.value += 1
    series.save(update_fields=["value"])
    return series.value
