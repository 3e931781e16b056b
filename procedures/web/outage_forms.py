"""What was typed about an outage, as the record that two people sign, and that record in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.http import QueryDict

from procedures.domain.canonical import moment
from procedures.domain.errors import InvalidInput
from procedures.models import Person
from procedures.web.form_texts import until

PARTS = 4
LINE = "2026-11-26T10:03 | quinn | web-1 | restarted nginx"


def outage(posted: QueryDict) -> dict[str, Any]:
    """A record of an outage. Raises InvalidInput."""
    ends = {name: until(posted, name) for name in ("from", "to")}
    missing = [(f"/object/{name}", "is needed") for name, found in ends.items() if found is None]
    acts, wrong = _acts(_lines(posted, "acts"))
    if missing or wrong:
        raise InvalidInput([*missing, *wrong])
    return {
        "environment": posted.get("environment", ""),
        "cause": posted.get("cause", "").strip(),
        "could_not": _lines(posted, "could_not"),
        "acts": acts,
        **{name: moment(found) for name, found in ends.items() if found is not None},
    }


def _lines(posted: QueryDict, name: str) -> list[str]:
    return [line.strip() for line in posted.get(name, "").splitlines() if line.strip()]


def _acts(lines: list[str]) -> tuple[list[dict[str, str]], list[tuple[str, str]]]:
    """What was done by hand, and every line that does not say it: whoever types ten of them hears of all at once."""
    acts, wrong = [], []
    for number, line in enumerate(lines):
        try:
            acts.append(_act(line))
        except ValueError as problem:
            wrong.append((f"/object/acts/{number}", str(problem)))
    return acts, wrong


def _act(line: str) -> dict[str, str]:
    """A line such as LINE, in UTC. Raises ValueError."""
    parts = [part.strip() for part in line.split("|", PARTS - 1)]
    if len(parts) < PARTS:
        raise ValueError(f"a line is when | user name | where | what, such as {LINE}")
    try:
        typed = datetime.fromisoformat(parts[0].removesuffix("Z"))
        at = typed.astimezone(UTC) if typed.tzinfo else typed.replace(tzinfo=UTC)
    except ValueError as problem:
        raise ValueError(f"{parts[0]!r} is no day and hour of UTC such as {LINE[:16]}") from problem
    person = Person.objects.filter(username=parts[1]).first()
    if person is None:
        raise ValueError(f"there is nobody called {parts[1]!r}")
    return {"at": moment(at), "by": str(person.subject), "on": parts[2], "did": parts[3]}


def acts_told(made: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """Each act by hand, with the name of whoever did it."""
    return [f"{a['at'][:16]} {names.get(a['by'], a['by'])} on {a['on']}: {a['did']}" for a in made["acts"]]


def told(made: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """What the two of them say, in full: that is what they sign."""
    acts = acts_told(made, names)
    could_not = f" Could not run: {'; '.join(made['could_not'])}." if made["could_not"] else ""
    by_hand = f" By hand: {'; '.join(acts)}." if acts else " Nothing was done by hand."
    return (
        f"The portal was out of use for {made['environment']} from {made['from'][:16]} to {made['to'][:16]} UTC: "
        f"{made['cause'].rstrip('.')}.{could_not}{by_hand}"
    )
