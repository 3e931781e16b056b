"""Runs and what belongs to one: web asks for them, the scheduler ends the lost, a pool writes what its runs did."""

from __future__ import annotations

from opsportal.roles.rights import Table, Within

READ = "select"
PRINTED = "output masked_bytes printed_bytes cut_bytes withheld_bytes output_marks"
MOVES = (
    "state state_since queued_at started_at ended_at deadline_at approval_expires_at message "
    f"{PRINTED} sealed_secrets secrets_until_at kept_until_at "
    "resume_at waiting_gate waiting_until_at waiting_form waits paused_at answered_plan answered_digest"
)
REPLANS = "plan plan_digest approvals_needed min_strength"  # a claim that finds drift plans anew
LENDS = "insert update(state handle facts issued_at expires_at ended_at)"
TABLES = (
    Table(
        "procedures_run",
        Within.RUN,
        web=f"select insert update!({PRINTED} started_at answered_plan cold_at)",
        scheduler=f"select insert update!({PRINTED.removeprefix('output ')} started_at)",  # it erases what is purged
        pool=f"select update({MOVES} {REPLANS})",
        issuer=READ,
        reader="select!(sealed_secrets output parameters)",
    ),
    Table(
        "procedures_claim",
        Within.OF_RUN,
        web="select lock",  # whoever ends a runner waits for what it is writing
        scheduler="select lock delete",
        pool="select insert update(heartbeat_at lines) delete",
        issuer=READ,
    ),
    Table(
        "procedures_chainlink",
        Within.OF_RUN,
        web="select insert",
        scheduler="select insert",
        pool=READ,
        issuer=READ,
        reader=READ,
    ),
    Table(
        "procedures_approval",
        Within.OF_RUN,
        web="select insert update(carried_to_id)",
        scheduler="select update(carried_to_id comment statement signatures)",
        pool="select update(used_at)",
        issuer=READ,
        reader=READ,
    ),
    Table(
        "procedures_task",
        Within.OF_RUN,
        web=READ,
        scheduler="select update(state ended_at remote message output facts transcript_seed)",
        pool="select insert update(state ended_at exit_status output facts message remote transcript_seed)",
        issuer=READ,
    ),
    Table("procedures_logchunk", Within.OF_RUN, web=READ, scheduler="select delete", pool="select insert"),
    Table(
        "procedures_leaserecord",
        Within.OF_RUN,
        web=READ,
        scheduler="select update(state ended_at)",
        pool=READ,
        issuer=f"select {LENDS}",
        reader=READ,
    ),
    Table(
        "procedures_artifact",
        Within.OF_RUN,
        web=READ,
        scheduler="select update(content erased_at)",
        pool="select insert",
    ),
    Table(
        "procedures_secretresult",
        Within.OF_RUN,
        web="select update(state content ended_at)",
        scheduler="select update(state content ended_at)",
        pool="select insert update(state why ended_at)",
    ),
    Table(
        "procedures_stepbatch",
        Within.OF_RUN,
        web=READ,
        scheduler=READ,
        pool="select insert update(state token runner_id heartbeat_at labels lines)",
        issuer=READ,
    ),
    Table(
        "procedures_glassbreak",
        Within.OF_RUN,
        web="select insert update(reviewer_id reviewed_at verdict comment)",
        scheduler=READ,
        pool="select update(used_at)",
        issuer=READ,
        reader=READ,
    ),
    Table(
        "procedures_gateanswer",
        Within.OF_RUN,
        web="select insert",
        scheduler="select update(values)",
        pool=READ,
        issuer=READ,
        reader=READ,
    ),
    Table("procedures_rungroup", Within.OF_RUN, web="all", scheduler="all", pool="all"),
    Table(
        "procedures_policydecision",
        Within.OF_RUN,
        web="select insert",
        scheduler="select insert",
        pool="select insert",
        issuer=READ,
    ),
    Table("procedures_runcomment", web="select insert update(body untold)", scheduler="select update(body untold)"),
)
