"""Reads inventories where runs run: files, programs in the sandbox, clouds with this pool's secrets; never in web."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import structlog
from django.conf import settings

from procedures.definitions import registry
from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.domain.inventory_sources import SourceFailed
from procedures.domain.lending import Fetch
from procedures.domain.ports import ActionCall, ActionIO
from procedures.domain.secrets import Secret
from procedures.issuer.inventories import why_not
from procedures.models import Entity, Inventory
from procedures.runner.drive import identity, issuer
from procedures.services import inventory_readings as readings

log = structlog.get_logger(__name__)
MAX_BYTES = 2 * 1024 * 1024
SECONDS = 60.0
MOST_ENTITIES = 20_000


def sync(name: str) -> None:
    """Read one inventory and tell what it says; the scheduler compares it. One that fails says why on its page.

    One that its row alone names so is not read.
    """
    row = Inventory.objects.filter(name=name, ended_at__isnull=True).first()
    if row is None:
        return
    try:
        _require_signed(row)
        read = registry.inventory_source(row.kind).read(row.settings, Surroundings(row))
        readings.bring(inventory=name, read=read, at=now())
    except OpsError as problem:
        readings.bring_failure(inventory=name, problem=problem.message, at=now())
    except Exception as problem:
        log.exception("inventory.defect", inventory=name)
        told = f"The source {row.kind} broke: {type(problem).__name__}."
        readings.bring_failure(inventory=name, problem=told, at=now())


def _require_signed(row: Inventory) -> None:
    """Raises SourceFailed."""
    if why := why_not(row):
        raise SourceFailed(f"Nothing is read: {why}.")


class Surroundings:
    """What one inventory may reach on this host."""

    def __init__(self, row: Inventory) -> None:
        self.name, self.environment = row.name, row.environment_id

    def file(self, name: str) -> bytes:
        root = Path(settings.OPSPORTAL_INVENTORIES_DIR).resolve()
        place = (root / name).resolve()
        if root not in place.parents or not place.is_file():
            raise SourceFailed(f"There is no file {name} in the folder of inventories ({root}) of the runner.")
        with place.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise SourceFailed(f"{name} is larger than {MAX_BYTES:,} bytes.")
        return data

    def printed_by(self, name: str, *, network: bool) -> bytes:
        program, io = self.file(name), _Kept()
        if not program.startswith(b"#!"):
            raise SourceFailed(f"{name} is no program: it does not begin with #!.")
        call = ActionCall(
            run_id=uuid4(),
            step="inventory",
            attempt=1,
            nonce=uuid4().hex,
            input={"argv": ["/bundle/inventory", "--list"], "network": network},
            files={"inventory": program},
            parameters={},
            env={},
            secret_env={},
            stdin=None,
            target=None,
            lease=None,
            seconds_left=SECONDS,
        )
        ended = registry.actions()["local:command"].run(call, io)
        if io.over:
            raise SourceFailed(f"{name} prints more than {MAX_BYTES:,} bytes.")
        if ended.outcome != "succeeded":
            said = bytes(io.kept["stderr"]).decode(errors="replace").strip().splitlines()
            raise SourceFailed(f"{name}: {ended.message} {said[-1][:300] if said else ''}".strip())
        return bytes(io.kept["stdout"])

    def secret(self, name: str) -> Secret:
        try:
            return issuer(self.environment).fetch(Fetch(identity().id, self.name, name))
        except OpsError as problem:
            raise SourceFailed(problem.message) from problem

    def entities(self, kind: str) -> list[Mapping[str, Any]]:
        rows = Entity.objects.filter(ref__startswith=f"{kind.lower()}:").order_by("ref")[:MOST_ENTITIES]
        return [row.document for row in rows if isinstance(row.document, dict)]


class _Kept(ActionIO):
    """Keeps what a program prints, up to a limit at which it is stopped."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.kept = {"stdout": bytearray(), "stderr": bytearray()}
        self.over = False

    def write(self, stream: Literal["stdout", "stderr", "system"], data: bytes) -> None:
        kept = self.kept["stdout" if stream == "stdout" else "stderr"]
        kept += data[: max(0, MAX_BYTES + 1 - len(kept))]
        if len(kept) > MAX_BYTES:
            self.over = True
            self.cancelled.set()

    def register_secret(self, secret: Secret) -> None:
        return
