"""A small portal with people whom every page test knows: Jonas manages, Aisha reviews and approves, Mira asks."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.test import Client

from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.domain.sshkeys import fingerprint
from procedures.models import Person, Run, Version
from procedures.queries.duties import duties_of
from procedures.runner.installing import install_here
from procedures.services import bootstrap, controls, people, reviews, runs

PASSWORD = "correct horse battery 9"
BACKEND = "procedures.access.backend.PasswordBackend"


@dataclass
class Town:
    """People by name, each with an SSH key in `folder`."""

    folder: Path
    people: dict[str, Person] = field(default_factory=dict)

    def key(self, name: str) -> str:
        path = self.folder / name
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return " ".join((self.folder / f"{name}.pub").read_text().split()[:2])

    def sign(self, name: str, statement: Mapping[str, Any] | bytes) -> dict[str, str]:
        data = statement if isinstance(statement, bytes) else canon(dict(statement))
        command = ["ssh-keygen", "-Y", "sign", "-n", "opsportal-approval", "-f", str(self.folder / name)]
        armored = subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode()
        return {"statement": base64.b64encode(data).decode(), "signature": armored}

    def change(self, name: str, control: str, made: Mapping[str, Any]) -> None:
        actor = self.people[name]
        signature = self.sign(name, controls.statement_for(actor=actor, control=control, object=made))
        controls.propose(actor=actor, control=control, object=made, signature=signature, at=now())

    def move_in(self, name: str, title: str, verbs: Sequence[str], duties: Sequence[str] = ()) -> Person:
        """A person with access and duties, given by Jonas, and an enrolled key."""
        person, path = people.invite_person(actor=self.people["jonas"], username=name, name=title, email="", at=now())
        bootstrap.accept_invite(token=path.strip("/").split("/")[1], password=PASSWORD, at=now())
        self.people[name] = person = Person.objects.get(pk=person.pk)
        public = self.key(name)
        made = {"subject": str(person.subject), "public": public, "fingerprint": fingerprint(public)}
        change = controls.propose(actor=person, control="key", object=made, signature=None, at=now())
        if change.state == change.State.PROPOSED:
            controls.confirm(
                actor=self.people["jonas"],
                change=change.pk,
                signature=self.sign("jonas", bytes(change.statement)),
                at=now(),
            )
        if verbs:
            self.change(
                "jonas",
                "grant",
                {
                    "principal": f"person:{person.subject}",
                    "verbs": list(verbs),
                    "environments": [],
                    "not_before": moment(now()),
                    "expires_at": moment(now() + timedelta(days=30)),
                    "reason": "works here",
                },
            )
        for duty in duties:
            self.change("jonas", "duty", {"principal": f"person:{person.subject}", "duty": duty, "action": "add"})
        return person

    def accept(self, procedure: str, name: str = "aisha") -> Version:
        version = Version.objects.get(procedure__name=procedure, state="in_review")
        actor = self.people[name]
        duties = duties_of(actor)
        statement = reviews.statement_for(actor=actor, version=version, verdict="accept", duties=duties)
        return reviews.review_version(
            actor=actor,
            version=version.id,
            digest=version.digest,
            verdict="accept",
            duties=duties,
            comment="",
            signature=self.sign(name, statement),
            at=now(),
        )

    def ask(self, name: str = "mira", environment: str = "development", **wish: Any) -> Run:
        wanted = runs.Wish(procedure="hello", environment=environment, door="web", **{"reason": "to see it", **wish})
        return runs.request_run(actor=self.people[name], wish=wanted, at=now())

    def client(self, name: str) -> Client:
        client = Client(HTTP_HOST="localhost")
        client.force_login(self.people[name], backend=BACKEND)
        return client


def found(folder: Path) -> Town:
    """A portal as it is after its first ten minutes: four people, and `hello` still under review."""
    install_here()
    town = Town(folder)
    link = bootstrap.first_link()
    assert link is not None
    jonas = bootstrap.use_first_link(
        token=link.strip("/").split("/")[1],
        username="jonas",
        name="Jonas Weber",
        password=PASSWORD,
        public_key=town.key("jonas"),
        at=now(),
    )
    town.people["jonas"] = jonas
    duties = ("operations", "security", "compliance")
    town.move_in("aisha", "Aisha Khan", ["view", "review", "approve", "manage_access", "operate", "audit"], duties)
    town.move_in("mira", "Mira Lindqvist", ["view", "run", "author", "cancel"])
    town.move_in("stranger", "Sam Okafor", [])
    return town
