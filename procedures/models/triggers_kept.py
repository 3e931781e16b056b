"""How long a run is kept is written down when it is asked for, and its date when it ends: neither is ever shortened."""

from __future__ import annotations

SHORTER = "a run cannot be kept for less"
SQLITE = {
    "opsportal_kept_run": f"""
        CREATE TRIGGER opsportal_kept_run BEFORE UPDATE OF kept_days, kept_until_at ON procedures_run
        WHEN NEW.kept_days < OLD.kept_days
          OR (OLD.kept_until_at IS NOT NULL AND (NEW.kept_until_at IS NULL OR NEW.kept_until_at < OLD.kept_until_at))
        BEGIN SELECT RAISE(ABORT, '{SHORTER}'); END""",
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
"""
WANTED = {("opsportal_kept_run", "procedures_run")}
