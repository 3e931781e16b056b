"""Notices go out once, to those whom they concern, after the thing happened, in our words alone."""

from __future__ import annotations

import re
import ssl
import unicodedata
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import transaction

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.domain.ids import uuid7
from procedures.domain.notices import KINDS
from procedures.domain.notices import Notice as Ready
from procedures.evidence.models import Event
from procedures.models import Notice, NoticeOff, Person, Run
from procedures.notifiers.mail import Mail
from procedures.queries import pages_notices
from procedures.runner import notifying
from procedures.services import leavers, notices, people, reminding, runs, sweeping
from tests.factories.portal import World
from tests.fixtures.mailbox import Mailbox, guarded
from tests.web.hostile import PAYLOADS, URLS

pytestmark = pytest.mark.ordinary

OURS = "http://localhost:8000"
LINKS = re.compile(r"[a-z][a-z0-9+.-]*:\S|//\S|\bwww\.|[\w-]+\.[a-z]{2,}\b|\w@\w", re.IGNORECASE)


def with_mail(person: Person, address: str = "") -> Person:
    Person.objects.filter(pk=person.pk).update(email=address or f"{person.username}@example.com")
    person.refresh_from_db()
    return person


def of_olga() -> Notice:
    return Notice.objects.get(person__username="olga")


@pytest.fixture
def waiting(world: World, mailbox: Mailbox) -> Run:
    """A run in staging that waits for Olga's approval; Quinn asked for it."""
    return asked_in_staging(world)


def asked_in_staging(world: World) -> Run:
    world.accepted()
    rules = {"name": "development", "title": "Development", "position": 1, "production": False, "drafts": True}
    more = {"approvals": {"low": {"operations": 1}}, "min_strength": "session", "approval_expiry_s": 3600}
    world.confirmed("environment", {**rules, **more, "reason_required": False})
    quinn, olga = with_mail(world.person("quinn")), with_mail(world.person("olga", "operations"))
    world.may(quinn, "run", "approve", procedure="hello")
    world.may(olga, "approve", procedure="hello")
    Notice.objects.all().delete()
    return world.ask(quinn)


def test_who_may_approve_is_mailed_and_who_asked_is_not(waiting: Run, mailbox: Mailbox) -> None:
    assert notifying.deliver() == 1
    (mail,) = mailbox.mails
    assert mail["To"] == "olga@example.com"
    assert mail["Subject"] == f"[OpsPortal] Run {waiting.no} of hello in development waits for an approval"
    text = mail.get_content()
    assert f"{OURS}/approvals/{waiting.id}/" in text
    assert "Quinn asks for run" in text
    assert waiting.approval_expires_at is not None
    assert f"until {waiting.approval_expires_at:%Y-%m-%d %H:%M} UTC" in text
    assert "a test" not in text  # the reason can be erased from the evidence, and not from a mail box
    assert notifying.deliver() == 0


def test_nothing_goes_out_of_what_was_rolled_back(world: World, mailbox: Mailbox, monkeypatch: Any) -> None:
    run = asked_in_staging(world)
    Notice.objects.all().delete()

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(runs, "_plan_and_go", lambda *a, **k: (real(*a, **k), broken()))
    with pytest.raises(RuntimeError), transaction.atomic():
        world.ask(run.requester)
    assert not Notice.objects.exists()
    assert notifying.deliver() == 0
    assert mailbox.mails == []


real = runs._plan_and_go


def test_a_server_that_was_away_gets_the_mail_once(waiting: Run, mailbox: Mailbox) -> None:
    mailbox.stop()
    assert notifying.deliver() == 0
    row = of_olga()
    assert (row.state, row.attempts) == ("waiting", 1)
    assert row.next_at is not None
    assert row.next_at > now() + timedelta(seconds=50)
    assert "Refused" in row.problem
    mailbox.start()
    assert notifying.deliver() == 0, "not before its time"
    Notice.objects.update(next_at=now())
    assert notifying.deliver() == 1
    Notice.objects.filter(state="waiting").update(next_at=now())
    assert notifying.deliver() == 0
    assert len(mailbox.mails) == 1
    assert of_olga().state == "sent"


def test_two_keepers_do_not_deliver_the_same_notice_and_a_dead_one_is_made_good(waiting: Run) -> None:
    at = now()
    assert len(notices.take(at=at)) == 1
    assert notices.take(at=at) == []
    (again,) = notices.take(at=at + notices.HELD)
    assert Mail({}, sender="a@example.com", portal=OURS).message(again).extra_headers["Message-ID"] == (
        f"<{again.id}@localhost>"
    )


def test_what_cannot_be_delivered_for_a_day_is_given_up_loudly(waiting: Run, mailbox: Mailbox) -> None:
    row = of_olga()
    notices.take(at=now())
    notices.failed(notice=row.id, why="TimeoutError", final=False, at=row.at + notices.GIVE_UP)
    row.refresh_from_db()
    assert row.state == "given_up"
    event = Event.objects.get(kind="notice.given_up")
    assert str(row.id).encode() in bytes(event.body)
    (told,) = pages_notices.notices_of(row.person)
    assert told.state == "mail failed"


def test_an_address_that_the_server_refuses_is_given_up_at_once(waiting: Run, mailbox: Mailbox) -> None:
    mailbox.refused.add("olga@example.com")
    assert notifying.deliver() == 0
    assert of_olga().state == "given_up"


@pytest.mark.parametrize(
    "address", ["olga@example.com\nBcc: evil@evil.example", "olga@example.com, evil@evil.example", "not an address"]
)
def test_an_address_with_more_in_it_reaches_nobody(waiting: Run, mailbox: Mailbox, address: str) -> None:
    Person.objects.filter(username="olga").update(email=address)
    assert notifying.deliver() == 0
    assert mailbox.mails == []
    assert of_olga().state == "given_up"


def test_a_person_is_invited_under_a_real_address_only(world: World) -> None:
    for address in ("a@b.example\nBcc: c@d.example", "nobody", "a@b.example,c@d.example"):
        with pytest.raises(InvalidInput, match="/email"):
            people.invite_person(actor=world.mira, username="x", name="X", email=address, at=now())


@pytest.mark.once
@pytest.mark.parametrize("kind", KINDS)
def test_no_payload_in_any_field_becomes_more_than_text_in_a_mail(kind: str) -> None:
    mail = Mail({}, sender="opsportal@example.com", portal=OURS)
    fields = set(re.findall(r"{(\w+)}", KINDS[kind].subject + KINDS[kind].says))
    for payload in (*PAYLOADS, *URLS, "a\r\nBcc: evil@evil.example", "evil.example", "evil\uff0eexample", "=1+1"):
        facts = dict.fromkeys(fields, payload)
        made = mail.message(Ready(uuid7(), kind, facts, "/runs/", now(), "olga@example.com", payload)).message()
        assert made["To"] == "olga@example.com"
        assert {"Bcc", "Cc"}.isdisjoint(made.keys())
        subject = made["Subject"].replace("\n ", " ")
        assert re.fullmatch(r"[\x20-\x7e]+", subject), payload
        assert payload not in subject
        assert made.get_content_type() == "text/plain"
        text = made.get_payload(decode=True).decode()
        hidden = [c for c in text if unicodedata.category(c) in {"Cc", "Cf"} and c != "\n"]
        assert not hidden, (payload, hidden)
        foreign = LINKS.search(text.replace(f"{OURS}/runs/", "").replace(f"{OURS}/settings/notices/", ""))
        assert foreign is None, (payload, foreign)
        assert text.count("\n\n") == 3, "a payload begins no paragraph of its own"


def test_what_somebody_wants_no_mail_of_stands_on_the_page_alone(world: World, mailbox: Mailbox) -> None:
    run = asked_in_staging(world)
    olga = Person.objects.get(username="olga")
    Notice.objects.all().delete()
    notices.choose(actor=olga, off=["approval.waits"], at=now())
    world.ask(run.requester)
    assert notifying.deliver() == 0
    (told,) = pages_notices.notices_of(olga)
    assert told.state == "not mailed"


def test_a_security_notice_cannot_be_switched_off_by_page_or_by_sql(world: World, mailbox: Mailbox) -> None:
    olga = with_mail(world.person("olga"))
    with pytest.raises(InvalidInput, match="switched off"):
        notices.choose(actor=olga, off=["key.enrolled"], at=now())
    NoticeOff.objects.create(person=olga, kind="key.enrolled")
    world.enrol(olga)
    notifying.deliver()
    assert [mail["To"] for mail in mailbox.mails if "enrolled" in mail["Subject"]] == ["olga@example.com"]


def test_a_key_that_comes_or_goes_is_told_to_its_owner_and_to_all_managers(world: World, mailbox: Mailbox) -> None:
    with_mail(world.mira)
    olga, nora = with_mail(world.person("olga")), with_mail(world.person("nora"))
    world.may(nora, "manage_access")
    world.enrol(olga)
    mark = olga.signing_keys.get().fingerprint
    world.propose("key_end", {"fingerprint": mark, "reason": "lost"})
    notifying.deliver()
    for subject in ("enrolled", "revoked"):
        reached = {mail["To"] for mail in mailbox.mails if subject in mail["Subject"]}
        assert reached == {"olga@example.com", "nora@example.com", "mira@example.com"}
    assert all(mark in mail.get_content() for mail in mailbox.mails if "key" in mail["Subject"])


def test_a_closed_account_and_a_bad_end_are_told(world: World, mailbox: Mailbox) -> None:
    run = asked_in_staging(world)
    Notice.objects.all().delete()
    sweeping.sweep(at=now() + timedelta(hours=2))
    assert Run.objects.get(pk=run.pk).state == "expired"
    leavers.close_person(actor=world.mira, person=run.requester.subject, at=now())
    Notice.objects.filter(state="waiting").update(next_at=now())
    notifying.deliver()
    subjects = [(mail["To"], mail["Subject"]) for mail in mailbox.mails]
    bad = f"[OpsPortal] Run {run.no} of hello in development: nobody decided in time"
    assert subjects == [("quinn@example.com", bad), ("quinn@example.com", "[OpsPortal] An account was closed")]


def test_access_that_ends_is_told_a_week_and_a_day_before_each_once(world: World, mailbox: Mailbox) -> None:
    quinn = with_mail(world.person("quinn"))
    at = now()
    world.may(quinn, "discover", expires_at=stamp(at + timedelta(days=30)))
    world.may(quinn, "discover", expires_at=stamp(at + timedelta(hours=20)))  # made for less than a day: no word of it
    Notice.objects.all().delete()
    for days in (22, 24, 25, 28, 29.5, 29.6, 29.9):
        reminding.remind(at=at + timedelta(days=days))
        reminding.remind(at=at + timedelta(days=days))
    Notice.objects.filter(state="waiting").update(next_at=now())
    notifying.deliver()
    told = [mail["Subject"] for mail in mailbox.mails if mail["To"] == "quinn@example.com"]
    assert told == ["[OpsPortal] Access of yours ends in 7 days", "[OpsPortal] Access of yours ends in 1 day"]


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


def test_without_a_mail_server_nothing_queues_up(world: World) -> None:
    asked_in_staging(world)
    assert set(Notice.objects.values_list("state", flat=True)) == {"off"}
    assert notices.take(at=now()) == []


def test_mail_goes_by_starttls_and_password_to_a_server_whose_certificate_holds(
    world: World, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = self_signed(tmp_path)
    box = guarded(certificate, key)
    box.start()
    try:
        settings.OPSPORTAL_SMTP = {**box.server, "host": "localhost", "use_tls": True, "username": "portal"}
        settings.OPSPORTAL_SMTP["password"] = "pass word@"
        asked_in_staging(world)
        assert notifying.deliver() == 0, "nobody vouches for this certificate"
        assert "CERTIFICATE" in Notice.objects.filter(person__username="olga").get().problem.upper()
        monkeypatch.setenv(ssl.get_default_verify_paths().openssl_cafile_env, str(certificate))
        Notice.objects.update(next_at=now())
        assert notifying.deliver() == 1
    finally:
        box.stop()


def self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder / "cert.pem", folder / "key.pem"
