"""Ends, in a database that was restored, what opens the portal and what no evidence proves: a row of it can be planted.

Only columns that every earlier schema has are read or written, for a backup may be of earlier software.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.sessions.models import Session
from django.db import connection, transaction

from procedures.models import ApiToken, Connection, OneTimeLink, OpenSession


@dataclass(frozen=True, slots=True)
class Ended:
    """How many open `sessions`, bearer `tokens` (those of connected programs among them) and one-time `links` ended."""

    sessions: int
    tokens: int
    links: int


def end_what_opens(at: datetime) -> Ended:
    """Sign everybody out, with the forms that wait in their sessions, and end every token, program, code and link."""
    there = connection.introspection.installed_models(connection.introspection.table_names())
    sessions = tokens = links = 0
    with transaction.atomic(durable=True):
        if Session in there:
            Session.objects.all().delete()
        if OpenSession in there:
            sessions = OpenSession.objects.filter(ended_at__isnull=True).update(ended_at=at)
        if ApiToken in there:
            tokens = ApiToken.objects.filter(revoked_at__isnull=True).update(revoked_at=at)
        if Connection in there:
            Connection.objects.filter(token__isnull=True, code_used_at__isnull=True).update(code_used_at=at)
        if OneTimeLink in there:
            links = OneTimeLink.objects.filter(used_at__isnull=True).update(used_at=at)
    return Ended(sessions, tokens, links)
