"""What a control object may not say: names that are not there, addresses and filters that do not parse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import Group

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.domain.sshkeys import fingerprint
from procedures.domain.statements import StatementMismatch
from procedures.git.call import branch_problem, url_problem
from procedures.models import ControlChange, EnrolledKey, Environment, Grant, Person, Procedure
from procedures.services import (
    accounts,
    agents,
    campaign_effects,
    collectors,
    enrolments,
    grant_checks,
    identity_providers,
    inventory_controls,
    legal_holds,
    local_sign_in,
    outages,
    passkeys,
    policy_controls,
    redactions,
    retention,
    spaces,
    standing_controls,
    stops,
    targets,
    workloads,
)


def check(control: str, object: Mapping[str, Any]) -> None:
    """Refuse, with a pointer, what names things that are not there. Raises InvalidInput."""
    problems: list[tuple[str, str]] = []
    environments = object.get("environments") or ([object["environment"]] if "environment" in object else [])
    known = set(Environment.objects.values_list("name", flat=True))
    for index, name in enumerate(environments):
        if name not in known:
            pointer = f"/object/environments/{index}" if "environments" in object else "/object/environment"
            problems.append((pointer, f"there is no environment {name!r}"))
    if "procedure" in object and not Procedure.objects.filter(name=object["procedure"]).exists():
        problems.append(("/object/procedure", f"there is no procedure {object['procedure']!r}"))
    if "principal" in object and principal(object["principal"]) is None:
        problems.append(("/object/principal", f"there is no {object['principal']}"))
    problems += _closed_meanwhile(control, object)
    problems += CHECKS.get(control, _nothing)(object)
    if problems:
        raise InvalidInput(problems)


def require_fresh(statement: bytes, proposer: Person) -> None:
    """What somebody signed is handed in once: the same words again would bring back what had ended.

    Raises StatementMismatch.
    """
    if ControlChange.objects.filter(proposer=proposer, statement=statement).exists():
        raise StatementMismatch("This statement was handed in before.", pointer="/signature/statement")


def _closed_meanwhile(control: str, object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Nobody without an open account is put into a group or given a duty; to take either away is never refused."""
    if control == "membership":
        pointer, row = "/object/person", Person.objects.filter(subject=object["person"]).first()
        if row is None:
            return [(pointer, "there is no such person")]
    elif control == "duty" and object["principal"].startswith("person:"):
        pointer, row = "/object/principal", Person.objects.filter(subject=object["principal"][7:]).first()
    else:
        return []
    closed = row is not None and not row.is_active and object["action"] == "add"
    return [(pointer, "has no open account any more")] if closed else []


def _nothing(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    return []


def _key_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    if object.get("method") == "passkey":
        return passkeys.problems(object)
    same = fingerprint(object["public"]) == object["fingerprint"]
    return [] if same else [("/object/fingerprint", "is not the fingerprint of this public key")]


def _grant_end_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    lives = Grant.objects.filter(pk=object["grant"], revoked_at__isnull=True).exists()
    return [] if lives else [("/object/grant", "there is no such live grant")]


def _key_end_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    lives = EnrolledKey.objects.filter(fingerprint=object["fingerprint"], revoked_at__isnull=True).exists()
    return [] if lives else [("/object/fingerprint", "there is no such live key")]


def _source_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    problems = []
    if not Person.objects.filter(subject=object["owner"], is_active=True).exists():
        problems.append(("/object/owner", "there is no such person"))
    if object["group"] and not Group.objects.filter(name=object["group"]).exists():
        problems.append(("/object/group", f"there is no group {object['group']!r}"))
    if problem := url_problem(object["url"]):
        problems.append(("/object/url", problem))
    if problem := branch_problem(object["branch"]):
        problems.append(("/object/branch", problem))
    return problems


def _environment_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The first production is not let in by grants that nobody signed: they were given where there was none."""
    if not object["production"] or Environment.objects.filter(production=True).exists():
        return []
    live = Grant.objects.filter(environments=[], revoked_at__isnull=True, expires_at__gt=now())
    signatures = dict(ControlChange.objects.filter(pk__in=live.values("pk")).values_list("pk", "signatures"))
    light = [pk for pk, rows in signatures.items() if not any(row["strength"] == "signed" for row in rows)]
    told = f"{len(light)} grants for every environment were given unsigned while there was no production: end them, or"
    return [("/object/production", f"{told} give them again, signed or for named environments")] if light else []


def _labels_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    row = Procedure.objects.filter(name=object["procedure"]).first()
    same = row is not None and set(row.labels) == set(object["labels"])
    return [("/object/labels", "are what it carries already")] if same else []


CHECKS: Mapping[str, Callable[[Mapping[str, Any]], list[tuple[str, str]]]] = {
    "grant": lambda object: grant_checks.problems(object) + agents.grant_problems(object),
    "duty": agents.duty_problems,
    "agent": agents.problems,
    "service_account": accounts.problems,
    "target": targets.problems,
    "inventory": inventory_controls.problems,
    "key": _key_problems,
    "grant_end": _grant_end_problems,
    "key_end": _key_end_problems,
    "redaction": redactions.problems,
    "legal_hold": legal_holds.problems,
    "legal_hold_end": legal_holds.end_problems,
    "retention": retention.problems,
    "collector": collectors.problems,
    "outage": outages.problems,
    "source": _source_problems,
    "campaign": campaign_effects.problems,
    "campaign_keep": campaign_effects.keep_problems,
    "identity_provider": identity_providers.problems,
    "local_sign_in": local_sign_in.problems,
    "policy": policy_controls.problems,
    "runner": enrolments.problems,
    "runner_end": enrolments.end_problems,
    "labels": _labels_problems,
    "environment": _environment_problems,
    "space": spaces.problems,
    "stop_lift": stops.problems,
    "trusted_issuer": workloads.issuer_problems,
    "workload_rule": workloads.rule_problems,
    "schedule": standing_controls.problems("schedule"),
    "hook": standing_controls.problems("hook"),
    "standing_end": standing_controls.end_problems,
}


def principal(text: str) -> Person | Group | None:
    kind, _, name = text.partition(":")
    if kind == "person":
        return Person.objects.filter(subject=name).first()
    return Group.objects.filter(name=name).first()
