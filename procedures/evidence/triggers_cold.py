"""The guards of cold storage: a body gives way to a place that holds exactly its bytes, and a bundle stays as it is.

It goes when no event names it any more, of a run that two people purged. Nobody adds an event whose body is a place:
it would be read as a body of another run.
"""

from __future__ import annotations

TABLE = "evidence_coldbundle"
NO_PLACE = "the body of a new event is its body, and no place of one"

_BEGINS = '["cold/1",'
_TEXT = "CAST(NEW.body AS TEXT)"
_START, _LENGTH = (f"json_extract({_TEXT}, '$[{index}]')" for index in (2, 3))
COOLED_SQLITE = f"""CASE WHEN substr(NEW.body, 1, 10) = CAST('{_BEGINS}' AS BLOB) AND json_valid({_TEXT})
 AND substr(OLD.body, 1, 1) <> X'5B' THEN EXISTS (SELECT 1 FROM {TABLE} c
 WHERE c.run = OLD.run AND {_TEXT} = printf('["cold/1","%s",%d,%d]', c.id, {_START}, {_LENGTH})
 AND length(OLD.body) > 0 AND substr(c.data, {_START} + 1, {_LENGTH}) = OLD.body) ELSE 0 END""".replace("\n", "")  # noqa: S608 - our own words
_LEFT = (
    "NOT EXISTS (SELECT 1 FROM procedures_purge p WHERE p.run_id = OLD.run) OR EXISTS (SELECT 1 FROM evidence_event e "
    "WHERE e.run = OLD.run AND length(e.body) > 0)"
)
SQLITE = {
    f"{TABLE}_update": f"CREATE TRIGGER {TABLE}_update BEFORE UPDATE ON {TABLE} "
    "BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END",
    f"{TABLE}_delete": f"CREATE TRIGGER {TABLE}_delete BEFORE DELETE ON {TABLE} WHEN {_LEFT} "
    "BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END",
    "evidence_event_no_place": "CREATE TRIGGER evidence_event_no_place BEFORE INSERT ON evidence_event "
    f"WHEN substr(NEW.body, 1, 1) = X'5B' BEGIN SELECT RAISE(ABORT, '{NO_PLACE}'); END",
}

COOLED_POSTGRES = """
    IF same AND length(OLD.body) > 0 AND get_byte(OLD.body, 0) <> 91
       AND substring(NEW.body FROM 1 FOR 10) = convert_to('["cold/1",', 'UTF8') THEN
      said := convert_from(NEW.body, 'UTF8')::jsonb;
      IF EXISTS (SELECT 1 FROM evidence_coldbundle c WHERE c.run = OLD.run
          AND convert_from(NEW.body, 'UTF8')
            = format('["cold/1","%s",%s,%s]', replace(c.id::text, '-', ''), said ->> 2, said ->> 3)
          AND substring(c.data FROM (said ->> 2)::int + 1 FOR (said ->> 3)::int) = OLD.body) THEN
        RETURN NEW; END IF; END IF;"""
POSTGRES = f"""
CREATE OR REPLACE FUNCTION opsportal_event_no_place() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF substring(NEW.body FROM 1 FOR 1) = convert_to('[', 'UTF8') THEN
    RAISE EXCEPTION '{NO_PLACE}' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  RETURN NEW; END $$;
CREATE OR REPLACE FUNCTION opsportal_cold_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'DELETE' THEN IF NOT ({_LEFT}) THEN RETURN OLD; END IF; END IF;
  RAISE EXCEPTION 'evidence is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$;
DROP TRIGGER IF EXISTS opsportal_event_no_place ON evidence_event;
CREATE TRIGGER opsportal_event_no_place BEFORE INSERT ON evidence_event
  FOR EACH ROW EXECUTE FUNCTION opsportal_event_no_place();
"""
POSTGRES_TABLE = f"""
DROP TRIGGER IF EXISTS opsportal_cold_fixed ON {TABLE};
CREATE TRIGGER opsportal_cold_fixed BEFORE UPDATE OR DELETE ON {TABLE}
  FOR EACH ROW EXECUTE FUNCTION opsportal_cold_fixed();
DROP TRIGGER IF EXISTS opsportal_no_truncate ON {TABLE};
CREATE TRIGGER opsportal_no_truncate BEFORE TRUNCATE ON {TABLE}
  FOR EACH STATEMENT EXECUTE FUNCTION opsportal_append_only();
"""
WANTED = {
    ("opsportal_event_no_place", "evidence_event"),
    ("opsportal_cold_fixed", TABLE),
    ("opsportal_no_truncate", TABLE),
}
