"""Sessions as their rows hold them: under a digest of the cookie's key, so that who reads the table can be nobody."""

from __future__ import annotations

import hashlib

from django.contrib.sessions.backends.db import SessionStore as Stored
from django.contrib.sessions.base_session import AbstractBaseSession
from django.contrib.sessions.models import Session
from django.utils import timezone

COLUMN = 40


def at_rest(key: str | None) -> str:
    """What stands in the table for a key of 165 random bits: 160 bits of its SHA-256, as hex digits."""
    return hashlib.sha256(f"opsportal/session/{key}".encode()).hexdigest()[:COLUMN]


class SessionStore(Stored):
    """Django's own store in the database; only the key itself never stands there."""

    def _get_session_from_db(self) -> Session | None:
        row = Session.objects.filter(pk=at_rest(self.session_key), expire_date__gt=timezone.now()).first()
        if row is None:
            self._session_key = None
        return row

    async def _aget_session_from_db(self) -> Session | None:
        rows = Session.objects.filter(pk=at_rest(self.session_key), expire_date__gt=timezone.now())
        row = await rows.afirst()
        if row is None:
            self._session_key = None
        return row

    def exists(self, session_key: str) -> bool:
        return super().exists(at_rest(session_key))

    async def aexists(self, session_key: str) -> bool:
        return await super().aexists(at_rest(session_key))

    def create_model_instance(self, data: dict[str, object]) -> AbstractBaseSession:
        row = super().create_model_instance(data)
        row.session_key = at_rest(row.session_key)
        return row

    async def acreate_model_instance(self, data: dict[str, object]) -> AbstractBaseSession:
        row = await super().acreate_model_instance(data)
        row.session_key = at_rest(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            super().delete(at_rest(key))

    async def adelete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            await super().adelete(at_rest(key))


__all__ = ["SessionStore", "at_rest"]
