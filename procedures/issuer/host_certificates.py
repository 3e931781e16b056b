"""Signs hosts' keys before their certificates end: the confirmed key of a target that stands in the log, no other."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import structlog

from procedures.domain import host_renewal
from procedures.domain.controls import Authority
from procedures.domain.errors import OpsError
from procedures.domain.sshkeys import fingerprint
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.issuer.stock import Stock
from procedures.models import Target
from procedures.services import host_certificates
from procedures.ssh.certifying import SshAuthority, Wanted, certify

log = structlog.get_logger(__name__)


def sign_due(stock: Stock, environments: Collection[str], *, at: datetime) -> int:
    """Certify every host whose turn it is; how many. One that cannot be now is tried again in the next round."""
    signed = 0
    for environment in environments:
        try:
            signer = stock.hosts(environment)
            rows = host_certificates.due(environment, signer.public, at=at)
            authority = replay() if rows else None
        except OpsError as problem:
            log.warning("hosts.not-certified", environment=environment, why=problem.message)
            continue
        for row in rows:
            try:
                host_certificates.made(environment, certified(authority, signer, row, at=at), at=at)  # type: ignore[arg-type]
                signed += 1
            except OpsError as problem:
                log.warning("host.not-certified", target=row.name, why=problem.message)
    return signed


def certified(authority: Authority, signer: SshAuthority, row: Target, *, at: datetime) -> host_certificates.Made:
    """A certificate for a target's name and for the key that the log holds for it.

    Raises LeaseRefused where the table says another thing than the log, AuthorityAway, OtherCertificate.
    """
    fact = authority.targets.get(row.name)
    if fact is None or not fact["stands"]:
        raise LeaseRefused(f"The target {row.name} is asserted by the platform alone.")
    said = (fact["environment"], fact["host_key"], fact["trust"], fact.get("host_authority", ""))
    if fact.get("action", "set") != "set" or said != (row.environment_id, row.host_key, row.trust, row.host_authority):
        raise LeaseRefused(f"The target {row.name} in the table is not the one that was confirmed.")
    about = host_renewal.key_id(row.environment_id, row.name)
    until = at + host_renewal.LIFE
    given = certify(signer, Wanted("host", fact["host_key"], [row.name], about, at, until))
    return host_certificates.Made(
        row.name, fingerprint(fact["host_key"]), signer.public, given.certificate, given.serial, until
    )
