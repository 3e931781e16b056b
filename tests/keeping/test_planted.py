"""Whoever holds a backup can write into its tables: what the log does not prove opens nothing after a restore."""

from __future__ import annotations

from datetime import timedelta

from click.testing import CliRunner
from django.contrib.sessions.models import Session

from opsportal.cli.keeping import DIFFERS, restore
from opsportal.keeping import backup
from procedures.domain.clock import now
from procedures.models import ApiToken, Grant, OpenSession
from procedures.services import tokens
from tests.keeping.conftest import Kept


def test_what_was_planted_in_a_backup_opens_nothing_and_is_told(kept: Kept) -> None:
    kept.run()
    _, secret = tokens.make_token(actor=kept.quinn, name="laptop", days=3, at=now())
    at = now()
    OpenSession.objects.create(person=kept.quinn, began_at=at, seen_at=at, until_at=at + timedelta(hours=1))
    Session.objects.create(session_key="planted", session_data="x", expire_date=at + timedelta(hours=1))
    kept.sequence()
    honest, planted = kept.folder / "honest.tar", kept.folder / "planted.tar"
    backup.make(honest, at=now())
    Grant.objects.update(verbs=["run", "manage_access"])
    backup.make(planted, at=now())

    kept.empty()
    done = CliRunner().invoke(restore, [str(honest)])
    assert done.exit_code == 0, done.output
    assert "Ended: 1 sessions, 1 tokens and" in done.output
    assert tokens.bearer(secret, at=now()) is None
    assert not Session.objects.exists()
    assert not OpenSession.objects.filter(ended_at__isnull=True).exists()
    assert not ApiToken.objects.filter(revoked_at__isnull=True).exists()

    kept.empty()
    done = CliRunner().invoke(restore, [str(planted)])
    assert done.exit_code == DIFFERS, done.output
    assert "Tables and evidence differ: grant" in done.output
