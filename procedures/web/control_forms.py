"""What was typed into a form about authority, as the control object that people sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import QueryDict

from procedures.domain.definition import DUTIES, RISKS
from procedures.domain.errors import InvalidInput, NotFound, OpsError
from procedures.domain.sealing import secret_object
from procedures.domain.sshkeys import fingerprint
from procedures.models import Person
from procedures.queries import pages_environments, pages_people
from procedures.web import grant_forms, identity_forms
from procedures.web.form_texts import json_object, whole, words

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
    }


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
    if subject := posted.get("subject", "").strip():
        return made | {"subject": subject}
    return made | {"event": posted.get("event", ""), "paths": posted.getlist("paths")}


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


MODES = {"on": "on", "warn": "set to warn alone", "off": "off"}
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
    "profile": _plain("profile"),
    "redaction": _redaction,
    "secret": _secret,
    "source": _source,
    "action": _plain("id", "mark", "action"),
    "identity_provider": identity_forms.provider,
    "local_sign_in": identity_forms.local,
    "agent": _agent,
    "service_account": _service_account,
}


def _labelled(made: Object) -> str:
    selector = made.get("selector")
    return f"what is labelled {' and '.join(selector)}" if selector else ""


def told(control: str, made: Object, names: dict[str, str]) -> str:
    """One sentence that says what a change does. `names` are people by subject."""

    def who(principal: str) -> str:
        kind, _, name = principal.partition(":")
        return names.get(name, name) if kind == "person" else f"group {name}"

    adds = made.get("action", "add") == "add"
    sentences: dict[str, Callable[[], str]] = {
        "grant": lambda: (
            f"{who(made['principal'])} may {', '.join(made['verbs']).replace('_', ' ')} "
            f"{made.get('procedure') or _labelled(made) or 'every procedure'} in "
            f"{', '.join(made['environments']) or 'every environment'}"
        ),
        "grant_end": lambda: "An access ends at once",
        "key_end": lambda: f"The key {made['fingerprint']} counts for nothing from now on",
        "membership": lambda: (
            f"{names.get(made['person'], made['person'])} {'joins' if adds else 'leaves'} the group {made['group']}"
        ),
        "duty": lambda: f"{who(made['principal'])} {'fills' if adds else 'no longer fills'} the duty {made['duty']}",
        "environment": lambda: f"New rules for {made['name']}",
        "policy": lambda: f"The policy {made['name']} is {MODES[made['mode']]}",
        "binding": lambda: f"{made['environment']} binds {made['name']} to {made['provider']} as {made['role']}",
        "target": lambda: (
            f"{made['name']} ({made['address']}:{made['port']}) "
            f"{'leaves' if made.get('action') == 'end' else 'belongs to'} {made['environment']}"
        ),
        "secret": lambda: f"A new value of {made['name']} in {made['environment']}",
        "profile": lambda: f"The review profile becomes {made['profile']}",
        "key": lambda: (
            f"{names.get(made['subject'], 'Somebody')} enrols the {made.get('method', 'SSH key')} {made['fingerprint']}"
        ),
        "source": lambda: (
            f"Procedures no longer come from {made['url']}"
            if made.get("action") == "end"
            else f"Procedures come from {made['url']}, branch {made['branch']}; {names.get(made['owner'], 'somebody')} "
            "answers for them"
        ),
        "campaign": lambda: f"{made['count']} grants are looked at again by {made['due_at'][:10]}: {made['name']}",
        "campaign_keep": lambda: f"{len(made['grants'])} grants of a campaign stay as they are",
        "action": lambda: (
            f"The action {made['id']} {'may no longer run' if made['action'] == 'end' else 'may run'} here, "
            f"from the package {made['mark']}"
        ),
        "identity_provider": lambda: identity_forms.told_provider(made),
        "local_sign_in": lambda: identity_forms.told_local(made),
        "agent": lambda: (
            f"The agent {made['name']} asks for {names.get(made['owner'], 'somebody')}, "
            f"{made['runs_an_hour']} runs an hour"
        ),
        "service_account": lambda: (
            f"The service account {made['name']} belongs to {names.get(made['owner'], 'somebody')}"
        ),
        "labels": lambda: (
            f"{made['procedure']} is labelled {', '.join(made['labels'])}"
            if made["labels"]
            else f"{made['procedure']} carries no label any more"
        ),
        "terms": lambda: (
            f"Access is given for {made['days']} days at most, running in production for "
            f"{made['production_run_days']}, break-glass for {made['break_glass_days']}"
        ),
        "space": lambda: (
            f"The space {made['title']} ends: its leads give no access any more"
            if made["action"] == "end"
            else f"{', '.join(map(who, made['leads']))} may give {', '.join(made['verbs']).replace('_', ' ')} on "
            f"{', '.join(made['procedures'])} in {', '.join(made['environments'])} for {made['days']} days at most"
        ),
        "runner": lambda: f"The runner {made['name']} is enrolled",
        "redaction": lambda: (
            f"Everything personal about {names.get(made['subject'], 'somebody')} is erased for good"
            if "subject" in made
            else f"{', '.join(made['paths'])} of one event {'are' if len(made['paths']) > 1 else 'is'} erased for good"
        ),
    }
    return sentences[control]() if control in sentences else control


def subjects_in(made: Object) -> list[str]:
    """Subjects that a control object names."""
    named = [
        made.get("person", ""),
        made.get("subject", ""),
        made.get("owner", ""),
        str(made.get("principal", "")).removeprefix("person:"),
        *(str(lead).removeprefix("person:") for lead in made.get("leads", [])),
    ]
    return [text for text in named if len(text) == 36]
