"""From the place of each part with raw SQL: what is another's is not there for it, and what it may not it cannot."""

# ruff: noqa: S608 - raw SQL is what is tried here
from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from django.db import connection

from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.evidence.models import Event
from procedures.models import (
    Artifact,
    ChainLink,
    Claim,
    CredentialBinding,
    LeaseRecord,
    LogChunk,
    Run,
    Runner,
    SealedSecret,
    SecretResult,
    Target,
    Task,
)
from tests.roles.conftest import Walled

pytestmark = [pytest.mark.postgresql, pytest.mark.timeout(300)]
DENIED, BOUNDED = "permission denied", "violates row-level security policy"
OF_A_RUN = ("claim", "chainlink", "task", "logchunk", "leaserecord", "artifact", "secretresult")
ID = "gen_random_uuid()"


def insert(table: str, **values: object) -> str:
    """An INSERT of values that are SQL already."""
    columns = ", ".join(f'"{name}"' for name in values)
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join(str(value) for value in values.values())})"


def event(kind: str, run: str = "NULL") -> str:
    """An event, as whoever writes SQL would forge it."""
    n = "NULL" if run == "NULL" else "99"
    return insert("evidence_event", id=ID, kind=f"'{kind}'", run=run, n=n, at="now()", header="'x'", body="'x'")


@pytest.fixture
def runs(walled: Walled) -> dict[str, Run]:
    """A run under way in staging and one in production, with everything that hangs on one."""
    world = walled.world
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run")
    found = {}
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the superuser's hand: no trigger asks for evidence
        for place in ("staging", "production"):
            found[place] = _furnished(world.ask(quinn), place)
        cursor.execute("RESET session_replication_role")
    return found


def _furnished(run: Run, place: str) -> Run:
    Run.objects.filter(pk=run.pk).update(environment=place, state="running", started_at=now())
    runner = Runner.objects.create(name=place, public=place, environments=[place], enrolled_at=now())
    Claim.objects.create(run=run, runner=runner, token=uuid4(), claimed_at=now(), heartbeat_at=now())
    task = Task.objects.create(
        run=run, phase="steps", step="one", target="", attempt=1, position=0, batch=0, state="running", started_at=now()
    )
    LogChunk.objects.create(run=run, seq=1, task=task, step="one", stream="stdout", at=now(), text=f"in {place}")
    LeaseRecord.objects.create(
        id=uuid7(), run=run, step="one", attempt=1, credential="c", provider="p", state="issued", intended_at=now()
    )
    kept = {"run": run, "task": task, "content": b"x", "made_at": now(), "expires_at": now() + timedelta(days=1)}
    Artifact.objects.create(**kept, name="a", type="text/plain", size_bytes=1, content_sha256="x")
    SecretResult.objects.create(**kept, name="s", deliver="once", where="to be picked up once", state="kept")
    ChainLink.objects.get_or_create(run=run, person=run.requester, role="requester")
    common = {"environment_id": place, "since_at": now()}
    SealedSecret.objects.create(
        **common,
        name="s",
        pool_key_id="k",
        ciphertext=b"sealed",
        value_fingerprint=place,
        made_by=run.requester,
    )
    CredentialBinding.objects.create(**common, name="deploy", provider="ssh-key", role="deploy", digest="d")
    Target.objects.create(**common, name=place, address=place, host_key="k", host_key_sha256=place)
    run.refresh_from_db()
    return run


def count(link: psycopg.Connection[tuple[object, ...]], table: str, where: str = "true") -> int:
    row = link.execute(f"SELECT count(*) FROM {table} WHERE {where}".encode()).fetchone()
    assert row is not None
    return int(str(row[0]))


def test_a_pool_sees_of_runs_secrets_and_targets_its_own_alone(walled: Walled, runs: dict[str, Run]) -> None:
    for place, other in (("staging", "production"), ("production", "staging")):
        link = walled.link(f"runner_{place}")
        for table in OF_A_RUN:
            mine = count(link, f"procedures_{table}", f"run_id = '{runs[place].pk}'")
            assert (mine > 0, count(link, f"procedures_{table}")) == (True, mine), table
        assert count(link, "procedures_run") == 1
        assert count(link, "procedures_run", f"id = '{runs[other].pk}'") == 0
        issuer = walled.link(f"issuer_{place}")
        assert DENIED in walled.refusal(f"runner_{place}", "SELECT * FROM procedures_sealedsecret")
        for table, whose in (("sealedsecret", issuer), ("credentialbinding", link), ("target", link)):
            assert count(whose, f"procedures_{table}", f"environment_id = '{place}'") > 0, table
            assert count(whose, f"procedures_{table}", f"environment_id <> '{place}'") == 0, table
        assert count(link, "evidence_event", f"run = '{runs[place].pk}'") > 0
        assert count(link, "evidence_event", f"run = '{runs[other].pk}'") == 0
        assert count(link, "evidence_event", "kind = 'control.confirmed'") > 0, "what decides authority it reads whole"
        assert count(link, "evidence_runcounter") == 1


def test_staging_neither_claims_nor_alters_a_run_of_production(walled: Walled, runs: dict[str, Run]) -> None:
    theirs, mine = runs["production"], runs["staging"]
    before = {row.pk: (row.state, row.message) for row in Run.objects.all()}
    link = walled.link("runner_staging")
    for statement in (
        "UPDATE procedures_run SET state = 'succeeded', message = 'x'",
        "UPDATE procedures_task SET state = 'succeeded', output = '{}'",
        "DELETE FROM procedures_claim",
        "UPDATE evidence_runcounter SET sealed = true",
    ):
        assert link.execute(f"{statement} WHERE {_of(statement)} = '{theirs.pk}'".encode()).rowcount == 0, statement
    runner = Runner.objects.get(name="staging").pk
    run, moment = f"'{theirs.pk}'", "now()"
    place = {"run_id": run, "step": "'one'", "target": "''"}
    claim = {"runner_id": f"'{runner}'", "token": ID, "claimed_at": moment, "heartbeat_at": moment}
    task = {"phase": "'steps'", "position": 0, "batch": 0, "attempt": 1, "state": "'pending'", "output": "'{}'"}
    lease = {"attempt": 1, "credential": "'c'", "provider": "'p'", "state": "'intent'", "handle": "'{}'"}
    wide = '\'["staging", "production"]\''
    hostile = {
        insert("procedures_claim", run_id=run, **claim): BOUNDED,
        insert("procedures_task", id=ID, **place, **task, facts="'{}'", message="''", remote="''"): BOUNDED,
        insert("procedures_logchunk", **place, seq=99, stream="'stdout'", at=moment, text="'forged'"): BOUNDED,
        insert("procedures_leaserecord", id=ID, **place, **lease, facts="'{}'", intended_at=moment): DENIED,
        event("task.finished", run): BOUNDED,
        f"UPDATE procedures_run SET environment_id = 'production' WHERE id = '{mine.pk}'": DENIED,
        f"UPDATE procedures_task SET run_id = {run}": DENIED,
        f"UPDATE procedures_run SET parameters = '{{}}', digest = 'x' WHERE id = '{mine.pk}'": DENIED,
        f"UPDATE procedures_runner SET environments = {wide} WHERE id = '{runner}'": DENIED,
        "UPDATE procedures_environment SET name = 'production' WHERE name = 'staging'": BOUNDED,
    }
    for statement, why in hostile.items():
        assert why in walled.refusal("runner_staging", statement), statement
    forged = insert("procedures_leaserecord", id=ID, **place, **lease, facts="'{}'", intended_at=moment)
    assert BOUNDED in walled.refusal("issuer_staging", forged), "nor does its issuer lend for it"
    ended = f"UPDATE procedures_leaserecord SET state = 'revoked' WHERE run_id = {run}"
    assert walled.link("issuer_staging").execute(ended.encode()).rowcount == 0
    assert link.execute(b"UPDATE procedures_runner SET tier = 'A' WHERE name = 'production'").rowcount == 0
    assert link.execute(b"UPDATE procedures_runner SET tier = 'A' WHERE name = 'staging'").rowcount == 1
    assert {row.pk: (row.state, row.message) for row in Run.objects.all()} == before


def test_an_issuer_turns_the_key_of_its_own_pool_alone(walled: Walled, runs: dict[str, Run]) -> None:
    """Who sets the key to which another environment's secrets are sealed reads them from then on."""
    key = {"key_id": "'theirs'", "public": "'x'", "since_at": "now()"}
    made = insert("procedures_poolkey", environment_id="'production'", **key)
    assert BOUNDED in walled.refusal("issuer_staging", made)
    for part in ("runner_staging", "disposable", "scheduler"):
        assert DENIED in walled.refusal(part, insert("procedures_poolkey", environment_id="'staging'", **key))
    link = walled.link("issuer_staging")
    for theirs in ("poolkey SET ended_at = now()", "sealedsecret SET ciphertext = 'x'"):
        done = link.execute(f"UPDATE procedures_{theirs} WHERE environment_id = 'production'".encode())
        assert done.rowcount == 0, theirs
    assert DENIED in walled.refusal("issuer_staging", "UPDATE procedures_sealedsecret SET name = 'other'")
    assert DENIED in walled.refusal("issuer_staging", "UPDATE procedures_poolkey SET public = 'x'")


def _of(statement: str) -> str:
    words = {"procedures_run": "id", "evidence_runcounter": "run"}
    return next((column for table, column in words.items() if f"{table} " in f"{statement} "), "run_id")


@pytest.mark.parametrize("part", ["runner_staging", "disposable", "issuer_staging"])
def test_no_pool_writes_what_decides_authority_with_or_without_its_event(
    walled: Walled, runs: dict[str, Run], part: str
) -> None:
    quinn = runs["staging"].requester.pk
    grant = insert("procedures_grant", id=ID, person_id=quinn, verbs="'[\"run\"]'", granted_by_id=quinn, event=ID)
    assert DENIED in walled.refusal(part, grant, event("control.confirmed"))
    assert BOUNDED in walled.refusal(part, event("control.confirmed"), grant)
    for table in (
        "person",
        "membership",
        "dutyassignment",
        "enrolledkey",
        "grant",
        "grantright",
        "review",
        "version",
        "versionfile",
        "controlchange",
        "credentialbinding",
        "sealedsecret",
        "policy",
        "portalsetting",
        "stop",
        "standing",
        "target",
    ):
        for statement in ("DELETE FROM", "TRUNCATE"):
            assert DENIED in walled.refusal(part, f"{statement} procedures_{table}"), table
        column = "since_at = now()" if table in {"credentialbinding", "sealedsecret", "target"} else _first(table)
        if (part, table) != ("issuer_staging", "portalsetting"):
            assert DENIED in walled.refusal(part, f"UPDATE procedures_{table} SET {column}"), table
    assert DENIED in walled.refusal(part, "UPDATE procedures_approval SET verdict = 'approve'")
    assert DENIED in walled.refusal(part, "INSERT INTO procedures_approval (id) VALUES (gen_random_uuid())")


def _first(table: str) -> str:
    with connection.cursor() as cursor:
        column = connection.introspection.get_table_description(cursor, f"procedures_{table}")[1].name
    return f'"{column}" = NULL'


def test_evidence_is_changed_by_nobody_and_made_leaves_of_by_the_sequencer_alone(
    walled: Walled, runs: dict[str, Run]
) -> None:
    first = Event.objects.order_by("id")[0].pk
    leaf = insert("evidence_leaf", index=1_000_000, event_id=f"'{first}'", leaf_hash="'x'")
    checkpoint = insert("evidence_checkpoint", size=1_000_000, root="'x'", note="'x'", at="now()")
    for part in ("web", "scheduler", "sequencer", "runner_staging", "issuer_staging", "disposable", "reader"):
        for statement in (
            f"UPDATE evidence_event SET {'header' if part == 'scheduler' else 'body'} = 'x'",
            "DELETE FROM evidence_event",
            "TRUNCATE evidence_event CASCADE",
            "UPDATE evidence_leaf SET leaf_hash = 'x'",
            "DELETE FROM evidence_leaf",
            "DELETE FROM evidence_checkpoint",
            *((leaf, checkpoint) if part != "sequencer" else ()),
        ):
            assert DENIED in walled.refusal(part, statement), f"{part}: {statement}"
    assert walled.link("scheduler").execute(b"UPDATE evidence_event SET body = ''").rowcount == 0, "of no purged run"
    assert walled.link("sequencer").execute(leaf.encode()).rowcount == 1


def test_web_says_nothing_for_a_runner_and_the_sequencer_nothing_for_anybody(
    walled: Walled, runs: dict[str, Run]
) -> None:
    run = runs["staging"].pk
    for statement in (
        f"INSERT INTO procedures_claim (run_id) VALUES ('{run}')",
        "DELETE FROM procedures_claim",
        f"INSERT INTO procedures_leaserecord (run_id) VALUES ('{run}')",
        "UPDATE procedures_leaserecord SET state = 'issued'",
        "UPDATE procedures_task SET state = 'succeeded'",
        "UPDATE procedures_run SET output = '{}'",
        "DELETE FROM procedures_run",
        "UPDATE procedures_review SET verdict = 'accept'",
        "UPDATE procedures_approval SET used_at = NULL",
        "INSERT INTO procedures_inventoryreading (id) VALUES (gen_random_uuid())",
    ):
        assert DENIED in walled.refusal("web", statement), statement
    assert BOUNDED in walled.refusal("web", f"UPDATE procedures_claim SET run_id = '{runs['production'].pk}'")
    assert walled.link("web").execute(b"SELECT 1 FROM procedures_claim FOR UPDATE").rowcount == 2
    for kind in ("run.claimed", "lease.issued", "task.finished", "heartbeat", "genesis"):
        assert BOUNDED in walled.refusal("web", event(kind, f"'{run}'")), kind
    for kind in ("run.requested", "control.confirmed"):
        assert BOUNDED in walled.refusal("sequencer", event(kind)), kind
    for table in ("run", "grant", "person", "sealedsecret", "version"):
        assert DENIED in walled.refusal("sequencer", f"SELECT * FROM procedures_{table}"), table
    for kind in ("review.made", "run.approved", "lease.issued", "break_glass.used"):
        assert BOUNDED in walled.refusal("scheduler", event(kind)), kind
    for table in ("approval", "review", "enrolledkey", "leaserecord", "claim", "sealedsecret", "stop"):
        assert DENIED in walled.refusal("scheduler", f"INSERT INTO procedures_{table} DEFAULT VALUES"), table


def test_the_reader_writes_nothing_at_all_and_reads_no_secret(walled: Walled) -> None:
    for table in connection.introspection.table_names():
        for statement in (
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
            f"INSERT INTO {table} DEFAULT VALUES",
            f"LOCK TABLE {table} IN EXCLUSIVE MODE",
        ):
            assert DENIED in walled.refusal("reader", statement), statement
    for column in ("password FROM procedures_person", "* FROM procedures_person", "secret FROM evidence_erasablekey"):
        assert DENIED in walled.refusal("reader", f"SELECT {column}"), column
    for table in ("django_session", "procedures_apitoken", "procedures_sealedsecret", "procedures_logchunk"):
        assert DENIED in walled.refusal("reader", f"SELECT * FROM {table}"), table
    link = walled.link("reader")
    assert count(link, "evidence_event") == Event.objects.count()
    assert link.execute(b"SELECT username FROM procedures_person WHERE username = 'mira'").fetchone() == ("mira",)


def test_what_opens_a_session_or_stands_for_somebody_is_webs_alone(walled: Walled) -> None:
    tables = ("django_session", "procedures_apitoken", "procedures_opensession", "procedures_onetimelink")
    tables += ("procedures_codeapp", "procedures_refreshtoken", "procedures_idempotencykey", "procedures_assertion")
    for part in ("sequencer", "runner_staging", "issuer_staging", "disposable", "reader"):
        for table in tables:
            assert DENIED in walled.refusal(part, f"SELECT * FROM {table}"), f"{part}: {table}"
        assert DENIED in walled.refusal(part, "SELECT * FROM evidence_erasablekey"), part
