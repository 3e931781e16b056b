"""Notices about schedules and hooks."""

from __future__ import annotations

from procedures.domain.notice_kind import Kind

STANDING = (
    Kind(
        "standing.missed",
        "A schedule of mine missed its time",
        "The schedule {name} missed {count} times",
        "Nobody was there for {count} planned times of the schedule {name} ({procedure} in {environment}), from "
        "{first} until {last}. Its page says what it did then.",
    ),
    Kind(
        "standing.refused",
        "A schedule or hook of mine was refused",
        "The {what} {name} was refused",
        "What the {what} {name} asked for at {when} ({procedure} in {environment}) was refused: {code}. Its page "
        "says why. After five refusals in a row it pauses itself.",
    ),
    Kind(
        "standing.paused",
        "A schedule or hook of mine paused itself",
        "The {what} {name} has paused itself",
        "The {what} {name} ({procedure} in {environment}) paused itself at {when}. Its page says why; set it anew, "
        "or resume it.",
    ),
    Kind(
        "standing.approved_ahead",
        "Runs of a schedule of mine were approved ahead",
        "The schedule {name} was approved ahead, {count} times",
        "{person} approved the schedule {name} ({procedure} in {environment}) ahead, for its next runs up to {count}, "
        "until {until}. Each goes without asking as long as it would do exactly what was looked at. {person} and "
        "whoever manages access there take that back at once, on the page of the schedule.",
    ),
    Kind(
        "standing.taken_back",
        "What was approved ahead was taken back",
        "An approval ahead of the schedule {name} was taken back",
        "{actor} took back what {person} approved ahead for the schedule {name} ({procedure} in {environment}). Its "
        "runs wait for a person again.",
    ),
    Kind(
        "standing.waits",
        "A run waits although runs of its schedule were approved ahead",
        "Run {no} of the schedule {name} waits for a person",
        "Run {no} of {procedure} in {environment}, which the schedule {name} asked for, waits: what was approved ahead "
        "does not let it go. The page of the schedule says why, and what differs.",
    ),
    Kind(
        "standing.superseded",
        "A procedure that a schedule or hook of mine pins has a new version",
        "The {what} {name} pins a version that was superseded",
        "Another version of {procedure} was accepted. The {what} {name} in {environment} pins the one before, and "
        "stops at its next fire. The change that pins the new one is prepared on its page.",
    ),
    Kind(
        "standing.orphaned",
        "Somebody left who stood behind a schedule or hook",
        "The {what} {name} is paused: {person} left",
        "{person} left, who stood behind the {what} {name} ({procedure} in {environment}). It is paused until "
        "somebody else sets it anew, or ends it.",
        security=True,
    ),
)
