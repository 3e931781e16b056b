"""The small parts that every page is made of: icons, states, environments, times, fingerprints, people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from procedures.domain.clock import now
from procedures.web import words
from procedures.web.templatetags.readings import initials, relative

register = template.Library()
SPRITE = "opsportal/icons.svg"
LINES = {"wider": "i-trending-up", "narrower": "i-trending-down", "same": "i-equal"}


def _use(symbol: str, css: str) -> SafeString:
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>', css, static(SPRITE), symbol)


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
    return format_html('<span class="st {} {}">{}{}</span>', known.family, css, glyph(known.glyph), word or known.word)


@register.simple_tag
def cell(task: Mapping[str, Any], href: str = "", *, chosen: bool = False) -> SafeString:
    """One step on one target, as a square that links to its log."""
    known = words.status("task", str(task["state"]))
    name = f"{task['step']} on {task['target'] or 'the portal'}: {known.word}"
    tries = format_html("<sup>{}</sup>", task["attempt"]) if task["attempt"] > 1 else ""
    return format_html(
        '<a class="cell {}" href="{}" title="{}" aria-label="{}"{}>{}{}</a>',
        known.family,
        href,
        name,
        name,
        SafeString(' aria-current="true"') if chosen else "",
        glyph(known.glyph),
        tries,
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
        "",
        '<rect x="{}" y="0" width="4" height="10" rx="1"{}/>',
        ((n * 6, SafeString(' class="on"') if n < count else "") for n in range(3)),
    )
    return format_html(
        '<span class="risk {}"><svg viewBox="0 0 16 10" aria-hidden="true">{}</svg>{}</span>',
        level,
        bars,
        level.capitalize(),
    )


@register.simple_tag
def last_ten(outcomes: list[str]) -> SafeString:
    """Ten thin bars, oldest left, for the outcomes of the last runs."""
    shown = [*["none"] * (10 - len(outcomes)), *(words.status("run", o).family for o in outcomes[-10:])]
    bars = format_html_join(
        "",
        '<rect x="{}" y="0" width="3.6" height="12" rx="1" class="{}"/>',
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
    return format_html(
        '<svg class="prog" viewBox="0 0 1000 5" preserveAspectRatio="none" aria-hidden="true">{}</svg>', bars
    )


@register.simple_tag
def ago(moment: datetime | None) -> SafeString:
    """A relative time with the exact one on hover; a dash for none."""
    if not moment:
        return SafeString("–")
    exact = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        exact.isoformat().replace("+00:00", "Z"),
        exact.strftime("%a %-d %b %Y, %H:%M:%S"),
        relative(exact, now()),
    )


@register.simple_tag
def fingerprint(digest: str, of: str) -> SafeString:
    """A digest as 4…4; the whole of it and what it is of on hover, and to copy."""
    if not digest:
        return SafeString("–")
    plain = digest.removeprefix("sha256:")
    return format_html(
        '<code class="digest" title="Fingerprint of {}: {}" data-copy="{}">{}…{}</code>',
        of,
        digest,
        digest,
        plain[:4],
        plain[-4:],
    )


@register.simple_tag
def avatar(person: Any, css: str = "") -> SafeString:
    """Initials; a machine shows an icon."""
    if person.kind != "person":
        return format_html('<span class="avatar {}">{}</span>', css, _use("i-bot", "s"))
    return format_html('<span class="avatar {}" aria-hidden="true">{}</span>', css, initials(person))


@register.simple_tag
def term(word: str, shown: str = "") -> SafeString:
    """A word of the glossary with its meaning on hover."""
    return format_html('<span title="{}">{}</span>', words.glossary()[word]["means"], shown or word)


@register.simple_tag(takes_context=True)
def chosen_cell(context: Any, row: Any, target: str) -> bool:
    return bool(context.get("step") == row.id and context.get("target") == target)
