"""What only a trigger can hold: copies that must not differ, authors who must not review, no change without evidence.

Installed after every migration and compared at start, since Django's SQLite table remake drops triggers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

from procedures.domain.guards import NOT_CLOSED, closed
from procedures.models import (
    triggers_ahead,
    triggers_evidenced,
    triggers_held,
    triggers_kept,
    triggers_said,
    triggers_software,
)
from procedures.models.evidenced import BY_TABLE

SQLITE = {
    "opsportal_review_copy": """
        CREATE TRIGGER opsportal_review_copy BEFORE INSERT ON procedures_review
        WHEN NEW.submitter_id <> (SELECT submitter_id FROM procedures_version WHERE id = NEW.version_id)
          OR EXISTS (SELECT 1 FROM procedures_versionauthor a
                     WHERE a.version_id = NEW.version_id AND a.person_id = NEW.reviewer_id)
        BEGIN SELECT RAISE(ABORT, 'an author of a version cannot review it'); END""",
    "opsportal_approval_copy": """
        CREATE TRIGGER opsportal_approval_copy BEFORE INSERT ON procedures_approval
        WHEN NEW.requester_id <> (SELECT requester_id FROM procedures_run WHERE id = NEW.run_id)
          OR EXISTS (SELECT 1 FROM procedures_chainlink c
                     WHERE c.run_id = NEW.run_id AND c.person_id = NEW.approver_id)
        BEGIN SELECT RAISE(ABORT, 'nobody in the chain of a run can approve it'); END""",
    "opsportal_review_fixed": """
        CREATE TRIGGER opsportal_review_fixed BEFORE UPDATE ON procedures_review
        WHEN NEW.version_id <> OLD.version_id OR NEW.reviewer_id <> OLD.reviewer_id
          OR NEW.submitter_id <> OLD.submitter_id OR NEW.verdict <> OLD.verdict OR NEW.digest <> OLD.digest
        BEGIN SELECT RAISE(ABORT, 'a review cannot be rewritten'); END""",
    "opsportal_approval_fixed": """
        CREATE TRIGGER opsportal_approval_fixed BEFORE UPDATE ON procedures_approval
        WHEN NEW.run_id <> OLD.run_id OR NEW.approver_id <> OLD.approver_id OR NEW.requester_id <> OLD.requester_id
          OR NEW.verdict <> OLD.verdict OR NEW.plan_digest <> OLD.plan_digest
        BEGIN SELECT RAISE(ABORT, 'an approval cannot be rewritten'); END""",
    "opsportal_comment_fixed": """
        CREATE TRIGGER opsportal_comment_fixed BEFORE UPDATE ON procedures_reviewcomment
        WHEN NEW.version_id <> OLD.version_id OR NEW.author_id <> OLD.author_id OR NEW.digest <> OLD.digest
          OR NEW.thread_id IS NOT OLD.thread_id OR NEW.path <> OLD.path OR NEW.line IS NOT OLD.line
          OR (NEW.body <> OLD.body AND NEW.body <> '(erased)')
        BEGIN SELECT RAISE(ABORT, 'a comment cannot be rewritten'); END""",
    "opsportal_comment_kept": """
        CREATE TRIGGER opsportal_comment_kept BEFORE DELETE ON procedures_reviewcomment
        BEGIN SELECT RAISE(ABORT, 'a comment cannot be taken away'); END""",
    "opsportal_right_of_software": """
        CREATE TRIGGER opsportal_right_of_software BEFORE INSERT ON procedures_grantright
        WHEN NEW.verb IN ('review', 'approve', 'manage_access', 'break_glass')
          AND EXISTS (SELECT 1 FROM procedures_person p WHERE p.id = NEW.person_id AND p.kind IN ('service', 'agent'))
        BEGIN SELECT RAISE(ABORT, 'software is not given what people decide'); END""",
    "opsportal_trial_fixed": """
        CREATE TRIGGER opsportal_trial_fixed BEFORE UPDATE ON procedures_trial
        WHEN OLD.ended_at IS NOT NULL OR NEW.version_id <> OLD.version_id OR NEW.digest <> OLD.digest
        BEGIN SELECT RAISE(ABORT, 'how a version was tested cannot be rewritten'); END""",
    "opsportal_trial_kept": """
        CREATE TRIGGER opsportal_trial_kept BEFORE DELETE ON procedures_trial
        BEGIN SELECT RAISE(ABORT, 'how a version was tested cannot be removed'); END""",
    **triggers_said.SQLITE,
    **triggers_held.SQLITE,
    **triggers_kept.SQLITE,
    **triggers_ahead.SQLITE,
    **triggers_software.SQLITE,
    **triggers_evidenced.SQLITE,
}

POSTGRES_COPIES = """
CREATE OR REPLACE FUNCTION opsportal_review_copy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.version_id, NEW.reviewer_id, NEW.submitter_id, NEW.verdict, NEW.digest)
       IS DISTINCT FROM (OLD.version_id, OLD.reviewer_id, OLD.submitter_id, OLD.verdict, OLD.digest) THEN
    RAISE EXCEPTION 'a review cannot be rewritten' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  IF NEW.submitter_id <> (SELECT submitter_id FROM procedures_version WHERE id = NEW.version_id)
     OR EXISTS (SELECT 1 FROM procedures_versionauthor a
                WHERE a.version_id = NEW.version_id AND a.person_id = NEW.reviewer_id) THEN
    RAISE EXCEPTION 'an author of a version cannot review it' USING ERRCODE = 'integrity_constraint_violation';
  END IF; RETURN NEW; END $$;
CREATE OR REPLACE FUNCTION opsportal_approval_copy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.run_id, NEW.approver_id, NEW.requester_id, NEW.verdict, NEW.plan_digest)
       IS DISTINCT FROM (OLD.run_id, OLD.approver_id, OLD.requester_id, OLD.verdict, OLD.plan_digest) THEN
    RAISE EXCEPTION 'an approval cannot be rewritten' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  IF NEW.requester_id <> (SELECT requester_id FROM procedures_run WHERE id = NEW.run_id)
     OR EXISTS (SELECT 1 FROM procedures_chainlink c
                WHERE c.run_id = NEW.run_id AND c.person_id = NEW.approver_id) THEN
    RAISE EXCEPTION 'nobody in the chain of a run can approve it' USING ERRCODE = 'integrity_constraint_violation';
  END IF; RETURN NEW; END $$;
CREATE OR REPLACE FUNCTION opsportal_trial_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'DELETE' OR OLD.ended_at IS NOT NULL
     OR (NEW.version_id, NEW.digest) IS DISTINCT FROM (OLD.version_id, OLD.digest) THEN
    RAISE EXCEPTION 'how a version was tested cannot be rewritten' USING ERRCODE = 'integrity_constraint_violation';
  END IF; RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_trial_fixed ON procedures_trial;
CREATE TRIGGER opsportal_trial_fixed BEFORE UPDATE OR DELETE ON procedures_trial
  FOR EACH ROW EXECUTE FUNCTION opsportal_trial_fixed();
DROP TRIGGER IF EXISTS opsportal_review_copy ON procedures_review;
CREATE TRIGGER opsportal_review_copy BEFORE INSERT OR UPDATE ON procedures_review
  FOR EACH ROW EXECUTE FUNCTION opsportal_review_copy();
DROP TRIGGER IF EXISTS opsportal_approval_copy ON procedures_approval;
CREATE TRIGGER opsportal_approval_copy BEFORE INSERT OR UPDATE ON procedures_approval
  FOR EACH ROW EXECUTE FUNCTION opsportal_approval_copy();
"""

POSTGRES_COMMENTS = """
CREATE OR REPLACE FUNCTION opsportal_comment_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'DELETE' OR (NEW.version_id, NEW.author_id, NEW.digest, NEW.thread_id, NEW.path, NEW.line)
       IS DISTINCT FROM (OLD.version_id, OLD.author_id, OLD.digest, OLD.thread_id, OLD.path, OLD.line)
     OR (NEW.body <> OLD.body AND NEW.body <> '(erased)') THEN
    RAISE EXCEPTION 'a comment cannot be rewritten' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_comment_fixed ON procedures_reviewcomment;
CREATE TRIGGER opsportal_comment_fixed BEFORE UPDATE OR DELETE ON procedures_reviewcomment
  FOR EACH ROW EXECUTE FUNCTION opsportal_comment_fixed();
"""

POSTGRES_RIGHTS = """
CREATE OR REPLACE FUNCTION opsportal_right_of_software() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.verb IN ('review', 'approve', 'manage_access', 'break_glass')
     AND EXISTS (SELECT 1 FROM procedures_person p WHERE p.id = NEW.person_id AND p.kind IN ('service', 'agent')) THEN
    RAISE EXCEPTION 'software is not given what people decide' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_right_of_software ON procedures_grantright;
CREATE TRIGGER opsportal_right_of_software BEFORE INSERT OR UPDATE ON procedures_grantright
  FOR EACH ROW EXECUTE FUNCTION opsportal_right_of_software();
"""

FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION (\w+)\(\).*?AS \$\$(.*?)\$\$", re.DOTALL)
BODIES = """
SELECT p.proname, p.prosrc FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = current_schema() AND p.proname LIKE 'opsportal\\_%'"""


def _flat(sql: str) -> str:
    return re.sub(r"\s+", " ", sql).strip().rstrip(";")


def install(connection: BaseDatabaseWrapper) -> None:
    """Put every trigger in place; safe to repeat."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(triggers_evidenced.OWED)
            for name, sql in SQLITE.items():
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
                cursor.execute(sql)
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schema = cursor.fetchone()[0]
        for sql in _postgres():
            cursor.execute(closed(sql, schema))


def _postgres() -> Iterator[str]:
    yield from (POSTGRES_COPIES, POSTGRES_COMMENTS, triggers_said.POSTGRES, triggers_ahead.POSTGRES)
    yield from (triggers_software.POSTGRES, triggers_held.POSTGRES, triggers_kept.POSTGRES, POSTGRES_RIGHTS)
    yield from triggers_evidenced.postgres()


def _functions() -> dict[str, str]:
    """name → the body, of each function behind a trigger of ours on PostgreSQL."""
    return {name: body for sql in _postgres() for name, body in FUNCTION.findall(sql)}


def step_aside(connection: BaseDatabaseWrapper) -> None:
    """Before a migration: SQLite makes a changed table anew, and no trigger may name it meanwhile. They come back after
    it, or at the next start, which migrates again; while one is missing nothing starts.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for name in SQLITE:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Names of triggers that are absent or differ; empty when all is well."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            found = {name: _flat(sql) for name, sql in cursor.fetchall()}
            return [name for name, sql in SQLITE.items() if found.get(name) != _flat(sql)]
        cursor.execute("SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE tgenabled <> 'D'")
        present = set(cursor.fetchall())
        cursor.execute(NOT_CLOSED)
        loose = [f"the closed form of {name}" for (name,) in cursor.fetchall()]
        cursor.execute(BODIES)
        bodies = dict(cursor.fetchall())
        hollow = [f"the body of {name}" for name, body in _functions().items() if bodies.get(name, body) != body]
    wanted = {("opsportal_evidenced", table) for table in BY_TABLE}
    wanted |= {("opsportal_review_copy", "procedures_review"), ("opsportal_approval_copy", "procedures_approval")}
    wanted |= {("opsportal_trial_fixed", "procedures_trial")}
    wanted |= {("opsportal_right_of_software", "procedures_grantright")}
    wanted |= {("opsportal_comment_fixed", "procedures_reviewcomment")} | triggers_software.WANTED
    wanted |= triggers_said.WANTED | triggers_ahead.WANTED | triggers_held.WANTED | triggers_kept.WANTED
    return [f"{name} on {table}" for name, table in sorted(wanted - present)] + loose + hollow
