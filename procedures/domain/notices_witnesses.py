"""Notices about the evidence log, its witnesses and the place that it takes."""

from __future__ import annotations

from procedures.domain.notice_kind import Kind

WITNESSES = (
    Kind(
        "log.damaged",
        "The check of the evidence found damage",
        "The check of the evidence found damage",
        "The check that ended at {when} found {count} things in evidence and tables that do not fit, the first of the "
        "kind {first}.\nThe page Evidence and `opsportal evidence check` name each. Keep a copy of the database as it "
        "is, and look at who can write to it.",
        security=True,
    ),
    Kind(
        "log.helper_failed",
        "Time stamps or copies of the evidence log fail",
        "Time stamps or copies of the evidence log fail",
        "The {what} has failed since {since}: {why}\nThe log goes on without it, and makes up for it once it works. "
        "`opsportal evidence check` says how it stands.",
        security=True,
    ),
    Kind(
        "witness.silent",
        "A witness of the evidence log does not cosign",
        "A witness of the evidence log does not cosign",
        "The witness {witness} has cosigned nothing since {since}. The log goes on, and evidence of later is signed by "
        "the log's own key alone until the witness answers again. The page Evidence says what it answers.",
        security=True,
    ),
    Kind(
        "witness.forgot",
        "A witness of the evidence log went back",
        "A witness of the evidence log went back",
        "At {when} the witness {witness} cosigned less of the log than it had before: its memory was lost or replaced, "
        "so its word proves no longer that nothing was rewritten.\n"
        "Ask whoever keeps it, trust another one, and compare the log with older evidence files.",
        security=True,
    ),
    Kind(
        "collector.silent",
        "A collector takes nothing of the log",
        "A collector takes nothing of the log",
        "The collector {collector} has acknowledged nothing since {since}, and {count} events wait for it: {why}.\n"
        "Nothing is skipped: it gets them once it answers. Until then whoever watches there does not see them. The "
        "page Evidence and `opsportal collector list` say how it stands.",
        security=True,
    ),
    Kind(
        "storage.filling",
        "A place of evidence fills up",
        "A place of evidence fills up",
        "Of {what} {percent} is in use. The page Evidence and `opsportal doctor` say how fast it grows. Give it more "
        "room in time: where evidence cannot be written, nothing new starts.",
        security=True,
    ),
    Kind(
        "storage.reserve",
        "Only the reserve of a place of evidence is left",
        "Only the reserve of a place of evidence is left",
        "Of {what} {percent} is in use. What is left is for runs: refusals are counted and no longer told one by "
        "one. Give it more room now: where evidence cannot be written, nothing new starts.",
        security=True,
    ),
)
