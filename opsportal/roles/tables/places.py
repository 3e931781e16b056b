"""Environments and what hangs on them: a pool sees the targets, bindings and secrets of its own environment alone."""

from __future__ import annotations

from opsportal.roles.rights import Table, Within

READ = "select"
SAYS = "update(tier software reported heartbeat_at skew_s statements last_statement_sha256)"  # a runner, of itself
TABLES = (
    Table(
        "procedures_environment",
        Within.PLACE,
        web="select insert update",
        scheduler="select lock",
        pool="select lock",  # one claim at a time
        issuer=READ,
        reader=READ,
        reads_all=True,
    ),
    Table(
        "procedures_credentialbinding",
        Within.ENVIRONMENT,
        web="select insert update(ended_at)",
        scheduler=READ,
        pool=READ,
        issuer=READ,
        reader=READ,
    ),
    Table(
        "procedures_sealedsecret",
        Within.ENVIRONMENT,
        web="select insert update(ended_at)",
        scheduler=READ,
        issuer="select update(ciphertext pool_key_id)",  # the same value under a later key of its pool
    ),
    Table(
        "procedures_poolkey",
        Within.ENVIRONMENT,
        web="select insert",
        scheduler=READ,
        pool=READ,
        issuer="select insert update(ended_at)",
        reader=READ,
    ),
    Table(
        "procedures_runner",
        Within.SERVES,
        web="select insert update(name public environments zones attested event ended_at)",
        scheduler=READ,
        pool=f"select {SAYS}",
        issuer=READ,
        reader=READ,
        reads_all=True,
    ),
    Table(
        "procedures_target",
        Within.ENVIRONMENT,
        web="select insert update",
        scheduler="select insert update",
        pool=READ,
        issuer=READ,
        reader=READ,
    ),
    Table(
        "procedures_targetcontact",
        Within.TARGET,
        web="select update(target_id)",
        scheduler="select update(target_id)",
        runner="select insert update(state message at reached_at)",
    ),
    Table(
        "procedures_hostcertificate",
        Within.ENVIRONMENT,
        web=READ,
        scheduler=READ,
        issuer="select insert update",
    ),
    Table(
        "procedures_inventory",
        Within.ENVIRONMENT,
        web="select insert update",
        scheduler="select update(nudged_at synced_at problem)",
        runner=READ,
    ),
    Table("procedures_inventorysync", web=READ, scheduler="select insert update(seen_at)"),
    Table("procedures_inventoryreading", Within.INVENTORY, scheduler="select delete", runner="insert"),
    Table(
        "procedures_optionlist",
        Within.ENVIRONMENT,
        web="select insert update",
        scheduler=READ,
        runner="select update(state values titles digest message expires_at)",
    ),
    Table(
        "procedures_standing",
        Within.ENVIRONMENT,
        web="select insert update",
        scheduler="select update(next_at paused_at paused_why refusals)",
        pool=READ,
        issuer=READ,
        reader="select!(secret)",
    ),
    Table(
        "procedures_preapproval",
        Within.STANDING,
        web="select insert update(taken_back_at taken_back_by_id taken_back_why)",
        scheduler="select lock",  # it counts the uses one run at a time
        pool=READ,
        issuer=READ,
        reader=READ,
    ),
    Table(
        "procedures_preapprovaluse",
        Within.OF_RUN,
        web="select insert",
        scheduler="select insert",
        pool=READ,
        issuer=READ,
        reader=READ,
    ),
    Table(
        "procedures_fire",
        Within.STANDING,
        web="select insert update",
        scheduler="select insert update",
        pool="select insert",  # a run that ended sets off what follows it
        issuer=READ,
    ),
)
