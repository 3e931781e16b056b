"""What other people wrote beside procedures and runs: names, places, rights, changes, comments, sources, tokens (H29).

The rows are put in as they would lie there if a door had let them through: a page may not count on the doors.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Group

from procedures import models
from procedures.domain.canonical import canon, moment, parse
from procedures.domain.clock import now
from procedures.evidence.models import Disclosure, Event
from procedures.models import Person, Run, Version
from procedures.services import manuscripts, run_comments, runs
from tests.factories.transitions import unevidenced
from tests.web import hostile_hosts, hostile_rest, hostile_results
from tests.web.hostile import ALL, FILE, PAYLOADS, URLS
from tests.web.town import Town

KEYS = [payload for payload in PAYLOADS if payload.isascii()]  # a canonical object's keys are plain
KEY = " ".join(KEYS)


def pieces(limit: int) -> list[str]:
    """All payloads in as few texts as fit into a field."""
    found = [""]
    for payload in PAYLOADS:
        if found[-1] and len(found[-1]) + 1 + len(payload) > limit:
            found.append("")
        found[-1] = f"{found[-1]} {payload}".strip(" ")
    return found


class Others:
    """The town's other nouns, each field of another's with all payloads, in as many rows as that takes."""

    def __init__(self, town: Town, run: Run) -> None:
        self.town, self.run, self.at = town, run, now()
        self.soon = self.at + timedelta(days=9)
        self.jonas, self.aisha, self.mira = (town.people[name] for name in ("jonas", "aisha", "mira"))
        self.people, self.places = self._people(), self._environments()
        self._things()
        self._rights()
        self.sources = self._sources()
        self.changes = [self._change(control, made) for control, made in self._objects()]
        self.approval = self._approval()
        self._review()
        self._tokens()
        hostile_rest.catalogue(run)
        hostile_rest.provider()
        hostile_rest.notices(self.mira)
        run_comments.comment_run(actor=self.mira, run=run.pk, body=f"@evil-0 {ALL}", at=self.at)
        hostile_rest.policy_said(self.version)
        hostile_rest.sessions(self.mira)
        hostile_hosts.inventory(self.places[0], self.people[0], KEYS)
        self.glass = hostile_rest.broken_glass(self.approval, self.people[0])
        self.asked = hostile_rest.requests_for_access(self.mira, self.people[0])

    def _people(self) -> list[Person]:
        found = []
        for number, name in enumerate(pieces(200)):
            person = Person.objects.create(username=f"evil{number}", name=name, email=f"e{number}@example.com")
            found.append(person)
        for number, name in enumerate(pieces(150)):
            group = Group.objects.create(name=name)
            person = found[number % len(found)]
            models.Membership.objects.create(person=person, group=group, since_at=self.at, added_by=self.jonas)
            models.DutyAssignment.objects.create(group=group, duty="security", since_at=self.at)
        return found

    def _environments(self) -> list[models.Environment]:
        return [
            models.Environment.objects.create(name=f"evil{number}", title=title, position=90, drafts=True)
            for number, title in enumerate(pieces(100))
        ]

    def _things(self) -> None:
        """Targets, bindings, secrets and runners, spread over the environments' pages."""
        for number, text in enumerate(pieces(199)):
            place = self.places[0]
            models.Target.objects.create(
                environment=place,
                name=text,
                address=text,
                host_key="ssh-ed25519 x",
                host_key_sha256=f"h{number}",
                tags=dict.fromkeys(KEYS, text),
                attributes=dict.fromkeys(KEYS, text),
                since_at=self.at,
            )
            models.CredentialBinding.objects.create(
                environment=place,
                name=f"b{number}",
                provider=text[:40],
                role=text,
                ceiling={"account": ALL, KEY: PAYLOADS},
                reach={"sudo": list(PAYLOADS), "data": ALL},
                digest=f"sha256:{number:064}",
                since_at=self.at,
            )
            hostile_hosts.runner(place, text, number)
        for number, text in enumerate(pieces(100)):
            models.SealedSecret.objects.create(
                environment=self.places[0],
                name=text,
                pool_key_id="k",
                ciphertext=b"x",
                value_fingerprint=f"{number:064}",
                made_by=self.jonas,
                since_at=self.at,
            )

    def _rights(self) -> None:
        common = {
            "verbs": ["view"],
            "selector": list(PAYLOADS),
            "environments": list(PAYLOADS),
            "constraint": {KEY: ALL},
            "target_filter": ALL,
            "reason": ALL,
            "not_before_at": self.at - timedelta(days=2),
            "granted_by": self.jonas,
            "created_at": self.at,
        }
        group = Group.objects.order_by("-id").first()
        models.Grant.objects.create(person=self.people[0], expires_at=self.soon, **common)
        grows = common | {"grows": True, "selector": ["nightly"], "confirmed_by": self.people[1]}
        models.Grant.objects.create(group=group, expires_at=self.soon, **grows)
        common |= {"revoked_at": self.at, "revoked_by": self.people[2]}
        models.Grant.objects.create(person=self.people[0], expires_at=self.soon, **common)

    def _sources(self) -> list[models.Source]:
        found = []
        for number, text in enumerate(pieces(150)):
            source = models.Source.objects.create(
                name=f"evil{number}",
                url=f"{URLS[number % len(URLS)]} {text}",
                branch=text,
                path=text,
                owner=self.people[0],
                group=text,
                hook_secret="x",
                since_at=self.at,
                looked_at=self.at,
                commit="c" * 40,
                problem=ALL if number else "",
            )
            models.SourceFinding.objects.create(source=source, commit="c" * 40, path=text, message=ALL, at=self.at)
            found.append(source)
        return found

    def _objects(self) -> list[tuple[str, dict[str, Any]]]:
        """A change of each kind, with what its proposer chose."""
        person, place = f"person:{self.people[0].subject}", "development"
        grant = {"principal": person, "verbs": ["run"], "environments": [place], "reason": ALL, "target_filter": ALL}
        grant |= {"not_before": moment(self.at), "expires_at": moment(self.soon), "selector": list(PAYLOADS)}
        many: list[tuple[str, dict[str, Any]]] = [("grant", grant | {"constraint": {KEY: ALL}})]
        environment = {"name": place, "position": 1, "production": False, "drafts": True, "approvals": {}}
        environment |= {"min_strength": "session", "approval_expiry_s": 3600, "reason_required": False}
        target = {"environment": place, "name": "x", "port": 22, "host_key": "ssh-ed25519 AAAA", "trust": "key"}
        tags = {"tags": dict.fromkeys(KEYS, ALL), "attributes": {KEY: ALL}}
        many += [
            ("environment", environment | {"title": ALL, "networks": list(PAYLOADS)}),
            ("target", target | tags | {"address": ALL, "name": ALL, "action": "set"}),
            ("membership", {"person": str(self.people[0].subject), "group": ALL, "action": "add"}),
            ("key_end", {"fingerprint": ALL, "reason": ALL}),
            ("grant_end", {"grant": str(uuid4()), "reason": ALL}),
            ("redaction", {"basis": ALL, "requested_by": ALL, "subject": str(self.people[0].subject)}),
            ("runner", {"runner": str(uuid4()), "name": ALL, "public": "x", "environments": [place]}),
        ]
        binding = {"environment": place, "name": "b", "provider": PAYLOADS[0], "role": ALL, "max_ttl_s": 60}
        many.append(("binding", binding | {"ceiling": {KEY: ALL}, "reach": {"sudo": list(PAYLOADS)}}))
        source = {"name": "s", "url": ALL, "branch": ALL, "path": ALL, "action": "set"}
        many.append(("source", source | {"owner": str(self.people[0].subject), "group": ALL}))
        secret = {"environment": place, "name": "s", "pool_key_id": PAYLOADS[0], "ciphertext": ALL}
        many.append(("secret", secret | {"fingerprint": "0" * 64}))
        return [*many, ("action", {"id": "x:y", "mark": ALL, "action": "set"})]

    @unevidenced()
    def _change(self, control: str, made: dict[str, Any]) -> models.ControlChange:
        return models.ControlChange.objects.create(
            control=control, object=made, proposer=self.people[0], statement=canon(made), proposed_at=self.at
        )

    def _approval(self) -> Run:
        """A request that waits, at a gate that says much, with a plan whose targets and rights are called badly."""
        models.Environment.objects.filter(pk="development").update(
            approvals={"low": {"operations": 2}}, min_strength="session", title=pieces(100)[0]
        )
        given = {"text": " ".join(reversed(PAYLOADS)), "pick": PAYLOADS[4], "some": [PAYLOADS[5]], "file": FILE}
        wish = runs.Wish("evil", "development", parameters=given, reason=ALL[:2000], door="web")
        run = runs.request_run(actor=self.mira, wish=wish, at=now())
        plan = parse(bytes(run.plan))
        plan["targets"] = [{"name": text, "address": text, "tags": {KEY: text}} for text in pieces(199)]
        plan["batches"] = [pieces(199)]
        plan["credentials"] = {key: {"provider": ALL, "role": ALL, "ttl_s": 60} for key in KEYS}
        first = plan["steps"][0]
        first |= {"name": ALL, "if": ALL}
        first["effects"] = [{**first["effects"][0], "targets": [text]} for text in pieces(119)]
        first["artifacts"] = [{"name": text, "max_bytes": 1, "retention_s": 60} for text in pieces(100)]
        first["results"] = hostile_results.planned()
        hostile_results.made(run, self.at)
        Run.objects.filter(pk=run.pk).update(plan=canon(plan), waiting_gate=first["id"], message=ALL)
        for number, person in enumerate(self.people):
            models.Approval.objects.create(
                run=run,
                gate=pieces(399)[number % len(pieces(399))],
                approver=person,
                requester=self.mira,
                plan_digest=run.plan_digest,
                verdict="approve",
                duties=["operations"],
                comment=ALL,
                strength="session",
                nonce=str(number),
                statement=b"{}",
                at=self.at,
                not_after_at=self.soon,
            )
        run.refresh_from_db()
        return run

    @unevidenced()
    def _review(self) -> None:
        """Words between reviewers and authors, where a version came from, what its tests said."""
        version = Version.objects.get(procedure__name="evil", state="in_review")
        self.version = version.pk
        origin: dict[str, Any] = {"source": "evil0", "commit": "c" * 40, "folder": ALL, "link": URLS[0]}
        origin |= {"strangers": list(PAYLOADS)}
        origin |= {"signature": {"good": ALL, "all": ALL, "signer": ALL}, "vouched": False, "rewritten": True}
        accepted = Version.objects.get(procedure__name="evil", state="accepted")
        for row in (version, accepted):
            Version.objects.filter(pk=row.pk).update(
                origin=origin, author_label=ALL[:200], risk_reasons=list(PAYLOADS), note=ALL
            )
        for path, line in (("", None), ("say.sh", 1), (ALL[:500], 2)):
            models.ReviewComment.objects.create(
                version=version,
                digest=version.digest,
                path=path,
                line=line,
                line_text=ALL[:500],
                author=self.people[0],
                body=ALL,
                at=self.at,
            )
        models.Review.objects.create(
            version=version,
            reviewer=self.people[1],
            submitter=self.mira,
            digest=version.digest,
            verdict="request_changes",
            duties=["operations"],
            comment=ALL,
            strength="session",
            statement=b"{}",
            at=self.at,
        )
        hostile_rest.trial(version)
        manuscripts.open_manuscript(actor=self.mira, name="evil", empty={}, at=now())

    def _tokens(self) -> None:
        for number, text in enumerate(pieces(100)):
            models.ApiToken.objects.create(
                person=self.mira,
                name=text,
                prefix=f"ops_{number}",
                token_sha256=f"{number:064}",
                procedures=list(PAYLOADS),
                environments=list(PAYLOADS),
                verbs=["view"],
                made_by=self.people[0],
                created_at=self.at,
                expires_at=self.soon,
            )
        kinds = [
            {"method": "passkey", "credential": f"A{n:03}", "rp": text, "origin": text}
            for n, text in enumerate(pieces(199))
        ]
        for number, more in enumerate(kinds):
            models.EnrolledKey.objects.create(
                person=self.mira,
                public="AAAA",
                fingerprint=f"f{number}",
                algorithm="ES256",
                enrolled_at=self.at,
                **more,
            )


def events() -> list[str]:
    """Of each kind the newest event that holds somebody's payload, in its body or apart from it."""
    apart = set(Disclosure.objects.values_list("event", flat=True))
    rows = [row for row in Event.objects.all() if row.pk in apart or b"owned" in bytes(row.body)]
    return [str(pk) for pk in {row.kind: row.pk for row in rows}.values()]
