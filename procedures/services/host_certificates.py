"""Certificates of hosts: which are to be made, and what was made, each with its event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction

from procedures.domain import host_renewal
from procedures.domain.canonical import moment
from procedures.domain.sshkeys import AUTHORITY, fingerprint
from procedures.evidence.record import record
from procedures.models import HostCertificate, Target

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate of one host's key, signed by `authority`."""

    target: str
    host_key_sha256: str
    authority: str
    certificate: str
    serial: int
    expires_at: datetime


def due(environment: str, authority: str, *, at: datetime) -> list[Target]:
    """Living SSH targets at the level certificate without a certificate that lasts long enough.

    A target that demands one of another authority has its certificate from elsewhere.
    """
    rows = Target.objects.filter(environment=environment, trust="certificate", ended_at__isnull=True)
    rows = rows.filter(host_authority__in=["", authority]).exclude(host_key__startswith=f"{AUTHORITY} ")
    have = {
        (row.target, row.host_key_sha256): row.authority
        for row in HostCertificate.objects.filter(environment=environment)
        if not host_renewal.is_due(row.expires_at, at=at)
    }

    def lacks(row: Target) -> bool:
        """Another issuer's certificate is enough, until people demand one of this authority: no two take turns."""
        signer = have.get((row.name, row.host_key_sha256))
        return signer is None or (row.host_authority == authority != signer)

    return list(islice((row for row in rows.order_by("name") if lacks(row)), AT_ONCE))


def made(environment: str, one: Made, *, at: datetime) -> None:
    """Keep a certificate for its host to fetch, in the place of the one before; an event names it."""
    fields: dict[str, Any] = {
        "host_key_sha256": one.host_key_sha256,
        "authority": one.authority,
        "certificate": one.certificate,
        "serial": str(one.serial),
        "made_at": at,
        "expires_at": one.expires_at,
    }
    with transaction.atomic():
        HostCertificate.objects.update_or_create(environment_id=environment, target=one.target, defaults=fields)
        facts: Mapping[str, Any] = {
            "environment": environment,
            "target": one.target,
            "host_key": one.host_key_sha256,
            "authority": fingerprint(one.authority),
            "serial": str(one.serial),
            "key_id": host_renewal.key_id(environment, one.target),
            "expires_at": moment(one.expires_at),
        }
        record("host.certified", actor=None, at=at, facts=facts)
