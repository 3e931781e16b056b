"""What a version may touch: credentials and what environments make of them, targets, hosts, and the network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from procedures.domain import filters
from procedures.domain.definition import PHASES, CredentialNeed, Definition, Strategy, Targets
from procedures.domain.difference import Bound, Difference, Note, Side, by_amount, by_set, listed, seconds, told, words
from procedures.domain.plan import share, sizes

HOST = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?([^/?#]*)")
SUDO = {"": 0, "none": 0, "list": 1, "all": 2}
Rows = Iterator[Difference]


def credentials(old: Definition | None, new: Definition) -> Rows:
    before = old.credentials if old else {}
    for name in dict.fromkeys((*before, *new.credentials)):
        one, two = before.get(name), new.credentials.get(name)
        yield told("Credentials", name, _need(one), _need(two), _needs(one, two))
    if not before and not new.credentials:
        yield told("Credentials", "", "none", "none", [])


def _need(need: CredentialNeed | None) -> str:
    if need is None:
        return "none"
    scope = f", {words(need.scope)}" if need.scope else ""
    return f"{need.kind}{scope}, {seconds(need.ttl_s)}"


def _needs(one: CredentialNeed | None, two: CredentialNeed | None) -> Iterator[Note]:
    if one is None or two is None:
        yield ("wider", "a new credential") if one is None else ("narrower", "no longer asked for")
        return
    if one.kind != two.kind:
        yield ("changed", f"it was of the kind {one.kind}")
    yield from _scope(one.scope, two.scope)
    text = f"held {seconds(two.ttl_s)} instead of {seconds(one.ttl_s)}"
    yield from by_amount(one.ttl_s, two.ttl_s, text, text)


def _scope(old: Any, new: Any, where: str = "") -> Iterator[Note]:
    """A longer list or a star is wider; which of two names reaches further is for the reviewer to say."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            if key not in new:
                yield ("wider", f"its scope says nothing of {where}{key} any more")
            elif key not in old:
                yield ("changed", f"its scope now says {where}{key}: {words(new[key])}")
            else:
                yield from _scope(old[key], new[key], f"{where}{key}.")
    elif isinstance(old, list) and isinstance(new, list):
        yield from by_set(
            map(words, old), map(words, new), f"{where.rstrip('.')} now also", f"{where.rstrip('.')} without"
        )
    else:
        wide = ("*" in words(new) and "*" not in words(old)) or words(new) == "root"
        yield ("wider" if wide else "changed", f"{where.rstrip('.')} is now {words(new)}, was {words(old)}")


def bindings(old: Side | None, new: Side) -> Rows:
    """Per environment and credential: as bound when the old version was accepted, and as bound now."""
    before = {(b.environment, b.name): b for b in old.bindings} if old else {}
    after = {(b.environment, b.name): b for b in new.bindings}
    wanted = {(e, name) for e in new.definition.environments for name in new.definition.credentials}
    for key in sorted(before.keys() | after.keys() | wanted):
        one, two = before.get(key), after.get(key)
        notes = list(_bound(one, two)) or ([("same", "nobody has bound it there yet")] if two is None else [])
        yield told("Bindings", f"{key[1]} in {key[0]}", _binding(one), _binding(two), notes)


def _binding(bound: Bound | None) -> str:
    if bound is None:
        return "none"
    reach = f", reaches {words(bound.reach)}" if bound.reach else ""
    return f"{bound.provider} as {bound.role}, {seconds(bound.max_ttl_s)}{reach}"


def _bound(one: Bound | None, two: Bound | None) -> Iterator[Note]:
    if one is None or two is None:
        if one is not two:
            yield ("wider", "it reaches there now") if one is None else ("narrower", "it reaches there no more")
        return
    if is_root(two) and not is_root(one):
        yield ("wider", "it reaches root now")
    elif is_root(one) and not is_root(two):
        yield ("narrower", "it reaches root no more")
    if one.provider != two.provider:
        yield ("changed", f"by {two.provider} instead of {one.provider}")
    if one.role != two.role:
        yield ("changed", f"as {two.role} instead of {one.role}")
    yield from by_amount(_sudo(one), _sudo(two), "more sudo than before", "less sudo than before")
    text = f"lent {seconds(two.max_ttl_s)} at most, {seconds(one.max_ttl_s)} before"
    yield from by_amount(one.max_ttl_s, two.max_ttl_s, text, text)
    if one.ceiling != two.ceiling:
        yield from _scope(one.ceiling, two.ceiling)
    rest = [{k: v for k, v in b.reach.items() if k not in {"root", "sudo"}} for b in (one, two)]
    if rest[0] != rest[1]:
        yield ("changed", f"it reaches {words(rest[1]) or 'nothing more'}")


def is_root(bound: Bound) -> bool:
    return bound.role == "root" or bool(bound.reach.get("root")) or bound.reach.get("sudo") == "all"


def _sudo(bound: Bound) -> int:
    value = bound.reach.get("sudo") or ""
    return SUDO.get(value, 1) if isinstance(value, str) else 1


def targets(old: Side | None, new: Side) -> Rows:
    """The filter judged by today's targets, how many match then and now, and how many at once."""
    before = old.definition.targets if old else None
    after = new.definition.targets
    if before is None and after is None:
        yield told("Targets", "filter", "none", "none", [])
        return
    was, now = before.filter if before else "none", after.filter if after else "none"
    yield told("Targets", "filter", was, now, _filter(was, now, old, new))
    then, today = matched(old), matched(new)
    yield told("Targets", "matching", _places(then), _places(today), _matching(then, today, old))
    one, two = (_spread(t.strategy if t else None, len(today)) for t in (before, after))
    yield told("Targets", "at once", one[0], two[0], _at_once(one, two, before is None))
    if any(t is not None and (t.narrow or t.unreachable or t.lock) for t in (before, after)):
        was, now = (_declared(t) for t in (before, after))
        yield told("Targets", "declared", was, now, [] if was == now else [("changed", now)])


def _declared(row: Targets | None) -> str:
    """What an author declares of narrowing and of targets that are not in contact, in words."""
    if row is None:
        return "none"
    narrow = "a requester may name some of them" if row.narrow else "always all that match"
    lost = {"exclude": "left out", "fail": "fail the run"}.get(row.unreachable, "are found out by the steps")
    lock = f"; locked {row.lock}" if row.lock else ""
    return f"{narrow}; those without contact {lost}{lock}"


def matched(side: Side | None) -> list[Mapping[str, Any]]:
    """The most targets that a side's filter can reach in the environments that it names."""
    return _under(side.definition.targets.filter, side) if side and side.definition.targets else []


def _under(text: str, side: Side) -> list[Mapping[str, Any]]:
    try:
        parsed = filters.parse(text)
    except filters.FilterRefused:
        return []
    near = (t for t in side.targets if t["environment"] in side.definition.environments)
    return [target for target in near if parsed.may_match(target)]


def _filter(was: str, now: str, old: Side | None, new: Side) -> Iterator[Note]:
    if was == now:
        return
    if old is None or was == "none" or now == "none":
        yield ("wider", "it acts on targets") if now != "none" else ("narrower", "it acts on no targets any more")
        return
    wild = [_is_wild(text) for text in (was, now)]
    if wild[1] and not wild[0]:
        yield ("wider", "it may now match every target")
        return
    demands = [_demands(text) for text in (was, now)]
    if demands[0] != demands[1] and (demands[1] < demands[0] or demands[0] < demands[1]):
        yield ("wider", "it demands less of a target") if demands[1] < demands[0] else ("narrower", "it demands more")
        return
    before, after = ([t["name"] for t in _under(text, new)] for text in (was, now))
    notes = by_set(before, after, "of today's targets it also matches", "of today's targets it no longer matches")
    yield from notes or [("changed", "another filter, though it matches the same of today's targets")]


def _demands(text: str) -> set[str]:
    try:
        return filters.parse(text).demands()
    except filters.FilterRefused:
        return {text}


def _is_wild(text: str) -> bool:
    try:
        return filters.parse(text).is_wildcard
    except filters.FilterRefused:
        return True


def _places(rows: Sequence[Mapping[str, Any]]) -> str:
    counted = Counter(row["environment"] for row in rows)
    where = ", ".join(f"{count} in {name}" for name, count in sorted(counted.items()))
    return f"at most {len(rows)}" + (f": {where}" if where else "")


def _matching(
    then: Sequence[Mapping[str, Any]], today: Sequence[Mapping[str, Any]], old: Side | None
) -> Iterator[Note]:
    if old is None:
        yield ("wider", listed(t["name"] for t in today)) if today else ("same", "none is there yet")
        return
    yield from by_set(
        (t["name"] for t in then),
        (t["name"] for t in today),
        "since its acceptance also",
        "since its acceptance without",
    )


def _spread(strategy: Strategy | None, count: int) -> tuple[str, int, int]:
    """(in words, at once, failures let pass) for today's number of targets."""
    if strategy is None:
        return ("none", 0, 0)
    once = max(sizes(strategy, count), default=0)
    fails = share(strategy.max_failures, count, least=0)
    batch = f", {strategy.batch} a batch" if strategy.mode == "rolling" else ""
    batch += f", each {strategy.ramp:g} times the last" if strategy.ramp != 1 else ""
    first = f", {strategy.canary} before all others" if strategy.canary else ""
    text = f"{strategy.mode}{first}{batch}, by {strategy.order}, {strategy.max_failures} may fail"
    if strategy.alarms:
        named = "; ".join(f"{one.name} at {one.url}, for {one.for_s} s" for one in strategy.alarms)
        text += f", {'undone' if strategy.on_alarm == 'rollback' else 'stopped'} by alarms: {named}"
    return (f"{text} (today {once} of {count})", once, fails)


def _at_once(one: tuple[str, int, int], two: tuple[str, int, int], first: bool) -> Iterator[Note]:
    if one[0] == two[0]:
        return
    if first or two[0] == "none":
        yield ("wider", "it acts on targets") if first else ("narrower", "on none any more")
        return
    notes = by_amount(one[1], two[1], f"{two[1]} at once, {one[1]} before", f"{two[1]} at once, {one[1]} before")
    fails = f"{two[2]} may fail before it ends, {one[2]} before"
    yield from (notes + by_amount(one[2], two[2], fails, fails)) or [("changed", "another spread")]


def network(old: Definition | None, new: Definition) -> Rows:
    """Steps with a network of their own, and the hosts that requests go to."""
    before, after = _networked(old), _networked(new)
    yield told(
        "Network",
        "steps",
        listed(before) or "none",
        listed(after) or "none",
        by_set(before, after, "now also", "no more"),
    )
    one, two = hosts(old), hosts(new)
    if one or two:
        yield told(
            "Network", "hosts", listed(one) or "none", listed(two) or "none", by_set(one, two, "now also", "no more")
        )


def _networked(definition: Definition | None) -> list[str]:
    return [step.id for step in _steps(definition) if step.input.get("network")]


def hosts(definition: Definition | None) -> list[str]:
    """Hosts with ports of every URL that a step is given; an expression there names who chooses."""
    found: list[str] = []
    for step in _steps(definition):
        for key in ("url", "targetUrl", "repoUrl"):
            url = step.input.get(key)
            if isinstance(url, str):
                match = HOST.match(url)
                host = match[1] if match else url
                found.append(f"whichever {host} says" if "${{" in host else host)
        found += step.input.get("egress") or []
    return list(dict.fromkeys(found))


def _steps(definition: Definition | None) -> Iterable[Any]:
    return [step for phase in PHASES for step in definition.branch(phase)] if definition else []
