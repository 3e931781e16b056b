"""What was said of a run, or answered at its gates, cannot be rewritten or taken away; a comment can be erased, an
answer with its run alone.
"""

from __future__ import annotations

SQLITE = {
    "opsportal_said_fixed": """
        CREATE TRIGGER opsportal_said_fixed BEFORE UPDATE ON procedures_runcomment
        WHEN NEW.run_id <> OLD.run_id OR NEW.author_id <> OLD.author_id
          OR (NEW.body <> OLD.body AND NEW.body <> '(erased)')
        BEGIN SELECT RAISE(ABORT, 'a comment cannot be rewritten'); END""",
    "opsportal_said_kept": """
        CREATE TRIGGER opsportal_said_kept BEFORE DELETE ON procedures_runcomment
        BEGIN SELECT RAISE(ABORT, 'a comment cannot be taken away'); END""",
    "opsportal_answer_fixed": """
        CREATE TRIGGER opsportal_answer_fixed BEFORE UPDATE ON procedures_gateanswer
        WHEN NOT (NEW.id = OLD.id AND NEW.run_id = OLD.run_id AND NEW.gate = OLD.gate AND NEW.person_id = OLD.person_id
          AND NEW.values_sha256 = OLD.values_sha256 AND NEW.duties = OLD.duties AND NEW.at = OLD.at
          AND NEW."values" = '{}' AND EXISTS (SELECT 1 FROM procedures_purge g WHERE g.run_id = OLD.run_id))
        BEGIN SELECT RAISE(ABORT, 'an answer cannot be rewritten'); END""",
    "opsportal_answer_kept": """
        CREATE TRIGGER opsportal_answer_kept BEFORE DELETE ON procedures_gateanswer
        BEGIN SELECT RAISE(ABORT, 'an answer cannot be taken away'); END""",
}

POSTGRES = """
CREATE OR REPLACE FUNCTION opsportal_said_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'DELETE' OR (NEW.run_id, NEW.author_id) IS DISTINCT FROM (OLD.run_id, OLD.author_id)
     OR (NEW.body <> OLD.body AND NEW.body <> '(erased)') THEN
    RAISE EXCEPTION 'a comment cannot be rewritten' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  RETURN NEW; END $$;
DROP TRIGGER IF EXISTS opsportal_said_fixed ON procedures_runcomment;
CREATE TRIGGER opsportal_said_fixed BEFORE UPDATE OR DELETE ON procedures_runcomment
  FOR EACH ROW EXECUTE FUNCTION opsportal_said_fixed();
CREATE OR REPLACE FUNCTION opsportal_answer_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.id, NEW.run_id, NEW.gate, NEW.person_id, NEW.values_sha256, NEW.duties, NEW.at) IS NOT DISTINCT FROM
         (OLD.id, OLD.run_id, OLD.gate, OLD.person_id, OLD.values_sha256, OLD.duties, OLD.at)
       AND NEW."values" = '{}'::jsonb AND EXISTS (SELECT 1 FROM procedures_purge g WHERE g.run_id = OLD.run_id) THEN
      RETURN NEW; END IF; END IF;
  RAISE EXCEPTION 'an answer cannot be rewritten' USING ERRCODE = 'integrity_constraint_violation'; END $$;
DROP TRIGGER IF EXISTS opsportal_answer_fixed ON procedures_gateanswer;
CREATE TRIGGER opsportal_answer_fixed BEFORE UPDATE OR DELETE ON procedures_gateanswer
  FOR EACH ROW EXECUTE FUNCTION opsportal_answer_fixed();
"""

WANTED = {("opsportal_said_fixed", "procedures_runcomment"), ("opsportal_answer_fixed", "procedures_gateanswer")}
