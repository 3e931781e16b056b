"""How long a run is kept is written down when it is asked for, and its date when it ends: neither is ever shortened.

No purge of a run stands before its date, and none is taken back. One that the log did not bear out may name the change
of people who agree by and by.
"""

# ruff: noqa: S608 - our own words
from __future__ import annotations

SHORTER = "a run cannot be kept for less"
EARLY = "a run is purged once its time is over"
FIXED = "a purge cannot be rewritten or taken away"
SQLITE = {
    "opsportal_kept_run": f"""
        CREATE TRIGGER opsportal_kept_run BEFORE UPDATE OF kept_days, kept_until_at ON procedures_run
        WHEN NEW.kept_days < OLD.kept_days
          OR (OLD.kept_until_at IS NOT NULL AND (NEW.kept_until_at IS NULL OR NEW.kept_until_at < OLD.kept_until_at))
        BEGIN SELECT RAISE(ABORT, '{SHORTER}'); END""",
    "opsportal_purge_early": f"""
        CREATE TRIGGER opsportal_purge_early BEFORE INSERT ON procedures_purge
        WHEN NOT EXISTS (SELECT 1 FROM procedures_run r WHERE r.id = NEW.run_id
          AND COALESCE(r.kept_until_at, datetime(r.ended_at, '+365 days')) <= NEW.agreed_at)
        BEGIN SELECT RAISE(ABORT, '{EARLY}'); END""",
    "opsportal_purge_fixed": f"""
        CREATE TRIGGER opsportal_purge_fixed BEFORE UPDATE ON procedures_purge
        WHEN NEW.run_id <> OLD.run_id OR OLD.done_at IS NOT NULL
          OR (OLD.problem = '' AND (NEW.change <> OLD.change OR NEW.agreed_at <> OLD.agreed_at))
        BEGIN SELECT RAISE(ABORT, '{FIXED}'); END""",
    "opsportal_purge_kept": f"""
        CREATE TRIGGER opsportal_purge_kept BEFORE DELETE ON procedures_purge
        BEGIN SELECT RAISE(ABORT, '{FIXED}'); END""",
}
POSTGRES = f"""
CREATE OR REPLACE FUNCTION opsportal_kept_run() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.kept_days < OLD.kept_days OR (OLD.kept_until_at IS NOT NULL
     AND (NEW.kept_until_at IS NULL OR NEW.kept_until_at < OLD.kept_until_at)) THEN
    RAISE EXCEPTION '{SHORTER}' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_kept_run ON procedures_run;
CREATE TRIGGER opsportal_kept_run BEFORE UPDATE OF kept_days, kept_until_at ON procedures_run
  FOR EACH ROW EXECUTE FUNCTION opsportal_kept_run();
CREATE OR REPLACE FUNCTION opsportal_purge_early() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NOT EXISTS (SELECT 1 FROM procedures_run r WHERE r.id = NEW.run_id
      AND COALESCE(r.kept_until_at, r.ended_at + interval '365 days') <= NEW.agreed_at) THEN
    RAISE EXCEPTION '{EARLY}' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_purge_early ON procedures_purge;
CREATE TRIGGER opsportal_purge_early BEFORE INSERT ON procedures_purge
  FOR EACH ROW EXECUTE FUNCTION opsportal_purge_early();
CREATE OR REPLACE FUNCTION opsportal_purge_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'DELETE' OR OLD.done_at IS NOT NULL OR NEW.run_id IS DISTINCT FROM OLD.run_id
     OR (OLD.problem = '' AND (NEW.change, NEW.agreed_at) IS DISTINCT FROM (OLD.change, OLD.agreed_at)) THEN
    RAISE EXCEPTION '{FIXED}' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_purge_fixed ON procedures_purge;
CREATE TRIGGER opsportal_purge_fixed BEFORE UPDATE OR DELETE ON procedures_purge
  FOR EACH ROW EXECUTE FUNCTION opsportal_purge_fixed();
"""
WANTED = {
    ("opsportal_kept_run", "procedures_run"),
    ("opsportal_purge_early", "procedures_purge"),
    ("opsportal_purge_fixed", "procedures_purge"),
}
