"""Whether people signed for a git source as its row names it: nothing is fetched from where a row alone says."""

from __future__ import annotations

from procedures.evidence.queries import authority_events, fact
from procedures.issuer.replay import replay
from procedures.models import Source

CONTROL, MARK = "source", b'"control":"source"'
NAMES = ("url", "branch", "path", "group")


def why_not(name: str) -> str:
    """Why the log does not bear a source out, or an empty string."""
    row = Source.objects.select_related("owner").get(name=name)
    rows = [fact(one) for one in authority_events() if MARK in bytes(one.body)]
    asserted, last, why = replay().asserted, None, ""  # read after them: it has judged each of them
    for one in rows:
        if one.facts.get("control") != CONTROL or one.facts["object"]["name"] != name:
            continue
        if one.id in asserted:
            why = asserted[one.id]
        else:
            last, why = one.facts["object"], ""
    if last is None:
        return f"it is asserted by the platform alone: {why}" if why else "no change named it"
    has = {"owner": str(row.owner.subject), **{key: getattr(row, key) for key in NAMES}}
    same = last["action"] == "set" and all(last[key] == value for key, value in has.items())
    return "" if same else f"its row says something else than the change that people signed{f' ({why})' if why else ''}"
