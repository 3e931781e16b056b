"""What was typed about an outage, as the record that two people sign, and that record in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from procedures.domain.canonical import moment
from procedures.domain.errors import InvalidInput
from procedures.models import Person
from procedures.web.form_texts import until

PARTS = 4


def outage(posted: QueryDict) -> dict[str, Any]:
    """A record of an outage. Raises InvalidInput."""
    ends = {name: until(posted, name) for name in ("from", "to")}
    missing = [(f"/object/{name}", "is needed") for name, found in ends.items() if found is None]
    if missing:
        raise InvalidInput(missing)
    return {
        "environment": posted.get("environment", ""),
        "cause": posted.get("cause", "").strip(),
        "could_not": _lines(posted, "could_not"),
        "acts": [_act(line, number) for number, line in enumerate(_lines(posted, "acts"))],
        **{name: moment(found) for name, found in ends.items() if found is not None},
    }


def _lines(posted: QueryDict, name: str) -> list[str]:
    return [line.strip() for line in posted.get(name, "").splitlines() if line.strip()]


def _act(line: str, number: int) -> dict[str, str]:
    """`2026-11-26T10:03 | quinn | web-1 | restarted nginx`, in UTC."""
    parts = [part.strip() for part in line.split("|", PARTS - 1)]
    if len(parts) < PARTS:
        raise InvalidInput([(f"/object/acts/{number}", "is when | user name | where | what, such as on the right")])
    typed = QueryDict(mutable=True)
    typed["acts"] = parts[0].removesuffix("Z")
    at, person = until(typed, "acts"), Person.objects.filter(username=parts[1]).first()
    if at is None or person is None:
        raise InvalidInput(
            [(f"/object/acts/{number}", f"there is nobody called {parts[1]!r}" if at else "says no time")]
        )
    return {"at": moment(at), "by": str(person.subject), "on": parts[2], "did": parts[3]}


def told(made: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """What the two of them say, in full: that is what they sign."""
    acts = [f"{a['at'][:16]} {names.get(a['by'], a['by'])} on {a['on']}: {a['did']}" for a in made["acts"]]
    could_not = f" Could not run: {'; '.join(made['could_not'])}." if made["could_not"] else ""
    by_hand = f" By hand: {'; '.join(acts)}." if acts else " Nothing was done by hand."
    return (
        f"The portal was out of use for {made['environment']} from {made['from'][:16]} to {made['to'][:16]} UTC: "
        f"{made['cause']}.{could_not}{by_hand}"
    )
