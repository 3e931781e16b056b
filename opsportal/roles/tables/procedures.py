"""Procedures, their versions and what is said of them: runners read the bytes that they are to execute."""

from __future__ import annotations

from opsportal.roles.rights import Table, Within

READ = "select"
TABLES = (
    Table(
        "procedures_procedure",
        web="select insert update",
        scheduler="select insert lock",
        pool=READ,
        issuer=READ,
        reader=READ,
    ),
    Table(
        "procedures_version",
        web="select insert update",
        scheduler="select insert update",
        pool=READ,
        issuer=READ,
        reader=READ,
    ),
    Table("procedures_versionfile", web="select insert", scheduler="select insert", pool=READ, issuer=READ),
    Table(
        "procedures_versionauthor", web="select insert", scheduler="select insert", pool=READ, issuer=READ, reader=READ
    ),
    Table(
        "procedures_review",
        web="select insert update(lifted_at)",
        scheduler=READ,
        pool=READ,
        issuer=READ,
        reader=READ,
    ),
    Table(
        "procedures_reviewcomment", web="select insert update(body untold resolved_at resolved_by_id)", scheduler=READ
    ),
    Table(
        "procedures_trial",
        web="select insert",
        scheduler="select insert update",
        disposable="select update",
    ),
    Table(
        "procedures_source",
        web="select insert update",
        scheduler="select update(looked_at commit problem pushers)",
    ),
    Table("procedures_sourcefinding", web=READ, scheduler="select insert delete"),
    Table("procedures_hookdelivery", web="select insert", scheduler=READ),
    Table(
        "procedures_entity",
        Within.OF_RUN,
        web=READ,
        scheduler=READ,
        pool="select insert update",
        reads_all=True,
    ),
)
