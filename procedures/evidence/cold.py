"""Cold storage: bodies of old runs lie together, and the column keeps where; whoever reads one is given what it was.

A bundle holds bodies of one run, one after another, as they were. The guards of the database let a body give way to a
place only where a bundle holds exactly its bytes there, so that nobody can lose or alter one by moving it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import models

from procedures.domain.errors import OpsError

HELD = 16  # bundles that a process remembers: events of one run are read together
FORMAT = "cold/1"
PLACE = re.compile(rb'\["cold/1","([0-9a-f]{32})",(0|[1-9][0-9]{0,9}),([1-9][0-9]{0,9})\]')
_LENIENT: ContextVar[bool] = ContextVar("cold_lenient", default=False)


class ColdMissing(OpsError):
    """A body lies in cold storage, and there is no such bundle, or it ends before the body does."""

    code = "evidence.cold-missing"
    next_step = "Run `opsportal evidence check`, and restore the database's table evidence_coldbundle from a backup."


def place(bundle: UUID, start: int, length: int) -> bytes:
    """What a column holds instead of `length` bytes from `start` of a bundle; no object, as every body is one."""
    return b'["%s","%s",%d,%d]' % (FORMAT.encode(), bundle.hex.encode(), start, length)


def bundle_of(stored: bytes | memoryview) -> UUID | None:
    """The bundle that these bytes of the column name; None where they are a body."""
    said = PLACE.fullmatch(bytes(stored)) if stored[:1] == b"[" else None
    return UUID(said[1].decode()) if said else None


def is_place(stored: bytes | memoryview) -> bool:
    """Whether these bytes of the column say where the body is, and are not the body itself."""
    return bundle_of(stored) is not None


@contextmanager
def leniently() -> Iterator[None]:
    """Within it a body that is not to be found is read as its place: for a check, which tells of it and goes on."""
    _LENIENT.set(True)
    try:
        yield
    finally:
        _LENIENT.set(False)


class BodyField(models.BinaryField):  # type: ignore[type-arg]  # generic in its stubs alone
    """A body, wherever it lies. Reading raises ColdMissing."""

    def deconstruct(self) -> Any:
        """To the database it is a column of bytes."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.BinaryField", args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if value is None or value[:1] != b"[":
            return value
        return _resolved(connection.alias, bytes(value))


def _resolved(using: str, stored: bytes) -> bytes:
    if (said := PLACE.fullmatch(stored)) is None:
        return stored
    bundle, start, length = UUID(said[1].decode()), int(said[2]), int(said[3])
    try:
        found = _bundle(using, bundle)[start : start + length]
    except models.ObjectDoesNotExist:
        found = b""
    if len(found) == length:
        return found
    if _LENIENT.get():
        return stored
    raise ColdMissing(f"The bundle {bundle} of cold storage is not there, or lacks bytes {start} to {start + length}.")


@lru_cache(maxsize=HELD)
def _bundle(using: str, pk: UUID) -> bytes:
    """A bundle never changes, and its id is used once: what is remembered of it stays true."""
    rows = apps.get_model("evidence", "ColdBundle").objects.using(using)
    return bytes(rows.values_list("data", flat=True).get(pk=pk))
