"""The first page of a dossier, in sentences for somebody who knows neither the portal nor cryptography."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procedures.domain import readable
from procedures.evidence.paper import Block

if TYPE_CHECKING:
    from procedures.queries.dossier import Known

OUTCOMES = {
    "succeeded": "It succeeded.",
    "failed": "It failed.",
    "timed_out": "It ran out of time and was stopped.",
    "canceled": "It was cancelled.",
    "denied": "It was denied: it never ran.",
    "rejected": "It was turned down: it never ran.",
    "expired": "Nobody decided in time: it never ran.",
    "interrupted": "The runner was lost on the way, so what it did last is not known for certain.",
}
DOORS = {
    "web": "on the portal's page",
    "api": "through the portal's interface for programs",
    "cli": "on the command line",
    "schedule": "by a schedule",
    "hook": "by a message from another system",
    "mcp": "by software that acts for a person",
}
WRONG = ("failed", "timed_out", "unreachable", "interrupted", "canceled")


def story(known: Known) -> list[Block]:
    """Who asked what and why; who wrote and accepted it; who approved; what ran, with which credential; the end."""
    return [text for text in (_asked(known), _written(known), _approved(known), _ran(known), _ended(known)) if text]


def _asked(known: Known) -> str:
    run, request = known.run, known.first("run.requested")
    who = known.who(request.actor if request else run.requester.subject)
    why = known.value(request.id, "/reason", "") if request else ""
    said = f"The reason given: “{why}”." if why else "No reason was given."
    how = DOORS.get(run.door, run.door)
    when = f"{run.requested_at:%d %B %Y at %H:%M:%S} UTC"
    return f"On {when}, {who} asked {how} to run “{run.procedure.title}” in {run.environment.title}. {said}"


def _written(known: Known) -> str:
    version = known.run.version
    submitted = next((one for one in known.version if one.kind == "version.submitted"), None)
    authors = ", ".join(known.who(one) for one in submitted.facts["authors"]) if submitted else "somebody"
    accepted = [one for one in known.version if one.kind == "review.made" and one.facts["verdict"] == "accept"]
    first = f"What ran is version {version.number} of that procedure, written by {authors}."
    if version.draft:
        return f"{first} It is a draft that nobody had accepted."
    if not accepted:
        return f"{first} The log holds no acceptance of it."
    reviewers = " and ".join(sorted({known.who(one.actor) for one in accepted}))
    return f"{first} {reviewers} read exactly these bytes and accepted them; the risk was judged {known.run.risk}."


def _approved(known: Known) -> str:
    given = known.all("run.approved")
    if known.run.glass_breaks.exists():
        return "It went ahead in an emergency without the approvals it needed; see “What was odd”."
    if not given:
        needed = known.run.approvals_needed
        if needed:
            return "It needed an approval by a second person and the log holds none."
        return "The rules of this environment asked for no approval of this run beside the acceptance of the procedure."
    people = [f"{known.who(one.actor)} on {_moment(one.at)} ({_strength(one.facts['strength'])})" for one in given]
    return f"Before it started, {' and '.join(people)} approved this one run: this text, these values, these targets."


def _strength(strength: object) -> str:
    words = {"signed": "signed with a key of their own", "totp": "confirmed with a second factor"}
    return words.get(str(strength), "signed in, without a signature")


def _ran(known: Known) -> str:
    run = known.run
    if run.started_at is None:
        return "Nothing ran."
    targets = [one["name"] for one in known.plan.get("targets", [])]
    where = f"on {_few(targets)}" if targets else "on the runner itself"
    lent = sorted({str(one.facts["credential"]) for one in known.all("lease.intent")})
    steps = {str(one.facts["step"]) for one in known.all("step.intent")}
    count = f"{len(steps)} step{'' if len(steps) == 1 else 's'}"
    first = f"It started on {run.started_at:%d %B %Y at %H:%M:%S} UTC and worked {where}, through {count}."
    if not lent:
        return f"{first} No credential was lent for it."
    return f"{first} For that it was lent {_few(lent)}, each for a short time and for this run alone."


def _ended(known: Known) -> str:
    run = known.run
    if run.ended_at is None:
        return f"It has not ended: it is {run.state.replace('_', ' ')}."
    told = OUTCOMES.get(run.state, run.state)
    message = f" What it says of that: “{run.message}”." if run.message else ""
    return f"{told} It ended on {run.ended_at:%d %B %Y at %H:%M:%S} UTC.{message}"


def odd(known: Known) -> list[Block]:
    """What somebody should look at; that there is nothing is said as well."""
    found = [*_emergency(known), *_events(known), *readable.words(known.run.readable, known.run.marks)]
    gone = sum(value is None for value in known.said.values())
    if gone:
        found.append(f"Erased values: {gone}, after two people agreed to it. The log still commits to them.")
    if known.run.again_of_id or known.run.continues_id:
        found.append("It repeats or goes on from an earlier run.")
    return list(found) or ["Nothing that the portal looks for: no emergency, refusal, failed attempt or drift."]


def _emergency(known: Known) -> list[str]:
    said = []
    for use in known.run.glass_breaks.select_related("person", "reviewer"):
        after = f"{use.reviewer} found it {use.verdict}." if use.reviewed_at else "Nobody has reviewed it yet."
        skipped = " and ".join(map(str, use.skips))
        said.append(f"{use.person} broke the glass, without {skipped}: “{use.reason}”. {after}")
    return said


def _events(known: Known) -> list[str]:
    """Events of a run that do not happen when all goes as planned."""
    words = {
        "run.drifted": "What it would do changed while it waited",
        "run.claim_refused": "A runner was refused",
        "lease.refused": "A credential was refused",
        "batch.refused": "Work was refused to a runner",
        "batch.lost": "A runner was lost with work in hand",
        "run.turned_down": "Somebody turned it down",
        "run.gate_refused": "A gate was refused",
        "run.cancel_asked": "Somebody asked to stop it",
        "run.goes_on": "It went on from where an earlier run ended",
        "run.approval_carried": "An approval was carried over from an earlier run",
        "run.approved_ahead": "It was approved ahead of time, with others of its kind",
        "run.refrozen": "Its plan was made anew at a gate",
        "run.alarmed": "Something watched it and raised an alarm",
    }
    said = [f"{words[one.kind]} ({_moment(one.at)})." for one in known.facts if one.kind in words]
    again = [one for one in known.all("step.intent") if int(one.facts["attempt"]) > 1]
    said += [f"Step {one.facts['step']} was tried again ({_moment(one.at)})." for one in again]
    wrong = [one for one in known.all("task.finished", "task.interrupted") if one.facts.get("outcome") in WRONG]
    return said + [f"Step {one.facts['step']} ended {one.facts['outcome']} ({_moment(one.at)})." for one in wrong]


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _moment(at: str) -> str:
    return at.replace("T", " ")[:19] + " UTC"
