"""Schedules and hooks on pages: what a form becomes, and what a change does, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.http import QueryDict

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.queries import pages_people, standing
from procedures.web.form_texts import json_object, until, whole, words

Object = dict[str, Any]
SOON = 3


def schedule(posted: QueryDict) -> Object:
    """A schedule from its fields, or the whole object of a change that is prepared. Raises InvalidInput."""
    if "object_text" in posted:
        return json_object(posted, "object_text")
    made = _common(posted) | {name: posted.get(name, "") for name in ("late", "overlap")}
    made |= {"parameters": json_object(posted, "parameters"), "when": _when(posted)}
    return standing.completed("schedule", made, now())


def hook(posted: QueryDict) -> Object:
    """A hook from its fields, or the whole object of a change that is prepared. Raises InvalidInput."""
    if "object_text" in posted:
        return json_object(posted, "object_text")
    made = _common(posted) | {"proof": posted.get("proof", ""), "a_minute": whole(posted, "a_minute")}
    made |= {"mapping": json_object(posted, "mapping"), "keys": _keys(posted)}
    return standing.completed("hook", made, now())


def _common(posted: QueryDict) -> Object:
    names = ("name", "procedure", "environment", "account", "reason")
    made: Object = {name: posted.get(name, "").strip() for name in names}
    days = min(max(whole(posted, "days"), 0), 3650)
    return made | {"targets": words(posted, "targets"), "expires_at": moment(now() + timedelta(days=days))}


def _when(posted: QueryDict) -> Object:
    if posted.get("goes_by") == "after":
        return {"after": posted.get("after", "").strip(), "outcomes": posted.getlist("outcomes")}
    if posted.get("goes_by") == "at":
        at = until(posted, "at")
        if at is None:
            raise InvalidInput([("/object/when/at", "say when")])
        return {"at": moment(at)}
    return {name: " ".join(posted.get(name, "").split()) for name in ("cron", "zone")}


def _keys(posted: QueryDict) -> list[dict[str, str]]:
    """`whpk_… anna`, one a line: a public key, and the user name of whoever holds its other half."""
    found = []
    for line in filter(str.strip, posted.get("keys", "").splitlines()):
        key, _, who = line.strip().partition(" ")
        holder = pages_people.subject_of(who.strip())
        if not holder:
            raise InvalidInput([("/object/keys", f"{line.strip()[:100]!r} is not a key and the user name of a person")])
        found.append({"key": key, "holder": holder})
    return found


def told_schedule(made: Object, names: Mapping[str, str]) -> str:
    ahead = [f"{one.utc:%Y-%m-%d %H:%M} UTC" for one in standing.next_ten(made, now())[:SOON]]
    soon = f": {', '.join(ahead)}, …" if len(ahead) == SOON else f": {', '.join(ahead)}" if ahead else ""
    return f"{_who(made, names)} {told_when(made['when'])}, until {made['expires_at'][:10]}{soon}"


def told_hook(made: Object, names: Mapping[str, str]) -> str:
    signed = f"when a delivery comes that is signed by {made['proof']}, at most {made['a_minute']} a minute"
    return f"{_who(made, names)} {signed}, until {made['expires_at'][:10]}"


def told_end(made: Object, _: Mapping[str, str]) -> str:
    return (
        f"The {made['kind']} {made['name']} of {made['procedure']} in {made['environment']} asks for nothing any more"
    )


def told_when(when: Mapping[str, Any]) -> str:
    if "cron" in when:
        return f"at {when['cron']} ({when['zone']})"
    if "at" in when:
        return f"once at {when['at'][:16].replace('T', ' ')} UTC"
    return f"after a run of {when['after']} there: {', '.join(when['outcomes']).replace('_', ' ')}"


def _who(made: Object, names: Mapping[str, str]) -> str:
    return f"{names.get(made['account'], 'A service account')} runs {made['procedure']} in {made['environment']}"
