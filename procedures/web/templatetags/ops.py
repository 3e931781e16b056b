"""The small parts that every page is made of: icons, states, environments, times, fingerprints, people."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from procedures.domain.clock import now
from procedures.domain.text import visible
from procedures.web import words

register = template.Library()
SPRITE = "opsportal/icons.svg"
LINES = {"wider": "i-trending-up", "narrower": "i-trending-down", "same": "i-equal"}
MINUTE, HOUR, DAY = 60, 3600, 86_400


def _use(symbol: str, css: str) -> SafeString:
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>', css, static(SPRITE), symbol
    )


@register.simple_tag
def icon(name: str, css: str = "i") -> SafeString:
    """A line icon of the sprite."""
    return _use(f"i-{name}", css)


@register.simple_tag
def logo() -> SafeString:
    return _use("logo", "logo")


@register.simple_tag
def glyph(name: str) -> SafeString:
    """A state's glyph alone; what stands beside it must say the state in words."""
    return _use(LINES.get(name, f"s-{name}"), "s spin" if name == "running" else "s")


@register.simple_tag
def status(kind: str, state: str, word: str = "", css: str = "") -> SafeString:
    """Icon, word and colour of a state; `word` says it more exactly; `css="pill"` in page headers."""
    known = words.status(kind, state)
    return format_html(
        '<span class="st {} {}">{}{}</span>', known.family, css, glyph(known.glyph), word or known.word
    )


@register.simple_tag
def cell(task: Mapping[str, Any], href: str = "", *, chosen: bool = False) -> SafeString:
    """One step on one target, as a square that links to its log."""
    known = words.status("task", str(task["state"]))
    name = f"{task['step']} on {task['target'] or 'the portal'}: {known.word}"
    tries = format_html("<sup>{}</sup>", task["attempt"]) if task["attempt"] > 1 else ""
    return format_html(
        '<a class="cell {}" href="{}" title="{}" aria-label="{}"{}>{}{}</a>', known.family, href, name, name,
        SafeString(' aria-current="true"') if chosen else "", glyph(known.glyph), tries,
    )


@register.simple_tag
def env(environment: Any) -> SafeString:
    """An environment's chip; production alone is inverted."""
    css = "production" if environment.production else "drafts" if environment.drafts else ""
    return format_html('<span class="env clip {}">{}</span>', css, environment.name)


@register.simple_tag
def risk(level: str) -> SafeString:
    """Three bars, as many filled as the risk is high, and the word."""
    count = {"low": 1, "moderate": 2, "high": 3}.get(level, 0)
    bars = format_html_join(
        "", '<rect x="{}" y="0" width="4" height="10" rx="1"{}/>',
        ((n * 6, SafeString(' class="on"') if n < count else "") for n in range(3)),
    )
    return format_html(
        '<span class="risk {}"><svg viewBox="0 0 16 10" aria-hidden="true">{}</svg>{}</span>', level, bars,
        level.capitalize(),
    )


@register.simple_tag
def last_ten(outcomes: list[str]) -> SafeString:
    """Ten thin bars, oldest left, for the outcomes of the last runs."""
    shown = [*["none"] * (10 - len(outcomes)), *(words.status("run", o).family for o in outcomes[-10:])]
    bars = format_html_join(
        "", '<rect x="{}" y="0" width="3.6" height="12" rx="1" class="{}"/>',
        ((n * 5.2, family) for n, family in enumerate(shown)),
    )
    good = sum(outcome == "succeeded" for outcome in outcomes)
    label = f"{good} of the last {len(outcomes)} succeeded" if outcomes else "Never run"
    return format_html('<svg class="ten" viewBox="0 0 52 12" role="img" aria-label="{}">{}</svg>', label, bars)


@register.simple_tag
def progress(parts: list[tuple[str, float]]) -> SafeString:
    """A bar of segments; `parts` are (done, live, failed or waiting, share of the whole from 0 to 1)."""
    rows, left = [], 0.0
    for name, share in parts:
        rows.append((f"{left * 1000:.0f}", f"{max(0.0, share * 1000 - 3):.0f}", name[0]))
        left += share
    bars = format_html_join("", '<rect x="{}" y="0" width="{}" height="5" class="{}"/>', rows)
    return format_html('<svg class="prog" viewBox="0 0 1000 5" preserveAspectRatio="none" aria-hidden="true">{}</svg>', bars)


@register.simple_tag
def ago(moment: datetime | None) -> SafeString:
    """A relative time with the exact one on hover; a dash for none."""
    if not moment:
        return SafeString("–")
    exact = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>', exact.isoformat().replace("+00:00", "Z"),
        exact.strftime("%a %-d %b %Y, %H:%M:%S"), relative(exact, now()),
    )


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
    whole = int(seconds)
    if whole < 1:
        return "< 1 s"
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} m {whole % MINUTE:02d} s" if whole % MINUTE else f"{whole // MINUTE} m"
    if whole < 2 * DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} m" if whole % HOUR >= MINUTE else f"{whole // HOUR} h"
    return f"{whole // DAY} d"


@register.simple_tag
def fingerprint(digest: str, of: str) -> SafeString:
    """A digest as 4…4; the whole of it and what it is of on hover, and to copy."""
    if not digest:
        return SafeString("–")
    plain = digest.removeprefix("sha256:")
    return format_html(
        '<code class="digest" title="Fingerprint of {}: {}" data-copy="{}">{}…{}</code>', of, digest, digest,
        plain[:4], plain[-4:],
    )


@register.filter
def groups(digest: str) -> str:
    """The first 32 digits of a fingerprint in eight groups of four, as people compare it."""
    plain = digest.removeprefix("sha256:")
    return " ".join(plain[i : i + 4] for i in range(0, 32, 4))


@register.simple_tag
def avatar(person: Any, css: str = "") -> SafeString:
    """Initials; a machine shows an icon."""
    if person.kind != "person":
        return format_html('<span class="avatar {}">{}</span>', css, _use("i-bot", "s"))
    return format_html('<span class="avatar {}" aria-hidden="true">{}</span>', css, initials(person))


@register.filter
def initials(person: Any) -> str:
    return "".join(part[0] for part in str(person).split()[:2]).upper()


@register.simple_tag
def term(word: str, shown: str = "") -> SafeString:
    """A word of the glossary with its meaning on hover."""
    return format_html('<span title="{}">{}</span>', words.glossary()[word]["means"], shown or word)


@register.filter
def get(mapping: Mapping[str, Any], key: str) -> Any:
    return mapping.get(key)


@register.filter
def sentence(text: str) -> str:
    """`awaiting_approval` as people read it."""
    return str(text).replace("_", " ").capitalize()


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
def words_of(text: str) -> list[str]:
    """`"low high"` as a list, to loop over in a template."""
    return text.split()


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
    return visible(_told(value)) if value else ""


def _told(value: Any) -> str:
    if isinstance(value, dict):
        if set(value) == {"secret"}:
            return "«secret»"
        if set(value) == {"decided at run time by"}:
            return f"«decided at run time by {value['decided at run time by']}»"
        if isinstance(value.get("argv"), list):
            rest = {k: v for k, v in value.items() if k != "argv" and v not in ({}, [], "", None)}
            line = " ".join(shlex.quote(part) if isinstance(part, str) else _told(part) for part in value["argv"])
            return line + (" " + _told(rest) if rest else "")
        return " ".join(f"{k}={_told(v)}" for k, v in value.items() if v not in ({}, [], "", None))
    if isinstance(value, list):
        return ", ".join(_told(item) for item in value)
    return str(value)


@register.filter
def state_and_time(run: Any, at: datetime) -> str:
    """The word of a run's state; while it runs, for how long."""
    word = words.status("run", run.state).word
    if run.state == "running" and run.started_at:
        return f"{word} {length((at - run.started_at).total_seconds())}"
    return word


@register.filter
def strength(name: str) -> str:
    return words.STRENGTH.get(name, name)


@register.filter
def tail_of(name: str) -> str:
    """What tells neighbouring targets apart in a narrow column: the end of the first label."""
    return name.split(".")[0][-3:]


@register.filter
def as_text(value: Any) -> str:
    return str(value)


@register.filter
def all_in_log(events: list[Any]) -> bool:
    """Whether every event stands in the log."""
    return bool(events) and all(event.index is not None for event in events)


@register.simple_tag(takes_context=True)
def chosen_cell(context: Any, row: Any, target: str) -> bool:
    return bool(context.get("step") == row.id and context.get("target") == target)


@register.filter
def plainly(value: Any) -> str:
    """A value of a control object or parameter as people read it: yes and no, lists with commas, pairs with colons."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plainly(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(plainly(item) for item in value) or "none"
    return visible(str(value))
