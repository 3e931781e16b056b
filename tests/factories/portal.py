"""An installed portal in the test's database, with people who hold exactly what they are given."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from procedures.definitions.archive import read_folder
from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.domain.sshkeys import fingerprint, sign_sshsig
from procedures.issuer.keys import pool_key
from procedures.models import DutyAssignment, Grant, Person, Run, Runner, Version
from procedures.runner.identity import DISPOSABLE, load_identity
from procedures.services import bootstrap, controls, install, reviews, runs, versions

RUNBOOKS = Path(settings.BASE_DIR) / "runbooks"
PASSWORD = "correct horse battery"
SOON = moment(now() + timedelta(days=30))  # within the terms of every grant


@dataclass(slots=True)
class World:
    """A portal whose first access manager is `mira`, with signing keys by username."""

    mira: Person
    keys: dict[str, Ed25519PrivateKey] = field(default_factory=dict)

    def person(self, name: str, *duties: str, key: bool = False) -> Person:
        """Somebody without rights; duties are given as the tables would hold them."""
        row = bootstrap.make_person(username=name, name=name.title(), email="", kind=Person.Kind.PERSON, at=now())
        DutyAssignment.objects.bulk_create(DutyAssignment(person=row, duty=d, since_at=now()) for d in duties)
        if key:
            self.enrol(row)
        return row

    def enrol(self, person: Person) -> str:
        """A key enrolled as it must be: proposed by its owner, confirmed by Mira."""
        key = self.keys[person.username] = Ed25519PrivateKey.generate()
        public = public_text(key)
        change = controls.propose(
            actor=person,
            control="key",
            object={"subject": str(person.subject), "public": public, "fingerprint": fingerprint(public)},
            signature=None,
            at=now(),
        )
        controls.confirm(
            actor=self.mira, change=change.id, signature=self.signed("mira", bytes(change.statement)), at=now()
        )
        return public

    def signed(self, name: str, statement: bytes) -> dict[str, str]:
        """What a door hands in when this person signed that statement."""
        text = sign_sshsig(self.keys[name], statement, "opsportal-approval")
        return {"statement": base64.b64encode(statement).decode(), "signature": text}

    def may(
        self,
        person: Person,
        *verbs: str,
        procedure: str | None = None,
        environments: Sequence[str] = (),
        by: Person | None = None,
        **more: Any,
    ) -> Grant:
        """A signed grant, made by Mira, or `by` another manager, as the portal would."""
        object = {
            "principal": f"person:{person.subject}",
            "verbs": list(verbs),
            "environments": list(environments),
            "not_before": moment(now()),
            "expires_at": moment(now() + timedelta(days=1)),
            "reason": "a test",
            **more,
        }
        if procedure is not None:
            object["procedure"] = procedure
        change = self.propose("grant", object, by=by)
        return Grant.objects.get(pk=change.id)

    def propose(self, control: str, object: Mapping[str, Any], *, by: Person | None = None) -> Any:
        actor = by or self.mira
        statement = canon(controls.statement_for(actor=actor, control=control, object=object))
        signature = self.signed(actor.username, statement)
        return controls.propose(actor=actor, control=control, object=object, signature=signature, at=now())

    def manager(self, name: str = "nora") -> Person:
        """A second access manager, with a key."""
        row = self.person(name, key=True)
        self.may(row, "manage_access")
        return row

    def confirmed(self, control: str, object: Mapping[str, Any]) -> Any:
        """A change that needs a second manager, who is made for it."""
        change = self.propose(control, object)
        if change.state == "proposed":
            nora = Person.objects.filter(username="nora").first() or self.manager()
            signed = self.signed("nora", bytes(change.statement))
            change = controls.confirm(actor=nora, change=change.id, signature=signed, at=now())
        return change

    def account(self, owner: Person, name: str = "robot", *, by: Person | None = None) -> Person:
        """A service account without rights, signed by Mira, or `by` another manager, for somebody else."""
        known = Person.objects.filter(username=name).first()
        subject = known.subject if known else uuid7()
        named = {"account": str(subject), "username": name, "name": name.title(), "owner": str(owner.subject)}
        self.propose("service_account", named, by=by)
        return Person.objects.get(username=name)

    def submit(self, author: Person, name: str = "hello", **files: bytes) -> Version:
        bundle = {**read_folder(RUNBOOKS / name), **{k.replace("__", "."): v for k, v in files.items()}}
        return versions.submit_version(actor=author, files=bundle, note="", at=now())

    def review(
        self, reviewer: Person, version: Version, *duties: str, verdict: str = "accept", signed: bool = False
    ) -> Version:
        signature = None
        if signed:
            value = reviews.statement_for(actor=reviewer, version=version, verdict=verdict, duties=duties)
            signature = self.signed(reviewer.username, canon(value))
        return reviews.review_version(
            actor=reviewer,
            version=version.id,
            digest=version.digest,
            verdict=verdict,
            duties=list(duties),
            comment="",
            signature=signature,
            at=now(),
        )

    def shipped(self) -> None:
        """All shipped runbooks, in review."""
        install.submit_shipped(RUNBOOKS, at=now())

    def accepted(self, name: str = "hello") -> Version:
        """The shipped runbook, accepted by Mira, who holds every duty and wrote none of it."""
        install.submit_runbook(RUNBOOKS / name, at=now())
        version = Version.objects.get(procedure__name=name, state="in_review")
        self.review(self.mira, version, "operations", "security", signed=True)
        version.refresh_from_db()
        return version

    def ask(self, actor: Person, *, procedure: str = "hello", environment: str = "development", **more: Any) -> Run:
        wish = runs.Wish(procedure=procedure, environment=environment, reason="a test", **more)
        return runs.request_run(actor=actor, wish=wish, at=now())


def public_text(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def new_world(*, profile: str = "team") -> World:
    """Install a portal and bring its first access manager in by the one-time link."""
    folder = Path(settings.OPSPORTAL_KEYS_DIR)
    me, pool = load_identity(folder), load_identity(folder, name=DISPOSABLE)
    pools = {e["name"]: pool_key(folder, e["name"])[:2] for e in install.ENVIRONMENTS}
    install.install(
        runners=[({"id": str(me.id), "name": me.name, "public": me.public}, list(pools))],
        disposable={"id": str(pool.id), "name": pool.name, "public": pool.public},
        pools=pools,
        authorities={},
        profile=profile,
        at=now(),
    )
    Runner.objects.update(heartbeat_at=now() + timedelta(hours=1))  # this process drives what is asked for, all along
    key = Ed25519PrivateKey.generate()
    link = bootstrap.first_link()
    assert link is not None
    mira = bootstrap.use_first_link(
        token=link.split("/")[2], username="mira", name="Mira", password=PASSWORD, public_key=public_text(key), at=now()
    )
    return World(mira, {"mira": key})


__all__ = ["PASSWORD", "SOON", "World", "new_world"]
