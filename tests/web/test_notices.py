"""The page of one's own notices: what was told, and what comes by mail."""

from __future__ import annotations

from django.test import Client

from procedures.models import NoticeOff
from tests.factories.portal import new_world


def test_a_person_chooses_what_comes_by_mail_and_security_stays_on(client: Client, db: None) -> None:
    olga = new_world().person("olga", key=True)
    client.force_login(olga, backend="procedures.access.backend.PasswordBackend")
    page = client.get("/settings/notices/")
    text = page.content.decode()
    assert "This portal sends no mail" in text
    assert "A signing key of Olga was enrolled" in text
    chosen = ["approval.waits", "review.waits"]
    assert client.post("/settings/notices/", {"mail": chosen}).status_code == 200
    off = set(NoticeOff.objects.filter(person=olga).values_list("kind", flat=True))
    assert "run.ended_badly" in off
    assert not off & {*chosen, "key.enrolled", "key.revoked", "account.closed"}
