"""Passkeys in a real browser with a virtual authenticator, and the proof of what they decided without any portal."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest
from django.db import transaction
from playwright.sync_api import Page

from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer
from procedures.models import Approval, ControlChange, EnrolledKey, Environment, Review, Run, Version
from procedures.runner.drive import drive
from procedures.services import controls
from procedures.services.run_states import note
from tests.browser.conftest import Portal
from tests.browser.device import Device
from tests.evidence.conftest import Log
from tests.factories.portal import World

pytestmark = pytest.mark.once


def enrol(portal: Portal, name: str) -> tuple[Page, Device]:
    """The page of a person who has just added a passkey, confirmed by Jonas with his SSH key."""
    page = portal.page(name)
    device = Device.of(page)
    page.goto(f"{portal.url}/settings/")
    page.click("button:has-text('Add a passkey')")
    page.wait_for_selector("h1:has-text('enrols the passkey')")
    page.click("button:has-text('Propose')")
    page.wait_for_url("**/changes/*/")
    change = ControlChange.objects.get(state="proposed")
    signature = portal.town.sign("jonas", bytes(change.statement))
    controls.confirm(actor=portal.town.people["jonas"], change=change.pk, signature=signature, at=now())
    page.goto(f"{portal.url}/settings/")
    assert "passkey, ES256, at localhost" in page.inner_text("main")
    return page, device


def test_a_version_and_a_run_are_decided_by_passkey_and_a_stranger_proves_it(portal: Portal, tmp_path: Path) -> None:
    page, device = enrol(portal, "aisha")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    Environment.objects.filter(pk="staging").update(approvals={"low": {"operations": 1}}, min_strength="signed")
    version = Version.objects.get(procedure__name="hello")
    page.goto(f"{portal.url}/reviews/{version.id}/")
    device.verifies(False)
    page.click("button:has-text('Accept as')")
    page.wait_for_selector("text=No passkey answered")
    assert not Review.objects.exists()
    device.verifies(True)
    page.click("button:has-text('Accept as')")
    page.wait_for_selector(".pill:has-text('Accepted')")
    assert Review.objects.get(version=version).signatures[0]["method"] == "passkey"
    run = portal.town.ask(environment="staging")
    page.goto(f"{portal.url}/approvals/{run.id}/")
    page.click("button:has-text('Approve')")
    page.wait_for_url("**/runs/*/")
    approval = run.approvals.get()
    assert (approval.strength, approval.signatures[0]["method"]) == ("signed", "passkey")
    assert complaints == []
    drive(run.id)
    assert Run.objects.get(pk=run.pk).state == "succeeded"
    assert EnrolledKey.objects.get(method="passkey").sign_count > 0
    sequencer = Sequencer(load_key(tmp_path / "key", "test/log"), tmp_path / "at")
    log = Log(World(portal.town.people["jonas"]), sequencer, run)
    assert proven(log, tmp_path) == (0, "verdict: SIGNED")
    moved_to(portal.town.ask(environment="staging"), approval)
    assert proven(log, tmp_path, careless=True) == (1, "verdict: FAILED")


def proven(log: Log, folder: Path, *, careless: bool = False) -> tuple[int, str]:
    """What verify.py says of a pack of everything, alone and with nothing but Python."""
    pack = folder / "pack.zip"
    pack.write_bytes(log.pack(careless=careless))
    words = [sys.executable, "-I", "-S", verify.__file__, str(pack), "--log-key", log.key]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()[-1]


def moved_to(other: Run, approval: Approval) -> None:
    """The browser's true assertion, written by the portal under another run: the statement is made to fit."""
    statement = bytes(approval.statement).replace(str(approval.run_id).encode(), str(other.id).encode())
    statement = statement.replace(approval.plan_digest.encode(), other.plan_digest.encode())
    facts = {name: getattr(approval, name) for name in ("gate", "verdict", "duties", "strength", "comment")}
    facts |= {"plan_digest": other.plan_digest, "digest": other.digest}
    with transaction.atomic():
        note(
            "run.approved",
            other,
            at=now(),
            actor=approval.approver.subject,
            statement=statement,
            signatures=approval.signatures,
            facts=facts,
        )


def test_without_javascript_the_ssh_way_still_works_for_who_has_a_passkey(portal: Portal) -> None:
    enrol(portal, "aisha")[0].context.close()
    portal.town.accept("hello")
    Environment.objects.filter(pk="staging").update(approvals={"low": {"operations": 1}}, min_strength="signed")
    run = portal.town.ask(environment="staging")
    page = portal.page("aisha", javascript=False)
    page.goto(f"{portal.url}/settings/")
    assert "A passkey needs JavaScript; an SSH key does not." in page.inner_text("main")
    page.goto(f"{portal.url}/approvals/{run.id}/")
    page.click("summary:has-text('Sign with an SSH key')")
    statement = b64decode(page.get_attribute("input[name=statement]", "value") or "")
    page.fill("#signature", portal.town.sign("aisha", statement)["signature"])
    page.click("button:has-text('Approve')")
    page.wait_for_url("**/runs/*/")
    assert run.approvals.get().signatures[0]["method"] == "ssh"
