"""May this run have this credential for this step and target, judged from signed events alone (rules 14, 15, 18)?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from procedures.definitions import registry
from procedures.definitions.risk import reach_floor
from procedures.domain import age, grants
from procedures.domain.canonical import moment, parse_moment
from procedures.domain.controls import Authority
from procedures.domain.definition import RISKS
from procedures.domain.ports import Binding, Target
from procedures.domain.profiles import approvals_union, missing_reviews, review_requirement
from procedures.domain.sshkeys import fingerprint
from procedures.domain.trust import weaker
from procedures.evidence.queries import Fact, facts_of_run, version_facts
from procedures.issuer import glass, going_on, policies, standing, workloads
from procedures.issuer.approvals import after_leaving, approvals_of
from procedures.issuer.delegation import asked_by_software
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import by_now, checked, statement_of
from procedures.models import Run


def judge_run(authority: Authority, run: Run, plan: Mapping[str, Any], *, at: datetime) -> tuple[str, ...]:
    """Refuse unless acceptance, grant and approvals of this run stand. Returns the approvers' subjects."""
    production = run.environment_id in authority.production
    facts = facts_of_run(run.id)
    asked = next((f.id for f in facts if f.kind == "run.requested"), "")
    if any(f.facts.get("draft") for f in facts if f.kind == "run.requested"):
        raise LeaseRefused("A draft gets no credential.")
    if plan["environment"] != run.environment_id:
        raise LeaseRefused(f"The plan was made for {plan['environment']}, the table says {run.environment_id}.")
    judge = partial(_acceptance, authority, at=at, asked=asked, production=production)
    told = [run.risk, plan["risk"], *(f.facts["risk"] for f in facts if f.kind == "run.requested")]
    submitted = judge(run.version_id, run.digest, told)
    _callees(plan, submitted, judge)
    _recipients(authority, plan)
    _grant(authority, run, str(submitted["procedure"]), facts, plan, at)
    going_on.judge(run, plan, facts)
    software = asked_by_software(authority, run, facts)
    workloads.judge(authority, str(run.requester.subject), facts)
    behind = standing.judge(authority, run, plan, str(submitted["procedure"]), facts)
    risk = highest_told(version_facts(run.version_id), told)
    _reach(authority, run.environment_id, plan, risk)
    wanted = policies.required(authority, run, plan, facts)
    name, begun = str(submitted["procedure"]), _begun(facts, at)

    def covers(grant: Mapping[str, Any]) -> bool:
        return authority.reaches(grant, name) and _covers(grant, run, plan, at, begun, authority.production)

    glass.through_freeze(authority, run, covers, begun=begun, at=at)
    try:
        return approvals_of(authority, run, plan, risk, facts, wanted, at=begun, software=software, behind=behind)
    except LeaseRefused as refusal:
        if software:
            raise  # no glass is broken for software: a person approves, who does not stand behind it (H38)
        if why := glass.why_not(authority, run, run.plan_digest, covers, at=at):
            raise LeaseRefused(f"{refusal.message} Break-glass: {why}.") from None
        return ()


def _recipients(authority: Authority, plan: Mapping[str, Any]) -> None:
    """Secret results are encrypted to keys that their owners enrolled, and what is for the requester to that person's.

    Else whoever can write the plan's table would name a key of its own, and be handed what was made.
    """
    for deliver, rows in plan.get("recipients", {}).items():
        for row in rows:
            key = authority.keys.get(row["key"], {})
            named = (row["who"], row["public"]) == (key.get("subject"), age.bare(key.get("public", "")))
            if not named or (deliver == "once" and row["who"] != plan["requester"]):
                raise LeaseRefused(f"A secret result would go to {row['key']}, which is no key of who it is for.")


def _reach(authority: Authority, place: str, plan: Mapping[str, Any], risk: str) -> None:
    """Nothing that the plan is lent reaches, as it is bound now, further than the risk that was judged (H2, H16)."""
    names = {name.rpartition("/")[2] for name in plan["credentials"]}
    rows = [authority.bindings[place, name] for name in sorted(names) if (place, name) in authority.bindings]
    reached, why = reach_floor(rows, authority.production)
    if RISKS.index(reached) > RISKS.index(risk):
        raise LeaseRefused(f"It was accepted at {risk} risk, and what it is lent is {reached} now: {', '.join(why)}.")


def highest_told(facts: Sequence[Fact], told: Sequence[str]) -> str:
    """The highest risk that the log, the plan or a table ever said: no single one of them can lower it (H16)."""
    logged = [str(f.facts["risk"]) for f in facts if f.kind in {"version.submitted", "version.risk_raised"}]
    every = {*logged, *told}
    return next(risk for risk in reversed(RISKS) if risk in every)


def _callees(plan: Mapping[str, Any], submitted: Mapping[str, Any], judge: Callable[..., Mapping[str, Any]]) -> None:
    """Each call of the plan is pinned by the closure above it, and was itself accepted (H17)."""
    above = {"": submitted}
    for call in plan.get("calls", []):
        outer = call["at"].rstrip("/").rpartition("/")[0]
        pinned = above[f"{outer}/" if outer else ""]["closure"]["calls"]
        if [call["procedure"], call["digest"]] not in pinned:
            raise LeaseRefused(f"The accepted closure does not pin {call['procedure']} at {call['digest']}.")
        above[call["at"]] = judge(UUID(call["version"]), call["digest"], [])


def _acceptance(
    authority: Authority, version: UUID, digest: str, told: Sequence[str], *, at: datetime, asked: str, production: bool
) -> Mapping[str, Any]:
    """The facts of the submission of a digest whose acceptance stands now.

    `told` are risks that others than the log say. `asked` is the id of the event of the request; ids are in order of
    time.
    """
    facts = version_facts(version)
    found = {f.kind: f for f in facts if f.facts.get("digest") == digest}
    if "version.accepted" not in found:
        raise LeaseRefused(f"The log holds no acceptance of {digest}.")
    if "version.revoked" in found:
        raise LeaseRefused("The version was revoked.")
    if "version.expired" in found or found["version.accepted"].facts["expires_at"] <= moment(at):
        raise LeaseRefused("The acceptance of the version has expired.")
    if "version.superseded" in found and found["version.superseded"].id < asked:
        raise LeaseRefused("The version was superseded before this run was asked for.")
    submitted = next(f for f in facts if f.kind == "version.submitted")
    _actions(authority, submitted.facts["closure"])
    if production:
        _signed_reviews(authority, facts, submitted, digest, highest_told(facts, told))
    return submitted.facts


def _actions(authority: Authority, closure: Mapping[str, Any]) -> None:
    """Another package's action gets no credential unless a change that stands let in these very bytes of it (H4)."""
    for action, mark in closure["actions"]:
        known = authority.actions.get(action, {})
        if not registry.is_ours(mark) and not (known.get("stands") and known["mark"] == mark):
            raise LeaseRefused(f"{action} comes from another package, and no change that stands lets {mark} in.")


def _signed_reviews(authority: Authority, facts: list[Fact], submitted: Fact, digest: str, risk: str) -> None:
    """Each review is signed over this very version: one of an earlier life of the same bytes is spent (H40)."""
    authors = {submitted.facts["submitter"], *submitted.facts["authors"]}
    same = {name: submitted.facts[name] for name in ("version", "procedure", "digest")}
    wanted = {"type": "opsportal/review/v1", "verdict": "accept", **same}
    given: dict[str, list[str]] = {}
    for fact in facts:
        if fact.kind != "review.made" or fact.facts["digest"] != digest or fact.facts["verdict"] != "accept":
            continue
        statement = statement_of(fact)
        rows = checked(authority, fact.statement, fact.signatures, at=by_now(fact.at), index=fact.index)
        proven = {s.by for s in rows if s.valid}
        if not wanted.items() <= statement.items() or after_leaving(authority, fact):
            continue
        if fact.actor in proven - authors and statement.get("reviewer") == fact.actor:
            held = authority.duties_of(fact.actor)
            given[fact.actor] = [duty for duty in statement["duties"] if duty in held]
    asked = _asked_by_policies(facts, digest)
    lacking = missing_reviews(review_requirement(authority.profile, risk), asked, given)  # type: ignore[arg-type]
    if lacking:
        raise LeaseRefused(f"The acceptance lacks a signed review for: {', '.join(lacking)}.")


def _asked_by_policies(facts: list[Fact], digest: str) -> dict[str, int]:
    """Reviewers whom policies asked for, as the last of their decisions says, and the acceptance itself."""
    same = [f.facts for f in facts if f.facts.get("digest") == digest]
    said = [row["required"] for row in same if row.get("stage") == "submit"][-1:]
    return approvals_union(*said, *(row["policy"]["required"] for row in same if "policy" in row))


def _grant(
    authority: Authority, run: Run, procedure: str, facts: list[Fact], plan: Mapping[str, Any], at: datetime
) -> None:
    """Some standing grant covers requester, procedure, environment, parameters and targets, now.

    `procedure` is the name that was submitted and reviewed: the table's may have been changed since.
    """
    requester = str(run.requester.subject)
    requested = next((f for f in facts if f.kind == "run.requested"), None)
    if requested is None or requested.facts["requester"] != requester:
        raise LeaseRefused("The log holds no request of this run by its requester.")
    why = "No grant that stands by itself covers this request."
    production, begun = run.environment_id in authority.production, _begun(facts, at)
    for name, grant in authority.grants.items():
        claimants = authority.claimants(grant["principal"], production=production)
        if "run" not in grant["verbs"] or requester not in claimants:
            continue
        if not grant["stands"]:
            why = f"Grant {name} is asserted by the platform alone: {authority.asserted.get(name, 'it is not signed')}."
            continue
        if authority.reaches(grant, procedure) and _covers(grant, run, plan, at, begun, authority.production):
            return
    raise LeaseRefused(why)


def _begun(facts: Sequence[Fact], at: datetime) -> datetime:
    """When a runner last took this run: a window says when work may begin, and cuts none off half way."""
    claims = [fact.at for fact in facts if fact.kind == "run.claimed" and fact.at]
    return parse_moment(claims[-1]) if claims else at


def _covers(
    grant: Mapping[str, Any],
    run: Run,
    plan: Mapping[str, Any],
    at: datetime,
    begun: datetime,
    production: Collection[str] = (),
) -> bool:
    """Whether the grant, as a unit, holds for this environment, these parameters, secrets and targets, now."""
    now = moment(at)
    if not grant["not_before"] <= now < grant["expires_at"]:
        return False
    if not grants.in_place(grant, run.environment_id, production):
        return False
    return not grants.outside(
        at=begun,
        constraint=grant.get("constraint"),
        unconstrained=grant.get("unconstrained", ()),
        target_filter=grant.get("target_filter", ""),
        window=grant.get("window"),
        resolved=plan["parameters"],
        secrets=plan.get("secrets") or (),
        targets=[target_port(row) for row in plan["targets"]],
    )


def target_port(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"name": row["name"], "tags": row.get("tags", {})}


def judge_binding(authority: Authority, binding: Binding, planned: Mapping[str, Any]) -> None:
    """The binding is the one that the approved plan names, and stands by itself (H2)."""
    fact = authority.bindings.get((binding.environment, binding.name))
    if planned["binding"] != binding.digest:
        raise LeaseRefused(f"The binding {binding.name} is not the one that the plan was approved with.")
    if fact is None or not fact["stands"]:
        raise LeaseRefused(f"The binding {binding.name} is asserted by the platform alone.")
    if fact["role"] != binding.role or fact["provider"] != binding.provider or fact["ceiling"] != binding.ceiling:
        raise LeaseRefused(f"The binding {binding.name} in the table is not the one that was confirmed.")


def judge_target(authority: Authority, target: Target, planned: Mapping[str, Any]) -> None:
    """The target is the plan's, with the host key that was confirmed for this environment (H41, rule 18)."""
    fact = authority.targets.get(target.name)
    if fact is None or not fact["stands"]:
        raise LeaseRefused(f"The target {target.name} is asserted by the platform alone.")
    same = (
        fact["environment"] == target.environment
        and fact["host_key"] == target.host_key
        and fact.get("host_authority", "") == target.host_authority
        and fact["address"] == target.address
        and fact["port"] == target.port
        and planned["host_key"] == target.host_key_sha256
        and planned.get("host_authority", "") == (fingerprint(target.host_authority) if target.host_authority else "")
    )
    if not same:
        raise LeaseRefused(f"The target {target.name} in the table is not the one that was confirmed.")
    if weaker(fact["trust"], planned["trust"]):
        raise LeaseRefused(f"The host trust of {target.name} is weaker now than in the plan that was approved.")
