"""The declared table: nothing of the database is forgotten in it, and nothing is in it that the database has not."""

from __future__ import annotations

import pytest
from django.apps import apps

from opsportal.roles.events import KINDS_OF, kinds_of, parts_of
from opsportal.roles.names import Names, short
from opsportal.roles.rights import PARTS, POOLS, Right, read
from opsportal.roles.tables import BY_NAME, TABLES
from procedures.evidence.events import KINDS

MODELS = {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}


def test_every_table_of_every_model_is_named_once() -> None:
    assert sorted(table.name for table in TABLES) == sorted(MODELS), "say in opsportal/roles/tables who may do what"


def test_every_column_that_is_named_is_there() -> None:
    for table in TABLES:
        columns = {str(field.column) for field in MODELS[table.name]._meta.local_concrete_fields}
        for part, rights in table.rights.items():
            for right in rights:
                assert (right.columns or set()) <= columns, f"{table.name}: {part} {right.act}"


def test_every_kind_of_event_has_its_writers_and_nobody_else_is_named() -> None:
    families = {kind.partition(".")[0] for kind in KINDS}
    assert set(KINDS_OF) <= KINDS.keys() | families
    for kind in KINDS:
        assert set(parts_of(kind)) <= set(PARTS), kind
    assert "lease.issued" not in kinds_of("runner")
    assert "control.confirmed" not in kinds_of("runner") + kinds_of("issuer") + kinds_of("disposable")
    assert not kinds_of("reader")


def test_evidence_is_added_to_and_the_log_is_the_sequencers() -> None:
    for name in ("evidence_event", "evidence_leaf", "evidence_checkpoint"):
        more = {
            (part, right.act, tuple(right.columns or ()))
            for part, rights in BY_NAME[name].rights.items()
            for right in rights
            if right.act not in {"select", "insert"}
        }
        # of what two people purged; a trigger lets nothing else go (tests/evidence/test_purge_attacks.py)
        assert more == ({("scheduler", "update", ("body",))} if name == "evidence_event" else set()), name
    for name in ("evidence_leaf", "evidence_tile", "evidence_checkpoint"):
        rights = BY_NAME[name].rights
        assert [part for part in rights if {right.act for right in rights[part]} - {"select"}] == ["sequencer"], name


@pytest.mark.parametrize("part", POOLS)
def test_a_pool_writes_nothing_that_decides_authority(part: str) -> None:
    allowed = {
        "procedures_run",
        "procedures_claim",
        "procedures_approval",  # that it was used
        "procedures_glassbreak",  # that it was used
        "procedures_task",
        "procedures_logchunk",
        "procedures_leaserecord",
        "procedures_artifact",
        "procedures_secretresult",
        "procedures_stepbatch",
        "procedures_rungroup",
        "procedures_policydecision",
        "procedures_entity",
        "procedures_notice",
        "procedures_fire",
        "procedures_runner",
        "procedures_targetcontact",
        "procedures_inventoryreading",
        "procedures_optionlist",
        "procedures_trial",
        "procedures_environment",  # locked, never changed
        "evidence_event",
        "evidence_outbox",
        "evidence_runcounter",
    }
    writes = {t.name for t in TABLES if {right.act for right in t.rights.get(part, ())} - {"select"}}
    shows = {"procedures_portalsetting", "procedures_poolkey", "procedures_hostcertificate"}  # public halves
    shows |= {"procedures_sealedsecret"}  # the same value under another key; what people signed of it is its mark
    assert writes <= allowed | (shows if part == "issuer" else set())
    assert {right.columns for right in BY_NAME["procedures_approval"].rights["runner"] if right.act == "update"} == {
        frozenset({"used_at"})
    }


def test_web_writes_nothing_that_a_runner_says() -> None:
    for name in ("claim", "task", "leaserecord", "logchunk", "artifact", "stepbatch", "inventorysync"):
        acts = {right.act for right in BY_NAME[f"procedures_{name}"].rights["web"]}
        assert acts <= {"select", "lock"}, name


def test_words_that_say_no_right_are_refused() -> None:
    assert list(read("select!(password) update(state ended_at)")) == [
        Right("select", frozenset({"password"}), but=True),
        Right("update", frozenset({"state", "ended_at"})),
    ]
    for wrong in ("selct", "select, insert", "update(state", "truncate"):
        with pytest.raises(ValueError, match="says no right"):
            list(read(wrong))


def test_a_long_name_is_cut_where_we_say_and_stays_its_own() -> None:
    long, other = Names("opsportal").of("runner", "x" * 60), Names("opsportal").of("runner", "x" * 61)
    assert len(long) <= 63 >= len(other)
    assert long != other
    assert short("opsportal_web") == "opsportal_web"
