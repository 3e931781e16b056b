"""Who is told of what: one function per thing that people want to hear of, called inside its transaction."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from procedures.domain.deputies import DEPUTED
from procedures.domain.plan_words import short_code
from procedures.domain.runners import fingerprint
from procedures.domain.states import RunState
from procedures.models import (
    AccessRequest,
    ControlChange,
    CredentialBinding,
    DecisionAsked,
    Deputy,
    EnrolledKey,
    GlassBreak,
    Person,
    Review,
    ReviewComment,
    Run,
    Runner,
    Stop,
    Target,
    Version,
)
from procedures.queries import access_requests, eligible, reach
from procedures.queries.agents import asker
from procedures.services.notices import tell

DEPUTIES = "/settings/deputies/"
RUNNERS = "/runners/"
BADLY = {
    RunState.FAILED: "failed",
    RunState.TIMED_OUT: "ran out of time",
    RunState.INTERRUPTED: "lost contact, outcome unknown",
    RunState.DENIED: "not allowed",
    RunState.REJECTED: "turned down",
    RunState.EXPIRED: "nobody decided in time",
}


def approval_waits(run: Run, *, until: datetime, at: datetime) -> None:
    """Whoever could decide on this run, or on the gate that it stands at; with the code of its plan (H21)."""
    more = {"risk": run.risk, "until": until, "code": short_code(run.digest_now)}
    tell(
        "approval.waits",
        eligible.approvers(run, at),
        key=f"approval:{run.id}:{run.plan_digest[7:23]}:{run.waiting_gate}",
        path=f"/approvals/{run.id}/",
        at=at,
        facts={**_of(run), "actor": asker(run.requester), **more},
    )


def answer_waits(run: Run, *, until: datetime, at: datetime) -> None:
    """Whoever could answer the gate that a run stands at."""
    facts = {**_of(run), "actor": asker(run.requester), "until": until}
    key = f"answer:{run.id}:{run.waiting_gate}"
    tell("answer.waits", eligible.answerers(run, at), key=key, path=f"/runs/{run.id}/#asked", at=at, facts=facts)


def run_ended(run: Run, state: RunState, *, at: datetime) -> None:
    """The requester of a run that ended badly; for software its owner. Drafts have their author beside them."""
    person = run.requester if run.requester.kind == Person.Kind.PERSON else run.requester.owner
    if run.draft or state not in BADLY or person is None or not person.is_active:
        return
    facts = {**_of(run), "state": BADLY[state]}
    tell("run.ended_badly", [person], key=f"ended:{run.id}", path=f"/runs/{run.id}/", at=at, facts=facts)


def goes_on(later: Run, earlier: Run, *, at: datetime) -> None:
    """The requester of a run that was interrupted, with which the portal goes on by itself; for software its owner."""
    person = later.requester if later.requester.kind == Person.Kind.PERSON else later.requester.owner
    if person is None or not person.is_active:
        return
    facts = {**_of(later), "earlier": earlier.no}
    tell("run.goes_on", [person], key=f"goes-on:{later.id}", path=f"/runs/{later.id}/", at=at, facts=facts)


def reach_grew(binding: CredentialBinding, *, at: datetime) -> None:
    """Whoever submitted or accepted a version that is lent something else, or more, from now on (H2)."""
    for version in reach.grown_by(binding, at):
        accepted = version.reviews.filter(verdict=Review.Verdict.ACCEPT).select_related("reviewer")
        people = {one.pk: one for one in (version.submitter, *(row.reviewer for row in accepted)) if one.is_active}
        facts = {"procedure": version.procedure.name, "number": version.number, "when": at}
        facts |= {"credential": binding.name, "environment": binding.environment_id}
        key = f"reach:{version.pk}:{binding.pk}"
        tell("reach.grew", list(people.values()), key=key, path=f"/reviews/{version.pk}/", at=at, facts=facts)


def mentioned(run: Run, actor: Person, people: Collection[Person], *, comment: UUID, at: datetime) -> None:
    """Whoever a comment on a run names."""
    facts = {**_of(run), "actor": asker(actor)}
    tell("run.mentioned", people, key=f"mentioned:{comment}", path=f"/runs/{run.id}/#said", at=at, facts=facts)


def mentioned_in_review(remark: ReviewComment, people: Collection[Person], *, on: Version, at: datetime) -> None:
    """Whoever a remark in a version's discussion names; `on` is the version whose page shows it now."""
    facts = {"procedure": on.procedure.name, "number": on.number, "actor": asker(remark.author)}
    path = f"/reviews/{on.id}/#t-{remark.thread_id or remark.pk}"
    tell("review.mentioned", people, key=f"mentioned:{remark.pk}", path=path, at=at, facts=facts)


def review_waits(version: Version, actor: Person, *, at: datetime) -> None:
    """Whoever could review this version."""
    facts = {"procedure": version.procedure.name, "number": version.number, "risk": version.risk, "actor": asker(actor)}
    people = eligible.reviewers(version, at)
    tell("review.waits", people, key=f"review:{version.id}", path=f"/reviews/{version.id}/", at=at, facts=facts)


def change_waits(change: ControlChange, gains: Collection[str], *, at: datetime) -> None:
    """Whoever could confirm this change."""
    people = eligible.confirmers(change, at, set(gains))
    facts = {"actor": asker(change.proposer), "control": change.control.replace("_", " ")}
    tell("change.waits", people, key=f"change:{change.pk}", path=f"/changes/{change.pk}/", at=at, facts=facts)


def change_in_force(change: ControlChange, actor: Person, *, at: datetime) -> None:
    """Keys that come and go are told to their owner and to everybody who manages access (H1)."""
    if change.control not in {"key", "key_end"}:
        return
    key = EnrolledKey.objects.select_related("person").get(fingerprint=change.object["fingerprint"])
    kind = "key.enrolled" if change.control == "key" else "key.revoked"
    tell(
        kind,
        [key.person, *eligible.managers(at)],
        key=f"key:{change.pk}",
        path="/people/",
        at=at,
        facts={
            "person": key.person,
            "actor": actor,
            "when": at,
            "fingerprint": key.fingerprint,
            "counts": key.counts_from_at or key.enrolled_at,
        },
    )


def runner_enrolled(row: Runner, actor: Person, *, at: datetime) -> None:
    """Security and everybody who manages access: whoever has this key may take work."""
    facts = {**_runner(row), "actor": actor, "when": at, "fingerprint": fingerprint(row.public)}
    key = f"runner:{row.pk}:{at.timestamp():.0f}"
    tell("runner.enrolled", eligible.security(at), key=key, path=RUNNERS, at=at, facts=facts)


def runner_ended(row: Runner, actor: Person, runs: int, *, at: datetime) -> None:
    facts = {**_runner(row), "actor": actor, "when": at, "runs": runs}
    tell("runner.ended", eligible.security(at), key=f"runner-end:{row.pk}", path=RUNNERS, at=at, facts=facts)


def runner_refused(run: Run, runner: Runner, *, at: datetime) -> None:
    """Security: somebody tried a run with a runner that nobody enrolled for it (H14)."""
    facts = {**_of(run), "runner": runner.name, "when": at}
    key = f"runner-refused:{run.pk}:{runner.pk}"
    tell("runner.refused", eligible.security(at), key=key, path=RUNNERS, at=at, facts=facts)


def unknown_logins(target: Target, count: int, *, at: datetime) -> None:
    """Security: a target's own log holds logins with what the ledger does not know."""
    facts = {"count": count, "target": target.name, "environment": target.environment_id, "when": at}
    path = f"/environments/{target.environment_id}/target/?name={target.name}"
    tell("target.unknown_login", eligible.security(at), key=f"logins:{target.pk}:{at}", path=path, at=at, facts=facts)


def unknown_leases(provider: str, environment: str, count: int, *, at: datetime) -> None:
    """Security: a provider held leases that the ledger does not know."""
    facts = {"count": count, "provider": provider, "environment": environment, "when": at}
    tell("lease.unknown", eligible.security(at), key=f"leases:{provider}:{at}", path=RUNNERS, at=at, facts=facts)


def _runner(row: Runner) -> dict[str, object]:
    return {"runner": row.name, "environments": ", ".join(row.environments)}


def access_asked(row: AccessRequest, *, at: datetime) -> None:
    """Whoever could decide an access request."""
    what = {"procedure": row.procedure.name if row.procedure else "what ends soon"}
    verbs, where = ", ".join(row.verbs).replace("_", " "), ", ".join(row.environments) or "every environment"
    facts = {**what, "actor": asker(row.asker), "verbs": verbs, "environments": where, "until": row.lapses_at}
    tell(
        "access.asked",
        access_requests.deciders(row, at),
        key=f"asked:{row.pk}",
        path=f"/access/requests/{row.pk}/",
        at=at,
        facts=facts,
    )


def access_answered(row: AccessRequest, *, at: datetime) -> None:
    """Whoever asked, of how it ended; for software its owner."""
    person = row.asker if row.asker.kind == Person.Kind.PERSON else row.asker.owner
    if person is None or not person.is_active or row.state not in {"granted", "refused", "lapsed"}:
        return
    facts = {"procedure": row.procedure.name if row.procedure else "what ends soon", "state": row.state}
    path = f"/access/requests/{row.pk}/"
    tell("access.answered", [person], key=f"answered:{row.pk}", path=path, at=at, facts=facts)


def glass_broken(use: GlassBreak, *, at: datetime) -> None:
    """Everybody in security and all who manage access, at once (rule 10)."""
    facts = {**_of(use.run), "person": use.person, "when": at, "skips": " and ".join(use.skips)}
    tell("break_glass.used", eligible.security(at), key=f"glass:{use.pk}", path="/break-glass/", at=at, facts=facts)


def stop_thrown(row: Stop, *, at: datetime) -> None:
    """Everybody in security, all who manage access and the operators of the place, at once."""
    people = {one.pk: one for one in [*eligible.security(at), *eligible.operators(row.environment, at)]}
    facts = {"person": row.thrown_by, "when": at, "what": row.what, "reason": row.reason}
    tell("stop.thrown", list(people.values()), key=f"stop:{row.pk}", path="/stops/", at=at, facts=facts)


def deputy_named(row: Deputy, *, at: datetime) -> None:
    """Both: who is away, and who is asked to stand in."""
    facts = _days(row)
    tell("deputy.named", [row.person, row.deputy], key=f"deputy:{row.pk}", path=DEPUTIES, at=at, facts=facts)


def deputy_agreed(row: Deputy, *, at: datetime) -> None:
    facts = _days(row)
    tell("deputy.agreed", [row.person, row.deputy], key=f"deputy-yes:{row.pk}", path=DEPUTIES, at=at, facts=facts)


def deputy_ended(row: Deputy, *, at: datetime) -> None:
    facts = {"person": row.person, "deputy": row.deputy, "what": _deputed(row)}
    tell("deputy.ended", [row.person, row.deputy], key=f"deputy-end:{row.pk}", path=DEPUTIES, at=at, facts=facts)


def _days(row: Deputy) -> dict[str, object]:
    facts = {"person": row.person, "deputy": row.deputy, "from": row.from_at, "until": row.until_at}
    return {**facts, "what": _deputed(row)}


def _deputed(row: Deputy) -> str:
    return " and ".join(DEPUTED[verb] for verb in row.verbs)


def decision_asked(asking: DecisionAsked, *, at: datetime) -> None:
    """Whoever was asked to decide; why stands on the page."""
    facts = {"actor": asking.by, "what": asking.get_what_display().replace("_", " ").lower()}
    path = f"/decisions/{asking.what}/{asking.about}/"
    tell("decision.asked", [asking.person], key=f"asked-to-decide:{asking.pk}", path=path, at=at, facts=facts)


def account_closed(person: Person, actor: Person, *, at: datetime) -> None:
    facts = {"person": person, "actor": actor, "when": at}
    people = [person, *eligible.managers(at)]
    tell(
        "account.closed",
        people,
        key=f"closed:{person.subject}:{at.timestamp():.0f}",
        path="/people/",
        at=at,
        facts=facts,
    )


def _of(run: Run) -> dict[str, object]:
    return {"no": run.no, "procedure": run.procedure.name, "environment": run.environment_id}
