"""What decides authority: written by web as people sign it, read by those who decide again, written by no runner."""

from __future__ import annotations

from opsportal.roles.rights import Table, Within

READ = "select"
TABLES = (
    Table(
        "procedures_grant",
        web="select insert update",
        scheduler="select update(revoked_at revoked_by_id)",
        pool=READ,
        issuer=READ,
        reader=READ,
    ),
    Table(
        "procedures_grantright",
        web="select insert update(ends_at)",
        scheduler="select insert update(ends_at)",
        pool=READ,
        issuer=READ,
    ),
    Table(
        "procedures_procedureuserpermission", web="select insert delete", scheduler="select insert delete", pool=READ
    ),
    Table(
        "procedures_proceduregrouppermission", web="select insert delete", scheduler="select insert delete", pool=READ
    ),
    Table(
        "procedures_controlchange",
        web="select insert update",
        # outside production it takes what a signed inventory finds, and ends what a campaign let lapse
        scheduler="select insert update(state decided_at confirmer_id signatures statement)",
        reader=READ,
    ),
    Table("procedures_accessrequest", web="select insert update", scheduler="select update"),
    Table("procedures_campaign", web="select insert update", scheduler="select update(state closed_at)", reader=READ),
    Table(
        "procedures_campaignitem",
        web="select insert update",
        scheduler="select update(decision decided_by_id decided_at reason change_id)",
        reader=READ,
    ),
    Table(
        "procedures_deputy",
        web="select insert update",
        scheduler="select update(ended_at why)",
        pool=READ,
        issuer=READ,
        reader=READ,
    ),
    Table("procedures_decisionasked", web="select insert", scheduler=READ),
    Table("procedures_agent", web="select insert update", scheduler="select lock", pool=READ, issuer=READ),
    Table("procedures_trustedissuer", web="select insert update", scheduler=READ),
    Table("procedures_workloadrule", web="select insert update", scheduler=READ),
    Table("procedures_exchange", web="select insert", scheduler=READ),
    Table(
        "procedures_portalsetting",
        Within.IDENTITY_KEYS,
        web="select insert update",
        scheduler=READ,
        pool=READ,
        issuer="select insert update(value since_at)",
        reader=READ,
        reads_all=True,
    ),
    Table("procedures_policy", web="select insert update(ended_at)", scheduler=READ, pool=READ, issuer=READ),
    Table("procedures_space", web="select insert update", scheduler="select lock", pool=READ, issuer=READ),
    Table(
        "procedures_purge",
        web="select insert update(change agreed_at problem looked_at)",  # of one that the log did not bear out
        scheduler="select update(done_at problem looked_at)",
        reader=READ,
    ),
    Table("procedures_legalhold", web="select insert update(ended_at ended_by_id)", scheduler=READ, reader=READ),
    Table(
        "procedures_collector",
        web="select insert update",
        scheduler="select update(sent sent_at failures problem problem_at next_at)",
    ),
    Table("procedures_stop", web="select insert update", scheduler=READ, pool=READ, issuer=READ, reader=READ),
)
