"""What was typed into a form about authority, as the control object that people sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import QueryDict

from procedures.domain import legal_holds
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.definition import DUTIES, RISKS
from procedures.domain.errors import InvalidInput, NotFound, OpsError
from procedures.domain.sealing import secret_object
from procedures.domain.sshkeys import fingerprint
from procedures.models import Person
from procedures.queries import pages_environments, pages_people
from procedures.services import purges
from procedures.web import grant_forms, identity_forms, outage_forms, runner_forms, standing_forms, workload_forms
from procedures.web.form_texts import json_object, until, whole, words

Object = dict[str, Any]


def build(control: str, posted: QueryDict, actor: Person) -> Object:
    """The object of one control from a form. Raises InvalidInput, NotFound."""
    maker = MAKERS.get(control)
    if control == "key":
        return _key(posted, actor)
    if maker is None:
        raise NotFound(f"There is no form for {control}.")
    return maker(posted)


def _pairs(posted: QueryDict, name: str) -> dict[str, str]:
    """`role=web zone=a`, with blanks or commas or on lines of their own."""
    found = {}
    for part in posted.get(name, "").replace(",", " ").split():
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise InvalidInput([(f"/object/{name}", f"{part!r} is not name=value")])
        found[key] = value
    return found


def _environment(posted: QueryDict) -> Object:
    approvals: dict[str, dict[str, int]] = {}
    for risk in RISKS:
        asked = {duty: whole(posted, f"{risk}.{duty}") for duty in DUTIES if posted.get(f"{risk}.{duty}", "").strip()}
        if needed := {duty: count for duty, count in asked.items() if count}:
            approvals[risk] = needed
    frozen = until(posted, "frozen_until")
    return {
        "name": posted.get("name", ""),
        "title": posted.get("title", "").strip(),
        "position": whole(posted, "position"),
        "production": "production" in posted,
        "drafts": "drafts" in posted,
        "approvals": approvals,
        "min_strength": posted.get("min_strength", ""),
        "approval_expiry_s": whole(posted, "hours") * 3600,
        "reason_required": "reason_required" in posted,
        "networks": words(posted, "networks"),
        **({"frozen_until": moment(frozen)} if frozen else {}),
        **({"queue": queue} if (queue := json_object(posted, "queue")) else {}),
        **({"ahead_up_to": up_to} if (up_to := posted.get("ahead_up_to", "")) else {}),
        **({"tier": tier} if (tier := posted.get("tier", "")) else {}),
        **({"pause_limit_s": whole(posted, "pause_hours") * 3600} if posted.get("pause_hours", "").strip() else {}),
    }


def _binding(posted: QueryDict) -> Object:
    return {
        "environment": posted.get("environment", ""),
        "name": posted.get("name", ""),
        "provider": posted.get("provider", ""),
        "role": posted.get("role", "").strip(),
        "ceiling": json_object(posted, "ceiling"),
        "max_ttl_s": whole(posted, "max_ttl_s"),
        "reach": json_object(posted, "reach"),
    }


def _target(posted: QueryDict) -> Object:
    """As a form of fields, or whole as `as_json`, which is what an inventory's page offers."""
    if "as_json" in posted:
        return json_object(posted, "as_json")
    may = {
        "owner": posted.get("owner", "").strip(),
        "host_authority": " ".join(posted.get("host_authority", "").split()[:2]),
    }
    return {
        "environment": posted.get("environment", ""),
        "name": posted.get("name", "").strip(),
        "address": posted.get("address", "").strip(),
        "port": whole(posted, "port"),
        "host_key": " ".join(posted.get("host_key", "").split()[:2]),
        "trust": posted.get("trust", ""),
        "tags": _pairs(posted, "tags"),
        "attributes": _pairs(posted, "attributes"),
        "action": posted.get("action", "set"),
        **{name: value for name, value in may.items() if value},
    }


def _inventory(posted: QueryDict) -> Object:
    made = {name: posted.get(name, "").strip() for name in ("name", "environment", "kind", "trust")}
    every_s, settings = whole(posted, "every_s"), json_object(posted, "settings")
    more = {"takes": "takes" in posted, "action": posted.get("action", "set")}
    return {**made, "settings": settings, "every_s": every_s, **more}


def _stop_lift(posted: QueryDict) -> Object:
    named = {name: posted[name] for name in ("environment", "procedure") if posted.get(name)}
    return {"stop": posted.get("stop", ""), "reason": posted.get("reason", "").strip(), **named}


def _key(posted: QueryDict, actor: Person) -> Object:
    public = " ".join(posted.get("public", "").split()[:2])
    try:
        mark = fingerprint(public)
    except (OpsError, ValueError) as problem:
        raise InvalidInput(
            [("/object/public", "is not an OpenSSH public key; give the whole line of a .pub file")]
        ) from problem
    return {"subject": str(actor.subject), "public": public, "fingerprint": mark}


def _secret(posted: QueryDict) -> Object:
    """The value is sealed at once and kept nowhere: this process has only the public half of the pool's key."""
    environment, name = posted.get("environment", ""), posted.get("name", "").strip()
    value = posted.get("value", "").replace("\r\n", "\n")
    pool = pages_environments.pool_of(environment)
    if pool is None:
        raise InvalidInput([("/object/environment", "has no pool to seal for")])
    if not value.strip():
        raise InvalidInput([("/object/value", "is empty")])
    return dict(secret_object(environment=environment, name=name, value=value.encode(), pool=pool))


def _redaction(posted: QueryDict) -> Object:
    made: Object = {name: posted.get(name, "").strip() for name in ("basis", "requested_by")}
    if "purge" in posted:
        found = purges.due(posted.get("procedure", "").strip(), now())
        if not found["runs"]:
            why = "nothing to purge: no run is past its date, all must be kept, or no two people are left to agree"
            raise InvalidInput([("/object/runs", why)])
        return made | found
    if subject := posted.get("subject", "").strip():
        return made | {"subject": subject}
    return made | {"event": posted.get("event", ""), "paths": posted.getlist("paths")}


def _legal_hold(posted: QueryDict) -> Object:
    """Days are whole: the first from its beginning, the last to its end."""
    made = {name: posted.get(name, "").strip() for name in ("basis", "requested_by", *legal_holds.NAMES)}
    if made["from"]:
        made["from"] += "T00:00:00.000000Z"
    if made["until"]:
        made["until"] += "T23:59:59.999999Z"
    if name := posted.get("person", "").strip():
        row = Person.objects.filter(username=name).first()
        if row is None:
            raise InvalidInput([("/object/person", "is nobody's user name")])
        made["subject"] = str(row.subject)
    if not any(made[name] for name in legal_holds.NAMES):
        raise InvalidInput([("/object/procedure", "is empty, and so are person, from and until: name at least one")])
    return {name: value for name, value in made.items() if value}


def _plain(*names: str) -> Callable[[QueryDict], Object]:
    return lambda posted: {name: posted.get(name, "").strip() for name in names}


def _source(posted: QueryDict) -> Object:
    owner = Person.objects.filter(username=posted.get("owner", "").strip(), is_active=True).first()
    if owner is None:
        raise InvalidInput([("/object/owner", "is nobody's user name")])
    made = {name: posted.get(name, "").strip() for name in ("name", "url", "branch", "group")}
    path = posted.get("path", "").strip().strip("/")
    return {**made, "path": path, "owner": str(owner.subject), "action": posted.get("action", "set")}


def _agent(posted: QueryDict) -> Object:
    made = {name: posted.get(name, "").strip() for name in ("agent", "username", "name", "owner")}
    return {**made, "runs_an_hour": whole(posted, "runs_an_hour")}


def _service_account(posted: QueryDict) -> Object:
    """A new account by its names, or one that there is, which keeps them, for another owner."""
    made = {name: posted.get(name, "").strip() for name in ("account", "username", "name", "owner")}
    known = pages_people.service_account(made["account"])
    return {**made, "username": known.username, "name": known.name} if known else made


def _collector(posted: QueryDict) -> Object:
    made = {name: posted.get(name, "").strip() for name in ("name", "url")} | {"action": posted.get("action", "set")}
    return made | ({"start": start} if (start := posted.get("start", "")) else {})


MAKERS: dict[str, Callable[[QueryDict], Object]] = {
    "grant": grant_forms.grant,
    "labels": grant_forms.labels,
    "terms": grant_forms.terms,
    "space": grant_forms.space,
    "grant_end": _plain("grant", "reason"),
    "key_end": _plain("fingerprint", "reason"),
    "membership": _plain("person", "group", "action"),
    "duty": _plain("principal", "duty", "action"),
    "environment": _environment,
    "binding": _binding,
    "target": _target,
    "stop_lift": _stop_lift,
    "inventory": _inventory,
    "profile": _plain("profile"),
    "redaction": _redaction,
    "collector": _collector,
    "outage": outage_forms.outage,
    "retention": lambda posted: {"days": whole(posted, "days")},
    "legal_hold": _legal_hold,
    "legal_hold_end": _plain("hold", "reason"),
    "secret": _secret,
    "source": _source,
    "action": _plain("id", "mark", "action"),
    "identity_provider": identity_forms.provider,
    "local_sign_in": identity_forms.local,
    "agent": _agent,
    "service_account": _service_account,
    "runner": runner_forms.enrol,
    "runner_end": _plain("runner", "reason"),
    "trusted_issuer": workload_forms.issuer,
    "workload_rule": workload_forms.rule,
    "schedule": standing_forms.schedule,
    "hook": standing_forms.hook,
    "standing_end": _plain("kind", "name", "procedure", "environment", "reason"),
}
