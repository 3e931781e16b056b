"""Separation of duties, told from the evidence: that nobody decided about themselves, or who did and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procedures.answers.standing import Standing, standing
from procedures.domain import ahead, break_glass
from procedures.domain.canonical import moment
from procedures.evidence.queries import Fact, authority_facts, facts_of_kinds, glass_facts

VIOLATION, EXCEPTION, COMBINED, HELD = "violation", "exception", "combined", "held together"
APPROVING = ("run.requested", "run.approved", ahead.USED)
PAIRS = (("author", "review"), ("run", "approve"), ("manage_access", "run"))


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind`: a violation, a known exception, duties combined in one decision, or rights that one person holds."""

    kind: str
    who: str
    what: str
    at: str
    event: str = ""


def separation_report(at: datetime, *, since: datetime | None = None) -> list[Finding]:
    """Everything of a period up to `at`, worst first; the last rows say who could, not who did."""
    then, first = standing(at), moment(since) if since else ""

    def within(fact: Fact) -> bool:
        return first <= fact.at <= then.at

    found = [
        *_reviews(then, [f for f in facts_of_kinds("version.submitted", "review.made") if f.at <= then.at], first),
        *_approvals(then, [f for f in facts_of_kinds(*APPROVING) if f.at <= then.at], first),
        *(one for fact in authority_facts() if within(fact) for one in _control(then, fact)),
        *_glass(then, [f for f in glass_facts() if f.at <= then.at], first),
        *_bootstrap(then),
        *_held(then),
    ]
    order = (VIOLATION, EXCEPTION, COMBINED, HELD)
    return sorted(found, key=lambda one: (order.index(one.kind), one.at))


def _reviews(then: Standing, facts: list[Fact], first: str) -> Iterator[Finding]:
    authors: dict[str, set[str]] = {}
    for fact in facts:
        version = str(fact.facts["version"])
        if fact.kind == "version.submitted":
            authors[version] = {fact.facts["submitter"], *fact.facts["authors"]}
        elif fact.at >= first:
            name = then.name(fact.actor)
            if fact.actor in authors.get(version, set()):
                yield Finding(VIOLATION, name, "reviewed a version that they wrote or submitted", fact.at, fact.id)
            if len(fact.facts["duties"]) > 1:
                duties = ", ".join(fact.facts["duties"])
                yield Finding(COMBINED, name, f"covered {duties} in one review", fact.at, fact.id)


def _approvals(then: Standing, facts: list[Fact], first: str) -> Iterator[Finding]:
    chains: dict[str, set[str]] = {}
    for fact in facts:
        run = str(fact.run)
        if fact.kind == "run.requested":
            chains[run] = {fact.facts["requester"], *(link["by"] for link in fact.facts["chain"])}
        elif fact.at >= first and fact.actor in chains.get(run, set()):
            yield Finding(VIOLATION, then.name(fact.actor), "approved a run that they stand behind", fact.at, fact.id)


def _control(then: Standing, fact: Fact) -> Iterator[Finding]:
    if fact.kind != "control.confirmed":
        return
    signers = [str(row["by"]) for row in fact.signatures]
    gains = set(fact.facts.get("gains", ()))
    what = f"a change of {fact.facts['control'].replace('_', ' ')}"
    if fact.facts["control"] != "key":
        for who in sorted(gains & set(signers)):
            yield Finding(VIOLATION, then.name(who), f"signed {what} that they gain from", fact.at, fact.id)
    if len(set(signers)) < len(signers):
        yield Finding(VIOLATION, then.name(signers[0]), f"confirmed {what} that they proposed", fact.at, fact.id)
    weak = [row for row in fact.signatures if row.get("strength") != "signed"]
    if fact.facts.get("production") and weak and fact.facts["control"] not in {"key", "key_end"}:
        yield Finding(EXCEPTION, then.name(str(weak[0]["by"])), f"decided {what} unsigned", fact.at, fact.id)


def _glass(then: Standing, facts: list[Fact], first: str) -> Iterator[Finding]:
    """Each break-glass is an exception, named with who looked at it afterwards; a review by the wrong one is not."""
    reviews: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.kind == "break_glass.reviewed":
            reviews.setdefault(str(fact.facts["use"]), []).append(fact)
    for fact in facts:
        if fact.kind != "break_glass.used" or fact.at < first:
            continue
        made = then.made.get(str(fact.facts["grant"]), {"by": "", "confirmers": []})
        given = {made["by"], *made["confirmers"]}
        looked = []
        for review in reviews.get(str(fact.facts["use"]), []):
            name = then.name(review.actor)
            if break_glass.may_review(review.actor, user=fact.actor, chain=fact.facts["chain"], grantors=given):
                what = "reviewed a break-glass of a run that they stand behind, or that they gave the permission for"
                yield Finding(VIOLATION, name, what, review.at, review.id)
            else:
                looked.append(f"reviewed by {name}: {review.facts['verdict']}")
        skips = " and ".join(fact.facts["skips"]) or "nothing"
        what = f"broke the glass in {fact.facts['environment']}, past {skips}; {', '.join(looked) or 'not reviewed'}"
        yield Finding(EXCEPTION, then.name(fact.actor), what, fact.at, fact.id)


def _bootstrap(then: Standing) -> Iterator[Finding]:
    """The first access manager stands alone until another one gives them that right in the regular way."""
    for id, grant in then.live():
        if not grant.get("bootstrap"):
            continue
        subject = grant["principal"].partition(":")[2]
        if not any(_gives_again(then, other, subject) for _, other in then.live()):
            says = "was made access manager by the installation; no second access manager has given that right since"
            yield Finding(EXCEPTION, then.name(subject), says, grant["not_before"], id)


def _gives_again(then: Standing, grant: Mapping[str, Any], subject: str) -> bool:
    regular = not grant.get("bootstrap") and bool(grant["stands"])
    return regular and "manage_access" in grant["verbs"] and subject in then.authority.holders(grant["principal"])


def _held(then: Standing) -> Iterator[Finding]:
    """Rights that one person holds together: allowed, since every decision looks again, and worth a look."""
    verbs: dict[str, set[str]] = {}
    for _, grant in then.live():
        for subject in then.holders(grant):
            verbs.setdefault(subject, set()).update(grant["verbs"])
    for subject, held in sorted(verbs.items(), key=lambda one: then.name(one[0])):
        for pair in PAIRS:
            if set(pair) <= held:
                both = " and ".join(verb.replace("_", " ") for verb in pair)
                yield Finding(HELD, then.name(subject), f"may {both}", then.at)
