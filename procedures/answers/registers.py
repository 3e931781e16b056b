"""Registers and exceptions for auditors, told from the events: what changed, who took evidence, what stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from procedures.answers.separation import EXCEPTION, VIOLATION, Finding, separation_report
from procedures.answers.standing import Standing, standing
from procedures.domain import legal_holds
from procedures.domain.plan_words import plainly
from procedures.domain.text import amount
from procedures.evidence.models import Event
from procedures.evidence.queries import Fact, facts_of_kinds
from procedures.evidence.queries import fact as fact_of

ASSERTED, QUICK, UNREVIEWED = "asserted by the platform", "decided in seconds", "not reviewed"
SECONDS = 10  # nobody reads a plan in less
READS = ("export.made", "population.fixed", "sample.drawn", "evidence.read", "artifact.read", "result.read")
ACCESS = (
    "bootstrap.granted",
    "control.confirmed",
    "membership.synced",
    "person.made",
    "person.closed",
    "campaign.closed",
)
CONTROLS = frozenset(
    {"grant", "grant_end", "membership", "duty", "key", "key_end", "campaign", "campaign_keep", "profile", "space"}
)
STOPS = ("stop.thrown", "control.confirmed", "agent.stopped", "agent.started")
ERASED = ("control.confirmed", "artifact.erased", "result.erased")
Told = Callable[[Standing, Fact], str]


def exceptions(at: datetime) -> list[Finding]:
    """What an auditor asks about first: violations, known exceptions, what nobody signed, and decisions in seconds."""
    then = standing(at)
    found = [one for one in separation_report(at) if one.kind in {VIOLATION, EXCEPTION}]
    return [*found, *_asserted(then), *_unreviewed(then), *_quick(then)]


def _asserted(then: Standing) -> Iterator[Finding]:
    """Changes of authority that do not carry the signatures they need, as the issuer's replay judges them."""
    facts = {fact.id: fact for fact in facts_of_kinds("bootstrap.granted", "control.confirmed")}
    for event, why in then.authority.asserted.items():
        fact = facts.get(event)
        what = fact.facts.get("control", "a bootstrap grant").replace("_", " ") if fact else "a change"
        yield Finding(ASSERTED, then.name(fact.actor) if fact else "", f"{what}: {why}", fact.at if fact else "", event)


def _unreviewed(then: Standing) -> Iterator[Finding]:
    facts = [fact for fact in facts_of_kinds("break_glass.used", "break_glass.reviewed") if fact.at <= then.at]
    done = {fact.facts["use"] for fact in facts if fact.kind == "break_glass.reviewed"}
    for fact in facts:
        if fact.kind == "break_glass.used" and fact.facts["use"] not in done:
            what = f"broke the glass in {fact.facts['environment']}, and nobody has reviewed it"
            yield Finding(UNREVIEWED, then.name(fact.actor), what, fact.at, fact.id)


def _quick(then: Standing) -> Iterator[Finding]:
    """Approvals so soon after the plan was there that nobody can have read it; carried and prepared ones are others."""
    shown: dict[str, str] = {}
    rows = Event.objects.filter(kind__in=("run.awaiting_approval", "run.approved")).order_by("id")
    for fact in map(fact_of, rows.iterator()):
        run = str(fact.run)
        if fact.kind == "run.awaiting_approval":
            shown[run] = fact.at
        elif run in shown and fact.at <= then.at:
            took = datetime.fromisoformat(fact.at) - datetime.fromisoformat(shown[run])
            if took < timedelta(seconds=SECONDS):
                what = f"approved run {run} {took.total_seconds():.1f} s after it began to wait"
                yield Finding(QUICK, then.name(fact.actor), what, fact.at, fact.id)


def reads(at: datetime) -> list[Finding]:
    """Who exported evidence, fixed and drew, and read what: newest first."""
    return _listed(at, READS, _read)


def changes(at: datetime) -> list[Finding]:
    """Every change of who may what."""
    return _listed(at, ACCESS, _change)


def stops(at: datetime) -> list[Finding]:
    """What stood still by a switch or a freeze, and when it went on."""
    frozen: dict[str, str] = {}
    return _listed(at, STOPS, lambda _, fact: _stop(fact, frozen))


def outages(at: datetime) -> list[Finding]:
    """Emergency packs, and outages: the record, then a row for each thing that could not run and each act by hand."""
    then = standing(at)
    facts = [fact for fact in facts_of_kinds("control.confirmed", "emergency.packed") if fact.at <= then.at]
    return [row for fact in reversed(facts) for row in _outage(then, fact)]


def _outage(then: Standing, fact: Fact) -> Iterator[Finding]:
    said = fact.facts
    if fact.kind == "emergency.packed":
        seals = [(one["environment"], ", ".join(sorted(map(then.name, one["holders"])))) for one in said["sealed"]]
        sealed = "; ".join(f"{where} to {holders}" for where, holders in seals) or "nothing"
        yield Finding("emergency pack", said["by"], f"sealed: {sealed}", fact.at, fact.id)
    if said.get("control") != "outage":
        return
    thing = said["object"]
    acts, signers = thing["acts"], {str(row["by"]) for row in fact.signatures}
    alone = "; both of them did some of it" if acts and signers <= {one["by"] for one in acts} else ""
    signed = f"signed by {', '.join(sorted(map(then.name, signers))) or 'nobody'}{alone}"
    when = f"{thing['environment']} from {thing['from'][:16]} to {thing['to'][:16]}: {thing['cause']}"
    yield Finding("outage", then.name(fact.actor), f"{when}; {signed}", thing["from"], fact.id)
    for what in thing["could_not"]:
        yield Finding("could not run", "", what, thing["from"], fact.id)
    for one in acts:
        yield Finding("by hand", then.name(one["by"]), f"on {one['on']}: {one['did']}", one["at"], fact.id)


def erasures(at: datetime) -> list[Finding]:
    """What was erased or held, by whom and on what basis; paths and never values."""
    return _listed(at, ERASED, _erasure)


def _listed(at: datetime, kinds: tuple[str, ...], told: Told) -> list[Finding]:
    then = standing(at)
    return [
        Finding(fact.kind, then.name(fact.actor), what, fact.at, fact.id)
        for fact in facts_of_kinds(*kinds)
        if fact.at <= then.at and (what := told(then, fact))
    ][::-1]


def _read(then: Standing, fact: Fact) -> str:
    said = fact.facts
    if fact.kind == "sample.drawn":
        strata = f", by {said['strata']}" if "strata" in said else ""
        drew = f"drew {amount(len(said['runs']), 'run')} of population {said['population']}"
        return f"{drew} by the nonce {said['nonce']}{strata}"
    if fact.kind in {"export.made", "population.fixed"}:
        size = said["range"]["end"] if fact.kind == "export.made" else said["size"]
        return f"over {amount(size, 'event')}, by {_pairs(said['filter']) or 'no filter'}"
    return str(said.get("what") or f"{said.get('name', '')} of run {said.get('run', '')}")


def _change(then: Standing, fact: Fact) -> str:
    said = fact.facts
    if fact.kind != "control.confirmed":
        return ", ".join(
            f"{name} {said[name]}" for name in ("subject", "group", "action", "kind", "campaign") if name in said
        )
    if said["control"] not in CONTROLS:
        return ""
    signers = ", ".join(sorted({then.name(str(row["by"])) for row in fact.signatures}))
    return f"{said['control'].replace('_', ' ')}: {_pairs(said['object'])}; signed by {signers or 'nobody'}"


def _stop(fact: Fact, frozen: dict[str, str]) -> str:
    """`frozen` holds until when each environment is, as far as it was told."""
    said = fact.facts
    if fact.kind != "control.confirmed":
        return " · ".join(str(said[name]) for name in ("environment", "procedure", "agent", "reason") if said.get(name))
    if said["control"] == "stop_lift":
        return f"lifted: {_pairs(said['object'])}"
    if said["control"] != "environment":
        return ""
    name, until = said["object"]["name"], said["object"].get("frozen_until") or ""
    was, frozen[name] = frozen.get(name, ""), until
    return "" if was == until else f"{name} is frozen until {until}" if until else f"{name} is frozen no more"


def _erasure(then: Standing, fact: Fact) -> str:
    said = fact.facts
    if fact.kind != "control.confirmed":
        return f"{said.get('name', '')} of run {said.get('run', '')}: {said.get('why') or said.get('reason', '')}"
    return f"{said['control'].replace('_', ' ')}: {_pairs(said['object'])}" if said["control"] in HELD else ""


def _pairs(said: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {plainly(value)}"
        for name, value in sorted(said.items())
        if value not in (None, "", [], {})
    )


HELD = frozenset({"redaction", *legal_holds.CONTROLS})
REGISTERS: Mapping[str, Callable[[datetime], list[Finding]]] = {
    "exceptions": exceptions,
    "reads": reads,
    "changes": changes,
    "stops": stops,
    "erasures": erasures,
    "outages": outages,
}
