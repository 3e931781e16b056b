"""More of what others write: providers, requests for access, notices, policies, entities, tests' words (H29)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.db import transaction

from procedures import models
from procedures.domain.clock import now
from procedures.domain.notices import KINDS
from procedures.evidence.record import record
from procedures.models import Person, Procedure, Run, Version
from procedures.queries import passed_on
from procedures.services.connections import resource
from tests.factories.transitions import unevidenced
from tests.web import hostile_standing
from tests.web.hostile import ALL, PAYLOADS

TOKEN = {"provider": "evil", "name": ALL[:100], "days": "3"}  # of a directory, as a form sends it


def provider(name: str = "evil") -> models.IdentityProvider:
    """A directory whose title wants more, and its groups too."""
    said = {"name": name, "title": ALL, "protocol": "ldap", "action": "set", "authority": False, "provision": False}
    said["directory"] = True
    said["groups"] = {text: text for text in PAYLOADS}
    return models.IdentityProvider.objects.create(name=name, object=said, since_at=now())


WORKLOAD_FORMS: list[tuple[str, str, dict[str, Any]]] = [
    ("/changes/trusted_issuer/new/", "jonas", {"name": ALL, "title": ALL, "issuer": ALL, "keys": ALL}),
    ("/changes/workload_rule/new/", "jonas", {"name": ALL, "claims": ALL, "verbs": ALL, "minutes": "5"}),
    ("/changes/workload_rule/new/", "jonas", {"object_text": ALL}),
    ("/changes/schedule/new/", "jonas", {"name": ALL, "parameters": ALL, "cron": ALL, "zone": ALL, "days": "9"}),
    ("/changes/schedule/new/", "jonas", {"object_text": ALL}),
    ("/changes/schedule/new/", "jonas", {"name": ALL, "procedure": ALL, "account": ALL, "reason": ALL, "days": "9"}),
    ("/changes/hook/new/", "jonas", {"name": "a", "mapping": ALL, "days": "9", "a_minute": "1"}),
    ("/changes/hook/new/", "jonas", {"name": "a", "keys": ALL, "days": "9", "a_minute": "1"}),
    ("/changes/standing_end/new/", "jonas", {"kind": ALL, "name": ALL, "reason": ALL}),
]


def workloads(maker: Person) -> str:
    """An issuer, a rule and an exchange whose names, claims and subjects want more; the page that lists them."""
    at = now()
    said = {"name": "evil", "title": ALL, "kind": "other", "issuer": ALL, "jwks_uri": ALL, "algorithms": [ALL]}
    issuer, _ = models.TrustedIssuer.objects.get_or_create(
        name="evil", defaults={"url": ALL[:500], "object": said, "since_at": at}
    )
    rule = {"claims": {text: text for text in PAYLOADS}, "verbs": list(PAYLOADS), "procedures": list(PAYLOADS)}
    rule |= {"environments": list(PAYLOADS), "seconds": 600}
    made = {"account": maker, "made_by": maker, "object": rule, "issuer": issuer, "since_at": at}
    row, _ = models.WorkloadRule.objects.get_or_create(name="evil", defaults=made)
    for token in models.ApiToken.objects.filter(exchange__isnull=True):
        kept = {"issuer": issuer, "rule": row, "subject": ALL[:255], "claims": {}, "at": at}
        models.Exchange.objects.create(token=token, mark=str(token.pk), **kept)
    return "/access/workloads/"


ROWS: dict[str, Callable[[Any], list[tuple[str, str]]]] = {
    "workloads": lambda o: [(workloads(o.mira), who) for who in ("jonas", "aisha")],
    "grant-use": lambda o: [(f"/access/{used(o.run)}/use/", who) for who in ("jonas", "mira")],
    **hostile_standing.ROWS,
}


def used(run: Run) -> UUID:
    """The access under which a run began whose runner says things of what it used."""
    said = {"network": "listed", "hosts": list(PAYLOADS), "calls": list(PAYLOADS), "read": list(PAYLOADS)}
    run.tasks.update(facts={"seen": said}, target=PAYLOADS[0])
    return run.grant


FORMS: dict[str, Callable[[Any], list[tuple[str, str, dict[str, Any]]]]] = {
    **hostile_standing.FORMS,
    "narrow": lambda o: [("/procedures/evil/narrow/", "mira", {"line": ALL})],
    "grant-use": lambda o: [(f"/access/{used(o.run)}/use/", "jonas", {"line": ALL})],
    "deputies": lambda o: [("/settings/deputies/", "mira", dict.fromkeys(("deputy", "verbs", "from", "until"), ALL))],
    "decision": lambda o: [(f"/decisions/run/{o.approval.pk}/", "aisha", {"to": ALL, "reason": ALL})],
}


@unevidenced()
def requests_for_access(asker: Person, decider: Person) -> list[models.AccessRequest]:
    """One that waits and one that was refused."""
    at = now()
    common = {
        "asker": asker,
        "person": asker,
        "procedure": Procedure.objects.get(name="evil"),
        "verbs": list(PAYLOADS),
        "environments": list(PAYLOADS),
        "days": 9,
        "reason": ALL,
        "kept": {"target_filter": ALL, "selector": list(PAYLOADS)},
        "state_since": at,
        "asked_at": at,
        "lapses_at": at + timedelta(days=5),
        "narrowed": list(PAYLOADS),
    }
    refused = {"state": "refused", "answer": ALL, "decided_by": decider}
    return [
        models.AccessRequest.objects.create(mark="1", **common),
        models.AccessRequest.objects.create(mark="2", **common, **refused),
    ]


@transaction.atomic
@unevidenced()
def deputy(away: Person, stands_in: Person) -> str:
    """Somebody whose name wants more has a deputy. Returns the page."""
    at = now()
    Person.objects.filter(pk=stands_in.pk).update(name=ALL[:200])
    facts = {"deputyship": "x", "person": "x", "deputy": "x", "verbs": [], "from_at": "x", "until_at": "x"}
    record("deputy.named", actor=None, at=at, facts=facts)
    until = at + timedelta(days=3)
    models.Deputy.objects.create(
        person=away, deputy=stands_in, verbs=list(PAYLOADS), from_at=at, until_at=until, named_at=at
    )
    return "/settings/deputies/"


@transaction.atomic
@unevidenced()
def asked_to_decide(run: Run, by: Person) -> str:
    """Somebody was asked to approve a run, for a reason that wants more. Returns the page."""
    asked = Person.objects.exclude(pk=by.pk).filter(username="aisha").get()
    record("decision.passed_on", actor=None, at=now(), facts={"what": "run", "about": "x", "to": "x", "reason": ALL})
    mark = passed_on.mark_of(run)
    models.DecisionAsked.objects.create(what="run", about=run.pk, mark=mark, person=asked, by=by, reason=ALL, at=now())
    return f"/decisions/run/{run.pk}/"


def notices(person: Person) -> None:
    """One of each kind, with every fact that its sentence names."""
    for kind in KINDS.values():
        names = set(re.findall(r"{(\w+)", f"{kind.says} {kind.subject}"))
        models.Notice.objects.create(
            person=person,
            kind=kind.name,
            key=str(uuid4()),
            facts=dict.fromkeys(names, ALL),
            path="/",
            at=now(),
            state="off",
        )


@unevidenced()
def policy_said(version: UUID) -> None:
    """A policy of somebody's refuses and warns in words of its own."""
    rows = [{"policy": payload, "message": ALL} for payload in PAYLOADS]
    models.PolicyDecision.objects.create(
        stage="submit",
        version_id=version,
        denied=rows,
        warned=rows,
        event=uuid4(),
        at=now(),
        policies="sha256:" + "0" * 64,
    )


def catalogue(run: Run) -> None:
    """Entities, whose names are choices of a form."""
    for number, text in enumerate(PAYLOADS):
        document = {"kind": "Component", "metadata": {"name": f"g{number}", "title": text, "description": ALL}}
        models.Entity.objects.create(
            ref=f"component:default/g{number}",
            place=text,
            descriptor_sha256="0" * 64,
            commit="c" * 40,
            document=document | {"spec": {"type": text}},
            run=run,
            registered_at=now(),
        )


@unevidenced()
def trial(version: Version) -> None:
    """What the tests of a version said."""
    models.Trial.objects.create(
        version=version,
        digest=version.digest,
        state="failed",
        state_since=now(),
        asked_at=now(),
        ended_at=now(),
        results=[{"test": text, "ok": False, "told": ALL, "seconds": 1} for text in PAYLOADS],
        software=PAYLOADS[0][:100],
        message=ALL,
    )


@unevidenced()
def broken_glass(run: Run, person: Person) -> models.GlassBreak:
    """Somebody who went past the approvals, and why."""
    return models.GlassBreak.objects.create(
        run=run,
        person=person,
        plan_digest=run.plan_digest,
        reason=ALL,
        skips=list(PAYLOADS),
        grant=uuid4(),
        nonce="n",
        statement=b"{}",
        signatures=[],
        at=now(),
        not_after_at=now() + timedelta(hours=4),
        used_at=now(),
    )


def sessions(person: Person) -> None:
    """Devices as browsers call themselves."""
    for text in PAYLOADS:
        models.OpenSession.objects.create(
            person=person, device=text, address=text[:64], began_at=now(), seen_at=now(), until_at=now() + timedelta(1)
        )


def space(titles: Iterable[str]) -> str:
    """The path of the spaces, whose titles want more; the grants in them have reasons like that."""
    fields = {"leads": ["group:evil"], "procedures": ["evil"], "environments": ["development"], "verbs": ["view"]}
    fields |= {"days": 1, "risk": "low", "event": UUID(int=8), "since_at": now()}
    for number, title in enumerate(titles):
        models.Space.objects.get_or_create(name=f"evil{number}", defaults={**fields, "title": title})
    return "/access/spaces/"


def stop(person: Person, reasons: Iterable[str]) -> str:
    """The path of the stops, one live for the whole portal, whose reasons want more."""
    fields = {"thrown_by": person, "thrown_at": now(), "reason": ALL[:200]}
    models.Stop.objects.get_or_create(environment=None, procedure=None, lifted_at=None, defaults=fields)
    for reason in reasons:
        lifted = {"lifted_at": now(), "lifted_by": person}
        models.Stop.objects.create(**{**fields, **lifted, "reason": reason})
    return "/stops/"


@unevidenced()
def campaign(reviewer: Person, change: models.ControlChange) -> str:
    """The path of a campaign over everything that is given, whose name and reasons want more."""
    fields = {"name": ALL[:200], "select": {"person": ALL}, "set_digest": "x", "count": 1, "change": change}
    fields |= {"reviewers": [str(reviewer.subject)], "opened_by": reviewer}
    at = now()
    row, made = models.Campaign.objects.get_or_create(
        id=UUID(int=7), defaults={**fields, "opened_at": at, "due_at": at + timedelta(days=5)}
    )
    if made:
        models.CampaignItem.objects.bulk_create(
            models.CampaignItem(campaign=row, grant=grant, reason=ALL, decision="keep" if number % 2 else "")
            for number, grant in enumerate(models.Grant.objects.all())
        )
    return f"/access/campaigns/{row.pk}/"


def connecting(owner: Person, names: Iterable[str]) -> tuple[str, str]:
    """Where a program asks to act as this person's agent, and where those stand that do; their names want more."""
    at, until = now(), now() + timedelta(days=5)
    fields = {"username": "evil-agent", "name": ALL[:150], "kind": Person.Kind.AGENT, "owner": owner, "password": "!"}
    agent, _ = Person.objects.get_or_create(subject=UUID(int=9), defaults=fields)
    models.Agent.objects.get_or_create(person=agent, defaults={"since_at": at})
    where = "https://evil.example/\"'><img/src=x/onerror=alert(1)>"
    for number, name in enumerate(names):
        row, made = models.AgentClient.objects.get_or_create(
            id=UUID(int=100 + number), defaults={"name": name, "redirects": [where], "registered_at": at}
        )
        if made:
            common = {"verbs": ["run"], "made_by": owner}
            token = models.ApiToken.objects.create(
                person=agent, name=name, token_sha256=f"a{number:063}", created_at=at, expires_at=until, **common
            )
            models.Connection.objects.create(
                client=row,
                agent=agent,
                redirect=where,
                challenge="c" * 43,
                code_sha256=f"c{number:063}",
                code_until_at=at,
                code_used_at=at,
                made_at=at,
                until_at=until,
                token=token,
                **common,
            )
    given = {"response_type": "code", "client_id": str(UUID(int=100)), "redirect_uri": where, "state": ALL[:500]}
    given |= {"code_challenge": "c" * 43, "code_challenge_method": "S256", "resource": resource()}
    return f"/agents/connect/?{urlencode(given)}", "/agents/"
