"""What the page of one version shows, put together for the person who looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from procedures import access
from procedures.domain.clock import now
from procedures.domain.difference import Difference
from procedures.domain.differences import counted
from procedures.domain.errors import NotFound, OpsError
from procedures.domain.profiles import review_requirement
from procedures.domain.states import VersionState
from procedures.domain.text import visible
from procedures.models import Person, Review, Version
from procedures.queries import deputies, differences, discussions, file_diffs, gains, pages_reviews, policies, retention
from procedures.queries.duties import duties_of
from procedures.queries.file_diffs import FileDiff
from procedures.services import review_rules, reviews
from procedures.services.policies import required_for
from procedures.services.portal import profile_in_force
from procedures.web import discussion, signing
from procedures.web.discussion import Board, Place

MOST_ROWS = 60
OPEN_AT_ONCE = 5


class ChoiceChanged(OpsError):
    """The verdict or the duties were changed after the page had shown what it would decide."""

    code = "review.choice-changed"
    next_step = "The button and the statement say it now: look at them, and press it again."


def context(request: HttpRequest, me: Person, version: Version) -> dict[str, Any]:
    """Everything that review.html needs."""
    base = differences.base_of(version)
    risk, reasons = review_rules.risk_now(version)
    given = list(version.reviews.filter(lifted_at__isnull=True).select_related("reviewer").order_by("at"))
    found: dict[str, Any] = {
        "version": version,
        "base": base,
        "note": visible(version.note),
        "authors": version.authors.select_related("person"),
        "risk": risk,
        "kept": retention.declared(version.definition.get("evidence", {})),
        "reasons": reasons,
        "policy": policies.told(version),
        "requirement": review_requirement(profile_in_force(), risk),  # type: ignore[arg-type]
        **_touch(request, base, version),
        **_files(request, me, base, version),
        **_decisions(me, version, given),
        **_gains(me, version),
    }
    found["why_not"] = _why_not(me, version, given)
    found["instead"] = _instead(version)
    found["liftable"] = version.state == VersionState.IN_REVIEW and any(
        r.reviewer_id == me.pk and r.verdict == Review.Verdict.REQUEST_CHANGES for r in given
    )
    if not found["why_not"]:
        found |= _choice(request, me, version, one_each=found["requirement"].one_each)
    return found


def _touch(request: HttpRequest, base: Version | None, version: Version) -> dict[str, Any]:
    rows = differences.differences(base, version, now())
    told = [row for row in rows if (row.effect != "same" if base else row.after not in {"", "none"})]
    most = len(told) if request.GET.get("rows") == "all" else MOST_ROWS
    same: list[Difference] = [row for row in rows if row.effect == "same"] if base else []
    return {
        "rows": told[:most],
        "more_rows": max(len(told) - most, 0),
        "same": same,
        "counts": counted(rows),
        "called": differences.called_versions(rows),
    }


def _files(request: HttpRequest, me: Person, base: Version | None, version: Version) -> dict[str, Any]:
    """Files and discussion. A chosen line that the diff does not show brings up its file, whole."""
    chosen = discussion.place(request.POST.get("on", "") or request.GET.get("on", ""))
    diffs, alone = _diffs(request, chosen, base, version)
    threads = discussions.threads(version)
    board = Board(threads, chosen)
    there = set(version.files.values_list("path", flat=True))
    few = len(diffs) < OPEN_AT_ONCE
    files = [
        board.file(diff, opened=alone or few or number == 0, there=diff.path in there)
        for number, diff in enumerate(diffs)
    ]
    return {
        "files": files,
        "alone": alone,
        "talk": board.rest,
        "open_threads": sum(thread.open for thread in threads),
        "place": chosen,
        "place_text": f"{chosen.path}:{chosen.line or 0}" if chosen else "",
        "may_comment": discussions.may_comment(me, version, now()),
        "author_ids": {version.submitter_id, *version.authors.values_list("person", flat=True)},
    }


def _diffs(
    request: HttpRequest, chosen: Place | None, base: Version | None, version: Version
) -> tuple[list[FileDiff], bool]:
    """(diffs, whether it is one file alone)."""
    alone = request.GET.get("file", "")
    diffs = [] if alone else file_diffs.file_diffs(base, version)
    if chosen and not alone and not _shows(diffs, chosen):
        alone = chosen.path
    if not alone:
        return diffs, False
    one = file_diffs.one_file(base, version, alone)
    if one is None:
        raise NotFound("There is no such file in this version.")
    return [one], True


def _shows(diffs: list[FileDiff], chosen: Place) -> bool:
    for diff in diffs:
        if diff.path == chosen.path:
            return chosen.line is None or any(row.new == chosen.line for row in diff.rows)
    return False


def _decisions(me: Person, version: Version, given: list[Review]) -> dict[str, Any]:
    missing = reviews.still_missing(version)
    for row in given:
        row.shown = visible(row.comment)  # type: ignore[attr-defined]
    asked = pages_reviews.asked(me, version, missing, now()) if version.state == VersionState.IN_REVIEW else []
    rows: list[Mapping[str, Any]] = [
        {"duty": one.duty, "people": one.people, "count": one.count, "me": me in one.people} for one in asked
    ]
    duties = review_requirement(profile_in_force(), version.risk).duties  # type: ignore[arg-type]
    duties += tuple(duty for duty in required_for(version) if duty not in duties)
    done = sum(duty not in missing for duty in duties)
    return {"given": given, "asked": rows, "done": done, "duties_needed": len(duties)}


def _gains(me: Person, version: Version) -> dict[str, Any]:
    rows = gains.gains(version, now())
    hidden = not pages_reviews.knows_people(me, version, now())
    return {"gains": rows, "new_people": gains.newly(rows), "gains_hidden": hidden}


def _choice(request: HttpRequest, me: Person, version: Version, *, one_each: bool) -> dict[str, Any]:
    """The decision that the form is filled in for, and the statement that would be signed."""
    held = duties_of(me)
    posted = request.POST if request.method == "POST" else request.GET
    verdict = posted.get("verdict", "accept")
    verdict = verdict if verdict in Review.Verdict.values else "accept"
    chosen = [duty for duty in dict.fromkeys(posted.getlist("duties")) if duty in held]
    if not chosen:
        needed = [duty for duty in held if duty in reviews.still_missing(version)] or held
        chosen = needed[:1] if one_each else held
    statement = reviews.statement_for(actor=me, version=version, verdict=verdict, duties=chosen)
    ripe = review_rules.ripe_at(version)
    return {
        "held": held,
        "chosen": chosen[:1] if one_each else chosen,
        "verdict": verdict,
        "too_soon": ripe if ripe > now() else None,
        "ask": signing.ask(statement, reviews.minimum_strength(version), me),
    }


def looked_at(request: HttpRequest, me: Person, version: Version) -> dict[str, Any] | None:
    """The page for a choice that is only to be shown; None where exactly what it showed is decided.

    Raises ChoiceChanged if the button was pressed for a choice that the page had not shown yet.
    """
    posted = request.POST
    if "look" in posted:
        return context(request, me, version) | {"comment": posted.get("comment", "")}
    if "shown" in posted and posted["shown"] != " ".join([posted.get("verdict", ""), *posted.getlist("duties")]):
        raise ChoiceChanged("You chose something else than this page had shown; nothing is decided yet.")
    return None


def _instead(version: Version) -> Version | None:
    """The version that is in review in the place of this one, if this one is not."""
    if version.state == VersionState.IN_REVIEW:
        return None
    return version.procedure.versions.filter(state=VersionState.IN_REVIEW, number__gt=version.number).first()


def _why_not(me: Person, version: Version, given: list[Review]) -> str:
    """Why this person has no decision to make, or an empty string. The service decides again."""
    if version.state != VersionState.IN_REVIEW:
        return f"This version is {version.state.replace('_', ' ')}, not in review: nothing decided here counts."
    if pages_reviews.is_author(me, version):
        return "You wrote or submitted this, so somebody else must decide. Above stands who could."
    if me.pk in deputies.stand_ins(deputies.authors(version), "review", now()):
        return "You stand in for an author of this, so somebody else must decide."
    if any(row.reviewer_id == me.pk for row in given):
        return "You have decided. Another reviewer must give theirs."
    decision = access.decide(me, "review", at=now(), procedure=version.procedure)
    return "" if decision.allowed else "Reviewing this is not among your rights. Ask an access manager."
