"""Control objects: who must stand behind a change of what decides authority (rule 14; decisions.md, 34).

Used alike by the service that makes a change and by the issuer that replays the log, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from procedures.domain import collectors, grants, legal_holds, outages, retention, spaces, standing, workloads

CONTROLS = (
    "grant",
    "grant_end",
    "membership",
    "duty",
    "environment",
    "binding",
    "target",
    "inventory",
    "secret",
    "profile",
    "key",
    "key_end",
    "runner",
    "runner_end",
    "redaction",
    *legal_holds.CONTROLS,
    retention.CONTROL,
    collectors.CONTROL,
    outages.CONTROL,
    "source",
    "action",
    "identity_provider",
    "local_sign_in",
    "policy",
    "agent",
    "service_account",
    "labels",
    "terms",
    "campaign",
    "campaign_keep",
    "space",
    "stop_lift",
    *workloads.CONTROLS,
    *standing.CONTROLS,
)
ENDS = frozenset({"grant_end", "key_end", "runner_end", "campaign"})  # taking authority away needs one manager, at once
ALONE = ENDS | {"campaign_keep", legal_holds.PLACED}  # so does leaving it as it was given, or keeping evidence
BY_TWO = {"redaction", legal_holds.ENDED, retention.CONTROL, outages.CONTROL}  # whatever the portal holds
REPLACED_COUNTS_AFTER = timedelta(hours=24)
IN_ONE_PLACE = {
    "grant",
    "environment",
    "binding",
    "target",
    "inventory",
    "secret",
    "stop_lift",
    "outage",
    *standing.CONTROLS,
}
PORTAL_WIDE = frozenset(CONTROLS) - IN_ONE_PLACE - ENDS


@dataclass(frozen=True, slots=True)
class Signature:
    """One signer of a statement: subject, how strong, by which enrolled key; `valid` once checked."""

    by: str
    strength: str
    role: str
    key: str = ""
    valid: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a control fact stands by itself, and if not, why it is only asserted by the platform."""

    stands: bool
    why: str = ""


def touches_production(control: str, object: Mapping[str, Any], production: Collection[str]) -> bool:
    """Whether a change weighs on production, given the names of production environments."""
    if control in PORTAL_WIDE | ALONE:
        return bool(production)
    if control == "grant":
        named = object.get("environments") or []
        return any(name in production for name in named) if named else bool(production)
    if control == "environment":
        return bool(object.get("production")) or object.get("name") in production
    if control == "stop_lift" and "environment" not in object:
        return bool(production)
    return object.get("environment") in production


def confirmers_needed(control: str, *, profile: str, production: bool, somebody_gains: bool) -> int:
    """How many persons beside the proposer must confirm. What erases evidence always needs a second one."""
    if control in BY_TWO:
        return 1
    if not production:
        return 0
    if control == "key":
        return 2 if profile == "separate" else 1
    if control in ALONE or control == standing.END:
        return 0
    if profile == "separate":
        return 1
    return 0 if somebody_gains or control == "labels" else 1


def judge(
    control: str,
    object: Mapping[str, Any],
    signatures: Sequence[Signature],
    *,
    profile: str,
    production: Collection[str],
    gains: Collection[str],
    managers: Collection[str],
    longest: Mapping[str, Any] | None = None,
    deciders: Collection[str] | None = None,
) -> Verdict:
    """Does this fact carry the signatures that production asks for? `gains`, `managers`, `deciders` are subjects.

    One of the `deciders` must be among the signers, where they are named.
    `longest` are the terms that a change set, if one did: a grant beyond them does not stand.
    """
    if control == "grant" and longest is not None and (why := grants.too_long(object, longest, production)):
        return Verdict(False, why)
    if control in BY_TWO and len({s.by for s in signatures} - set(gains)) < 2:
        return Verdict(False, f"{control} needs two people, whatever the portal holds")
    if not touches_production(control, object, production):
        return Verdict(True)
    proven = {s.by for s in signatures if s.valid and s.strength == "signed"}
    if control == "key" and object["subject"] in proven:
        return Verdict(True)  # by an older key of the same person (decisions.md, 19)
    helpers = {subject for subject in proven if subject in managers and subject not in gains}
    needed = confirmers_needed(control, profile=profile, production=True, somebody_gains=bool(gains))
    wanted = needed if control == "key" else needed + 1
    if deciders is not None and not helpers & set(deciders):
        return Verdict(False, f"{control} needs a signature of somebody who operates there or manages access")
    if len(helpers) >= wanted:
        return Verdict(True)
    return Verdict(
        False,
        f"{control} needs {wanted} signature{'s' if wanted > 1 else ''} of managers who do not gain from it, "
        f"and carries {len(helpers)}",
    )


@dataclass(slots=True)
class Authority:
    """What signed control events say when replayed in order; the issuer decides from this, never from tables."""

    profile: str = "team"
    production: set[str] = field(default_factory=set)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended_keys: dict[str, dict[str, Any]] = field(default_factory=dict)  # `ended` is where in the log
    keyed: set[str] = field(default_factory=set)
    latest: str = ""
    grants: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    duties: dict[str, set[str]] = field(default_factory=dict)
    bindings: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    runners: dict[str, dict[str, Any]] = field(default_factory=dict)
    actions: dict[str, dict[str, Any]] = field(default_factory=dict)
    inventories: dict[str, dict[str, Any]] = field(default_factory=dict)
    workloads: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  # (issuer or rule, its name)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)  # service accounts by subject
    standing: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  # (schedule or hook, its name)
    labels: dict[str, set[str]] = field(default_factory=dict)
    terms: dict[str, Any] | None = None
    floor: int = retention.FLOOR_DAYS  # days that runs are kept at least
    campaigns: dict[str, dict[str, Any]] = field(default_factory=dict)
    spaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    stops: dict[str, dict[str, Any]] = field(default_factory=dict)  # live ones by id
    legal_holds: dict[str, dict[str, Any]] = field(default_factory=dict)  # live ones by id
    risks: dict[str, str] = field(default_factory=dict)  # of procedures, as accepted last
    asserted: dict[str, str] = field(default_factory=dict)
    providers: dict[str, dict[str, Any]] = field(default_factory=dict)
    words: dict[str, set[tuple[str, str]]] = field(default_factory=dict)  # provider → (group, subject) by its word
    unsigned: dict[str, set[str]] = field(default_factory=dict)  # members by the word of no authority
    owners: dict[str, set[str]] = field(default_factory=dict)  # of software; a signed change names the one that counts
    closed: dict[str, str] = field(default_factory=dict)  # subject of a leaver → id of the event
    spent: set[str] = field(default_factory=set)  # digests of statements that changed something: each does so once

    def groups_of(self, subject: str) -> set[str]:
        return {group for group, members in self.members.items() if subject in members}

    def holders(self, principal: str) -> set[str]:
        """Subjects behind `person:<subject>` or `group:<name>`; never somebody whose account was closed."""
        kind, _, name = principal.partition(":")
        found = {name} if kind == "person" else self.members.get(name, set())
        return found - self.closed.keys()

    def claimants(self, principal: str, *, production: bool) -> set[str]:
        """Holders, and outside production also whoever an identity provider that is no authority put in the group."""
        kind, _, name = principal.partition(":")
        more = set() if production or kind == "person" else self.unsigned.get(name, set())
        return self.holders(principal) | (more - self.closed.keys())

    def reaches(self, grant: Mapping[str, Any], procedure: str) -> bool:
        """Whether a grant is for this procedure: named, pinned when it was given, or, if it grows, labelled now."""
        wanted = set(grant.get("selector", ()))
        if "procedure" in grant or not wanted:
            return bool(grant.get("procedure", procedure) == procedure)
        return wanted <= self.labels.get(procedure, set()) if grant.get("grows") else procedure in grant["pinned"]

    def behind(self, subject: str) -> set[str]:
        """Who stands behind software, as a change that stands says; empty for a person."""
        rows = (table.get(subject) for table in (self.agents, self.accounts))
        return {row["owner"] for row in rows if row and row["stands"]}

    def ends(self, grant: str) -> str:
        """When a grant ends as things stand: at its own end, or with the campaign that nobody has kept it in yet."""
        waiting = [str(row["due_at"]) for row in self.campaigns.values() if grant in row["set"] - row["kept"]]
        return min([str(self.grants[grant]["expires_at"]), *waiting])

    def joined(self, object: Mapping[str, Any], at: str) -> set[str]:
        """Principals of living grants that grow, and leads of spaces, whom a change of labels lets reach more."""
        had, has = self.labels.get(object["procedure"], set()), set(object["labels"])
        grown = [one for one in self.grants.values() if one["stands"] and one.get("grows") and at < one["expires_at"]]
        gained = {one["principal"] for one in grown if set(one["selector"]) <= has and not set(one["selector"]) <= had}
        return gained | spaces.led_anew(self.spaces.values(), had, has)

    def duties_of(self, subject: str) -> set[str]:
        principals = {f"person:{subject}"} | {f"group:{group}" for group in self.groups_of(subject)}
        return {duty for duty, holders in self.duties.items() if holders & principals}
