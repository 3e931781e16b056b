"""How values read on pages: lengths, numbers, sizes, names, and what a planned step does."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings

from procedures.domain import links, plan_words, windows
from procedures.domain import trust as levels
from procedures.domain.clock import now
from procedures.domain.text import visible
from procedures.queries import agents
from procedures.web import words

register = template.Library()
POINTER = re.compile(r"(^|; )/(?:object/|parameters/|secrets/)?([^ :]+): ")
MINUTE, HOUR, DAY = 60, 3600, 86_400
STALE = 3


def relative(moment: datetime, at: datetime) -> str:
    """`4 min ago`, `in 3 h`, `yesterday`, `12 Oct`, `12 Oct 2025`."""
    gap = (at - moment).total_seconds()
    size = abs(gap)
    if size < 45:
        return "just now" if gap >= 0 else "in a moment"
    if size < HOUR:
        words_ = f"{max(1, round(size / MINUTE))} min"
    elif size < DAY:
        words_ = f"{round(size / HOUR)} h"
    elif size < 7 * DAY:
        if gap > 0 and (at - timedelta(days=1)).date() == moment.date():
            return "yesterday"
        words_ = f"{round(size / DAY)} d"
    else:
        return moment.strftime("%-d %b" if moment.year == at.year else "%-d %b %Y")
    return f"{words_} ago" if gap > 0 else f"in {words_}"


@register.filter
def left(moment: datetime | None) -> str:
    """How long until a moment: `42 min left`."""
    if not moment:
        return "no limit"
    seconds = (moment - now()).total_seconds()
    return "time is up" if seconds <= 0 else f"{length(seconds)} left"


def length(seconds: float | None) -> str:
    """A length as `38 s`, `4 m 12 s`, `2 h 05 m`, `3 d`; a dash for none."""
    if seconds is None:
        return "–"
    return plan_words.length(int(seconds))


@register.filter
def groups(digest: str) -> str:
    """The first 32 digits of a fingerprint in eight groups of four, as people compare it."""
    return plan_words.short_code(digest)


@register.filter
def asker(person: Any) -> str:
    """Who asks; of software also for whom."""
    return agents.asker(person)


@register.filter
def initials(person: Any) -> str:
    return "".join(part[0] for part in str(person).split()[:2]).upper()


@register.filter
def get(mapping: Mapping[str, Any], key: str) -> Any:
    return mapping.get(key)


@register.filter
def sentence(text: str) -> str:
    """`awaiting_approval` as people read it."""
    return str(text).replace("_", " ").capitalize()


@register.filter
def fields_named(message: str) -> str:
    """A refusal with its fields as a form calls them: `/object/verbs: is empty` reads `Verbs: is empty`.

    Places in a list are counted from one: `/object/acts/0` is `Acts 1`.
    """
    return POINTER.sub(lambda found: f"{found[1]}{sentence(' '.join(map(_place, found[2].split('/'))))}: ", message)


def _place(part: str) -> str:
    return str(int(part) + 1) if part.isascii() and part.isdecimal() else part


@register.filter
def rights(verbs: Sequence[str]) -> str:
    """Verbs of an access as people read them: `run, read output`."""
    return ", ".join(verb.replace("_", " ") for verb in verbs)


@register.filter
def number(value: Any) -> str:
    """`12 943`, with thin spaces; a dash for none."""
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else "–"


@register.filter
def size(count: int) -> str:
    """Bytes as `812 B`, `2.4 kB`, `1.1 MB`."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


@register.filter
def lines(texts: list[str]) -> str:
    """One a line, as a form sends a list."""
    return "\n".join(texts)


@register.filter
def words_of(text: str) -> list[str]:
    """`"low high"` as a list, to loop over in a template."""
    return text.split()


@register.filter
def is_link(url: str) -> bool:
    """Whether a page may link to what somebody wrote: the web and mail alone (H29)."""
    return bool(links.safe(str(url)))


@register.filter
def length_of(seconds: float | None) -> str:
    """The filter `length` under a name that Django's own does not take."""
    return length(seconds)


@register.filter
def accepted_word(number_: int) -> str:
    return f"v{number_} accepted"


@register.filter
def targets_in(step: Mapping[str, Any]) -> int:
    """On how many targets a planned step acts."""
    return sum(len(effect["targets"]) for effect in step["effects"])


@register.filter
def does(value: Any) -> str:
    """What a planned effect does, in one or more lines that a person can read; every control character visible."""
    return plan_words.does(value)


@register.filter
def said(plan: Mapping[str, Any], place: str) -> str:
    """What a plan says at a place, in the words in which the reader's own browser finds it in the plan's bytes."""
    return plan_words.lines(plan).get(place, "") if plan else ""


@register.filter
def state_and_time(run: Any, at: datetime) -> str:
    """The word of a run's state; while it runs, for how long; while it waits, whether somebody paused it or where."""
    word = words.status("run", run.state).word
    if run.state == "running" and run.started_at:
        return f"{word} {length((at - run.started_at).total_seconds())}"
    if run.state == "waiting" and (run.paused_at or run.waiting_gate):
        return "Paused" if run.paused_at else f"{word} at a gate"
    return word


@register.filter
def strength(name: str) -> str:
    return words.STRENGTH.get(name, name)


@register.filter
def tail_of(name: str) -> str:
    """What tells neighbouring targets apart in a narrow column: the end of the first label."""
    return name.partition(".")[0][-3:]


@register.filter
def as_text(value: Any) -> str:
    return str(value)


@register.filter
def all_in_log(events: list[Any]) -> bool:
    """Whether every event stands in the log."""
    return bool(events) and all(event.index is not None for event in events)


@register.filter
def seen(text: str) -> str:
    """What a person or a file said, with every hidden character written out."""
    return visible(text, code=True)


@register.filter
def hours(window: dict[str, Any]) -> str:
    """Days and hours of a grant: `mon to fri, 09:00 to 17:00, Europe/Berlin`."""
    return windows.told(window)


@register.filter
def plainly(value: Any) -> str:
    """A value of a control object or parameter as people read it: yes and no, lists with commas, pairs with colons."""
    return plan_words.plainly(value)


@register.filter
def trust(name: str) -> str:
    """How a host is trusted, as people read it."""
    return words.TRUST.get(name, name)


@register.filter
def standing(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(level of host trust, what it cannot promise) for what a plan's targets leave to be said."""
    by_ssh = any(str(row.get("provider", "")).startswith("ssh-key") for row in plan.get("credentials", {}).values())
    return told_of({row["trust"] for row in plan.get("targets", [])}) if by_ssh else []


@register.filter
def remains(level: str) -> str:
    """What a level of host trust cannot promise; empty where nothing is left to be said."""
    return levels.REMAINS.get(level, "")


def told_of(trusted: Collection[str]) -> list[tuple[str, str]]:
    return [(trust(level), text) for level, text in levels.remaining(trusted)]


@register.filter
def contact_word(state: str) -> str:
    """What a contact found, within a sentence: `in contact`."""
    return words.status("contact", state).word.lower()


@register.filter
def is_stale(tried_at: datetime) -> bool:
    """Whether a contact is so old that runners must have left out several since: its state says nothing of now."""
    return (now() - tried_at).total_seconds() > STALE * settings.OPSPORTAL_CONTACT_EVERY_S
