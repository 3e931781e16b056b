"""Notices: what people are told of, in whose words. A notice holds names and numbers, never what somebody typed as a
reason, a comment or a secret: a mail cannot be erased, and is read outside (decisions/0013).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from procedures.domain.notice_kind import Kind
from procedures.domain.notices_lent import LENT
from procedures.domain.notices_reviews import REVIEWS
from procedures.domain.notices_standing import STANDING
from procedures.domain.notices_witnesses import WITNESSES

PLAIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9 ,_-]{0,79}$")
LONGEST = 200

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "key.enrolled",
            "A signing key was enrolled",
            "A signing key was enrolled",
            "A signing key of {person} was enrolled at {when}: {fingerprint}. It counts for production from {counts}.\n"
            "If {person} did not do this, end the key at once and tell security.",
            security=True,
        ),
        Kind(
            "key.revoked",
            "A signing key was revoked",
            "A signing key was revoked",
            "A signing key of {person} was revoked by {actor} at {when}: {fingerprint}. It signs nothing more.\n"
            "A key that takes its place counts for production 24 hours after its enrolment.",
            security=True,
        ),
        Kind(
            "account.closed",
            "An account was closed",
            "An account was closed",
            "The account {person} was closed by {actor} at {when}.",
            security=True,
        ),
        Kind(
            "runner.enrolled",
            "A runner was enrolled",
            "A runner was enrolled",
            "The runner {runner} was enrolled for {environments} by {actor} at {when}. Its key: {fingerprint}.\n"
            "If nobody set this runner up, end it at once and tell security.",
            security=True,
        ),
        Kind(
            "runner.ended",
            "A runner was ended",
            "A runner was ended",
            "The runner {runner} of {environments} was ended by {actor} at {when}: it takes no work and gets no "
            "credential any more. {runs} of its runs were interrupted.\n"
            "If it was lost or stolen, its pool's key and certificate authority must be replaced too.",
            security=True,
        ),
        Kind(
            "break_glass.used",
            "Somebody broke the glass",
            "Break-glass: run {no} of {procedure} in {environment}",
            "{person} broke the glass at {when}: run {no} of {procedure} in {environment} goes ahead without {skips}. "
            "The reason stands in the portal. Somebody outside the run must review it within 72 hours.",
            security=True,
        ),
        Kind(
            "stop.thrown",
            "Something was stopped",
            "Stopped: {what}",
            "{person} stopped {what} at {when}: {reason}\n"
            "Nothing begins there and nothing goes on until it is lifted, in production by somebody else.",
            security=True,
        ),
        Kind(
            "approval.waits",
            "A run waits for my approval",
            "Run {no} of {procedure} in {environment} waits for an approval",
            "{actor} asks for run {no} of {procedure} in {environment}, risk {risk}. You may approve it, or turn it "
            "down, until {until}.\nCode of its plan: {code}. Where you decide, the same must be shown.",
        ),
        Kind(
            "approval.reminder",
            "Half of the time for my approval is over",
            "Run {no} of {procedure} in {environment} still waits for an approval",
            "Run {no} of {procedure} in {environment}, asked for by {actor}, still waits. It ends undecided at "
            "{until}.\nCode of its plan: {code}.",
        ),
        Kind(
            "approval.late",
            "The time for an approval is nearly over",
            "Run {no} of {procedure} in {environment} ends undecided soon",
            "Nobody has decided on run {no} of {procedure} in {environment}, asked for by {actor}. It ends undecided "
            "at {until}. Everybody who may decide on it is told.\nCode of its plan: {code}.",
            security=True,
        ),
        Kind(
            "review.reminder",
            "Half of the time for my review is over",
            "A version of {procedure} still waits for a review",
            "Version {number} of {procedure}, submitted by {actor}, still waits for reviewers. It is to be decided by "
            "{until}.",
        ),
        Kind(
            "review.late",
            "The time for a review is nearly over",
            "A version of {procedure} waits too long for a review",
            "Version {number} of {procedure}, submitted by {actor}, is to be decided by {until}, and lacks reviews.",
        ),
        Kind(
            "change.reminder",
            "Half of the time for a change of access is over",
            "A change of access still waits to be confirmed",
            "A change ({control}), proposed by {actor}, still waits. It is to be decided by {until}.",
        ),
        Kind(
            "change.late",
            "The time for a change of access is nearly over",
            "A change of access waits too long to be confirmed",
            "A change ({control}), proposed by {actor}, is to be decided by {until}, and nobody has.",
        ),
        Kind(
            "access.reminder",
            "Half of the time for a request for access is over",
            "Access to {procedure} is still asked for",
            "{actor} still waits for an answer about access to {procedure}. Unanswered, it lapses at {until}.",
        ),
        Kind(
            "access.late",
            "A request for access lapses soon",
            "A request for access to {procedure} lapses soon",
            "Nobody has answered {actor}, who asks for access to {procedure}. It lapses at {until}.",
            security=True,
        ),
        Kind(
            "campaign.reminder",
            "Half of the time for a campaign is over",
            "{left} grants of a campaign are undecided",
            "Of {count} grants in the campaign {name}, {left} are undecided. What nobody decides lapses at {until}.",
        ),
        Kind(
            "campaign.late",
            "Access lapses soon because nobody reviewed it",
            "{left} grants lapse soon unless somebody keeps them",
            "Of {count} grants in the campaign {name}, {left} are undecided and lapse at {until}.",
            security=True,
        ),
        Kind(
            "decision.escalated",
            "Something waits too long where I manage access",
            "{what} is not decided",
            "{what} waits until {until}, and nobody has decided. Able to: {able}. You manage access there: see who "
            "could, and call them.",
        ),
        Kind(
            "break_glass.unreviewed",
            "A break-glass is not reviewed",
            "Break-glass is not reviewed: run {no} of {procedure} in {environment}",
            "Nobody has reviewed that {person} broke the glass for run {no} of {procedure} in {environment} at {when}. "
            "From {until} on {person} cannot do so again before somebody has.",
            security=True,
        ),
        Kind(
            "review.waits",
            "A version waits for my review",
            "A version of {procedure} waits for a review",
            "{actor} submitted version {number} of {procedure}, risk {risk}. You may review it.",
        ),
        Kind(
            "change.waits",
            "A change of access waits for me",
            "A change of access waits to be confirmed",
            "{actor} proposed a change ({control}). You may confirm or refuse it.",
        ),
        Kind(
            "deputy.named",
            "Somebody is to stand in for me, or I for somebody",
            "{person} asks {deputy} to stand in",
            "{deputy} is to look for {person} at what waits for {what}, from {from} until {until}. It has no effect "
            "before {deputy} agrees; either can end it.",
        ),
        Kind(
            "deputy.agreed",
            "Somebody agreed to stand in",
            "{deputy} stands in for {person}",
            "{deputy} agreed, and looks for {person} at what waits for {what}, from {from} until {until}. Neither "
            "gains a right by it, and either can end it.",
        ),
        Kind(
            "deputy.ended",
            "Standing in has ended",
            "{deputy} does not stand in for {person}",
            "{deputy} does not look for {person} at what waits for {what}, or no longer.",
        ),
        Kind(
            "decision.asked",
            "Somebody asks me to decide",
            "{actor} asks you to decide",
            "{actor} could decide on this {what} and asks you to do it. Why stands in the portal.",
        ),
        Kind(
            "access.asked",
            "Somebody asks for access that I could give",
            "Access to {procedure} is asked for",
            "{actor} asks for access: {verbs} {procedure} in {environments}. You may grant it, or less, or refuse, "
            "until {until}.",
        ),
        Kind(
            "access.answered",
            "What I asked for is answered",
            "Your request for access to {procedure} is {state}",
            "Your request for access to {procedure} is {state}. The page says what was decided, and why.",
        ),
        Kind(
            "run.ended_badly",
            "A run of mine ended badly",
            "Run {no} of {procedure} in {environment}: {state}",
            "Your run {no} of {procedure} in {environment} ended: {state}.",
        ),
        Kind(
            "run.goes_on",
            "A run of mine goes on after a lost contact",
            "Run {no} of {procedure} in {environment} goes on",
            "Contact was lost in your run {earlier} of {procedure} in {environment}. Run {no} goes on with it: what "
            "was done is skipped, and all that is done again is declared idempotent.",
        ),
        Kind(
            "answer.waits",
            "A run asks me for values",
            "Run {no} of {procedure} in {environment} asks for values",
            "Run {no} of {procedure} in {environment}, asked for by {actor}, waits for an answer until {until}. You "
            "may give it, or turn it down.",
        ),
        Kind(
            "run.mentioned",
            "Somebody mentions me at a run",
            "You are mentioned at run {no} of {procedure} in {environment}",
            "{actor} mentions you at run {no} of {procedure} in {environment}. What was said stands in the portal.",
        ),
        Kind(
            "review.mentioned",
            "Somebody mentions me in a review",
            "You are mentioned in the review of {procedure}",
            "{actor} mentions you at version {number} of {procedure}. What was said stands in the portal.",
        ),
        *REVIEWS,
        *STANDING,
        *WITNESSES,
        *LENT,
        Kind(
            "grant.ends",
            "Access of mine ends soon",
            "Access of yours ends in {left}",
            "Your access to {what} ({verbs}) ends at {until}, in {left}. Ask for it again in time if you need it.",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice for one person, as a notifier gets it. `path` is a page of this portal, `facts` fill the sentences."""

    id: UUID
    kind: str
    facts: Mapping[str, str]
    path: str
    at: datetime
    address: str
    name: str


class NotDelivered(Exception):
    """A notifier could not deliver. `final`: trying again is of no use."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.why, self.final = why, final


def subject_of(notice: Notice) -> str:
    """The subject: our own words, and of the facts only plain names."""
    shown = {name: value if PLAIN.match(value) else "(see the portal)" for name, value in notice.facts.items()}
    return KINDS[notice.kind].subject.format_map(shown)


def sentences_of(notice: Notice, escape: Callable[[str], str]) -> str:
    """What the notice says, each fact through the channel's one escaping function."""
    facts = {"code": "on its page", **notice.facts}  # notices that were written before codes have none
    return KINDS[notice.kind].says.format_map({name: escape(value) for name, value in facts.items()})
