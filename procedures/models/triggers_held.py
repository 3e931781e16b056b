"""What a legal hold covers is kept by the database itself, whoever asks it; and a hold can be ended, not rewritten."""

from __future__ import annotations

HELD = """EXISTS (SELECT 1 FROM procedures_legalhold h, {source} WHERE h.ended_at IS NULL AND {joined}
  AND (h.run_id IS NULL OR h.run_id = {run}) AND (h.procedure_id IS NULL OR h.procedure_id IN ({procedures}))
  AND (h.subject IS NULL OR h.subject IN ({subjects}))
  AND (h.from_at IS NULL OR {at} >= h.from_at) AND (h.until_at IS NULL OR {at} <= h.until_at))"""
OF_RUN = HELD.format(
    source="procedures_run r JOIN procedures_person p ON p.id = r.requester_id",
    joined="r.id = OLD.run_id",
    run="r.id",
    procedures="r.procedure_id",
    subjects="p.subject",
    at="r.requested_at",
)
EVENTS = """{first} LEFT JOIN procedures_run r ON r.id = e.run
  LEFT JOIN procedures_person p ON p.id = r.requester_id"""
OF_EVENT = {"run": "e.run", "procedures": "e.procedure, r.procedure_id", "at": "e.at"}
OF_VALUE = HELD.format(
    source=EVENTS.format(first="evidence_event e"),
    joined="e.id = OLD.event_id",
    subjects="e.actor, p.subject, OLD.subject",
    **OF_EVENT,
)
OF_PERSON = HELD.format(
    source=EVENTS.format(first="evidence_disclosure d JOIN evidence_event e ON e.id = d.event_id"),
    joined="d.subject = OLD.subject",
    subjects="e.actor, p.subject, d.subject",
    **OF_EVENT,
)
OF_EVENT_OF_RUN = HELD.format(
    source="procedures_run r JOIN procedures_person p ON p.id = r.requester_id",
    joined="r.id = OLD.run",
    run="r.id",
    procedures="r.procedure_id",
    subjects="p.subject",
    at="r.requested_at",
)
BARE = "EXISTS (SELECT 1 FROM procedures_legalhold h WHERE h.ended_at IS NULL AND h.subject = OLD.subject)"

KEPT = {
    # table: (what an update must not do, what a hold that covers the row is found by)
    "evidence_disclosure": ("OLD.sealed IS NOT NULL AND (NEW.sealed IS NULL OR NEW.sealed <> OLD.sealed)", OF_VALUE),
    "evidence_erasablekey": ("NEW.secret <> OLD.secret", f"({BARE} OR {OF_PERSON})"),
    "evidence_event": ("NEW.body <> OLD.body", OF_EVENT_OF_RUN),
    "evidence_coldbundle": ("NEW.data <> OLD.data", OF_EVENT_OF_RUN),
    "procedures_artifact": ("OLD.content IS NOT NULL AND (NEW.content IS NULL OR NEW.content <> OLD.content)", OF_RUN),
    "procedures_secretresult": ("NEW.state IN ('expired', 'erased') AND NEW.state <> OLD.state", OF_RUN),
    "procedures_logchunk": ("NEW.text <> OLD.text", OF_RUN),
    "procedures_runcomment": ("NEW.body <> OLD.body", OF_RUN),
    "procedures_run": ("NEW.reason <> OLD.reason", OF_RUN.replace("OLD.run_id", "OLD.id")),
}
SAYS = "this is under a legal hold"
FIXED = (
    "run_id",
    "procedure_id",
    "subject",
    "from_at",
    "until_at",
    "basis",
    "requested_by",
    "placed_by_id",
    "placed_at",
)
REWRITES = " OR ".join(f"NEW.{name} {{differs}} OLD.{name}" for name in FIXED)

SQLITE = {
    **{
        f"opsportal_held_{table}": f"CREATE TRIGGER opsportal_held_{table} BEFORE UPDATE ON {table} "
        f"WHEN {change} AND {held} BEGIN SELECT RAISE(ABORT, '{SAYS}'); END"
        for table, (change, held) in KEPT.items()
    },
    **{
        f"opsportal_kept_{table}": f"CREATE TRIGGER opsportal_kept_{table} BEFORE DELETE ON {table} "
        f"WHEN {held} BEGIN SELECT RAISE(ABORT, '{SAYS}'); END"
        for table, (_, held) in KEPT.items()
    },
    "opsportal_hold_fixed": "CREATE TRIGGER opsportal_hold_fixed BEFORE UPDATE ON procedures_legalhold "
    f"WHEN OLD.ended_at IS NOT NULL OR {REWRITES.format(differs='IS NOT')} "
    "BEGIN SELECT RAISE(ABORT, 'a legal hold cannot be rewritten'); END",
    "opsportal_hold_kept": "CREATE TRIGGER opsportal_hold_kept BEFORE DELETE ON procedures_legalhold "
    "BEGIN SELECT RAISE(ABORT, 'a legal hold cannot be taken away'); END",
}

_HELD_POSTGRES = """
CREATE OR REPLACE FUNCTION opsportal_held_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    IF EXISTS (SELECT 1 FROM procedures_legalhold h WHERE h.ended_at IS NULL) THEN
      RAISE EXCEPTION '{says}' USING ERRCODE = 'integrity_constraint_violation'; END IF;
    RETURN NULL; END IF;
  IF TG_OP = 'UPDATE' THEN IF NOT ({change}) THEN RETURN NEW; END IF; END IF;
  IF {held} THEN
    RAISE EXCEPTION '{says}' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_held ON {table};
CREATE TRIGGER opsportal_held BEFORE UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION opsportal_held_{table}();
DROP TRIGGER IF EXISTS opsportal_held_all ON {table};
CREATE TRIGGER opsportal_held_all BEFORE TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION opsportal_held_{table}();
"""
_HOLD_POSTGRES = f"""
CREATE OR REPLACE FUNCTION opsportal_hold_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP <> 'UPDATE' OR OLD.ended_at IS NOT NULL OR {REWRITES.format(differs="IS DISTINCT FROM")} THEN
    RAISE EXCEPTION 'a legal hold cannot be rewritten' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_hold_fixed ON procedures_legalhold;
CREATE TRIGGER opsportal_hold_fixed BEFORE UPDATE OR DELETE ON procedures_legalhold
  FOR EACH ROW EXECUTE FUNCTION opsportal_hold_fixed();
"""
POSTGRES = _HOLD_POSTGRES + "".join(
    _HELD_POSTGRES.format(table=table, change=change, held=held, says=SAYS) for table, (change, held) in KEPT.items()
)
WANTED = {("opsportal_hold_fixed", "procedures_legalhold")} | {
    (name, table) for table in KEPT for name in ("opsportal_held", "opsportal_held_all")
}
