"""What was typed into the forms about access, labels and terms, as the control objects that people sign."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.http import QueryDict

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.domain.grants import TERMS
from procedures.domain.windows import DAYS
from procedures.web.form_texts import json_object, whole, words

Object = dict[str, Any]


def grant(posted: QueryDict) -> Object:
    """A grant; what was left empty is left out. Raises InvalidInput."""
    begins, ends = _dates(posted)
    made: Object = {
        "principal": posted.get("principal", ""),
        "verbs": posted.getlist("verbs"),
        "environments": posted.getlist("environments"),
        "not_before": moment(begins),
        "expires_at": moment(ends),
        "reason": posted.get("reason", "").strip(),
    }
    for name in ("procedure", "target_filter"):
        if text := posted.get(name, "").strip():
            made[name] = text
    if labels := words(posted, "selector"):
        made["selector"] = labels
        made["grows"] = "grows" in posted
    if posted.get("constraint", "").strip():
        made["constraint"] = json_object(posted, "constraint")
    if free := words(posted, "unconstrained"):
        made["unconstrained"] = free
    if period := _period(posted):
        made["period"] = period
    if window := _window(posted):
        made["window"] = window
    return made


def _dates(posted: QueryDict) -> tuple[datetime, datetime]:
    """From now or the first day named, for some days or until the end of the last day named; days are of UTC."""
    begins = _day(posted, "from_day") or now()
    last = _day(posted, "last_day")
    if last is not None:
        return begins, last + timedelta(days=1)
    days = whole(posted, "days")
    if not 1 <= days <= 3650:
        raise InvalidInput([("/object/days", "is 1 to 3650")])
    return begins, begins + timedelta(days=days)


def _day(posted: QueryDict, name: str) -> datetime | None:
    text = posted.get(name, "").strip()
    try:
        return datetime.combine(date.fromisoformat(text), time.min, UTC) if text else None
    except ValueError as problem:
        raise InvalidInput([(f"/object/{name}", "is no date like 2030-01-31")]) from problem


def _period(posted: QueryDict) -> Object | None:
    """Which runs an engagement is about, by whole days."""
    first, last = _day(posted, "about_from"), _day(posted, "about_to")
    if first is None and last is None:
        return None
    if first is None or last is None:
        raise InvalidInput([("/object/period", "is from a day to a day: name both")])
    return {"from": moment(first), "to": moment(last + timedelta(days=1, microseconds=-1))}


def _window(posted: QueryDict) -> Object | None:
    """Days and hours; none if no part of them was filled in. A part that is missing is told by the shape."""
    hours = {part: posted.get(f"window_{part}", "").strip() for part in ("from", "until", "zone")}
    chosen = posted.getlist("window_days")
    if not chosen and not (hours["from"] or hours["until"]):
        return None
    return {"days": [day for day in DAYS if day in chosen] or list(DAYS), **hours}


def labels(posted: QueryDict) -> Object:
    """All labels that a procedure is to carry from now on."""
    return {"procedure": posted.get("procedure", "").strip(), "labels": sorted(set(words(posted, "labels")))}


def space(posted: QueryDict) -> Object:
    """A space with its limits; or its end, which repeats what it was."""
    more: Object = {name: found for name in ("labels", "targets") if (found := _lines(posted.get(name, "")))}
    if posted.get("at_once"):
        more["at_once"] = whole(posted, "at_once")
    return {
        **more,
        "name": posted.get("name", "").strip(),
        "title": posted.get("title", "").strip(),
        **{name: posted.getlist(name) for name in ("leads", "procedures", "environments", "verbs")},
        "days": whole(posted, "days"),
        "risk": posted.get("risk", ""),
        "action": posted.get("action", "set"),
    }


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def terms(posted: QueryDict) -> Object:
    """The longest days of each kind of access."""
    return {name: whole(posted, name) for name in TERMS}
