"""The log: whoever acts adds events, the sequencer alone makes leaves of them and signs, and nobody changes any."""

from __future__ import annotations

from opsportal.roles.rights import Table, Within

READ, ADD, COUNT = "select", "select insert", "select insert update"
TABLES = (
    Table(
        "evidence_event",
        Within.MAY_HAVE_RUN,
        web=ADD,
        scheduler=f"{ADD} update(body)",  # purged by two people, or moved as it is; a trigger lets nothing else go
        sequencer=ADD,
        pool=ADD,
        issuer=ADD,
        egress=ADD,
        reader=READ,
    ),
    Table(
        "evidence_coldbundle",
        Within.COUNTED,
        web=READ,
        scheduler=f"{ADD} delete",  # of what two people purged; a trigger lets nothing else go
        sequencer=READ,
        pool=READ,
        issuer=READ,
        reader=READ,
    ),
    Table(
        "evidence_outbox",
        web=ADD,
        scheduler=ADD,
        sequencer=f"{ADD} delete",
        pool=ADD,
        issuer=ADD,
        egress=ADD,
        reader=READ,
    ),
    Table("evidence_leaf", web=READ, scheduler=READ, sequencer=ADD, pool=READ, issuer=READ, egress=READ, reader=READ),
    Table("evidence_tile", web=READ, scheduler=READ, sequencer="select insert update(hashes)", reader=READ),
    Table("evidence_checkpoint", web=READ, scheduler=READ, sequencer=ADD, reader=READ),
    Table("evidence_cosignature", web=READ, scheduler=READ, sequencer=ADD, reader=READ),
    Table("evidence_anchor", web=READ, scheduler=READ, sequencer=ADD, reader=READ),
    Table(
        "evidence_anchorstate",
        web="select update(wished_size)",
        scheduler=READ,
        sequencer=f"{COUNT} delete",
        reader=READ,
    ),
    Table("evidence_retained", web=READ, scheduler=READ, sequencer=ADD, reader=READ),
    Table("evidence_retainstate", web="select update(wished_size)", sequencer=f"{COUNT} delete", reader=READ),
    Table("evidence_logcheck", web=READ, scheduler=ADD, reader=READ),
    Table("evidence_witnesscontact", web=READ, scheduler=READ, sequencer=f"{COUNT} delete", reader=READ),
    Table("evidence_runcounter", Within.COUNTED, web=COUNT, scheduler=COUNT, pool=COUNT, issuer=COUNT),
    Table("evidence_numberseries", web=COUNT, scheduler=COUNT),
    Table("evidence_erasablekey", web=COUNT, scheduler=ADD),
    Table("evidence_disclosure", web=COUNT, scheduler=f"{ADD} update(sealed erased_at)"),
)
