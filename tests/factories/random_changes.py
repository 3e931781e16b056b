"""Changes of the log's key and records of outages at random: most as a portal makes them, some as somebody cheats."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from procedures.domain.canonical import moment
from procedures.evidence import turning
from procedures.evidence.notes import LogKey
from tests.factories.histories import History, Person, key

HOUR = timedelta(hours=1)


def stranger(made: History, which: str, name: str = "") -> LogKey:
    """A key that somebody made by the name of the log, or by another one."""
    return LogKey(name or made.log.name, key(which))


def turn(made: History, chance: random.Random, how: str = "") -> None:
    """The log's key is changed; or whoever can write events, with or without a key of the log, says so."""
    how = how or chance.choice(["true", "true", "true", *CLAIMS, "strangers"])
    size, former, new = made.tree.size, made.log, stranger(made, f"log {made.uuid()}")
    made.keys = made.keys or [former]
    note: Any = turning.both(former, new, size)
    if how in ("true", "signed on"):  # the second: the old key signs on, though both signed that it ended
        made.notes = [*(one for one in made.notes if one.split("\n")[3] != former.verifier), note]
        made.keys.append(new)
        made.log = new if how == "true" else former
    else:
        note = CLAIMS[how](made, new, chance)
    facts = {"size": size, "former": former.verifier, "verifier": new.verifier, "reason": "yearly", "by": "ops"}
    made.event("log.key_turned", facts | {"note": note})


def of_another_log(made: History, new: LogKey, chance: random.Random) -> str:
    one, two = (stranger(made, which, "other.example/log") for which in "xy")
    return turning.both(one, two, made.tree.size)


def lines_of(made: History, new: LogKey, order: tuple[int, int]) -> str:
    """A change with its two signatures in another order, or with one of them twice."""
    text, _, lines = turning.both(made.log, new, made.tree.size).rpartition("\n\n")
    rows = lines.split("\n")
    return "\n".join([text, "", rows[order[0]], rows[order[1]], ""])


def mangled(made: History, new: LogKey, chance: random.Random) -> str:
    note = turning.both(made.log, new, made.tree.size)
    place = chance.randrange(len(note))
    return note[:place] + chance.choice("0aZ+\n ") + note[place + chance.randrange(2) :]


CLAIMS: dict[str, Callable[[History, LogKey, random.Random], Any]] = {
    "signed on": lambda made, new, _: "",
    "strangers": lambda made, new, _: turning.both(stranger(made, "x"), new, made.tree.size),
    "to this one": lambda made, new, _: lines_of(made, stranger(made, "x"), (1, 1)),
    "another log": of_another_log,
    "elsewhere": lambda made, new, chance: turning.both(made.log, new, made.tree.size + chance.choice([-1, 1, 7])),
    "of before": lambda made, new, _: turning.both(made.keys[0], new, made.tree.size),
    "back again": lambda made, new, _: turning.both(made.log, made.keys[0], made.tree.size),
    "one signature": lambda made, new, _: lines_of(made, new, (0, 0)),
    "changed places": lambda made, new, _: lines_of(made, new, (1, 0)),
    "mangled": mangled,
    "no note": lambda made, new, chance: chance.choice([7, None, [], {}, "", "x"]),
}


def reader(made: History, chance: random.Random) -> None:
    """Which key a reader has, and which changes they know from elsewhere: mostly ones that fit."""
    if not made.keys:
        return
    made.reader = chance.choice([made.log, *made.keys]).verifier
    if chance.random() < 0.05:
        made.reader = stranger(made, "nobody's").verifier
    if chance.random() < 0.4:
        made.brought = list(made.notes)
    if chance.random() < 0.1:  # a change that this log says nothing about: the pack is by a thief, or of another time
        former, new = chance.choice(made.keys), stranger(made, "real")
        made.brought = [turning.both(former, new, max(1, made.tree.size + chance.choice([-9, -2, -1, 0, 1, 50])))]


def outage(made: History, chance: random.Random, how: str = "", place: str = "") -> None:
    """An outage that two people sign; or only one, or two who may not, or people who do not exist."""
    how = how or chance.choice(["managers", "managers", "operators", "group", *SIGNED_OTHERWISE])
    one, two = (Person(made.uuid(), key(made.uuid())) for _ in range(2))
    signers = {
        "one": [chance.choice([made.mira, made.otto])],
        "twice the same": [made.otto, made.otto],
        "one of both": [made.otto, one],
    }.get(how, [made.mira, made.otto] if how in BY_MANAGERS else [one, two])
    if two in signers and how != "nobody known":
        allow(made, chance, how, one, two)
    record = record_of(made, chance, one, place or chance.choice(["production", "production", "development"]))
    if how == "malformed":
        record[chance.choice(["from", "to", "environment", "acts"])] = chance.choice([7, None, "x", {}, {"a": 1}, []])
    if how == "lacking":
        record.pop(chance.choice(["from", "to", "environment", "acts", "cause", "could_not"]))
    made.change("outage", record, *signers, said=record | {"cause": "else"} if how == "another statement" else None)
    if how == "replayed":
        made.again()
    if how == "nothing signed":
        made.again(without=chance.choice([["statement", "sigs"], ["sigs"], ["statement"]]))


SIGNED_OTHERWISE = ["one", "twice the same", "one of both", "nobody known", "elsewhere", "one procedure", "by labels"]
SIGNED_OTHERWISE += ["over", "not yet", "another verb", "ended grant", "ended key", "closed", "unsigned grant"]
SIGNED_OTHERWISE += [
    "left",
    "said to have left",
    "replayed",
    "malformed",
    "lacking",
    "another statement",
    "nothing signed",
    "software",
]
IN_A_GROUP = ("group", "left", "said to have left")
BY_MANAGERS = {"managers", "replayed", "malformed", "lacking", "another statement", "nothing signed"}


def record_of(made: History, chance: random.Random, who: Person, place: str) -> dict[str, Any]:
    ends = made.at - HOUR
    act = {"at": moment(ends), "by": who.subject, "on": "web-1", "did": "restarted it"}
    return {
        "environment": place,
        "from": moment(ends - HOUR),
        "to": moment(ends),
        "cause": "no power",
        "could_not": [],
        "acts": [act] * chance.randrange(3),
    }


def allow(made: History, chance: random.Random, how: str, one: Person, two: Person) -> None:
    """Both get a key; the first the right to operate, the second the same in a way that may not be enough."""
    for who in (one, two):
        made.change("key", who.enrolled())
    begins = made.at
    right = {"verbs": ["operate"], "environments": ["production"], "reason": "on call"}
    right |= {"not_before": moment(begins), "expires_at": moment(begins + timedelta(days=100))}
    made.change("grant", right | {"principal": f"person:{one.subject}"})
    if how in IN_A_GROUP:
        made.change("membership", {"group": "on-call", "person": two.subject, "action": "add"})
    more: dict[str, dict[str, Any]] = {
        **{one: {"principal": "group:on-call"} for one in IN_A_GROUP},
        "elsewhere": {"environments": [chance.choice(["development", "staging"])]},
        "one procedure": {"procedure": "hello"},
        "by labels": {"selector": ["ours"], "grows": True},
        "over": {"expires_at": moment(begins + timedelta(milliseconds=1))},
        "not yet": {"not_before": moment(begins + timedelta(days=1))},
        "another verb": {"verbs": ["run", "approve", "audit"]},
        "operators": chance.choice([{}, {"verbs": ["manage_access"], "environments": []}]),
    }
    given = right | {"principal": f"person:{two.subject}"} | more.get(how, {})
    grant = made.change("grant", given, *([one] if how == "unsigned grant" else []))
    if how in TAKEN:
        TAKEN[how](made, two, grant)


TAKEN: dict[str, Callable[[History, Person, str], object]] = {
    "ended grant": lambda made, who, grant: made.change("grant_end", {"grant": grant, "reason": "over"}),
    "ended key": lambda made, who, _: made.change(
        "key_end", {"fingerprint": who.enrolled()["fingerprint"], "reason": "lost"}
    ),
    "closed": lambda made, who, _: made.event(
        "person.closed", {"subject": who.subject, "ended": [], "accounts": [], "sources": []}
    ),
    "left": lambda made, who, _: made.change(
        "membership", {"group": "on-call", "person": who.subject, "action": "remove"}, made.mira, made.otto
    ),
    "said to have left": lambda made, who, _: made.change(
        "membership", {"group": "on-call", "person": who.subject, "action": "remove"}
    ),
    "software": lambda made, who, _: made.event(
        "person.made", {"subject": who.subject, "kind": "agent", "owner": made.mira.subject}
    ),
}
