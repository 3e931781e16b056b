"""What each confirmed control change does to the tables. Called by services/controls alone, inside its transaction."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from secrets import token_hex
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group

from procedures.domain.canonical import digest, parse_moment
from procedures.domain.controls import REPLACED_COUNTS_AFTER
from procedures.domain.errors import InvalidInput, NotAllowed, OpsError
from procedures.models import (
    ControlChange,
    CredentialBinding,
    DutyAssignment,
    EnrolledKey,
    Environment,
    Grant,
    Membership,
    Person,
    PoolKey,
    PortalSetting,
    Procedure,
    SealedSecret,
    Source,
)
from procedures.services import (
    accounts,
    agents,
    campaign_effects,
    collectors,
    enrolments,
    grant_rights,
    identity_providers,
    inventory_controls,
    labels,
    legal_holds,
    local_sign_in,
    outages,
    policy_controls,
    redactions,
    retention,
    spaces,
    standing_controls,
    stops,
    targets,
    telling,
    terms,
    workloads,
)
from procedures.services.control_checks import principal


class SecretElsewhere(OpsError):
    """The same secret value may not stand in two environments (rule 18)."""

    code = "secret.in-two-environments"
    next_step = "Use another value in this environment."


def apply(change: ControlChange, *, at: datetime, event: UUID) -> None:
    """Carry out a confirmed change."""
    EFFECTS[change.control](change, change.object, at, event)


def _grant(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    who = principal(object["principal"])
    grant = Grant.objects.create(
        id=change.pk,
        person=who if isinstance(who, Person) else None,
        group=who if isinstance(who, Group) else None,
        verbs=object["verbs"],
        procedure=Procedure.objects.filter(name=object.get("procedure")).first(),
        selector=object.get("selector", []),
        environments=object["environments"],
        grows=object.get("grows", False),
        constraint=object.get("constraint"),
        unconstrained=object.get("unconstrained", []),
        window=object.get("window"),
        period=object.get("period"),
        target_filter=object.get("target_filter", ""),
        not_before_at=parse_moment(object["not_before"]),
        expires_at=parse_moment(object["expires_at"]),
        reason=object["reason"],
        granted_by=change.proposer,
        confirmed_by=change.confirmer,
        event=event,
        created_at=at,
    )
    grant_rights.expand(grant)
    if "replaces" in object:
        old = Grant.objects.select_for_update().filter(pk=object["replaces"], revoked_at__isnull=True).first()
        if old is not None:
            _end(old, change, at)


def _grant_end(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    _end(Grant.objects.select_for_update().get(pk=object["grant"]), change, at)


def _end(grant: Grant, change: ControlChange, at: datetime) -> None:
    Grant.objects.filter(pk=grant.pk).update(revoked_at=at, revoked_by=change.proposer)
    grant_rights.end(grant, at=at)


def _membership(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    person = Person.objects.get(subject=object["person"])
    group, _ = Group.objects.get_or_create(name=object["group"])
    if object["action"] == "add":
        Membership.objects.get_or_create(
            person=person, group=group, defaults={"since_at": at, "added_by": change.proposer}
        )
    else:
        Membership.objects.filter(person=person, group=group).delete()


def _duty(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    who = principal(object["principal"])
    person, group = (who, None) if isinstance(who, Person) else (None, who)
    live = DutyAssignment.objects.filter(person=person, group=group, duty=object["duty"], ended_at__isnull=True)
    if object["action"] == "remove":
        live.update(ended_at=at)
    elif not live.exists():
        DutyAssignment.objects.create(person=person, group=group, duty=object["duty"], since_at=at)


def _environment(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    fields: dict[str, Any] = {
        "networks": [],
        "queue": {},
        "tier": "",
        "pause_limit_s": 86_400,
        "ahead_up_to": "",
        **{key: value for key, value in object.items() if key not in {"name", "frozen_until"}},
    }
    fields["frozen_until_at"] = parse_moment(object["frozen_until"]) if "frozen_until" in object else None
    row, made = Environment.objects.get_or_create(name=object["name"], defaults=fields)
    if not made:
        Environment.objects.filter(pk=row.pk).update(**fields, revision=row.revision + 1)


def _binding(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    live = CredentialBinding.objects.filter(
        environment_id=object["environment"], name=object["name"], ended_at__isnull=True
    )
    last = CredentialBinding.objects.filter(environment_id=object["environment"], name=object["name"]).count()
    live.update(ended_at=at)
    made = CredentialBinding.objects.create(
        environment_id=object["environment"],
        name=object["name"],
        revision=last + 1,
        provider=object["provider"],
        role=object["role"],
        ceiling=object["ceiling"],
        max_ttl_s=object["max_ttl_s"],
        reach=object["reach"],
        digest=digest(dict(object)),
        since_at=at,
    )
    telling.reach_grew(made, at=at)


def _secret(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    live = SealedSecret.objects.filter(ended_at__isnull=True)
    if live.filter(value_fingerprint=object["fingerprint"]).exclude(environment_id=object["environment"]).exists():
        raise SecretElsewhere("This secret stands in another environment already.", pointer="/object/fingerprint")
    keys = PoolKey.objects.filter(environment_id=object["environment"], ended_at__isnull=True)
    if not keys.filter(key_id=object["pool_key_id"]).exists():
        raise InvalidInput([("/object/pool_key_id", "is no living key of this pool: seal the value anew")])
    same = live.filter(environment_id=object["environment"], name=object["name"])
    revision = SealedSecret.objects.filter(environment_id=object["environment"], name=object["name"]).count() + 1
    same.update(ended_at=at)
    SealedSecret.objects.create(
        environment_id=object["environment"],
        name=object["name"],
        revision=revision,
        pool_key_id=object["pool_key_id"],
        ciphertext=base64.b64decode(object["ciphertext"]),
        value_fingerprint=object["fingerprint"],
        made_by=change.proposer,
        since_at=at,
    )


def _profile(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    PortalSetting.objects.update_or_create(name="profile", defaults={"value": object["profile"], "since_at": at})


def _key(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    if EnrolledKey.objects.filter(fingerprint=object["fingerprint"]).exists():
        raise NotAllowed("This key is enrolled already.")
    person = Person.objects.get(subject=object["subject"])
    own = any(row["by"] == object["subject"] and row["strength"] == "signed" for row in change.signatures)
    replaces = EnrolledKey.objects.filter(person=person).exists() and not own
    fields = {key: value for key, value in object.items() if key != "subject"}
    fields["counts_from_at"] = at + REPLACED_COUNTS_AFTER if replaces else None
    EnrolledKey.objects.create(person=person, enrolled_at=at, **fields)


def _key_end(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    EnrolledKey.objects.filter(fingerprint=object["fingerprint"]).update(revoked_at=at)


def _redaction(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    problems = redactions.problems(object)
    if problems:
        raise InvalidInput(problems)
    redactions.carry_out(object, at, change=change.pk)


def _source(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    fields = {key: object[key] for key in ("url", "branch", "path", "group")}
    fields["owner"] = Person.objects.get(subject=object["owner"])
    fields["ended_at"] = at if object["action"] == "end" else None
    fields["asked_at"] = at  # set anew, it is looked at at once
    made = {"since_at": at, "hook_secret": token_hex(32)}
    Source.objects.update_or_create(name=object["name"], defaults=fields, create_defaults={**fields, **made})


def _action(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """No table holds it: whoever asks whether another package's action may run asks the log."""


EFFECTS: Mapping[str, Callable[[ControlChange, Mapping[str, Any], datetime, UUID], None]] = {
    "grant": _grant,
    "grant_end": _grant_end,
    "key_end": _key_end,
    "membership": _membership,
    "duty": _duty,
    "environment": _environment,
    "binding": _binding,
    "target": targets.take_effect,
    "inventory": inventory_controls.take_effect,
    "secret": _secret,
    "profile": _profile,
    "key": _key,
    "runner": enrolments.enrolled,
    "runner_end": enrolments.ended,
    "redaction": _redaction,
    "legal_hold": legal_holds.place,
    "legal_hold_end": legal_holds.end,
    "retention": retention.take_effect,
    "collector": collectors.take_effect,
    "outage": outages.take_effect,
    "source": _source,
    "campaign": campaign_effects.opened,
    "campaign_keep": campaign_effects.kept,
    "action": _action,
    "identity_provider": identity_providers.apply,
    "local_sign_in": local_sign_in.apply,
    "policy": policy_controls.put_in_force,
    "agent": agents.put_in_force,
    "service_account": accounts.put_in_force,
    "labels": labels.take_effect,
    "terms": terms.take_effect,
    "space": spaces.take_effect,
    "stop_lift": stops.take_effect,
    "trusted_issuer": workloads.take_issuer,
    "workload_rule": workloads.take_rule,
    "schedule": standing_controls.take,
    "hook": standing_controls.take,
    "standing_end": standing_controls.take_end,
}
