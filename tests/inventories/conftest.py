"""Inventories of an installed portal: their folder, and what it takes to set one up and sync it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from procedures.domain.clock import now
from procedures.models import Inventory, InventorySync, Run, Target
from procedures.runner.syncing import sync
from procedures.services.inventory_readings import take_readings
from tests.factories.portal import World, new_world, public_text


@dataclass(slots=True)
class Sources:
    """`folder` is what a runner calls its folder of inventories."""

    world: World
    folder: Path

    def write(self, name: str, text: str, *, mode: int = 0o644) -> None:
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    def set_up(self, kind: str, settings: dict[str, Any], *, name: str = "hosts", **more: Any) -> Any:
        return self.world.confirmed("inventory", wanted(kind, settings, name=name, **more))

    def sync(self, name: str = "hosts") -> Inventory:
        sync(name)
        take_readings(at=now())
        return Inventory.objects.get(pk=name)

    def differences(self, name: str = "hosts") -> dict[str, str]:
        """Host → kind of difference, as the newest sync found them."""
        last = InventorySync.objects.filter(inventory=name).order_by("-id").first()
        return {row["name"]: row["kind"] for row in last.differences} if last else {}


def wanted(kind: str, settings: dict[str, Any], *, name: str = "hosts", **more: Any) -> dict[str, Any]:
    object = {"name": name, "environment": "development", "kind": kind, "settings": settings, "trust": "key"}
    return {**object, "every_s": 300, "takes": False, "action": "set", **more}


def host_key() -> str:
    return public_text(Ed25519PrivateKey.generate())


def target(name: str, environment: str, key: str, **more: Any) -> dict[str, Any]:
    object = {"environment": environment, "name": name, "address": f"{name}.example.com", "port": 22, "host_key": key}
    return {**object, "trust": "key", "tags": {}, "attributes": {}, "action": "set", **more}


def live(name: str) -> Target:
    return Target.objects.get(name=name, ended_at__isnull=True)


@pytest.fixture
def world(db: None) -> World:
    made = new_world()
    made.may(made.manager(), "operate")
    return made


@pytest.fixture
def sources(world: World, tmp_path: Path, settings: Any) -> Sources:
    settings.OPSPORTAL_INVENTORIES_DIR = tmp_path / "inventories"
    return Sources(world, tmp_path / "inventories")


@pytest.fixture
def a_run(world: World) -> Run:
    """Some run, for what only runs register."""
    quinn = world.person("quinn")
    world.may(quinn, "run")
    world.accepted("hello")
    return world.ask(quinn, parameters={})


@pytest.fixture
def authority() -> bytes:
    """The certificate of an authority, PEM."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster-ca")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now() - timedelta(days=1)).not_valid_after(now() + timedelta(days=9))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(key, None).public_bytes(Encoding.PEM)
