"""The issuer signs its hosts' confirmed keys before their certificates end, as the log says, and nothing else."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client

from opsportal.cli.targets import target as commands
from procedures.domain import host_renewal
from procedures.domain.clock import now
from procedures.domain.sshkeys import fingerprint
from procedures.evidence.queries import facts_of_kinds
from procedures.issuer.host_certificates import sign_due
from procedures.issuer.stock import Stock, stock_of
from procedures.models import HostCertificate, Target
from procedures.ssh.authority import load_ca
from procedures.ssh.host_certificates import Demanded, judged, read
from procedures.ssh.places import HOSTS, USERS, authorities
from procedures.ssh.transport import HostCertificateRefused, greet
from tests.factories.portal import World, public_text
from tests.fixtures.parts import as_owner
from tests.services.test_target_changes import host
from tests.ssh.conftest import Place, place

PLACE = "development"
__all__ = ["place"]


@pytest.fixture
def stock(world: World, tmp_path: Path) -> Stock:
    return replace(stock_of(tmp_path), hosts=authorities(tmp_path, HOSTS))


def confirmed(world: World, number: int = 1, **said: Any) -> Target:
    world.confirmed("target", host(number, **{"trust": "certificate", **said}))
    return Target.objects.get(name=f"web-{number}", ended_at__isnull=True)


def shown(row: HostCertificate, target: Target, authority: str) -> None:
    judged_at = now()
    demanded = Demanded(target.name, authority, target.host_key)
    found = judged(blob(row.certificate), demanded, at=judged_at)
    assert (str(found.serial), found.authority) == (row.serial, fingerprint(authority))


def blob(line: str) -> bytes:
    return base64.b64decode(line.split()[1])


def test_a_confirmed_key_is_signed_once_and_again_before_its_certificate_ends(world: World, stock: Stock) -> None:
    row, public = confirmed(world), stock.hosts(PLACE).public
    confirmed(world, 2, trust="key")
    assert [sign_due(stock, [PLACE], at=now()) for _ in range(2)] == [1, 0], "a host at another level gets none"
    made = HostCertificate.objects.get()
    shown(made, row, public)
    assert [*read(blob(made.certificate)).valid_principals] == [b"web-1"]
    early = made.expires_at - host_renewal.RENEW_BEFORE
    assert sign_due(stock, [PLACE], at=early - timedelta(minutes=1)) == 0
    assert sign_due(stock, [PLACE], at=early) == 1
    second = HostCertificate.objects.get()
    assert second.serial != made.serial
    said = [fact.facts for fact in facts_of_kinds("host.certified")]
    assert [one["serial"] for one in said] == [made.serial, second.serial]
    assert (said[0]["host_key"], said[0]["authority"]) == (row.host_key_sha256, fingerprint(public))


def test_another_key_is_signed_only_when_people_confirmed_it(world: World, stock: Stock) -> None:
    """Whoever writes to the table gets no certificate for a key of theirs, nor for a name, nor an environment."""
    row = confirmed(world)
    other = public_text(Ed25519PrivateKey.generate())
    for forged in (
        {"host_key": other, "host_key_sha256": fingerprint(other)},
        {"name": "web-9"},
        {"environment": "staging"},
    ):
        before = {name: getattr(row, name if name != "environment" else "environment_id") for name in forged}
        with as_owner():
            Target.objects.filter(pk=row.pk).update(**forged)
        assert sign_due(stock, [PLACE, "staging"], at=now()) == 0, forged
        with as_owner():
            Target.objects.filter(pk=row.pk).update(**before)
    with as_owner():
        Target.objects.create(
            environment_id=PLACE,
            **{k: v for k, v in host(7).items() if k not in {"environment", "action", "trust"}},
            trust="certificate",
            host_key_sha256="SHA256:x",
            since_at=now(),
        )
    assert sign_due(stock, [PLACE], at=now()) == 1, "the confirmed one alone"
    assert list(HostCertificate.objects.values_list("target", flat=True)) == ["web-1"]
    fresh = confirmed(world, host_key=other)
    assert sign_due(stock, [PLACE], at=now()) == 1
    shown(HostCertificate.objects.get(), fresh, stock.hosts(PLACE).public)


def test_the_authority_of_hosts_is_not_the_one_that_lets_runs_in_and_each_environment_s_own(tmp_path: Path) -> None:
    every = [
        authorities(tmp_path, what)(where).public for what in (USERS, HOSTS) for where in ("development", "staging")
    ]
    assert len(set(every)) == 4
    assert (tmp_path / "host-ca-staging").stat().st_mode & 0o777 == 0o600


def test_two_issuers_with_keys_of_their_own_do_not_take_turns(world: World, stock: Stock, tmp_path: Path) -> None:
    row = confirmed(world)
    other = replace(stock, hosts=authorities(tmp_path / "other", HOSTS))
    assert [sign_due(one, [PLACE], at=now()) for one in (stock, other, stock, other)] == [1, 0, 0, 0]
    confirmed(world, host_key=row.host_key, host_authority=other.hosts(PLACE).public)
    assert [sign_due(one, [PLACE], at=now()) for one in (stock, other, stock, other)] == [0, 1, 0, 0]


def test_a_key_that_cannot_be_read_is_said_and_tried_again(world: World, stock: Stock, tmp_path: Path) -> None:
    confirmed(world)
    path = tmp_path / f"host-ca-{PLACE}"
    path.write_text("no key")
    assert sign_due(stock, [PLACE], at=now()) == 0
    path.unlink()
    assert sign_due(stock, [PLACE], at=now()) == 1


def test_a_real_sshd_shows_what_was_signed_and_evidence_names_it(world: World, stock: Stock, place: Place) -> None:
    row = confirmed(world, host_key=place.host.host_key)
    sign_due(stock, [PLACE], at=now())
    place.host.certify(HostCertificate.objects.get().certificate)
    at = {"address": "127.0.0.1", "port": place.host.port, "host_key": row.host_key, "seconds": 5}
    demanded = Demanded("web-1", stock.hosts(PLACE).public, row.host_key)
    try:
        transport = greet(**at, demanded=demanded)
        transport.close()
        assert transport.shown is not None
        assert transport.shown.facts["key_id"] == "host=web-1 environment=development"
        with pytest.raises(HostCertificateRefused, match="another authority"):
            greet(**at, demanded=replace(demanded, authority=public_text(load_ca(place.keys / "ssh-ca-staging"))))
    finally:
        place.host.certify("")


def test_api_and_command_give_it_to_whoever_sees_the_target(
    world: World, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed(world)
    client = Client()
    client.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")

    def told(method: str, path: str, *_: Any) -> Any:
        return client.get(path).json()

    monkeypatch.setattr("opsportal.cli.targets.ask", told)
    asked = CliRunner().invoke(commands, ["certificate", "web-1"])
    assert (asked.exit_code, "Nobody signed the key of web-1 yet" in asked.output) == (1, True)
    sign_due(stock, [PLACE], at=now())
    asked = CliRunner().invoke(commands, ["certificate", "web-1"])
    assert asked.output.startswith("ssh-ed25519-cert-v01@openssh.com AAAA")
    asked = CliRunner().invoke(commands, ["certificate", "web-1", "--authority"])
    assert asked.output.strip() == stock.hosts(PLACE).public
    stranger = Client()
    stranger.force_login(world.person("sten"), backend="procedures.access.backend.PasswordBackend")
    assert stranger.get("/api/v1/targets/web-1/").status_code == 404
